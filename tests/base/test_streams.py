"""Output never ends a command: each case in a process of its own, with the streams that a shell can give it."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

WORK = """
import pathlib, sys
from zoo.base.errors import run_main
from zoo.base.progress import say

def main():
    say("loss 1.00 \\u00b1 0.10 \\u2026 \\u65e5 \\udcc3")
    print("\\u00b1", file=sys.stderr)
    for _ in range(2000):
        print("x" * 100)
    opened = open({file!r}, "w")  # takes the first number that is free
    opened.write("done")
    opened.close()
    print("end")

run_main(main)
"""
CASES = {  # what a shell redirects -> exit status
    ">&-": 0,
    "2>&-": 0,
    "<&- >&- 2>&-": 0,
    "| head -n 1": 0,
    "2>/dev/full": 0,
    ">/dev/full": 28,
}


def run(redirect: str, file, **environment: str) -> subprocess.CompletedProcess:
    program = file.with_suffix(".py")
    program.write_text(WORK.format(file=str(file)), encoding="utf-8")
    line = f"set -o pipefail; {sys.executable} {program} {redirect}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(["bash", "-c", line], capture_output=True, env=environment, timeout=120)  # noqa: S603, S607


@pytest.mark.parametrize(("redirect", "status"), CASES.items(), ids=CASES.keys())
def test_streams_that_are_closed_full_or_not_read_end_nothing(redirect, status, tmp_path):
    done = run(redirect, tmp_path / "file")
    assert (done.returncode, (tmp_path / "file").read_text()) == (status, "done"), done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    assert (b"No space left" in done.stderr) == (status == 28)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_characters_that_an_encoding_lacks_are_written_alike(encoding, tmp_path):
    done = run("", tmp_path / "file", PYTHONIOENCODING=f"{encoding}:strict")
    assert done.returncode == 0, done.stderr
    first = done.stdout.decode(encoding).splitlines()[0]
    assert first.startswith(f"loss 1.00 {'+-' if encoding == 'ascii' else '±'} 0.10")
    assert first.endswith("\\udcc3")
    assert ("\\u65e5" in first) == (encoding != "utf-8")


def test_a_locale_without_encoding_too(tmp_path):
    done = run("", tmp_path / "file", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"loss 1.00 +- 0.10 .. \\u65e5")


def test_a_worker_s_log_is_utf_8_whatever_the_locale(tmp_path, monkeypatch):
    from zoo.grid.executor import Worker

    for key, value in (
        ("LC_ALL", "C"),
        ("PYTHONUTF8", "0"),
        ("PYTHONCOERCECLOCALE", "0"),
        ("PYTHONIOENCODING", "ascii"),
    ):
        monkeypatch.setenv(key, value)
    worker = Worker([sys.executable, "-c", "print('1 \\u00b1 2')"], threads=1)
    worker.begin(tmp_path / "c\udcc3ell")  # a folder's name that is no UTF-8
    worker.process.wait(60)
    worker.channel.close()
    assert (tmp_path / "c\udcc3ell" / "log.txt").read_text("utf-8") == "1 ± 2\n"
