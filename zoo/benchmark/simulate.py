"""A plan on paper for a large grid on a cluster: python -m zoo.bench --simulate cells=10000 nodes=64

Seats on nodes do cells; the driver, one process, takes in each that ends, one after the other, and its second thread
writes them to the disk. What the driver needs for a cell is measured here first (writing what came back, reading its
result), and what a network carries is given. The part that is busiest is the one that breaks first: it says with how
many nodes it is busy all the time.
"""

import heapq
import json
import random
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tabulate import tabulate

from zoo.base.counts import counted
from zoo.base.errors import ZooError, choose
from zoo.base.options import MUCH, option, read
from zoo.base.sealed import read_sealed, sealed
from zoo.grid import landing, parcel

RAY_SECONDS = 0.0006  # of the driver's process for a call and its answer: 300 empty tasks took 0.18 s
NOTICED = 18.6  # seconds until Ray knows that a node is gone
FILES, RESULT_BYTES = 20, 40_000  # of a cell
ROUNDS = 5
DAY = 86_400.0
MOST = 1e9  # of a number after NAME=


@dataclass
class Options:
    """Simulate a grid on a cluster."""

    simulate: tuple[str, ...] = option((), "cells=10000 nodes=64, and more of such words", MUCH, metavar="NAME=N ..")


@dataclass(frozen=True)
class Case:
    """A grid and a cluster. mb: what comes back of a cell; link: MB/s that reach the driver; lost: nodes lost a day."""

    cells: float = 10_000
    nodes: float = 64
    seats: float = 8  # of a node
    seconds: float = 300  # of a cell
    mb: float = 16
    link: float = 117  # a gigabit network
    lost: float = 1


@dataclass(frozen=True)
class Costs:
    """Seconds of the driver for a cell, measured on this machine."""

    write: float
    read: float


@dataclass(frozen=True)
class Found:
    """What a simulation gives: seconds in all, busy seconds by part, and cells that were begun again."""

    seconds: float
    busy: dict[str, float]
    again: int


REMEDY = {
    "network": "--shared-out: nothing travels, and the file server's network carries it instead",
    "driver's disk": "--shared-out, or a faster disk for --out; two grids (--only) have a driver each",
    "driver's process": "two grids (--only), each with a driver and a folder of its own, and one page of both",
    "seats": "more nodes: the cluster itself is the limit, as it should be",
}


def numbers(case: Any, flag: str, words: tuple[str, ...], least: Mapping[str, float]) -> dict[str, float]:
    """Field -> its number. case: the dataclass; flag: the option that the words follow; least: of fields (else 1e-6).

    Raises ZooError for an unknown name, for what is no number, and for one out of range.
    """
    known, given = [field.name for field in fields(case)], {}
    for word in words:
        name, equals, number = word.partition("=")
        if name not in known or not equals:
            raise choose(f"word after {flag},", name, known)
        try:
            given[name] = float(number)
        except ValueError:
            raise ZooError(f"{flag} {word}: {number!r} is no number") from None
        low = least.get(name, 1e-6)
        if not low <= given[name] <= MOST:
            raise ZooError(f"{flag} {word}: at least {low:g}, and at most {MOST:g}")
    return given


def case(words: tuple[str, ...]) -> Case:
    """The case that `name=number` words describe. Raises ZooError for others."""
    least = {"lost": 0, "cells": 1, "nodes": 1, "seats": 1}
    return Case(**numbers(Case, "--simulate", words, least))


