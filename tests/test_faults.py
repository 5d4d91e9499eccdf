"""A grid with cells that go wrong in five ways: the others finish, and the five are told alike everywhere."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.reports.test_reports import section

FAULTS = '''
import os, signal, sys, time
from dataclasses import dataclass
from zoo.registry import register
from zoo.objectives.weight import X0Weight


def fault(word):
    """A weight that goes wrong when a loss is first asked of it."""

    def add(act):
        class Broken(X0Weight):
            def log_x0(self, logsnr):
                if logsnr.numel() == 16:  # a batch: not the list of objectives, nor a plot
                    act()
                return logsnr * (float("nan") if word == "nan" else 1.0)

        register("weight", word)(dataclass(frozen=True)(Broken))

    return add


fault("nan")(lambda: None)
fault("hang")(lambda: time.sleep(600))
fault("segv")(lambda: os.kill(os.getpid(), signal.SIGSEGV))
fault("oom")(lambda: os.kill(os.getpid(), signal.SIGKILL))


@fault("loud")
def loud():
    for _ in range(200):
        sys.stdout.write("x" * 999_999 + "\\n")
    raise RuntimeError("too loud")
'''
GRID = """
description = "five of twelve go wrong"
dataset = "digits"
objectives = [
    "rf", "rf/lognorm(0,1)", "v/cosine", "v/trig", "eps/cosine", "eps/linear", "v/linear",
    "v/cosine+nan", "v/cosine+hang", "v/cosine+segv", "v/cosine+oom", "v/cosine+loud",
]
backbones = ["dit"]
[[budgets]]
name = "cpu"
datasets = ["digits"]
recipe = { batch = 16 }
score = { n = 256, batch = 140, settings = [{ steps = 1 }] }
sizes.dit = { size = "dit(width=32,depth=1,heads=1)", images = 96, seconds = 1.0 }
"""
SAID = {
    "nan": ("diverged", "3", "exit status 3 (diverged): loss or gradient stopped being finite at step 1"),
    "hang": ("failed", "124", "exit status 124 (silent for too long)"),
    "segv": ("failed", "-11", "killed by SIGSEGV"),
    "oom": ("failed", "-9", "killed by SIGKILL (out of memory?)"),
    "loud": ("failed", "1", "exit status 1: RuntimeError: too loud"),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    folder = tmp_path_factory.mktemp("broken")
    (folder / "faults.py").write_text(FAULTS)
    (folder / "twelve.toml").write_text(GRID)
    arguments = [
        "--grid",
        "twelve.toml",
        "--plugin",
        "faults.py",
        "--out",
        "out",
        "--timeout",
        "45",
        "--data-dir",
        "data",
    ]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONFAULTHANDLER": ""}
    done = subprocess.run(  # noqa: S603
        [sys.executable, str(ROOT / "run_all.py"), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    return folder / "out", done


@pytest.mark.slow
def test_the_other_seven_are_done_and_the_report_is_whole(broken):
    out, done = broken
    assert done.returncode == 1, done.stdout + done.stderr
    assert "5 of 12 cells are not done" in done.stderr
    assert len(list(out.rglob("result.json"))) == 7
    text = (out / "report.md").read_text()
    assert "7 of 12 cells are done; 1 diverged, 4 failed (see Failures)." in text
    assert [row[1] for row in section(text, "Comparison")[2:14]] == ["1/1"] * 7 + ["0/1, 1 diverged"] + [
        "0/1, 1 failed"
    ] * 4
    ranks = {row[0]: row for row in section(text, "Ranks")[2:]}
    assert len(ranks) == 12
    assert ranks["v/cosine+segv"][1] == "- (incomplete)"
    worst = max(float(row[1]) for name, row in ranks.items() if "+" not in name)
    assert float(ranks["v/cosine+nan"][1]) > worst


@pytest.mark.slow
@pytest.mark.parametrize("word", SAID)
def test_each_failure_is_told_in_the_same_words_everywhere(word, broken):
    out, done = broken
    status, exit_status, message = SAID[word]
    (path,) = (p for p in out.rglob("failed.json") if p.parts[-3].endswith(word))
    record = json.loads(path.read_text())
    assert (record["status"], str(record["exit_status"])) == (status, exit_status)
    whole = record["message"]
    assert message in whole
    assert record["attempts"] == (1 if word in ("nan", "loud") else 3)  # a signal or silence is tried again
    (line,) = (line for line in done.stderr.splitlines() if f"+{word} " in line)
    assert line.startswith(f"digits dit(width=32,depth=1,heads=1) v/cosine+{word} seed0: {status}: {whole} (")
    assert line.endswith(f"{record['log']})")
    assert Path(line.rpartition("(")[2].rstrip(")")).name == "log.txt"
    with (out / "results.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["objective"].endswith(word))
    assert (row["status"], row["message"]) == (status, whole)
    (told,) = (row for row in section((out / "report.md").read_text(), "Failures")[2:] if word in row[0])
    assert (told[1], told[2], told[4].replace("\\", ""), told[5]) == (status, exit_status, whole, record["log"])


def test_a_killed_driver_leaves_no_cell_running(tmp_path):
    (tmp_path / "faults.py").write_text(FAULTS)
    (tmp_path / "twelve.toml").write_text(GRID)
    arguments = ["--grid", "twelve.toml", "--plugin", "faults.py", "--only", "+hang", "--out", "out"]
    driver = subprocess.Popen(  # noqa: S603
        [sys.executable, str(ROOT / "run_all.py"), *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    while not (found := running(tmp_path)):
        assert driver.poll() is None
        time.sleep(0.1)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    deadline = time.monotonic() + 5
    while running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(tmp_path) == [], found


def running(folder: Path) -> list[str]:
    """The cell processes at work below a folder."""
    commands = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, cwd = (path / "cmdline").read_bytes().decode().split("\0"), (path / "cwd").resolve()
        except OSError:
            continue
        if "eval.worker" in command and folder in (cwd, *cwd.parents):
            commands.append(" ".join(command))
    return commands
