"""Pictures of the validation loss: over training, and with FID against the compute of training."""

import math
from collections.abc import Callable
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.plotting import fit, label_ends, looks, named, per_backbone, plain_ticks, text_width
from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.scaling import compute, unit_of, validation_loss
from zoo.base.figure import GREY, PALETTE, panels, short


def curve(run: Run) -> Figure | None:
    """Validation loss against training images seen, at the points of training that have it."""
    found = {(b, o): points for b in run.backbones for o in run.objectives if len(points := _course(run, b, o)) > 1}
    if not found:
        return None
    styles, right = looks(run), text_width(run.objectives) + 0.2
    width = fit(2, 0.7, right, right + 0.5)
    figure, axes = per_backbone(run, width, 3.2, left=0.7, gap=right + 0.5, right=right, top=0.4)
    for ax, backbone in zip(axes, run.backbones, strict=True):
        own = {o: found[backbone, o] for o in run.objectives if (backbone, o) in found}
        for o, points in own.items():
            colour, line = styles[o]
            look = {"lw": 0.5, "zorder": 1} if colour == GREY else {"lw": 1.5, "marker": "o", "ms": 4}
            ax.plot(list(points), list(points.values()), color=colour, ls=line, **look)
        ax.set_xlabel("training images seen (thousands)")
        ax.set_ylabel("validation loss, in the target's units (log)")
        _log(ax, [value for points in own.values() for value in points.values()])
        bright = named(styles, list(own))
        ends = [(list(own[o])[-1], list(own[o].values())[-1]) for o in bright]
        label_ends(ax, ends, bright, [styles[o][0] for o in bright])
    return figure


def _course(run: Run, backbone: str, objective: str) -> dict[float, float]:
    """Images in thousands -> validation loss."""
    points: dict[int, list[float]] = {}
    for cell in run.group(backbone, objective):
        for one in (cell.result or {}).get("snapshots") or []:
            if one.get("loss") is not None:
                points.setdefault(one["images"], []).append(one["loss"])
    return {images / 1000: fmean(points[images]) for images in sorted(points)}


def scaling(run: Run) -> Figure | None:
    """Validation loss and FID against compute, where the grid is a study of scaling."""
    if run.grid.get("study") != "scaling" or not run.headline:
        return None
    setting = run.headline[0]

    def fid(cell: Cell) -> float | None:
        row = cell.score(setting)
        return float(row["fid"]) if row else None

    right = text_width(run.backbones) + 0.2
    width = fit(2, 0.7, right, right + 0.5)
    figure, axes = panels(1, 2, width, 3.2, margins=(0.7, right, 0.5, 0.4), gaps=(right + 0.5, 0.9))
    titles = ("validation loss", f"{run.fid_name}, {run.label(setting)}")
    drawn = [
        _by_compute(run, ax, value, title)
        for ax, value, title in zip(axes[0], (validation_loss, fid), titles, strict=True)
    ]
    return figure if any(drawn) else None


def _by_compute(run: Run, ax: Axes, value: Callable[[Cell], float | None], title: str) -> bool:
    """A line for each backbone; whether there is any."""
    word, unit = unit_of([compute(cell) for cell in run.done])
    lines: dict[str, list[tuple[float, float]]] = {}
    for backbone in run.backbones:
        points: dict[float, list[float]] = {}
        for cell in run.done:
            if cell.backbone == backbone and (found := value(cell)) is not None:
                points.setdefault(compute(cell) / unit, []).append(found)
        if points:
            lines[backbone] = [(x, fmean(points[x])) for x in sorted(points)]
    colours = [PALETTE[i % len(PALETTE)] for i, _ in enumerate(lines)]
    for colour, points_of in zip(colours, lines.values(), strict=True):
        ax.plot(*zip(*points_of, strict=True), color=colour, marker="o", ms=4)
    if not lines:
        return False
    ax.set_title(title)
    ax.set_xlabel(f"{word} of training (log)")
    ax.set_xscale("log")
    plain_ticks(ax, "x", [x for points_of in lines.values() for x, _ in points_of])
    _log(ax, [y for points_of in lines.values() for _, y in points_of])
    label_ends(ax, [points_of[-1] for points_of in lines.values()], [short(name) for name in lines], colours)
    return True


def _log(ax: Axes, values: list[float]) -> None:
    """A logarithmic axis, where the values allow one."""
    if all(value > 0 and math.isfinite(value) for value in values):
        ax.set_yscale("log")
        plain_ticks(ax, "y", values)