def measured(mb: float) -> Costs:
    """What taking in a cell costs here: its files written and flushed to the disk, its result read and checked."""
    facts = json.dumps(sealed(parcel.RESULT, {"scores": ["x" * 100] * (RESULT_BYTES // 100)})).encode()
    made = {f"samples/{i}.png": b"x" * 5000 for i in range(FILES)} | {parcel.RESULT: facts}
    made["step-000001.safetensors"] = bytes(int(mb * 1e6))
    write, took = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(ROUNDS):
            began = time.perf_counter()
            parcel.unpack(made, Path(folder) / str(i))
            write.append(time.perf_counter() - began)
            began = time.perf_counter()
            read_sealed(Path(folder) / str(i) / parcel.RESULT)
            took.append(time.perf_counter() - began)
    return Costs(min(write), min(took))


def run(given: Case, costs: Costs, seed: int = 0) -> Found:
    """Every cell from its beginning until the driver has taken it in; a lost node's cells begin again elsewhere.

    A cell's time varies by a fifth. The driver receives one cell at a time, in the order they end, and a thread writes
    them; a seat goes on when its cell is received, unless too many wait for the disk.
    """
    chance = random.Random(seed)  # noqa: S311 (no secrets)
    transfer, process = given.mb / given.link, RAY_SECONDS * 2 + costs.read
    left, now, free, disk, again = int(given.cells), 0.0, 0.0, 0.0, 0
    ends: list[tuple[float, bool]] = []
    seats = int(given.nodes * given.seats)
    risk = given.lost / DAY / given.nodes  # of each node, a second

    def begin(at: float) -> None:
        took = given.seconds * chance.uniform(0.8, 1.2)
        fails = chance.expovariate(risk) if risk else float("inf")
        heapq.heappush(ends, (at + min(took, fails + NOTICED), fails < took))

    for _ in range(min(seats, left)):
        left -= 1
        begin(0.0)
    work = 0.0
    while ends:
        now, failed = heapq.heappop(ends)
        if failed:
            again += 1
            begin(now)
            continue
        free = max(free, now) + transfer + process
        disk = max(disk, free) + costs.write
        work += given.seconds
        if left:
            left -= 1
            begin(max(free, disk - (landing.MOST - 1) * costs.write))
    total = max(now, free, disk)
    busy = {
        "seats": work / seats,
        "network": given.cells * transfer,
        "driver's disk": given.cells * costs.write,
        "driver's process": given.cells * process,
    }
    return Found(total, busy, again)


def told(given: Case, costs: Costs, found: Found) -> str:
    """The table of parts and the sentences on what breaks first."""
    shares = {name: seconds / found.seconds for name, seconds in found.busy.items()}
    rows = [[name, f"{found.busy[name]:,.0f} s", f"{share:.1%}", REMEDY[name]] for name, share in shares.items()]
    # of the driver's parts, which a larger cluster does not speed up
    first = max((name for name in shares if name != "seats"), key=lambda name: shares[name])
    taking = found.busy["network"] + found.busy["driver's process"]
    a_cell = max(taking, found.busy["driver's disk"]) / given.cells
    most = given.seconds / a_cell
    ideal = given.cells * given.seconds / given.nodes / given.seats
    return "\n".join([
        f"{given.cells:,.0f} cells of {given.seconds:g} s on {given.nodes:g} nodes of {given.seats:g} seats: "
        f"{found.seconds / 3600:,.2f} h, of which {ideal / 3600:,.2f} h would pass if nothing but cells took time; "
        f"{given.cells * given.mb / 1000:,.0f} GB come back; "
        f"{counted(found.again, 'cell begins', 'cells begin')} again after lost nodes",
        f"measured here, for a cell of {given.mb:g} MB: {costs.write * 1000:.1f} ms to write, "
        f"{costs.read * 1000:.2f} ms to read its result",
        "",
        tabulate(rows, ["part", "busy", "of the time", "when it is too slow"], disable_numparse=True),
        "",
        f"What breaks first: the {first.removeprefix('the ')}. It takes {a_cell * 1000:.1f} ms for a cell, "
        f"one after the other: with more than {most:,.0f} seats ({most / given.seats:,.0f} nodes) seats wait for it. "
        f"Then: {REMEDY[first]}.",
    ])  # fmt: skip


def main() -> int:
    """The command line."""
    given = case(read(Options, "python -m zoo.bench", __doc__ or "").simulate)
    costs = measured(given.mb)
    print(told(given, costs, run(given, costs)))
    return 0
