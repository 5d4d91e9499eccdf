"""The step that is scored: planted losses are followed, real ones are the formula's, and training is left as it was."""

import math

import pytest
import torch

from eval import cell
from eval.scores import selection
from eval.scores.measure import fixed_choice
from eval.scores.score import Bench, score
from tests.training.test_train import final, same
from zoo.base.sealed import write_sealed
from zoo.cli import Watched
from zoo.config.cell import CANDIDATES, CellConfig, ScoreConfig
from zoo.config.control import Sampling
from zoo.data.dataset import standardise
from zoo.grid import files as grid
from zoo.sampling.model import Model
from zoo.training import checkpoint, noise, trainer
from zoo.training import run as train

STEPS = 16
FEW = {"n": 256, "n_few": 256, "batch": 150, "settings": (Sampling(steps=2),), "weights": ("ema", "raw")}


def run(tiny, folder, **given) -> dict:
    config = CellConfig(train=tiny(images=16 * STEPS), score=ScoreConfig(**FEW, **given))
    folder.mkdir(parents=True)
    write_sealed(folder / "cell.json", {"key": config.key, "config": config.model_dump(mode="json")})
    return cell.run_cell(folder, Watched(data_dir=str(folder.parent / "data"), device="cpu"))


def planted(monkeypatch, losses: list[float]) -> None:
    told = iter(losses)
    monkeypatch.setattr(selection, "stratified_loss", lambda *_: next(told))


def test_the_step_of_least_loss_is_scored_and_kept(tiny, digits, cpu, tmp_path, monkeypatch):
    planted(monkeypatch, [0.9, 0.5, 0.3, 0.4, 0.3, 0.6, 0.6, 0.7])  # of two least the later one: the fifth of eight
    found = run(tiny, tmp_path / "run", select="validation", snapshots=1)
    steps = [2, 4, 6, 8, 10, 12, 14, 16]
    assert [one["step"] for one in found["selection"]] == steps
    assert found["train"]["selected_step"] == 10
    assert found["train"]["steps"] == STEPS
    manifest, tensors = checkpoint.find(tmp_path / "run")
    assert manifest["step"] == 10
    by_hand = trainer.Trainer(tiny(images=16 * STEPS), digits, tmp_path / "by hand", cpu)
    for k in range(10):
        by_hand.step(k)
    assert same(by_hand.state.weights(), tensors)
    model = Model(manifest, by_hand.state.weights(), cpu, FEW["batch"])
    bench = Bench.load(digits, tmp_path / "data", cpu)
    for row, setting in zip(found["scores"], ScoreConfig(**FEW).controls, strict=True):
        assert score(model, setting, FEW["n"], bench).row["fid"] == row["fid"]
    assert [point["images"] for point in found["snapshots"]] == [16 * 8, 16 * STEPS]  # training goes on to its end
    assert found["snapshots"][-1]["fid"] != found["scores"][0]["fid"]
    assert not (tmp_path / "run" / train.SNAPSHOTS).exists()


def test_the_last_step_may_be_the_one(tiny, tmp_path, monkeypatch):
    planted(monkeypatch, [0.3] * CANDIDATES)
    found = run(tiny, tmp_path / "run", select="validation", snapshots=1)
    assert found["train"]["selected_step"] == STEPS
    assert not (tmp_path / "run" / checkpoint.SELECTED).exists()
    assert checkpoint.find(tmp_path / "run")[0]["step"] == STEPS
    plain = run(tiny, tmp_path / "plain")
    assert plain["selection"] == []
    assert plain["train"]["selected_step"] == STEPS
    assert [row["fid"] for row in plain["scores"]] == [row["fid"] for row in found["scores"]]
    assert same(final(tmp_path / "plain"), final(tmp_path / "run"))  # training knows nothing of it
    assert plain["key"] != found["key"]


