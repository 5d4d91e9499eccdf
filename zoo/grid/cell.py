"""A cell of a grid: its configuration, its folder, the cell that teaches it, and cells chosen by their names."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from zoo import registry
from zoo.base.errors import ZooError, nearest
from zoo.base.names import slug
from zoo.config.cell import CellConfig
from zoo.data import sets

SHOWN = 8  # names of a kind in an error


@dataclass(frozen=True)
class Cell:
    """One run of the grid, its folder below the grid's output folder, and a guess of its seconds."""

    config: CellConfig
    seconds: float
    variant: str = ""

    @cached_property
    def folder(self) -> str:
        """DATASET/BACKBONE/OBJECTIVE/[VARIANT/]seedN"""
        train = self.config.train
        within = f"/{slug(self.variant)}" if self.variant else ""
        return f"{sets.short(train.dataset)}/{slug(train.backbone)}/{slug(train.objective)}{within}/seed{train.seed}"

    @cached_property
    def teacher(self) -> "Cell | None":
        """The cell whose run teaches this one, the same but for its objective; None where there is no such thing."""
        scheme = registry.objective(self.config.train.objective).scheme
        if scheme is None or scheme.teacher is None:
            return None
        train = self.config.train.model_copy(update={"objective": registry.objective(scheme.teacher).name})
        return Cell(self.config.model_copy(update={"train": train}), self.seconds, self.variant)

    @property
    def taught_in(self) -> str:
        """The teacher's folder, seen from this cell's; "" where there is none."""
        return os.path.relpath(self.teacher.folder, self.folder) if self.teacher else ""

    @property
    def objective(self) -> str:
        """Its name, and its variant's in brackets."""
        return self.config.train.objective + (f" [{self.variant}]" if self.variant else "")

    @property
    def name(self) -> str:
        """What --only matches: `DATASET BACKBONE OBJECTIVE seedN`."""
        train = self.config.train
        return f"{train.dataset} {train.backbone} {self.objective} seed{train.seed}"


def with_teachers(wanted: Sequence[Cell], known: Mapping[str, Cell]) -> list[Cell]:
    """The cells, each once, and before each the one that teaches it; known: cells by folder, instead of new ones."""
    found: dict[str, Cell] = {}
    for cell in wanted:
        chain = [cell]
        while teacher := chain[-1].teacher:
            chain.append(known.get(teacher.folder, teacher))
        found |= {one.folder: one for one in reversed(chain) if one.folder not in found}
    return list(found.values())


def select(cells: Sequence[Cell], pattern: str | None) -> list[Cell]:
    """The cells whose name contains the pattern, where * and ? stand for any text, and those that teach them.

    Raises ZooError if none does.
    """
    if pattern is None:
        return list(cells)
    plain = pattern.replace("[", "[[]")  # fnmatch would begin a set of letters with it, and variants stand in brackets
    found = [cell for cell in cells if fnmatchcase(cell.name, f"*{plain}*")]
    if not found:
        raise _no_cell(cells, pattern)
    return with_teachers(found, {cell.folder: cell for cell in cells})


def _no_cell(cells: Sequence[Cell], pattern: str) -> ZooError:
    """The error for a pattern that no name contains: the parts of the names by kind, of many only the first."""
    trains = [cell.config.train for cell in cells]
    kinds = {
        "data set": [train.dataset for train in trains],
        "backbone": [train.backbone for train in trains],
        "objective": [train.objective for train in trains],
        "variant": [f"[{cell.variant}]" for cell in cells if cell.variant],
        "seed": [f"seed{train.seed}" for train in trains],
    }
    parts = {kind: list(dict.fromkeys(names)) for kind, names in kinds.items()}
    told = []
    for kind, names in parts.items():
        shown = names if kind == "objective" or len(names) <= SHOWN else [*names[:SHOWN], f"{len(names) - SHOWN} more"]
        told += [f"{kind} {', '.join(shown)}"] if shown else []
    near = nearest(pattern, [name for names in parts.values() for name in names])
    return ZooError(f"no cell's name contains --only {pattern!r}.{near} Allowed: parts of the names, {'; '.join(told)}")
