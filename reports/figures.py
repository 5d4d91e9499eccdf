"""The figures: draw(run) -> {file name: PNG}. One panel per backbone, the objectives in the grid's order."""

import re
from collections.abc import Callable
from pathlib import PurePath

import matplotlib.image
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.curves import eps_error, loss
from reports.plotting import (
    DPI,
    GREY,
    LOG_FROM,
    MARKERS,
    PALETTE,
    label_points,
    legend,
    log_axis,
    looks,
    panels,
    per_backbone,
    png,
    short,
    style,
    text_width,
    wide,
)
from reports.run import BLANKS, CLASSES, Run, Setting, Stat
from zoo.errors import ZooError
from zoo.names import slug


def draw(run: Run) -> dict[str, bytes]:
    """Every figure that the run's files can fill, by file name; of several data sets, each with its name in front."""
    if len(run.datasets) > 1:
        return {f"{d}-{name}": data for d in run.datasets for name, data in draw(run.on(d)).items()}
    figures: dict[str, Callable[[], Figure | None]] = {
        "fid.png": lambda: fid(run),
        "accuracy-fid.png": lambda: accuracy_against_fid(run),
        "classes.png": lambda: classes(run),
        "loss.png": lambda: loss(run),
        "eps-error.png": lambda: eps_error(run),
    }
    for place, backbone in enumerate(run.backbones):
        for i, setting in enumerate(sorted(run.headline, key=lambda s: -s.guidance)):
            alone = [s.guidance for s in run.headline].count(setting.guidance) == 1
            mark = f"g{setting.guidance:g}" if alone else str(i)
            name = f"samples-{_slug(backbone, place)}-{mark}.png"
            figures.setdefault(name, lambda backbone=backbone, setting=setting: samples(run, backbone, setting))
    with style():
        drawn = {name: figure for name, make in figures.items() if (figure := make())}
        return {name: png(figure) for name, figure in drawn.items()}


def fid(run: Run) -> Figure | None:
    """FID of each objective, with its standard error or its range over seeds."""
    stats = {(b, o, s): run.stat(b, o, s, "fid") for b in run.backbones for o in run.objectives for s in run.headline}
    values = [stat.mean for stat in stats.values() if stat]
    if not values:
        return None
    names, series = run.objectives, run.headline
    logarithmic, floor = wide(values), run.floor.get("fid")
    left = 0 if logarithmic else min(0, floor or 0, *(stat.low for stat in stats.values() if stat))
    figure, axes = per_backbone(run, 4.2, 0.6 + 0.34 * len(names), left=text_width(names), gap=0.3, sharex=True)
    for ax, backbone in zip(axes, run.backbones, strict=True):
        for i, setting in enumerate(series):
            found = [(y, stat) for y, o in enumerate(names) if (stat := stats[backbone, o, setting])]
            y = [y + (i - (len(series) - 1) / 2) * 0.24 for y, _ in found]
            means = np.array([stat.mean for _, stat in found])
            bars = [[s.mean - max(s.low, left) for _, s in found], [s.high - s.mean for _, s in found]]
            look = {"color": PALETTE[i % 8], "marker": MARKERS[i % 6], "ms": 5.5, "label": run.label(setting)}
            ax.errorbar(means, y, xerr=np.maximum(bars, 0), ls="", elinewidth=1.2, capsize=2, **look)
        ax.set_yticks(range(len(names)), [short(name) for name in names])
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlabel(f"{run.fid_name} (lower is better){', logarithmic' if logarithmic else ''}")
        ax.tick_params(labelbottom=True)
        if logarithmic:
            log_axis(ax, "x", max(values) / min(values))
        else:
            ax.set_xlim(left=1.1 * left)  # a corrected FID may be below zero
        _say_why(run, backbone, ax)
    if floor is not None:
        # far from every objective on a logarithmic axis, the floor is named and not drawn
        near = not logarithmic or floor > min(values) / LOG_FROM
        for ax in axes:
            text = f"floor {floor:.2f}: real test images{'' if near else ' (left of the axis)'}"
            ax.axvline(floor if near else np.nan, color=GREY, ls=":", label=text)
    for ax in axes[1:]:
        if ax.get_position().x0 > axes[0].get_position().x0 + 1e-6:
            ax.tick_params(labelleft=False)
    legend(figure, axes[0])
    return figure


