"""What the tests share: a tiny run, and the command line in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # several tests at once: threads would only wait for one another
    os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported, here and in the processes that tests start

import pytest
import torch

from zoo.config import TrainConfig
from zoo.data import Dataset, load
from zoo.errors import run_main

ROOT = Path(__file__).parent.parent
TINY = {"dataset": "digits", "backbone": "dit(width=32,depth=1,heads=1)", "batch": 16, "precision": "float32"}


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> Dataset:
    """The data set that needs no file."""
    return load("digits", tmp_path_factory.mktemp("data"))


@pytest.fixture
def tiny():
    """tiny(objective=.., images=..) -> the configuration of a run of a second."""
    return lambda **given: TrainConfig(**{**TINY, "objective": "rf", "images": 16 * 12, **given})


@pytest.fixture(scope="session")
def cpu() -> torch.device:
    return torch.device("cpu")


@pytest.fixture
def refused(monkeypatch, capsys):
    """refused(main, "--x", ..) -> what a command's `main` says on stderr as it exits with status 2, in this process."""

    def run(main, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        with pytest.raises(SystemExit) as end:
            run_main(main)
        assert end.value.code == 2
        return capsys.readouterr().err

    return run


@pytest.fixture
def command():
    """command("-m", "zoo.train", ..) -> the finished process of that Python command line, in this source tree."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(  # noqa: S603 (our own interpreter)
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
            capture_output=True,
            text=True,
            timeout=900,
        )

    return run
