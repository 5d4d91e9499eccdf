"""A cell of a grid: its configuration, its folder, and the cell that teaches it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from zoo import registry
from zoo.base.names import slug
from zoo.config.cell import CellConfig
from zoo.data import sets


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
