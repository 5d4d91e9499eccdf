"""A cell in a process of its own: one crash costs one cell, and a killed driver leaves none behind.

This is what every executor has its cells done by: `local.py` on this machine, `seat.py` on the nodes of a cluster.

A worker that has done a cell takes the next one: what it imported and compiled is there already. One whose cell failed
in any way ends, so no cell starts in a process in which something went wrong. A worker has a session of its own, so
that Ctrl-C reaches the driver alone, which passes it on and waits for the cell to save. The kernel ends a worker whose
driver is gone (Linux's parent-death signal).

The two talk over a socket, which is the worker's standard input: the driver sends a cell's folder on a line, the worker
answers `done` on a line, or ends with the cell's exit status.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from zoo.base.children import follow
from zoo.base.errors import Busy

GRACE_SECONDS = 60.0  # for a cell to save after Ctrl-C
LEAVE_SECONDS = 10.0  # for a worker without work to end
DRIVER = "ZOO_DRIVER_PID"
TIMED_OUT = 124  # the status of a cell that fell silent
LOST = 121  # the status of a cell whose node is gone, or the process on it that watched the cell
DONE = b"done\n"
LOG = "log.txt"
UTF8 = {"PYTHONIOENCODING": "utf-8"}  # of logs, whatever the terminal's encoding is
ATTEMPTS = 3  # of a cell, in one run of the driver
ROOT = Path(__file__).parents[2]  # where a worker finds this project, whatever its working directory


def die_with_driver() -> None:
    """Called by a worker first: be terminated when the driver's process ends, however it ends (Linux)."""
    driver = os.environ.get(DRIVER)
    if driver is None:
        return
    follow(int(driver))


class Worker:
    """A process that does cells, one after the other; the output of each is appended to the log in its folder."""

    process: subprocess.Popen[bytes]  # these two from the first cell on
    channel: socket.socket
    ended: int | None

    def __init__(self, command: list[str], threads: int | None, environment: Mapping[str, str] | None = None):
        """threads: of each process, unless OMP_NUM_THREADS is set here; environment: goes before this one's."""
        self.command, self.started = command, False
        limit = {} if threads is None or "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(threads)}
        self.environment = {**limit, **(environment or {})}

    def begin(self, folder: Path) -> None:
        """Start on a cell; `status` tells how it goes."""
        self.log, self.size, self.heard = folder / LOG, -1, time.monotonic()
        self.ended, self.timed_out = None, False
        folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            if not self.alive:
                self._start(output)
        with suppress(BrokenPipeError):  # it is ending just now, as `status` will tell
            self.channel.sendall(os.fsencode(folder) + b"\n")

    def _start(self, output: BinaryIO) -> None:
        self.channel, theirs = socket.socketpair()
        found = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 (our own interpreter and file)
                self.command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=theirs.fileno(),
                start_new_session=True,
                env={
                    **os.environ,
                    **self.environment,
                    DRIVER: str(os.getpid()),
                    "PYTHONUNBUFFERED": "1",
                    "PYTHONPATH": found,
                    **UTF8,
                },
            )
        self.channel.setblocking(False)
        self.started = True

    def status(self) -> int | None:
        """Of its cell: None while it works, then 0 or the exit status (negative: killed by that signal; TIMED_OUT:
        stopped by `watch`)."""
        if self.ended is None:
            ended = self.process.poll()
            self.ended = TIMED_OUT if ended is not None and self.timed_out else ended
            with suppress(BlockingIOError, ConnectionResetError):
                if self.channel.recv(len(DONE)) == DONE:
                    self.ended = 0
        return self.ended

    @property
    def alive(self) -> bool:
        """Whether it can take another cell."""
        return self.started and self.process.poll() is None

    def dismiss(self) -> None:
        """Let it end: there are no more cells."""
        self.channel.close()
        try:
            self.process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

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
        if self.alive:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def cells_of_driver() -> Iterator[Path]:
    """In a worker: the folders that the driver sends, each once the one before is done; output goes to their logs."""
    with socket.socket(fileno=os.dup(0)) as channel:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for line in channel.makefile("rb"):
            folder = Path(os.fsdecode(line.rstrip(b"\n")))
            log = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            for output in (1, 2):
                os.dup2(log, output)
            os.close(log)
            yield folder
            sys.stdout.flush()
            channel.sendall(DONE)


def stop(processes: Sequence[Worker]) -> None:
    """Ask workers to save and end, as Ctrl-C does; those that have not after a minute are killed."""
    for running in processes:
        running.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    try:
        while any(running.status() is None for running in processes) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:  # a second Ctrl-C comes here too
        for running in processes:
            running.kill()


def last_line(log: Path, window: int = 2000) -> str:
    """The last line of text in a log that may be long or growing; "" where there is none yet."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - window))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def last_error(log: Path) -> str:
    """The log's last `error: ..` line, or its last line: why a cell failed."""
    if not log.is_file():
        return "it has no log"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["the log is empty"])[-1]


def worth_retrying(status: int) -> bool:
    """Whether the same again may end otherwise: after a signal, silence, a lost node, or another process at work."""
    return status < 0 or status in (TIMED_OUT, LOST, Busy.exit_code)


def describe_status(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        why = " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"killed by {signal.Signals(-status).name}{why}"
    known = {2: "bad input", 3: "diverged", 28: "disk full", 75: "folder busy", TIMED_OUT: "silent for too long",
             LOST: "its node was lost", 12: "out of memory", 130: "interrupted", 143: "interrupted"}  # fmt: skip
    return f"exit status {status}" + (f" ({known[status]})" if status in known else "")
