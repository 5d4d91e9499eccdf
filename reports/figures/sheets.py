"""Figures made of the cells' own pictures: samples, real images, denoising paths, nearest training images.

Every pixel is shown as a square of the same whole number of pixels, so that nothing is smoothed or skipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import matplotlib.image
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.figures.plotting import MANY, WIDEST, text_width
from reports.read.cell import Cell
from reports.read.run import Run
from reports.read.setting import Setting
from zoo.base.counts import counted
from zoo.base.figure import DPI, GREY, panels, short
from zoo.solvers.sampler import picked

LINE, PAPER, MISSING = 0.5, 1.0, 0.93  # greys: between tiles, between blocks, in place of a picture
GAP = 6  # pixels between rows
HIGHEST = 1000  # pixels that enlarged pictures may take from top to bottom
REAL = "real test images"
ACROSS = 26  # classes side by side, at most
Row = tuple[str, np.ndarray | None, str]  # a name, its picture [H, W, 1 or 3] in [0, 1] if there is one, else why not


def samples(run: Run, backbone: str, setting: Setting) -> Figure | None:
    """Samples side by side, a row per objective, real images above; the same noise and labels for all."""
    per_class = 4 if len(run.objectives) <= MANY else 1
    chosen = _shown(run)

    def lay(tiles: np.ndarray) -> np.ndarray:
        return _blocks(tiles[:, chosen], per_class)

    rows = [(o, *_of(run, backbone, o, setting, lay)) for o in run.ranked]
    if all(picture is None for _, picture, _ in rows):
        return None
    if (real := tiles_of_real(run)) is not None:
        rows = [(REAL, lay(real), ""), *rows]
    part = f" (the first {len(chosen)} of {run.spec.num_classes})" if len(chosen) < run.spec.num_classes else ""
    title = f"{short(backbone)}: samples by class{part}, {setting.kind} weights, {run.label(setting)}"
    return gallery(rows, title, [run.spec.names[label] for label in chosen])


def ema_beside_raw(run: Run, backbone: str) -> Figure | None:
    """One sample of each class from both kinds of weights, same noise and labels; of many objectives the best."""
    setting = run.highest if run.compared else None
    other = next((s for s in run.settings if _same_but_weights(s, setting)), None) if setting else None
    if setting is None or other is None:
        return None
    rows, real_classes = [], min(run.spec.real, ACROSS // 2)
    for o in run.by_fid(backbone)[:MANY]:
        halves = [_of(run, backbone, o, s, lambda tiles: line(tiles[0, :real_classes])) for s in (setting, other)]
        if all(half is not None for half, _ in halves):
            (left, _), (right, _) = halves
            if left.shape == right.shape:
                rows.append((o, beside(left, right), ""))
    if not rows:
        return None
    if (real := tiles_of_real(run)) is not None:
        ours = line(real[0, :real_classes])
        rows = [(REAL, beside(ours, ours), ""), *rows]
    kinds = [f"{s.kind} weights" for s in (setting, other)]
    return gallery(rows, f"{short(backbone)}: {kinds[0]} beside {kinds[1]}, {run.label(setting)}", kinds)


def paths(run: Run, backbone: str) -> Figure | None:
    """How one image comes about, a row per objective: x_t above x_hat, or of many objectives x_hat alone."""
    settings = [s for s in run.settings if s.weights == "ema" and s.guidance == 1]
    for setting in settings:
        shown = picked(setting.steps)
        lay = _stack if len(run.objectives) <= MANY else lambda tiles: line(tiles[1])
        rows = [(o, *_of(run, backbone, o, setting, lay, "paths", (2, len(shown)))) for o in run.ranked]
        if any(picture is not None for _, picture, _ in rows):
            title = f"{short(backbone)}: one image at {len(shown)} of {counted(setting.steps, 'step')}, EMA, "
            title += run.label(setting)
            return gallery(rows, title, [f"{1 + step}" for step in shown])
    return None


def copies(run: Run) -> Figure | None:
    """The samples of each backbone's first objective that are nearest to training images, above these."""
    rows = []
    for backbone in run.backbones:
        for o in run.by_fid(backbone)[:1]:
            for cell in run.group(backbone, o):
                picture = _unscaled(_read(run, cell, run.highest, "copies"), cell)
                if picture is not None:
                    rows.append((f"{short(backbone, 26)}\n{short(o, 26)}", picture, ""))
                    break
    if not rows:
        return None
    return gallery(
        rows, f"nearest to the training images, {run.label(run.highest)}: samples above, training images below", []
    )