def test_the_loss_is_that_of_eight_equally_spaced_times(tiny, digits, tmp_path):
    """rf, typed here: mean |net(x_t / |(1 - t, t)|, angle) - (eps - x)|^2 over t = 1/16, 3/16, .. 15/16."""
    found = run(tiny, tmp_path / "run", select="validation")
    assert min(found["selection"], key=lambda one: one["loss"])["step"] == found["train"]["selected_step"]
    manifest, tensors = checkpoint.find(tmp_path / "run", selected=False)
    module = trainer.initialise(tiny(), digits.spec, torch.device("cpu")).eval()
    module.load_state_dict(checkpoint.part(tensors, "ema"))
    chosen = fixed_choice(len(digits.test), min(FEW["n"], len(digits.test)))
    x, labels = standardise(digits.test[chosen], digits.standard), digits.test_labels[chosen]
    losses = []
    for level in range(8):
        t = (level + 0.5) / 8
        eps = torch.randn(x.shape, generator=noise.generator(0, "validation", level))
        with torch.no_grad():
            time = torch.full((len(x),), 2 / math.pi * math.atan2(t, 1 - t))
            y = module(((1 - t) * x + t * eps) / math.hypot(1 - t, t), time, labels)
        losses.append((y - (eps - x)).square().mean().item())
    assert found["selection"][-1] == {"step": STEPS, "loss": pytest.approx(sum(losses) / 8, rel=1e-4)}
    assert manifest["step"] == STEPS
    assert labels.max() < digits.spec.num_classes


def test_a_run_that_was_stopped_has_the_same_candidates(tiny, digits, cpu, tmp_path, stopped_at):
    config = tiny(images=16 * STEPS)
    train.train(config, tmp_path / "alone", digits, cpu)
    train.train(config, tmp_path / "whole", digits, cpu, snapshots=2, candidates=7)
    with stopped_at(11):
        train.train(config, tmp_path / "parts", digits, cpu, snapshots=2, candidates=7)
    train.train(config, tmp_path / "parts", digits, cpu, snapshots=2, candidates=7)
    kept = [
        {m["step"]: t for m, t in map(checkpoint.read, checkpoint.manifests(tmp_path / name / train.SNAPSHOTS))}
        for name in ("whole", "parts")
    ]
    assert sorted(kept[0]) == sorted(kept[1]) == [2, 4, 5, 6, 8, 10, 11, 12, 14]
    assert all(same(kept[0][step], kept[1][step]) for step in kept[0])
    assert same(final(tmp_path / "whole"), final(tmp_path / "parts"))
    assert same(final(tmp_path / "whole"), final(tmp_path / "alone"))


def test_a_half_done_choice_is_made_again(tiny, digits, cpu, tmp_path, monkeypatch):
    """A folder that was left by a cell that ended before its result: what was selected there counts no more."""
    planted(monkeypatch, [0.1] + [0.3] * (CANDIDATES - 1) + [0.3] * (CANDIDATES - 1) + [0.1])
    folder = tmp_path / "run"
    run(tiny, folder, select="validation")
    assert checkpoint.find(folder)[0]["step"] == 2
    (folder / "result.json").unlink()
    train.train(tiny(images=16 * STEPS), tmp_path / "again", digits, cpu, candidates=7)
    (tmp_path / "again" / train.SNAPSHOTS).rename(folder / train.SNAPSHOTS)
    found = cell.run_cell(folder, Watched(data_dir=str(tmp_path / "data"), device="cpu"))
    assert found["train"]["selected_step"] == STEPS
    assert checkpoint.find(folder)[0]["step"] == STEPS


def test_scored_again_it_is_the_same_step(tiny, tmp_path, monkeypatch):
    """The candidates are gone by then, but for the one that was chosen."""
    planted(monkeypatch, [0.3] * 3 + [0.1] + [0.3] * (CANDIDATES - 4) + [0.1, 0.3])
    folder = tmp_path / "run"
    before = run(tiny, folder, select="validation")
    (folder / "result.json").unlink()
    found = cell.run_cell(folder, Watched(data_dir=str(tmp_path / "data"), device="cpu"))
    assert before["train"]["selected_step"] == found["train"]["selected_step"] == 8
    assert [row["fid"] for row in found["scores"]] == [row["fid"] for row in before["scores"]]
    assert checkpoint.find(folder)[0]["step"] == 8


def test_the_study_s_grid_asks_for_it():
    loaded = grid.load("sd3")
    for dataset in ("mnist", "fashion", "digits"):
        for kind in ("cpu", "gpu"):
            for made in grid.cells(loaded, dataset, loaded.budget(kind, dataset))[:2]:
                assert made.config.score.select == "validation"
                assert len(made.config.score.controls) == 12  # on each of two data sets: the study's 24
