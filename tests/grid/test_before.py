"""Before a grid's first cell: what would stop every cell is refused with nothing written, and what slows them is said.

The estimate of what a cell writes is compared with what one writes.
"""

import errno
import subprocess
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import run_all
from eval.cell import run_cell
from zoo.base import files, lock
from zoo.base.errors import DiskFull, ZooError
from zoo.cli import Watched
from zoo.grid import before, device
from zoo.grid.plan import Plan, make, prepare

GRID = """
description = "one cell"
dataset = "digits"
objectives = ["rf"]
backbones = ["dit"]
[[budgets]]
name = "cpu"
datasets = ["digits"]
recipe = { batch = 16, optimizer = "OPTIMIZER" }
score = { n = 256, settings = [{ steps = 1 }], snapshots = 2, n_few = 256 }
sizes.dit = { size = "dit(width=256,depth=2)", images = 96, seconds = 1.0 }
"""


@pytest.fixture
def options(tmp_path) -> SimpleNamespace:
    """run_all's, for a grid of one cell."""
    (tmp_path / "one.toml").write_text(GRID.replace("OPTIMIZER", "adamw"))
    places = {"out": str(tmp_path / "out"), "data_dir": str(tmp_path / "data")}
    return SimpleNamespace(**(vars(run_all.Options(grid=str(tmp_path / "one.toml"), device="cpu")) | places))


@pytest.fixture
def plan(options) -> Plan:
    return make(options, fetch=True)


@pytest.fixture
def said(plan, options):
    """said() -> the lines that the checks say."""

    def check(**changes) -> list[str]:
        told: list[str] = []
        before.check(Plan(**{**vars(plan), **changes}), options, told.append)
        return told

    return check


def test_nothing_but_the_estimate_is_said_of_a_machine_that_fits(said):
    (line,) = said(jobs=1)
    assert line.startswith("about 1")
    assert "(estimated)" in line


@pytest.mark.parametrize("command", [[], ["--dry-run"]])
def test_a_device_that_is_not_there_stops_a_grid_before_anything_is_written(command, options, refused):
    places = ["--out", options.out, "--data-dir", options.data_dir, "--device", "cuda:99"]
    text = refused(run_all.main, "--grid", options.grid, *places, *command)
    assert text.startswith("error: device 'cuda:99' does not work here: ")
    assert "Allowed: auto, cpu, cuda, cuda:N" in text
    assert len(text.splitlines()) == 1
    assert not Path(options.out).exists()
    assert not Path(options.data_dir).exists()


def test_the_cpu_is_not_tried_and_a_gpu_in_a_process_of_its_own(monkeypatch):
    tried = []

    def run(command, **how):
        tried.append(command[-1])
        return subprocess.CompletedProcess(command, 1, "", "Traceback ..\nImportError: libcudart.so.12: no such file\n")

    monkeypatch.setattr(device.subprocess, "run", run)
    monkeypatch.setattr(device, "has_gpu", lambda: False)
    device.require_device("cpu")
    device.require_device("auto")
    assert not tried
    monkeypatch.setattr(device, "has_gpu", lambda: True)
    for name in ("auto", "cuda"):
        with pytest.raises(ZooError, match=f"device '{name}' does not work here: ImportError: libcudart.so.12"):
            device.require_device(name)
    assert len(tried) == 2


def test_a_data_folder_that_is_a_file_is_said_and_costs_no_cell(options, said):
    Path(options.data_dir).write_text("in the way")
    first, _ = said(jobs=1)
    assert f"the data folder {options.data_dir} cannot be written (File exists)" in first
    assert "--data-dir names another" in first


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ESTALE])
def test_a_data_folder_that_cannot_be_locked_is_said(number, said, monkeypatch):
    @contextmanager
    def refuse(path, patience=0.0):
        raise OSError(number, "of no use", str(path))
        yield

    monkeypatch.setattr(before, "exclusive", refuse)
    first, _ = said(jobs=1)
    assert "cannot be written (of no use)" in first


def test_a_file_system_without_locks_is_no_reason(said, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    assert len(said(jobs=1)) == 1


def test_a_disk_that_is_too_small_ends_a_grid_before_its_first_cell(options, inside, monkeypatch):
    monkeypatch.setattr(before, "free_bytes", lambda folder: 3_000_000)
    places = ["--out", options.out, "--data-dir", options.data_dir, "--device", "cpu"]
    text = inside(run_all.main, "--grid", options.grid, *places, status=DiskFull.exit_code)
    assert "3 MB are free" in text
    assert "Make room, choose another --out" in text
    assert not Path(options.out).exists()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_cell_writes_no_more_than_was_estimated_and_not_much_less(optimizer, options, monkeypatch):
    grid = Path(options.grid)
    grid.write_text(grid.read_text().replace("adamw", optimizer))
    plan = make(options, fetch=True)
    estimate, folder, most = before.to_write(plan), plan.folder(plan.cells[0]), 0
    plain = files.sync_folder

    def watched(written: Path) -> None:
        nonlocal most
        plain(written)
        most = max(most, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))

    prepare(plan)
    monkeypatch.setattr(files, "sync_folder", watched)
    run_cell(folder, Watched(data_dir=options.data_dir, device="cpu"))
    assert estimate / 3 < most <= estimate
    assert before.to_write(plan) == 0


@pytest.mark.parametrize(("threads", "jobs", "slow"), [("1", 2, False), ("2", 1, False), ("2", 2, True), ("", 3, True)])
def test_more_threads_than_cores_are_said(threads, jobs, slow, said, monkeypatch):
    monkeypatch.setattr(before, "cores", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    lines = said(jobs=jobs)
    assert ("Lower --jobs or OMP_NUM_THREADS" in lines[-1]) == slow
    assert len(lines) == 1 + slow
