"""What a run draws after its epochs, where it kept a picture of each: EMA weights beside raw ones, the same noise."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from reports.figures.sheets import Row, beside, gallery, image_of, line, tile_size
from reports.read.cell import Cell
from reports.read.run import Run
from zoo.base.figure import short

FOLDER = "epochs"
SHOWN, ACROSS = 10, 5  # classes in a picture, and side by side in it, at most
MARGIN = 4  # pixels between the two kinds of weights
ROWS = 9  # epochs that are shown, at most


def epochs(run: Run, backbone: str) -> Figure | None:
    """One sample of each class after some epochs, ever farther apart, of the first run that has pictures."""
    for cell in (cell for o in run.ranked for cell in run.group(backbone, o)):
        paths = sorted((run.folder / cell.folder / FOLDER).glob("*.png"))
        steps = [int(path.stem) for path in paths if path.stem.isdecimal()]
        if not cell.result or not steps:
            continue
        rows = [_row(run, cell, paths[i], round(steps[i] / steps[0])) for i in chosen(len(steps))]
        if any(picture is not None for _, picture, _ in rows):
            title = f"{short(backbone)}: {cell.objective}, seed {cell.seed}, after epochs of training, no guidance"
            return gallery(rows, title, ["EMA weights", "raw weights"])
    return None


def chosen(count: int) -> list[int]:
    """Which of so many epochs are shown, from 0: the first, the last, and some between, by equal ratios."""
    return sorted({round(at) - 1 for at in np.geomspace(1, count, min(count, ROWS))})


def _row(run: Run, cell: Cell, path: Path, epoch: int) -> Row:
    picture = image_of(path)
    halves = None if picture is None else _halves(picture, min(run.spec.real, SHOWN), tile_size(cell))
    return f"epoch {epoch}", beside(*halves) if halves else None, "no picture"


def _halves(picture: np.ndarray, classes: int, tile: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """One sample of each class as a line, by EMA and by raw weights; None for a picture of another make.

    A picture has two rows of samples of the first classes, two of the next, with lines between; it may be enlarged.
    """
    height, width = (side + 1 for side in tile)
    columns = -(-classes // -(-classes // ACROSS))
    rows = 2 * -(-classes // columns)
    half = columns * width - 1
    scale = picture.shape[1] // (2 * half + MARGIN)
    if not scale or picture.shape[:2] != (scale * (rows * height - 1), scale * (2 * half + MARGIN)):
        return None
    small = picture[::scale, ::scale]
    left, right = (
        np.stack([
            small[row * height : (row + 1) * height - 1, at + column * width : at + (column + 1) * width - 1]
            for row in range(0, rows, 2)
            for column in range(columns)
        ][:classes])
        for at in (0, half + MARGIN)
    )  # fmt: skip
    return line(left), line(right)
