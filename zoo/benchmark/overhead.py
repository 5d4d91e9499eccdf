"""What an executor adds to its cells: python -m zoo.bench --overhead cells=200 seconds=1 jobs=2 mb=0.16

The cells only last: they sleep, and leave files of a cell's number and size. So other work on the machine counts
little, and what is measured is what hands cells out and takes them in. The executors take turns, each with a share of
the cells: processes of this machine, Ray on this machine (which uses its folders), and Ray as on nodes without a shared
disk, to which everything is sent. `start` is the time until the first cell begins.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from zoo.base.errors import ZooError
from zoo.base.files import write_atomic
from zoo.base.options import MUCH, option, read
from zoo.benchmark.simulate import numbers
from zoo.benchmark.standin import BEGAN
from zoo.grid import parcel
from zoo.grid.local import Executor, Local
from zoo.grid.needs import Needs, Wanted

PATIENCE = 600.0  # seconds of silence of a cell


@dataclass
class Options:
    """Measure what executors add."""

    overhead: tuple[str, ...] = option((), "cells=200 seconds=1 jobs=2 mb=0.16", MUCH, metavar="NAME=N ..")


@dataclass(frozen=True)
class Case:
    """cells: how many in all; seconds: of one; jobs: at once; mb: of the weights that one leaves; rounds: turns."""

    cells: float = 200
    seconds: float = 1
    jobs: float = 2
    mb: float = 0.16
    rounds: float = 2


@dataclass(frozen=True)
class Spent:
    """Seconds of one executor: in all, until its first cell began, and what its cells would take by themselves."""

    total: float
    start: float
    ideal: float


def case(words: tuple[str, ...]) -> Case:
    """The case that `name=number` words describe. Raises ZooError for others."""
    least = {"cells": 1, "jobs": 1, "rounds": 1}
    return Case(**numbers(Case, "--overhead", words, least))


def timed(make: Callable[[Path], Executor], folder: Path, cells: int, given: Case) -> Spent:
    """Have an executor do so many cells, and close it."""
    began, wall = time.monotonic(), time.time()
    waiting = [folder / "cells" / f"{i:05d}" for i in range(cells)]
    for place in waiting:
        write_atomic(place / parcel.CELL, b"{}")
    left = set(waiting)
    executor = make(folder)
    try:
        slots = executor.slots
        while left:
            while waiting and executor.room():
                executor.begin(waiting.pop(0))
            for place, status in executor.ended(0.5):
                if status:
                    raise ZooError(f"a stand-in for a cell failed with status {status}: {place / 'log.txt'}")
                left.remove(place)
    finally:
        executor.close()
    start = min(float((place / BEGAN).read_text()) for place in (folder / "cells").iterdir()) - wall
    return Spent(time.monotonic() - began, start, given.seconds * -(-cells // min(slots, int(given.jobs))))


def executors(given: Case) -> dict[str, Callable[[Path], Executor]]:
    """Name -> a function that makes it for a folder."""
    jobs = int(given.jobs)
    command = [sys.executable, "-P", "-m", "zoo.benchmark.standin", str(given.seconds), str(given.mb)]

    def local(folder: Path) -> Executor:
        return Local(command, [{}] * jobs, 1, PATIENCE, False)

    def ray(shared: bool) -> Callable[[Path], Executor]:
        def made(folder: Path) -> Executor:
            from zoo.grid.cluster import Cluster

            return Cluster(
                Wanted(
                    out=folder,
                    command=command[1:],
                    needs=Needs(1.0, 0.0, jobs),
                    address=None,
                    shared=shared,
                    mixed=False,
                    timeout=PATIENCE,
                    fresh=False,
                    plugin=None,
                    data={},
                    data_dir=folder,
                )
            )

        return made

    return {"local": local, "ray": ray(True), "ray, all sent": ray(False)}


def measured(given: Case) -> dict[str, list[Spent]]:
    """Every executor's turns."""
    found: dict[str, list[Spent]] = {}
    rounds = int(given.rounds)
    shares = [int(given.cells) // rounds + (turn < int(given.cells) % rounds) for turn in range(rounds)]
    for share in filter(None, shares):
        for name, make in executors(given).items():
            with tempfile.TemporaryDirectory() as folder:
                found.setdefault(name, []).append(timed(make, Path(folder), share, given))
    return found


def told(given: Case, found: dict[str, list[Spent]]) -> str:
    """The table: all of a turn against the first executor's, and what a cell adds once the first has begun."""
    rows, first = [], 0.0
    for name, turns in found.items():
        total, start = sum(one.total for one in turns), sum(one.start for one in turns)
        ideal = sum(one.ideal for one in turns)
        first = first or total
        waves = ideal / given.seconds
        rows.append([
            name, f"{total:.1f} s", f"{start / len(turns):.1f} s", f"{(total - start - ideal) / waves * 1000:.0f} ms",
            f"{total / first - 1:+.1%}",
        ])  # fmt: skip
    head = (
        f"{given.cells:g} cells of {given.seconds:g} s and {given.mb:g} MB, {given.jobs:g} at once, "
        f"in {len(next(iter(found.values())))} turns"
    )
    header = ["executor", "in all", "start", "a cell adds", f"over {next(iter(found))}"]
    return f"{head}\n\n{tabulate(rows, header, disable_numparse=True)}"


def main() -> int:
    """The command line."""
    given = case(read(Options, "python -m zoo.bench", __doc__ or "").overhead)
    print(told(given, measured(given)))
    return 0
