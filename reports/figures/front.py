"""The README's picture: samples drawn by each objective, by rank, beside its FID under the same control setting."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.ranks.text import interval_text, rank_text
from reports.figures.plotting import plain_ticks, text_width, wide
from reports.figures.sheets import REAL, padded, place, tiles_of, tiles_of_real
from reports.figures.strip import CLASSES, best_backbone
from reports.read.run import Run
from zoo.base.figure import DPI, GREY, PALETTE, panels, short

MOST = 8  # objectives
ACROSS = 560  # pixels: about how wide ten images are
CHART = 3.2  # inches of the chart
HEAD, FOOT, GAP, NUMBERS = 0.62, 0.12, 0.3, 1.8  # inches above, below, between pictures and chart, at the right
LINE = 0.5  # grey between images


def front(run: Run) -> Figure | None:
    """Samples by class of each objective, real ones above, FID over training runs, and rank with its confidence set.

    The setting is that of the highest guidance on the first data set, the backbone the one that draws best there. None
    for a run without pictures of samples.
    """
    if not run.headline:
        return None
    part = run.on(run.datasets[0])
    if not part.headline:
        return None
    backbone, setting = best_backbone(part), part.highest
    drawn = [(o, tiles) for o in part.ranked[:MOST] if (tiles := tiles_of(part, backbone, o, setting)) is not None]
    if not drawn:
        return None
    real = tiles_of_real(part)
    rows = [(REAL, real), *drawn] if real is not None else [*drawn]
    lines = [_line(tiles, part.spec.real) for _, tiles in rows]
    scale = max(1, round(ACROSS / lines[0].shape[1]))
    wide_px, pitch = scale * lines[0].shape[1], scale * lines[0].shape[0] + 6
    left = round((text_width([name for name, _ in rows]) + 0.1) * DPI)
    figure, ((ax,),) = panels(
        1, 1, CHART, pitch * len(rows) / DPI, margins=((left + wide_px) / DPI + GAP, NUMBERS, FOOT, HEAD)
    )
    high, foot = figure.get_figheight() * DPI, FOOT * DPI
    for i, ((name, _), line) in enumerate(zip(rows, lines, strict=True)):
        y = foot + pitch * (len(rows) - 1 - i)
        place(figure, line.repeat(scale, 0).repeat(scale, 1), left, y + 3)
        middle = (y + pitch / 2) / high
        figure.text((left - 10) / DPI / figure.get_figwidth(), middle, short(name), ha="right", va="center")
    top = 1 - 0.25 / figure.get_figheight()
    title = f"{part.datasets[0]}, {backbone}, {part.label(setting)}"
    for x, text in (
        (left / DPI, short(title, 70)),
        ((left + wide_px) / DPI + GAP, f"{part.fid_name}, lower is better"),
    ):
        figure.text(x / figure.get_figwidth(), top, text, weight="bold", fontsize=10)
    _chart(ax, part, backbone, [name for name, _ in rows])
    return figure


def _chart(ax: Axes, part: Run, backbone: str, names: list[str]) -> None:
    """FID of each row that has one: mean, lowest and highest over training runs; at the right its rank."""
    found = {name: part.stat(backbone, name, part.highest, "fid") for name in names}
    floor = part.floor.get("fid")
    board = {row["objective"]: row for row in (part.whole or part).board["rows"]}
    values = [stat.mean for stat in found.values() if stat]
    for y, stat in enumerate(found.values()):
        if stat:
            ax.plot([stat.low, stat.high], [y, y], color=PALETTE[0], linewidth=2, alpha=0.5)
            ax.plot([stat.mean], [y], "o", color=PALETTE[0], ms=6)
    if wide(values):
        plain_ticks(ax, "x", values)
    elif min(values) >= 0:
        ax.set_xlim(left=0)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks([])
    ax.xaxis.tick_top()
    ax.spines[["left", "bottom"]].set_visible(False)
    for x, head in ((1.05, "mean"), (1.26, "rank (95% set)")):
        ax.text(x, 1.02, head, transform=ax.transAxes, color=GREY, va="bottom")
    at = ax.get_yaxis_transform()
    for y, name in enumerate(names):
        stat, row = found[name], board.get(name)
        value = stat.mean if stat else floor if name == REAL else None
        ax.text(1.05, y, "" if value is None else f"{value:.1f}", transform=at, va="center")
        if row:
            alone = row["low"] is None or row["low"] == row["high"]
            ax.text(1.26, y, rank_text(row) + ("" if alone else f" ({interval_text(row)})"), transform=at, va="center")


def _line(tiles: np.ndarray, real: int) -> np.ndarray:
    """The first tile of the first real classes, [rows, classes, H, W, C], side by side with a grey line between."""
    return np.hstack(list(padded(tiles[0, : min(real, CLASSES)], ((0, 0), (0, 0), (0, 1)), LINE)))[:, :-1]
