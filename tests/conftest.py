"""What the tests share: a tiny run, and the command line in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:  # several tests at once: threads would only wait for one another
    os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported, here and in the processes that tests start

os.environ.setdefault("COLUMNS", "160")  # tables of commands, unless a test is about a terminal's width

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's & leaves it, here and in what tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
import torch

from zoo.base.errors import ZooError, run_main
from zoo.config.cell import TrainConfig
from zoo.data.dataset import Dataset, load
from zoo.training.trainer import Trainer

ROOT = Path(__file__).parent.parent
REL, ABS = 1e-4, 1e-6  # how far scores of one run may lie apart in two processes; a standard error is some percent
TINY = {"dataset": "digits", "backbone": "dit(width=32,depth=1,heads=1)", "batch": 16, "precision": "float32"}


def near(value: Any) -> Any:
    """Scores of another process to compare with, as `found == near(expected)`: every float within REL or ABS.

    BLAS adds in an order that depends on the number of threads (FIDs were seen to differ in the 12th digit), and a
    float's last bit may round one pixel of an image.
    """
    if isinstance(value, float):
        return pytest.approx(value, rel=REL, abs=ABS)
    if isinstance(value, dict):
        return {key: near(part) for key, part in value.items()}
    return [near(part) for part in value] if isinstance(value, list) else value


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
def inside(monkeypatch, capsys):
    """inside(main, "--x", ..) -> what a command's `main` prints, in this process and much sooner than in its own."""

    def run(main, *arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        with pytest.raises(SystemExit) as end:
            run_main(main)
        said = capsys.readouterr()
        assert end.value.code == status, said.err
        return said.err if status else said.out

    return run


@pytest.fixture
def refused(inside):
    """refused(main, "--x", ..) -> the message of a command that exits with status 2."""
    return partial(inside, status=2)


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


@pytest.fixture
def stopped_at(monkeypatch):
    """`with stopped_at(7): ..` has a run fail before its step 7, and holds that it did."""

    @contextmanager
    def stopped(last: int) -> Iterator[None]:
        plain = Trainer.step

        def step(self, k):
            if k == last:
                raise ZooError("pulled the plug")
            plain(self, k)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", step)
            with pytest.raises(ZooError, match="plug"):
                yield

    return stopped
