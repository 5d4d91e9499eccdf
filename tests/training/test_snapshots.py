"""Points of training that are scored: their weights are the run's own at that step, and change nothing of it."""

import json

import torch

from eval import cell
from eval.scores.score import Bench, score
from tests.training.test_train import final, same
from zoo.base.sealed import write_sealed
from zoo.cli import Watched
from zoo.config.cell import CellConfig, ScoreConfig
from zoo.config.control import Sampling
from zoo.sampling.model import Model
from zoo.training import checkpoint, trainer
from zoo.training import run as train


def kept(folder) -> dict[int, dict[str, torch.Tensor]]:
    return {m["step"]: t for m, t in map(checkpoint.read, checkpoint.manifests(folder / train.SNAPSHOTS))}


def test_a_snapshot_holds_the_weights_of_its_step(tiny, digits, cpu, tmp_path):
    config = tiny(images=16 * 12)
    train.train(config, tmp_path / "plain", digits, cpu)
    train.train(config, tmp_path / "shot", digits, cpu, snapshots=3)
    assert same(final(tmp_path / "plain"), final(tmp_path / "shot"))
    found = kept(tmp_path / "shot")
    assert sorted(found) == [3, 6, 9]
    at_work = trainer.Trainer(config, digits, tmp_path / "by hand", cpu)
    for k in range(9):
        at_work.step(k)
        if k + 1 in found:
            assert same(at_work.state.weights(), found[k + 1])


def test_a_run_that_was_stopped_leaves_the_same_snapshots(tiny, digits, cpu, tmp_path, stopped_at):
    config = tiny(images=16 * 12)
    train.train(config, tmp_path / "whole", digits, cpu, snapshots=2)
    with stopped_at(6):
        train.train(config, tmp_path / "parts", digits, cpu, snapshots=2)
    train.train(config, tmp_path / "parts", digits, cpu, snapshots=2)
    whole, parts = kept(tmp_path / "whole"), kept(tmp_path / "parts")
    assert whole.keys() == parts.keys() == {4, 8}
    assert all(same(whole[step], parts[step]) for step in whole)


def test_a_cell_scores_its_snapshots_and_clears_them_away(tiny, digits, cpu, tmp_path):
    settings = ScoreConfig(n=256, batch=268, settings=(Sampling(steps=2),), weights=("ema",), snapshots=2)
    config = CellConfig(train=tiny(images=16 * 6), score=settings)
    write_sealed(tmp_path / "cell.json", {"key": config.key, "config": config.model_dump(mode="json")})
    result = cell.run_cell(tmp_path, Watched(data_dir=str(tmp_path / "data"), device="cpu"))
    assert [point["images"] for point in result["snapshots"]] == [16 * 2, 16 * 4, 16 * 6]
    (last,) = result["scores"]
    assert {key: result["snapshots"][-1][key] for key in ("fid", "fid_se", "acc")} == {
        key: last[key] for key in ("fid", "fid_se", "acc")
    }
    assert not (tmp_path / train.SNAPSHOTS).exists()
    assert json.loads((tmp_path / "result.json").read_text())["snapshots"] == result["snapshots"]
    again = trainer.Trainer(config.train, digits, tmp_path / "by hand", cpu)
    for k in range(2):
        again.step(k)
    manifest, _ = checkpoint.find(tmp_path)
    model = Model(manifest, again.state.weights(), cpu, settings.batch)
    row = score(model, settings.controls[0], settings.n, Bench.load(digits, tmp_path / "data", cpu)).row
    assert row["fid"] == result["snapshots"][0]["fid"]
