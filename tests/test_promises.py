"""Promises that a fault from outside tries: limits, sockets, signals, other processes, another order of the work."""

import contextlib
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_cli import GRID, assert_clear, write_grid
from tests.training.test_train import final, rows, same
from zoo.base.errors import DiskFull, ZooError
from zoo.base.files import sha256
from zoo.base.sealed import read_sealed, write_sealed
from zoo.training import checkpoint, runlog
from zoo.training import run as train

KILLS = 6  # of drivers
TRAIN = ["-m", "zoo.train", "--dataset", "digits", "--backbone", "dit(width=32,depth=1,heads=1)", "--batch", "16"]


@pytest.mark.parametrize(("saves", "log_rows"), [(1, 50), (12, 1), (5, 3)])
def test_saving_and_logging_change_no_weight(saves, log_rows, tiny, digits, cpu, tmp_path, monkeypatch):
    config = tiny(objective="v/cosine+learned")
    train.train(config, tmp_path / "usual", digits, cpu)
    monkeypatch.setattr(train, "SAVES", saves)
    monkeypatch.setattr(train, "LOG_ROWS", log_rows)
    train.train(config, tmp_path / "other", digits, cpu)
    ours, theirs = (final(tmp_path / name) for name in ("usual", "other"))
    names = {name for name in ours if not name.startswith("stat.")}  # the sums since the last row, which differ
    assert len(names) > 20
    assert same({name: ours[name] for name in names}, {name: theirs[name] for name in names})


@pytest.mark.slow
def test_any_order_and_any_number_at_once_give_the_same_weights(command, tmp_path):
    (tmp_path / "turned").mkdir()
    usual = write_grid(tmp_path)
    turned = tmp_path / "turned" / "tiny.toml"
    turned.write_text(
        Path(usual).read_text().replace('["rf/lognorm(0,1)", "eps/cosine"]', '["eps/cosine", "rf/lognorm(0,1)"]')
    )
    hashes = []
    for grid, jobs in ((usual, "2"), (str(turned), "1")):
        out = tmp_path / f"out{jobs}"
        limit = {"OMP_NUM_THREADS": "1"}  # equal bits are promised for equal threads
        done = command("run_all.py", "--grid", grid, "--jobs", jobs, "--out", str(out), **limit)
        assert done.returncode == 0, done.stderr
        hashes.append({str(path.relative_to(out)): sha256(path) for path in out.rglob("step-*.safetensors")})
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 4


@pytest.mark.parametrize(("largest", "file"), [(50_000, "step-"), (150, "metrics.jsonl")])
def test_a_full_disk_names_the_bytes(largest, file, command, tmp_path):
    limited = (
        f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest}, {largest})); "
        f"sys.argv = {['zoo.train', *TRAIN[2:], '--images', '640', '--out', str(tmp_path / 'other')]!r}; "
        "runpy.run_module('zoo.train', run_name='__main__')"
    )
    full = command("-c", limited)
    assert full.returncode == 28, full.stderr
    assert f"no space to save {tmp_path / 'other' / file}" in full.stderr
    assert "bytes needed" in full.stderr
    assert "free. Make room and run again" in full.stderr
    assert "Traceback" not in full.stderr
    assert not list((tmp_path / "other").glob("*.tmp"))
    assert not list((tmp_path / "other").glob("step-*.json"))


def test_a_disk_that_is_full_at_a_row_and_then_is_not(tiny, digits, cpu, tmp_path, monkeypatch):
    """The device behind /dev/full refuses every byte; the same run again ends as if nothing had happened."""
    train.train(tiny(), tmp_path / "calm", digits, cpu)
    plain, full = runlog.Metrics.log, []

    def log(self, step, *rest):
        if step == 7 and not full:
            full.append(self.path)
            self.close()
            self.path, self.file = Path("/dev/full"), None
        return plain(self, step, *rest)

    monkeypatch.setattr(runlog.Metrics, "log", log)
    with pytest.raises(DiskFull, match=r"no space to save /dev/full: \d+ bytes needed"):
        train.train(tiny(), tmp_path / "run", digits, cpu)
    assert not list((tmp_path / "run").glob("*.tmp"))
    train.train(tiny(), tmp_path / "run", digits, cpu)
    assert full == [tmp_path / "run" / "metrics.jsonl"]
    assert same(final(tmp_path / "calm"), final(tmp_path / "run"))
    assert rows(tmp_path / "calm") == rows(tmp_path / "run")


