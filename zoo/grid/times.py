"""Before any training: whether every way to draw of a grid can be stepped through on the path of every objective."""

from collections.abc import Sequence

from zoo.base.errors import ZooError
from zoo.config.control import Setting
from zoo.grid.files import Cell
from zoo.registry import objective


def check_times(cells: Sequence[Cell]) -> None:
    """Raise ZooError, with all findings, unless every cell's steps are distinct and finite. Imports torch."""
    problems: dict[str, list[str]] = {}
    asked = {(cell.config.train.objective, how): None for cell in cells for how in cell.config.score.ways}
    for name, how in asked:
        try:
            how.times(objective(name).path)
        except ZooError as error:
            told = Setting(**how.model_dump()).name.partition("-")[2]
            problems.setdefault(f"{told}: {error}", []).append(name)
    if problems:
        lines = [f"{problem} ({', '.join(names)})" for problem, names in problems.items()]
        raise ZooError("\n  ".join(["these ways to draw images have no steps on some objectives' paths:", *lines]))
