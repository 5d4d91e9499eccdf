"""Executors have cells done, and this one does so on this machine: some at once, each on its GPU or share of one.

The interface is small: cells go in while there is room, and come out as they end. What becomes of a cell, and whether
it is tried again, is the driver's business, so that all executors behave alike.
"""

import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Protocol

from zoo.grid.executor import LOG, Worker, last_line, stop

SPIN_SECONDS = 0.02  # between two looks at a process that has said goodbye and not ended yet
WATCH_SECONDS = 0.5  # between two looks at how the logs grow


class Executor(Protocol):
    """Has cells done somewhere. A cell is its folder, here, with its cell.json; what it makes is there when it ends."""

    @property
    def slots(self) -> int:
        """How many cells are done at once."""

    def room(self) -> int:
        """How many more may be handed in now."""

    def begin(self, folder: Path) -> None:
        """Hand a cell in."""

    def ended(self, seconds: float) -> list[tuple[Path, int]]:
        """Cells that ended since the last call, with their exit statuses; waits up to `seconds` for the first."""

    def line(self, folder: Path) -> str:
        """The last line of a running cell's log, as far as it is known here."""

    def stop(self) -> None:
        """Ask the running cells to save and end, as Ctrl-C does, and wait for them up to a minute."""

    def close(self) -> None:
        """End every process that is left."""


class Local:
    """Worker processes of this machine."""

    def __init__(
        self, command: list[str], places: Sequence[Mapping[str, str]], threads: int | None, timeout: float, fresh: bool
    ):
        """places: the environment of each slot, such as its GPU; fresh: a new process for every cell."""
        self.free = [Worker(command, threads, place) for place in reversed(places)]
        self.busy: dict[Path, Worker] = {}
        self.slots, self.timeout, self.fresh = len(places), timeout, fresh
        self.watched = 0.0

    def room(self) -> int:
        return len(self.free)

    def begin(self, folder: Path) -> None:
        self.busy[folder] = self.free.pop()
        self.busy[folder].begin(folder)

    def ended(self, seconds: float) -> list[tuple[Path, int]]:
        wait([worker.channel for worker in self.busy.values()], min(seconds, WATCH_SECONDS))
        if time.monotonic() - self.watched > WATCH_SECONDS:
            self.watched = time.monotonic()
            for worker in self.busy.values():
                worker.watch(self.timeout)
        found = [(folder, status) for folder, worker in self.busy.items() if (status := worker.status()) is not None]
        for folder, _ in found:
            worker = self.busy.pop(folder)
            if self.fresh and worker.alive:
                worker.dismiss()
            self.free.append(worker)
        if not found:
            time.sleep(SPIN_SECONDS)
        return found

    def line(self, folder: Path) -> str:
        return last_line(folder / LOG)

    def stop(self) -> None:
        stop(list(self.busy.values()))

    def close(self) -> None:
        for worker in self.busy.values():
            worker.kill()
        for worker in self.free:
            if worker.alive:
                worker.dismiss()
