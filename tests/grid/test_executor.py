"""Workers take cell after cell; what one cell leaves behind changes nothing of the next."""

import json
import time
from pathlib import Path

import pytest

from reports.api import WORKER
from tests.conftest import ROOT, near
from zoo.base.sealed import write_sealed
from zoo.config.cell import CellConfig, ScoreConfig, TrainConfig
from zoo.config.control import Sampling
from zoo.grid.executor import Worker

TINY = {"dataset": "digits", "backbone": "dit(width=32,depth=1,heads=1)", "batch": 16, "images": 64}
PLACES = ["--data-dir", str(ROOT / "data"), "--device", "cpu"]


def cell(folder: Path, objective: str, **changes: object) -> Path:
    score = ScoreConfig(n=256, batch=268, settings=(Sampling(steps=1),))
    config = CellConfig(train=TrainConfig(**{**TINY, "objective": objective, **changes}), score=score)
    folder.mkdir(parents=True)
    write_sealed(folder / "cell.json", {"config": config.model_dump(mode="json"), "key": config.key})
    return folder


def outcome(worker: Worker, folder: Path) -> int:
    worker.begin(folder)
    while (status := worker.status()) is None:
        time.sleep(0.02)
    return status


def numbers(folder: Path) -> tuple:
    """A finished cell's scores and weights, without the clock."""
    timed = ("seconds", "measure_seconds", "images_per_s")
    scores = json.loads((folder / "result.json").read_text())["scores"]
    (weights,) = folder.glob("step-*4.safetensors")
    return [{key: row[key] for key in row if key not in timed} for row in scores], weights.read_bytes()


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    made = Worker([*WORKER, *PLACES], threads=1)
    yield made
    made.kill()


def test_a_cell_after_others_is_the_same_as_alone(worker, command, tmp_path):
    alone = cell(tmp_path / "alone", "eps/linear+minsnr(5)")
    assert command("-m", "eval.worker", str(alone), *PLACES, OMP_NUM_THREADS="1").returncode == 0
    first = cell(tmp_path / "first", "rf+learned", optimizer="muon", learning_rate=1e-2)
    assert outcome(worker, first) == 0
    pid = worker.process.pid
    second = cell(tmp_path / "second", "eps/linear+minsnr(5)")
    assert outcome(worker, second) == 0
    assert worker.process.pid == pid
    (scores, weights), (scores_alone, weights_alone) = numbers(second), numbers(alone)
    assert weights == weights_alone
    assert scores == near(scores_alone)
    logs = [(folder / "log.txt").read_text() for folder in (first, second)]
    assert "training rf+learned" in logs[0]
    assert "eps/linear" not in logs[0]
    assert "training eps/linear+minsnr(5)" in logs[1]


def test_a_worker_whose_cell_failed_ends_and_the_next_cell_gets_a_new_one(worker, tmp_path):
    assert outcome(worker, cell(tmp_path / "diverges", "rf", learning_rate=1e30)) == 3
    ended = worker.process
    assert ended.wait(10) == 3
    assert "stopped being finite" in (tmp_path / "diverges" / "log.txt").read_text()
    fine = cell(tmp_path / "fine", "rf")
    assert outcome(worker, fine) == 0
    assert worker.process.pid != ended.pid
    worker.dismiss()
    assert worker.process.returncode == 0
    assert not (fine / "log.txt").read_text().count("Traceback")