def test_training_and_scoring_open_no_socket(command, tmp_path):
    out = str(tmp_path / "run")
    calls = [
        ("zoo.train", [*TRAIN[2:], "--images", "64", "--out", out]),
        ("eval.fid", [out, "--n", "256", "--steps", "1", "--data-dir", str(tmp_path / "data")]),
        ("zoo.sample", [out, "--n", "1", "--steps", "1", "--out", str(tmp_path / "x.png")]),
    ]
    blocked = (
        "import importlib, sys\n"
        "def refuse(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.bind', 'socket.sendto'):\n"
        "        raise RuntimeError(f'{event}: {arguments}')\n"
        "sys.addaudithook(refuse)\n"
        f"for module, arguments in {calls!r}:\n"
        "    sys.argv = [module, *arguments]\n"
        "    importlib.import_module(module).main()\n"
    )
    done = command("-c", blocked)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.png").stat().st_size > 0
    assert "FID" in done.stdout


@pytest.mark.slow
def test_of_eight_starters_one_works_and_seven_are_told(tmp_path):
    arguments = [*TRAIN, "--images", "16000", "--out", str(tmp_path)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(8)
    ]
    while sum(process.poll() is None for process in started) > 1:
        time.sleep(0.1)
    (worker,) = (process for process in started if process.poll() is None)
    others = [process for process in started if process is not worker]
    assert [process.returncode for process in others] == [75] * 7
    assert all("another process is at work in" in process.stderr.read() for process in others)
    worker.send_signal(signal.SIGKILL)  # the lock goes with its holder
    worker.wait()
    again = subprocess.run(  # noqa: S603
        [sys.executable, *TRAIN, "--images", "16000", "--out", str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", SLOW_STEP, *TRAIN[2:], "--images", "1600", "--out", str(tmp_path)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while "in a step" not in (line := process.stdout.readline()):
        assert line, "ended early"
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None  # the first one waits for the step to end
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) in (130, -signal.SIGINT)
    assert not list(tmp_path.glob("*.tmp"))


SLOW_STEP = """
import runpy, sys, time
from zoo.training.state import State
step = State.step

def slow(self, *rates):
    print("in a step", flush=True)
    for _ in range(600):
        time.sleep(0.1)
    return step(self, *rates)

State.step = slow
sys.argv = ["zoo.train", *sys.argv[1:]]
runpy.run_module("zoo.train", run_name="__main__")
"""


def hostile(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


HOSTILE = {
    "a pickle, renamed": b"\x80\x04\x95\x10" + bytes(40),
    "a zip, renamed": b"PK\x03\x04" + bytes(40),
    "a header of 2^63 bytes": hostile(b"{}", 2**63),
    "offsets beyond the end": hostile(b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'),
    "no JSON": hostile(b"{not json"),
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_weights_are_refused_by_name(data, tiny, digits, cpu, tmp_path):
    train.train(tiny(), tmp_path, digits, cpu)
    weights = max(tmp_path.glob("step-*.safetensors"))
    weights.write_bytes(data)
    manifest = read_sealed(weights.with_suffix(".json"))
    manifest |= {"sha256": sha256(weights), "bytes": len(data)}  # whoever made it knows the hash
    write_sealed(weights.with_suffix(".json"), manifest)
    with pytest.raises(ZooError, match=weights.name):
        checkpoint.find(weights)


def test_a_manifest_cannot_point_elsewhere(tiny, digits, cpu, tmp_path):
    train.train(tiny(), tmp_path / "run", digits, cpu)
    path = max((tmp_path / "run").glob("step-*.json"))
    manifest = read_sealed(path)
    for change in ({"step": "../../step-000001"}, {"step": -1}, {"step": manifest["step"] + 1}):
        write_sealed(path, manifest | change)
        with pytest.raises(ZooError, match=path.stem):
            checkpoint.find(path)


def test_metrics_and_weights_do_not_depend_on_a_watcher(tiny, digits, cpu, tmp_path):
    """A terminal's progress bar, or none."""
    train.train(tiny(), tmp_path / "plain", digits, cpu)
    leader, follower = os.openpty()
    before = os.dup(2)
    os.dup2(follower, 2)
    try:
        assert sys.__stderr__.isatty()
        train.train(tiny(), tmp_path / "watched", digits, cpu)
    finally:
        os.dup2(before, 2)
        for handle in (before, leader, follower):
            os.close(handle)
    assert same(final(tmp_path / "plain"), final(tmp_path / "watched"))
    assert rows(tmp_path / "plain") == rows(tmp_path / "watched")


@pytest.mark.slow
def test_two_drivers_on_one_folder_give_each_cell_one_result(tmp_path):
    grid, out = write_grid(tmp_path, images=1600), tmp_path / "out"
    command = [sys.executable, "run_all.py", "--grid", grid, "--out", str(out), "--jobs", "1"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    drivers = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(2)
    ]
    outputs = [driver.communicate(timeout=300) for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], outputs
    results = [json.loads(path.read_text()) for path in out.rglob("result.json")]
    assert len(results) == GRID.count("/cosine") + GRID.count("lognorm")
    assert {result["status"] for result in results} == {"done"}
    assert "2 of 2 cells are done." in (out / "report.md").read_text()


@pytest.mark.slow
def test_two_drivers_killed_at_random_give_each_cell_one_result(tmp_path):
    grid, rng = write_grid(tmp_path, images=16_000), random.Random(1)  # noqa: S311
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}

    def start(out: Path) -> subprocess.Popen:
        command = [sys.executable, "run_all.py", "--grid", grid, "--out", str(out), "--jobs", "1"]
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=ROOT, env=environment, **streams)  # noqa: S603

    assert start(tmp_path / "calm").wait(timeout=600) == 0
    out, kills, first = tmp_path / "out", 0, {}  # result.json -> the hash it was first seen with
    drivers = [start(out), start(out)]
    while kills < KILLS:
        at, scored = rng.randrange(2), len(list(out.rglob("result.json"))) == 2
        with contextlib.suppress(subprocess.TimeoutExpired):  # in training or, all scored, while it starts and reports
            drivers[at].wait(rng.uniform(0, 2) if scored else rng.uniform(2, 12))
        drivers[at].send_signal(signal.SIGKILL)
        kills += drivers[at].wait() == -signal.SIGKILL
        drivers[at] = start(out)
        for path in out.rglob("result.json"):
            assert first.setdefault(path, sha256(path)) == sha256(path)
    assert [driver.wait(timeout=600) for driver in drivers] == [0, 0]
    assert all(sha256(path) == seen for path, seen in first.items())
    hashes = [  # of the last checkpoints; the one before may stand at the step where a worker lost its driver
        {
            str(cell.relative_to(folder)): sha256(max(cell.parent.glob("step-*.safetensors")))
            for cell in folder.rglob("cell.json")
        }
        for folder in (out, tmp_path / "calm")
    ]
    assert hashes[0] == hashes[1]
    assert {path.parent for path in first} <= {path.parent for path in out.rglob("cell.json")}
    assert len(list(out.rglob("result.json"))) == len(list(out.rglob("cell.json"))) == 2
    assert not list(out.rglob("*.tmp"))


def test_a_damaged_grid_json_is_refused_by_name(command, tmp_path):
    (tmp_path / "grid.json").write_text("{")
    assert_clear(command("-m", "reports", str(tmp_path)), "grid.json cannot be read as JSON")
