"""What the figures of a run share: looks of objectives, labels beside what they name, heat maps, axes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from reports.read.run import Run
from zoo.base.figure import GREY, PALETTE, panels, short

LINES = ("-", "--")  # a second way to distinguish neighbours
MARKERS = "oDs^vP"
LOG_FROM = 8  # a range wider than this gets a logarithmic axis
LABEL = 0.45  # inches: the room of a tick's label, four digits, beside the next
LEADER = {"arrowstyle": "-", "shrinkA": 0}  # the line from a label to what it names
SHORT, FEW = 3, 2  # characters of a name that fits everywhere; longer names of an axis that still do
WIDEST = 10.9  # inches: a page's column at DPI
STEPS = 24  # colours of a heat map: more look the same, and cost bytes
ENTRY, ROW = 0.55, 0.2  # inches: the mark of a legend's entry with what is about it; the height of a row
MANY = 16  # objectives from which on rows get lower


def fit(columns: int, left: float, right: float, gap: float, least: float = 2.2) -> float:
    """The width of each of some panels side by side, so that the figure is as wide as a page's column; inches."""
    return max(least, (WIDEST - left - right - (columns - 1) * gap) / columns)


def text_width(names: Sequence[str]) -> float:
    """Inches that the longest of these names takes at the style's font size, plus a little."""
    return 0.2 + 0.078 * max((len(short(name)) for name in names), default=0)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart, in the order of the wanted ones and near them, within [low, high] if they fit.

    With q_i = p_i - i gap the condition is that q does not fall, so the nearest q is the isotonic regression.
    """
    order = np.argsort(wanted, kind="stable")
    blocks: list[list[float]] = []
    for rank, index in enumerate(order):
        blocks.append([wanted[index] - rank * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2:]
            blocks[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    shifted = np.repeat([mean for mean, _ in blocks], [int(count) for _, count in blocks])
    shifted = np.clip(shifted, low, max(low, high - gap * (len(order) - 1)))
    placed = np.empty(len(order))
    placed[order] = shifted + gap * np.arange(len(order))
    return placed.tolist()


def label_ends(ax: Axes, ends: Sequence[tuple[float, float]], names: Sequence[str], colours: Sequence[str]) -> None:
    """Name lines at the right of the panel, each joined to its end (data units); call with the limits set."""
    to_axes = ax.transData + ax.transAxes.inverted()
    marks = to_axes.transform(np.asarray(ends).reshape(-1, 2))
    figure: Any = ax.figure
    gap = 0.16 / (ax.get_position().height * figure.get_figheight())
    for (x, y), at, name, colour in zip(ends, spread(marks[:, 1].tolist(), gap, 0, 1), names, colours, strict=True):
        ax.annotate(
            short(name), (x, y), (1.06, at), textcoords="axes fraction", color=colour, va="center", fontsize=8.5,
            annotation_clip=False, arrowprops=LEADER | {"color": colour, "lw": 0.6, "shrinkB": 1, "relpos": (0, 0.5)},
        )  # fmt: skip


def label_points(
    ax: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    colours: Sequence[str],
    avoid: Sequence[tuple[float, float]] = (),
) -> None:
    """Name points where the name covers least of the other names, of the points and of those to avoid (data units).

    Call with the limits set.
    """
    scale = 72 / ax.figure.dpi
    marks = ax.transData.transform(np.asarray(points).reshape(-1, 2)) * scale
    others = ax.transData.transform(np.asarray(avoid).reshape(-1, 2)) * scale
    frame = ax.transAxes.transform([[0, 0], [1, 1]]) * scale
    boxes = [(x - 4, y - 4, x + 4, y + 4) for x, y in [*marks, *others]]
    for (x, y), point, name, colour in zip(marks, points, names, colours, strict=True):
        w, h = 5.1 * len(short(name)) + 4, 12.0
        sides = [(dx, dy) for dx in (1, 0, -1) for dy in (0, 1, -1, 0.5, -0.5) if dx or abs(dy) == 1]
        spots = [(dx * r, dy * r) for r in (7, 16, 28, 42, 60, 80, 105, 135) for dx, dy in sides]
        corners = [(x + dx - w * (1 - np.sign(dx)) / 2, y + dy - h / 2 + np.sign(dy) * h / 3) for dx, dy in spots]
        costs = [_cost((cx, cy, cx + w, cy + h), boxes, frame) + 0.2 * np.hypot(cx - x, cy - y) for cx, cy in corners]
        cx, cy = corners[int(np.argmin(costs))]
        boxes.append((cx, cy, cx + w, cy + h))
        ax.annotate(
            short(name), point, (cx - x, cy - y), textcoords="offset points", color=colour, fontsize=8, va="bottom",
            zorder=5, path_effects=[withStroke(linewidth=2.5, foreground="white")],
            annotation_clip=False, arrowprops=LEADER | {"color": colour, "lw": 0.4, "shrinkB": 2},
        )  # fmt: skip


def looks(run: Run, order: Mapping[str, float] | None = None) -> dict[str, tuple[str, str]]:
    """Colour and line of each objective; beyond the palette's size only the best keep one, the rest are grey.

    order: what the best have least of, where that is not the rank. An objective that is named either way looks alike.
    """
    named = run.objectives
    if len(named) > len(PALETTE):
        named = run.ranked[: len(PALETTE)]
        if order is not None:
            chosen = sorted(run.objectives, key=lambda o: order[o])[: len(PALETTE)]
            new = iter([o for o in chosen if o not in named])
            named = [o if o in chosen else next(new) for o in named]
    bright = {o: (PALETTE[i], LINES[i % 2]) for i, o in enumerate(named)}
    return {o: bright.get(o, (GREY, "-")) for o in run.objectives}


def per_backbone(
    run: Run,
    width: float,
    height: float,
    left: float,
    gap: float,
    right: float = 0.2,
    top: float = 0.65,
    **options: Any,
) -> tuple[Figure, Sequence[Axes]]:
    """A figure with one titled panel per backbone, two to a row; the top margin has room for a legend."""
    count = len(run.backbones)
    columns = min(2, count)
    margins = (left, right, 0.55, top)
    figure, axes = panels(-(-count // columns), columns, width, height, margins=margins, gaps=(gap, 0.9), **options)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    for ax, backbone in zip(axes.flat, run.backbones, strict=False):
        ax.set_title(short(backbone))
    return figure, list(axes.flat[:count])


def legend(figure: Figure, ax: Axes, columns: int = 4) -> None:
    """Marks and lines named above the panels, in as many columns as fit; for further rows the figure grows."""
    handles, labels = ax.get_legend_handles_labels()
    fits = int((figure.get_figwidth() - 0.2) / (text_width(labels) + ENTRY))
    ncols = max(1, min(columns, len(handles), fits))
    more = -(-len(handles) // ncols) - -(-len(handles) // columns)
    if more > 0:
        height, places = figure.get_figheight(), figure.subplotpars
        grown = height / (height + ROW * more)
        figure.set_figheight(height / grown)
        figure.subplots_adjust(bottom=places.bottom * grown, top=places.top * grown)
    figure.legend(handles, labels, loc="upper left", ncols=ncols, frameon=False, fontsize=9)


def named(styles: dict[str, tuple[str, str]], objectives: Sequence[str]) -> list[str]:
    """Those of the objectives that have a colour of their own."""
    return [o for o in objectives if styles[o][0] != GREY]


def say_why(run: Run, backbone: str, ax: Axes) -> None:
    """Write what became of objectives without any number into their rows."""
    for y, o in enumerate(run.ranked):
        if not any(cell.scores for cell in run.group(backbone, o)):
            x = ax.get_yaxis_transform()
            why = run.outcome(backbone, o) or "not in the grid"
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text(0.02, y, why, color=GREY, va="center", transform=x, bbox=box)


def ticks(names: Sequence[str]) -> tuple[list[str], float]:
    """(the names of classes fit for an axis, the angle at which they fit side by side)."""
    return [short(name, 12) for name in names], 90 if sum(len(name) > SHORT for name in names) > FEW else 0


def heat_map(
    ax: Axes,
    shares: np.ndarray,
    texts: np.ndarray,
    x: Sequence[float],
    size: float = 8,
    colours: str = "cividis",
    strength: float = 1.0,
) -> None:
    """Boxes with texts, their columns at x; shares: [rows, columns] in [0, 1], nan for no box.

    colours: a colour map of matplotlib. strength: how much of it is used, from its light end.
    """
    there = [at for at, value in np.ndenumerate(shares) if not np.isnan(value)]
    boxes = [Rectangle((x[column] - 0.48, row - 0.46), 0.96, 0.92) for row, column in there]
    steps = [round(STEPS * min(max(float(shares[at]), 0.0), 1.0)) / STEPS for at in there]
    if colours.endswith("_r"):
        steps = [1 - strength * (1 - step) for step in steps]
    faces = colormaps[colours](steps)
    ax.add_collection(PatchCollection(boxes, facecolors=faces, linewidths=0), autolim=False)
    for (row, column), face in zip(there, faces, strict=True):
        ink = "white" if face[:3] @ (0.299, 0.587, 0.114) < 0.55 else "black"
        ax.text(x[column], row, str(texts[row, column]), ha="center", va="center", color=ink, fontsize=size)
    ax.set_xlim(min(x) - 0.55, max(x) + 0.55)
    ax.set_ylim(len(shares) - 0.5, -0.5)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)


def wide(values: Sequence[float]) -> bool:
    """Whether these values want a logarithmic axis."""
    return min(values) > 0 and max(values) > LOG_FROM * min(values)


def log_axis(ax: Axes, which: str, ratio: float) -> None:
    """A logarithmic axis over values of this ratio, with as many labels as stand side by side in the panel."""
    room = ax.get_window_extent().width / ax.figure.dpi if which == "x" else math.inf  # inches
    dense: list[tuple[int, ...]] = [(1, 2, 5), (1, 3)] if ratio < 300 else []
    subs = next((subs for subs in dense if math.log10(ratio) * len(subs) * LABEL <= room), (1,))
    getattr(ax, f"set_{which}scale")("log")
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def plain_ticks(ax: Axes, which: str, values: Iterable[float]) -> None:
    """1, 2, 5, 10 in place of powers, for a logarithmic axis over these values."""
    positive = [value for value in values if value > 0]
    if positive:
        log_axis(ax, which, max(positive) / min(positive))


def _cost(box: tuple[float, ...], boxes: Sequence[tuple[float, ...]], frame: np.ndarray) -> float:
    """Area that a label shares with what is there already, and that lies outside the panel."""
    x0, y0, x1, y1 = box
    shared = 3 * sum(max(0, min(x1, b[2]) - max(x0, b[0])) * max(0, min(y1, b[3]) - max(y0, b[1])) for b in boxes)
    inside = max(0, min(x1, frame[1, 0]) - max(x0, frame[0, 0])) * max(0, min(y1, frame[1, 1]) - max(y0, frame[0, 1]))
    return float(shared + 5 * ((x1 - x0) * (y1 - y0) - inside))