def accuracy_against_fid(run: Run) -> Figure | None:
    """Accuracy against FID, one point per objective and setting; a line joins an objective's settings."""
    colours, series = looks(run), run.headline
    points = {}
    for b in run.backbones:
        for o in run.objectives:
            pairs = [(i, run.stat(b, o, s, "fid"), run.stat(b, o, s, "acc")) for i, s in enumerate(series)]
            points[b, o] = [(i, x, y) for i, x, y in pairs if x and y]
    values = [x.mean for found in points.values() for _, x, _ in found]
    if not values:
        return None
    figure, axes = per_backbone(run, 5.4, 4.2, left=0.7, gap=0.8)
    for ax, backbone in zip(axes, run.backbones, strict=True):
        for o in run.objectives:
            colour, line = colours[o]
            found = points[backbone, o]
            spots = [x.mean for _, x, _ in found], [100 * y.mean for *_, y in found]
            ax.plot(*spots, color=colour, ls=line, lw=0.3 if colour == GREY else 0.8, zorder=1 if colour == GREY else 2)
            for i, x, y in found:
                ends = (
                    [[x.mean - (max(x.low, 0) if wide(values) else x.low)], [x.high - x.mean]],
                    [[y.mean - y.low], [y.high - y.mean]],
                )
                xerr, yerr = (np.maximum(end, 0) * (1, 100)[k] for k, end in enumerate(ends))
                look = {"color": colour, "marker": MARKERS[i % 6], "ms": 5.5, "elinewidth": 0.5, "zorder": 3}
                if colour == GREY:  # one of many, behind those that are named
                    look, xerr, yerr = look | {"ms": 3, "zorder": 1}, None, None
                ax.errorbar(x.mean, 100 * y.mean, xerr=xerr, yerr=yerr, **look)
        if wide(values):
            log_axis(ax, "x", max(values) / min(values))
        ax.set_xlabel(f"{run.fid_name} (lower is better)")
        ax.set_ylabel("accuracy, % of digits (higher is better)")
        ax.set_ylim(top=min(ax.get_ylim()[1], 101))
        if real := run.ceiling:
            ax.axhline(100 * real, color=GREY, ls=":", label=f"real test images {100 * real:.1f}%")
        ax.set_xlim(ax.get_xlim())
        ax.set_ylim(ax.get_ylim())
        named = [o for o in run.objectives if points[backbone, o] and colours[o][0] != GREY]
        first = [points[backbone, o][0] for o in named]
        marks = [(x.mean, 100 * y.mean) for _, x, y in first]
        joined = [_along(ax, points[backbone, o]) for o in run.objectives if points[backbone, o]]
        label_points(ax, marks, named, [colours[o][0] for o in named], [spot for line in joined for spot in line])
    for i, setting in enumerate(series):
        axes[0].plot([], [], color=GREY, marker=MARKERS[i % 6], ls="", label=run.label(setting))
    legend(figure, axes[0])
    return figure


def classes(run: Run) -> Figure | None:
    """Accuracy per class as a heat map, under the highest guidance; the blank classes apart."""
    if not run.compared:
        return None
    names, setting = run.objectives, run.highest
    figure, axes = panels(
        len(run.backbones), 1, 6.8, 0.3 * len(names), margins=(text_width(names), 0.2, 0.2, 0.75), gaps=(0, 0.8)
    )
    shares = {(b, name): run.class_shares(b, name, setting) for b in run.backbones for name in names}
    lowest = min((value for found in shares.values() for value in found.values()), default=0)
    low = min(90, 10 * int(10 * lowest))  # the colours begin at the ten per cent below the lowest share
    across = [label + 0.4 * (label in BLANKS) for label in range(CLASSES)]  # a gap sets the blanks apart
    for ax, backbone in zip(axes[:, 0], run.backbones, strict=True):
        for y, name in enumerate(names):
            for label, value in shares[backbone, name].items():
                box = (across[label] - 0.48, y - 0.46), 0.96, 0.92
                ax.add_patch(Rectangle(*box, color=colormaps["cividis"]((100 * value - low) / (100 - low)), lw=0))
                ink = "white" if 100 * value < (low + 100) / 2 else "black"
                ax.text(across[label], y, f"{100 * value:.0f}", ha="center", va="center", color=ink, fontsize=8)
        ax.set_xticks(across, [BLANKS.get(label, str(label)) for label in range(CLASSES)])
        ax.set_xlim(-0.55, across[-1] + 0.55)
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.set_yticks(range(len(names)), [short(name) for name in names])
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.grid(False)
        ax.spines[:].set_visible(False)
        ax.set_title(f"{short(backbone)}: % that are the class asked for, {run.label(setting)}")
        _say_why(run, backbone, ax)
    return figure


