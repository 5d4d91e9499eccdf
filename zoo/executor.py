"""Runs cells as processes: one crash costs one cell, and a killed driver leaves none behind.

A cell has a session of its own, so that Ctrl-C reaches the driver alone, which passes it on and waits for the cell to
save. The kernel ends a cell whose driver is gone (Linux's parent-death signal).
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 60.0  # for a cell to save after Ctrl-C
DRIVER = "ZOO_DRIVER_PID"


def die_with_driver() -> None:
    """Called by a cell's process first: be terminated when the driver's process ends, however it ends (Linux)."""
    driver = os.environ.get(DRIVER)
    if driver is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(driver):  # it died before the call above
        os._exit(128 + signal.SIGTERM)


class CellProcess:
    """A command in a session of its own, its output appended to a log file."""

    def __init__(self, command: list[str], log: Path, threads: int | None):
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        limit = {} if threads is None or "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(threads)}
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 (our own interpreter and file)
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **limit, DRIVER: str(os.getpid()), "PYTHONUNBUFFERED": "1"},
            )

    def status(self) -> int | None:
        """None while it runs, then its exit status (negative: killed by that signal)."""
        return self.process.poll()

    def kill(self) -> None:
        """End it and whatever it started, now."""
        if self.status() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def stop(processes: Sequence[CellProcess]) -> None:
    """Ask processes to save and end, as Ctrl-C does; those that have not after a minute are killed."""
    for running in processes:
        running.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    try:
        while any(running.status() is None for running in processes) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:  # a second Ctrl-C comes here too
        for running in processes:
            running.kill()


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def last_line(log: Path, window: int = 2000) -> str:
    """The last line of text in a log that may be long or growing."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - window))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def last_error(log: Path) -> str:
    """The log's last `error: ..` line, or its last line: why a cell failed."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["the log is empty"])[-1]


def describe_status(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    known = {2: "bad input", 3: "diverged", 28: "disk full", 75: "folder busy", 130: "interrupted", 143: "interrupted"}
    return f"exit status {status}" + (f" ({known[status]})" if status in known else "")
