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

from zoo.errors import Busy

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 60.0  # for a cell to save after Ctrl-C
DRIVER = "ZOO_DRIVER_PID"
TIMED_OUT = 124  # the status of a cell that fell silent
ATTEMPTS = 3  # of a cell, in one run of the driver


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
        self.log, self.size, self.heard, self.timed_out = log, -1, time.monotonic(), False
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
        """None while it runs, then its exit status (negative: killed by that signal; TIMED_OUT: stopped by `watch`)."""
        status = self.process.poll()
        return TIMED_OUT if status is not None and self.timed_out else status

    def watch(self, seconds: float) -> None:
        """Kill it if its log has not grown for so long: a cell that works says something every few seconds."""
        now, size = time.monotonic(), self.log.stat().st_size
        if size != self.size:
            self.size, self.heard = size, now
        elif now - self.heard > seconds and self.process.poll() is None:
            self.timed_out = True
            self.kill()

    def kill(self) -> None:
        """End it and whatever it started, now."""
        if self.process.poll() is None:
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


def worth_retrying(status: int) -> bool:
    """Whether the same again may end otherwise: after a signal, silence, or another process at work."""
    return status < 0 or status in (TIMED_OUT, Busy.exit_code)


def describe_status(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        why = " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"killed by {signal.Signals(-status).name}{why}"
    known = {2: "bad input", 3: "diverged", 28: "disk full", 75: "folder busy", TIMED_OUT: "silent for too long",
             130: "interrupted", 143: "interrupted"}  # fmt: skip
    return f"exit status {status}" + (f" ({known[status]})" if status in known else "")