def samples(run: Run, backbone: str, setting: Setting) -> Figure | None:
    """Samples side by side, one row of panels per objective; the same noise and labels for all."""
    sheets = {o: _sheet(run, backbone, o, setting, wide=len(run.objectives) > 16) for o in run.objectives}
    shown = [sheet for sheet in sheets.values() if sheet is not None]
    if not shown:
        return None
    height, width = shown[0].shape[:2]
    scale = max(1, round(1150 / width))
    size = scale * width / DPI, scale * height / DPI
    margins = (text_width(run.objectives), 0.1, 0.1, 0.65)
    figure, axes = panels(len(sheets), 1, *size, margins=margins, gaps=(0, 0.06))
    for ax, (o, sheet) in zip(axes[:, 0], sheets.items(), strict=True):
        blank = np.full((height, width, 3), 0.93)
        usable = sheet is not None and sheet.shape == blank.shape
        ax.imshow(sheet if usable else blank, interpolation="none", vmin=0, vmax=1, aspect="auto")
        if not usable:
            why = run.outcome(backbone, o) or "no picture"
            ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes)
        ax.set_ylabel(short(o), rotation=0, ha="right", va="center")
        ax.grid(False)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
    top = axes[0, 0]
    centres = [(width - 1) * (label + 0.5) / CLASSES for label in range(CLASSES)]
    top.set_xticks(centres, [BLANKS.get(label, str(label)) for label in range(CLASSES)])
    top.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    top.set_title(f"{short(backbone)}: samples by class, {setting.kind} weights, {run.label(setting)}")
    return figure


def _sheet(run: Run, backbone: str, objective: str, setting: Setting, wide: bool) -> np.ndarray | None:
    """The first readable picture of the seeds, [H, W, 3] in [0, 1], each class as a 2 x 2 block, or 1 x 4 if wide."""
    for cell in run.group(backbone, objective):
        try:
            file = f"{PurePath(cell.score(setting)['setting']).name}.png"
            image = matplotlib.image.imread(run.folder / cell.folder / "samples" / file)
            tile_h, tile_w = cell.result["tile"]
        except (OSError, SyntaxError, ValueError, TypeError, KeyError):  # no picture, or a damaged one
            continue
        image = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image[..., :3]
        rows = image.shape[0] // tile_h
        if image.shape[:2] != (rows * tile_h, CLASSES * tile_w) or rows < 1:
            continue
        tiles = image.reshape(rows, tile_h, CLASSES, tile_w, 3).transpose(2, 0, 1, 3, 4)
        tiles = np.pad(
            tiles, ((0, 0), (0, 0), (0, 1), (0, 1), (0, 0)), constant_values=0.5
        )  # a grey line between tiles
        across = rows if wide or rows % 2 else rows // 2
        blocks = [np.vstack([np.hstack(part) for part in np.split(block, rows // across)]) for block in tiles]
        # a white line at both sides of every class, so that all are equally wide
        return np.hstack([np.pad(b[:-1, :-1], ((0, 0), (1, 1), (0, 0)), constant_values=1) for b in blocks])
    return None


def _along(ax: Axes, found: list[tuple[int, Stat, Stat]]) -> list[tuple[float, float]]:
    """Spots along the line that joins these points, as it looks on the panel's axes."""
    ends = ax.transData.transform([(x.mean, 100 * y.mean) for _, x, y in found])
    steps = np.linspace(0, len(ends) - 1, 15 * (len(ends) - 1) + 1)
    spots = np.stack([np.interp(steps, range(len(ends)), ends[:, axis]) for axis in (0, 1)], axis=1)
    return [tuple(spot) for spot in ax.transData.inverted().transform(spots)]


def _say_why(run: Run, backbone: str, ax: Axes) -> None:
    """Write what became of objectives without any number into their rows."""
    for y, o in enumerate(run.objectives):
        if not any(cell.scores for cell in run.group(backbone, o)):
            x = ax.get_yaxis_transform()
            why = run.outcome(backbone, o) or "not in the grid"
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text(0.02, y, why, color=GREY, va="center", transform=x, bbox=box)


def _slug(backbone: str, place: int) -> str:
    """The backbone as part of a file's name; hostile names become their number."""
    try:
        return re.sub(r"\.+", ".", slug(backbone))
    except ZooError:
        return f"backbone{place}"