def gallery(rows: Sequence[Row], title: str, columns: Sequence[str]) -> Figure:
    """Named pictures below one another, each pixel a square; columns: names of equal parts of the width.

    Missing pictures are as large as the others; of pictures of several sizes the first one's size counts.
    """
    names = [name for name, *_ in rows]
    left = text_width([part for name in names for part in name.split("\n")])
    first = next(picture for _, picture, _ in rows if picture is not None)
    rows = [(name, p if p is None or p.shape == first.shape or not columns else None, why) for name, p, why in rows]
    wide = max(p.shape[1] for _, p, _ in rows if p is not None)
    high = sum((first if p is None else p).shape[0] for _, p, _ in rows)
    scale = max(1, min(int((WIDEST - left - 0.1) * DPI / wide), HIGHEST // high, 6))
    heights = [scale * (first if p is None else p).shape[0] for _, p, _ in rows]
    tops = np.cumsum([0, *(height + GAP for height in heights[:-1])])
    high, across = sum(heights) + GAP * (len(rows) - 1), scale * wide
    right = max(0.1, 0.09 * len(title) - left - across / DPI)
    margins = [round(margin * DPI) / DPI for margin in (left, right, 0.1, 0.62 if columns else 0.4)]
    figure, ((ax,),) = panels(1, 1, across / DPI, high / DPI, margins=(margins[0], margins[1], margins[2], margins[3]))
    x, y = (round(margins[side] * DPI) for side in (0, 2))
    ax.set_xlim(0, across)
    ax.set_ylim(high, 0)
    for (name, picture, why), top, height in zip(rows, tops, heights, strict=True):
        label = "\n".join(short(part) for part in name.split("\n"))
        ax.text(-8, top + height / 2, label, ha="right", va="center")
        if picture is None:
            ax.add_patch(Rectangle((0, top), scale * first.shape[1], height, color=f"{MISSING}"))
            ax.text(across / 2, top + height / 2, why or "no picture", ha="center", va="center", color=GREY)
        else:
            place(figure, _enlarged(picture, scale), x, y + high - top - height)
    for i, text in enumerate(columns):
        size = 9 if across > 42 * len(columns) else 7
        ax.text(across * (i + 0.5) / len(columns), -6, text, ha="center", va="bottom", fontsize=size)
    figure.text(8 / DPI / figure.get_figwidth(), 1 - 0.25 / figure.get_figheight(), title, weight="bold", fontsize=10)
    ax.axis("off")
    return figure


def tiles_of(run: Run, backbone: str, objective: str, setting: Setting) -> np.ndarray | None:
    """An objective's samples, [rows, classes, H, W, 1 or 3], of the first seed that has any."""
    found: np.ndarray | None = _of(run, backbone, objective, setting, lambda tiles: tiles)[0]
    return found


def place(figure: Figure, picture: np.ndarray, x: float, y: float) -> None:
    """Put a picture [H, W, 1 or 3] in [0, 1] on a figure, its lower left corner x, y pixels from the figure's."""
    shown = picture.squeeze(2) if picture.shape[2] == 1 else picture
    figure.figimage(shown, round(x), round(y), cmap="gray", vmin=0, vmax=1, origin="upper", zorder=-1)


def _of(
    run: Run,
    backbone: str,
    objective: str,
    setting: Setting,
    lay: Callable[[np.ndarray], np.ndarray | None],
    kind: str = "samples",
    shape: tuple[int | None, int] | None = None,
) -> tuple[Any, str]:
    """(the first readable picture of the seeds, its tiles laid out, or None; why there is none)."""
    for cell in run.group(backbone, objective):
        picture = _read(run, cell, setting, kind)
        tiles = None if picture is None else _tiles(picture, cell, *(shape or (None, run.spec.num_classes)))
        if tiles is not None:
            return lay(tiles), ""
    return None, run.outcome(backbone, objective) or "no picture"


def tiles_of_real(run: Run) -> np.ndarray | None:
    """The tiles of the first readable real.png, [rows, classes, H, W, 1 or 3]."""
    for cell in run.done:
        picture = image_of(run.folder / cell.folder / "real.png")
        if picture is not None and (tiles := _tiles(picture, cell, None, run.spec.num_classes)) is not None:
            return tiles
    return None


def _read(run: Run, cell: Cell, setting: Setting, kind: str) -> np.ndarray | None:
    score = cell.score(setting)
    name = PurePath(str(score["setting"])).name if score else ""  # a hostile name stays in its folder
    return image_of(run.folder / cell.folder / kind / f"{name}.png") if name else None


def image_of(path: Path) -> np.ndarray | None:
    """[H, W, 1 or 3] in [0, 1]; None for a file that is missing or damaged."""
    try:
        image = matplotlib.image.imread(path)
    except (OSError, SyntaxError, ValueError):
        return None
    return image[..., None] if image.ndim == 2 else image[..., :3]


def _tiles(picture: np.ndarray, cell: Cell, rows: int | None, columns: int) -> np.ndarray | None:
    """[rows, columns, H, W, 1 or 3]; None where the picture is not made of so many tiles."""
    height, width = tile_size(cell)
    count = picture.shape[0] // height
    fits = picture.shape[:2] == (count * height, columns * width) and count > 0 and rows in (None, count)
    return picture.reshape(count, height, columns, width, -1).swapaxes(1, 2) if fits else None


def tile_size(cell: Cell) -> tuple[int, int]:
    """Height and width of the cell's images."""
    return tuple((cell.result or {}).get("tile") or (1, 1))


def padded(array: np.ndarray, widths: tuple[tuple[int, int], ...], value: float) -> np.ndarray:
    """An array [.., C] with so many more values before and after on each of its axes but the last."""
    return np.pad(array, (*widths, *[(0, 0)] * (array.ndim - len(widths))), constant_values=value)


def _shown(run: Run) -> list[int]:
    """The labels that are drawn side by side: all, or of many the first, with the blank ones behind."""
    spec = run.spec
    return [*range(min(spec.real, ACROSS)), *spec.blank]


def line(tiles: np.ndarray) -> np.ndarray:
    """Tiles [n, H, W, C] side by side, a grey line between."""
    return np.hstack(list(padded(tiles, ((0, 0), (0, 0), (0, 1)), LINE)))[:, :-1]


def _stack(tiles: np.ndarray) -> np.ndarray:
    """Tiles [rows, n, H, W, C] as rows, a grey line between."""
    lines = [padded(line(row), ((0, 1), (0, 0)), LINE) for row in tiles]
    return np.vstack(lines)[:-1]


def _blocks(tiles: np.ndarray, per_class: int) -> np.ndarray:
    """The first tiles of each class, [rows, classes, H, W, C], as a block: 2 x 2 of four, else side by side."""
    tiles = tiles[:per_class].swapaxes(0, 1)
    across = 2 if tiles.shape[1] == 4 else tiles.shape[1]
    blocks = [_stack(block.reshape(-1, across, *block.shape[1:])) for block in tiles]
    # a frame round every class, so that white images end somewhere; a white line at its sides
    framed = [padded(block, ((1, 1), (1, 1)), LINE) for block in blocks]
    return np.hstack([padded(block, ((0, 0), (1, 1)), PAPER) for block in framed])


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures side by side, white at their sides."""
    return np.hstack([padded(half, ((0, 0), (1, 1)), PAPER) for half in (left, right)])


def _unscaled(picture: np.ndarray | None, cell: Cell) -> np.ndarray | None:
    """copies/*.png as it was before it was enlarged: two rows of tiles with a line between; None if it is not that."""
    height = 2 * tile_size(cell)[0] + 1
    if picture is None or picture.shape[0] % height:
        return None
    return picture[:: picture.shape[0] // height, :: picture.shape[0] // height]


def _enlarged(picture: np.ndarray, scale: int) -> np.ndarray:
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def _same_but_weights(one: Setting, other: Setting) -> bool:
    return one.weights != other.weights and one == replace(other, weights=one.weights)
