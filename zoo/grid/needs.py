"""What a run asks of a cluster: what a cell takes of a node, what travels there, and who may take part."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Needs:
    """What a cell takes of a node."""

    cpus: float
    gpus: float
    most: int | None  # cells at once on all of them

    def seats(self, resources: Mapping[str, float]) -> int:
        """How many cells a node has room for; parts of a GPU are never of two GPUs."""
        by_cpu = math.floor(resources.get("CPU", 0) / self.cpus)
        if not self.gpus:
            return by_cpu
        gpus = math.floor(resources.get("GPU", 0))
        by_gpu = gpus * math.floor(1 / self.gpus) if self.gpus < 1 else math.floor(gpus / self.gpus)
        return min(by_cpu, by_gpu)


@dataclass
class Traffic:
    """What travelled, in bytes and cells."""

    out: int = 0
    back: int = 0
    cells: int = 0

    def told(self) -> str:
        """A sentence."""
        each = (self.out + self.back) / max(1, self.cells)
        return (
            f"{self.out / 1e6:,.1f} MB went to the nodes and {self.back / 1e6:,.1f} MB came back, {each / 1e6:,.2f} MB "
            f"a cell of {self.cells:,}"
        )


@dataclass
class Wanted:
    """A run on a cluster.

    out: its folder here, which every node sees if `shared`. command: that of a worker, without the interpreter.
    address: HOST:PORT; None for a cluster of this machine alone. mixed: whether nodes with other versions may take
    part. fresh: a new process for every cell. data_dir: the data folder, if every node sees it, too; else None, and
    data: name below the data folder -> the file here. kinds: a cell's folder -> which weights come back (`ema` alone
    where nothing is said).
    """

    out: Path
    command: list[str]
    needs: Needs
    address: str | None
    shared: bool
    mixed: bool
    timeout: float
    fresh: bool
    plugin: Path | None
    data: dict[str, Path]
    data_dir: Path | None = None
    kinds: dict[Path, list[str]] = field(default_factory=dict)


@dataclass
class Place:
    """A seat as the driver sees it."""

    node: str
    address: str
    actor: Any
    facts: Any  # a reference until it stands ready
    ready: bool = False
    work: Any = None
    folder: Path | None = None
    said: str = ""
    asked: Any = None
    asked_at: float = 0.0
