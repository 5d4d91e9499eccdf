"""A control setting that cannot be scored costs its own row: recorded with the reason, shown, and no divergence.

The plugin adds samplers that fail in the ways that samplers do.
"""

import csv
import json

import pytest
import torch

from eval import cell, compare
from eval.scores import rows
from eval.scores.rows import _attempt
from tests.reports.test_reports import section
from zoo.base.errors import DiskFull, Diverged, OutOfMemory, ZooError, explained
from zoo.base.sealed import read_sealed, write_sealed
from zoo.cli import Watched
from zoo.config.cell import CellConfig, ScoreConfig
from zoo.config.control import Sampling

PLUGIN = """
from zoo.solvers.sampler import SAMPLERS, euler


def divides(denoiser, path, times, x, labels, noise):
    yield x, x * (1 / 0)


def wanders(denoiser, path, times, x, labels, noise):
    for x, x_hat in euler(denoiser, path, times, x, labels, noise):
        yield x, x_hat / 0 * 0


SAMPLERS |= {"divides": divides, "wanders": wanders}
"""
GRID = """
description = "samplers that fail"
dataset = "digits"
objectives = ["rf", "v/cosine"]
backbones = ["dit"]
[[budgets]]
name = "cpu"
datasets = ["digits"]
recipe = { batch = 16 }
score = { n = 256, batch = 140, weights = ["ema"], settings = [SETTINGS] }
sizes.dit = { size = "dit(width=32,depth=1,heads=1)", images = 96, seconds = 1.0 }
"""
THREE = '{ steps = 2, sampler = "divides" }, { steps = 2 }, { steps = 2, sampler = "wanders" }'
REASONS = {"divides": "ZeroDivisionError: division by zero", "wanders": "not finite"}


@pytest.fixture
def grid(tmp_path, command):
    """grid(settings) -> (the folder, the finished process) of a grid with the plugin's samplers."""
    (tmp_path / "samplers.py").write_text(PLUGIN)

    def run(settings: str):
        (tmp_path / "fails.toml").write_text(GRID.replace("SETTINGS", settings))
        places = ["--out", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data"), "--device", "cpu"]
        plugin = ["--plugin", str(tmp_path / "samplers.py")]
        return tmp_path / "out", command("run_all.py", "--grid", str(tmp_path / "fails.toml"), *places, *plugin)

    return run


def test_two_samplers_that_fail_cost_their_own_rows_alone(grid, inside):
    out, done = grid(THREE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("; 2 settings could not be scored") == 2
    assert not list(out.rglob("failed.json"))
    results = [json.loads(path.read_text()) for path in out.rglob("result.json")]
    for result in results:
        assert result["status"] == "done"
        assert [row["sampler"] for row in result["scores"]] == ["euler"]
        found = {row["sampler"]: row for row in result["unscored"]}
        assert {name: REASONS[name] in row["reason"] for name, row in found.items()} == dict.fromkeys(REASONS, True)
        assert {row["n"] for row in found.values()} == {256}
        assert found["divides"]["setting"] == "ema-divides-flow-2-g1"
    with (out / "results.csv").open() as file:
        records = list(csv.DictReader(file))
    assert {record["status"] for record in records} == {"done"}
    for name, reason in REASONS.items():
        mine = [record for record in records if record["sampler"] == name]
        assert len(mine) == 2
        assert all(record["message"].startswith("not scored: ") and reason in record["message"] for record in mine)
        assert {record["fid"] for record in mine} == {""}
    text = (out / "report.md").read_text()
    assert "2 of 2 cells are done." in text
    assert "diverged" not in text.partition("## ")[0]
    told = section(text, "Failures")[2:]
    assert len(told) == 4
    assert {row[1] for row in told} == {"not scored"}
    assert sum("ZeroDivisionError" in row[4] for row in told) == 2
    assert "ema-divides-flow-2-g1" in (out / "report.html").read_text()
    board = json.loads(inside(compare.main, str(out), "--json"))
    assert [(row["done"], row["runs"], row["incomplete"]) for row in board["rows"]] == [(1, 1, False)] * 2


def test_a_cell_without_a_single_score_failed_and_did_not_diverge(grid):
    out, done = grid('{ steps = 2, sampler = "divides" }, { steps = 3, sampler = "divides" }')
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for path in out.rglob("failed.json"):
        record = read_sealed(path)
        assert (record["status"], record["exit_status"]) == ("failed", 2)
        assert "no control setting could be scored; the first, ema-divides-flow-2-g1: Zero" in record["message"]
    assert len(list(out.rglob("failed.json"))) == 2
    assert "2 failed" in (out / "report.md").read_text()


@pytest.fixture
def run(tiny, tmp_path):
    """run() -> a cell's result, scored under two settings."""
    settings = (Sampling(steps=1), Sampling(steps=2))
    config = CellConfig(train=tiny(images=16), score=ScoreConfig(n=256, batch=268, settings=settings, weights=("ema",)))
    folder = tmp_path / "cell"
    folder.mkdir()
    write_sealed(folder / "cell.json", {"key": config.key, "config": config.model_dump(mode="json")})
    return lambda: cell.run_cell(folder, Watched(data_dir=str(tmp_path / "data"), device="cpu"))


def fail_at(monkeypatch, steps: int, error: Exception) -> None:
    plain = rows.score

    def score(model, setting, n, bench):
        if setting.steps == steps:
            raise error
        return plain(model, setting, n, bench)

    monkeypatch.setattr(rows, "score", score)


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("error", [Diverged("samples are not finite"), ValueError("two\nlines"), KeyError("x")])
def test_whatever_is_wrong_with_a_setting_is_one_line_in_its_row(error, steps, run, monkeypatch):
    fail_at(monkeypatch, steps, error)
    result = run()
    assert [row["steps"] for row in result["scores"]] == [3 - steps]
    (row,) = result["unscored"]
    assert row["steps"] == steps
    assert "\n" not in row["reason"]
    assert all(word in row["reason"] for word in str(error).split())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device", "x.png"), DiskFull),
        (DiskFull("no space to save x.png"), DiskFull),
        (MemoryError(), OutOfMemory),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"), OutOfMemory),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OutOfMemory),
        (PermissionError(13, "Permission denied", "x.png"), ZooError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_what_another_try_may_mend_ends_the_cell(error, kind, run, monkeypatch):
    fail_at(monkeypatch, 2, error)
    with pytest.raises(type(error)) as end:
        run()
    assert isinstance(explained(end.value), kind)


def test_a_number_that_is_not_finite_is_named():
    assert _attempt(lambda: {"fid": float("nan"), "kid": 1.0}) == "fid is not finite"
    assert _attempt(lambda: {"fid": float("nan"), "kid": float("inf")}) == "fid, kid are not finite"
    assert _attempt(lambda: {"fid": 1.0}) == {"fid": 1.0}
