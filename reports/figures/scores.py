"""Pictures of FID and accuracy: one panel per backbone, the objectives in the grid's order."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.plotting import (
    LOG_FROM,
    MANY,
    MARKERS,
    fit,
    heat_map,
    label_points,
    legend,
    log_axis,
    looks,
    named,
    per_backbone,
    say_why,
    text_width,
    ticks,
    wide,
)
from reports.read.run import Run, Stat
from zoo.base.figure import GREY, PALETTE, panels, short


def fid(run: Run) -> Figure | None:
    """FID of each objective, with its standard error or its range over seeds."""
    stats = {(b, o, s): run.stat(b, o, s, "fid") for b in run.backbones for o in run.objectives for s in run.headline}
    values = [stat.mean for stat in stats.values() if stat]
    if not values:
        return None
    names, series = run.ranked, run.headline
    logarithmic, floor = wide(values), run.floor.get("fid")
    left = 0 if logarithmic else min(0, floor or 0, *(stat.low for stat in stats.values() if stat))
    left_, row = text_width(names), 0.34 if len(names) <= MANY else 0.22
    width = fit(min(2, len(run.backbones)), left_, 0.2, 0.3)
    figure, axes = per_backbone(run, min(width, 5.5), 0.6 + row * len(names), left=left_, gap=0.3, sharex=True)
    for ax, backbone in zip(axes, run.backbones, strict=True):
        for i, setting in enumerate(series):
            found = [(y, stat) for y, o in enumerate(names) if (stat := stats[backbone, o, setting])]
            y = [y + (i - (len(series) - 1) / 2) * 0.24 for y, _ in found]
            means = np.array([stat.mean for _, stat in found])
            bars = [[s.mean - max(s.low, left) for _, s in found], [s.high - s.mean for _, s in found]]
            look: dict[str, Any] = {
                "color": PALETTE[i % 8],
                "marker": MARKERS[i % 6],
                "ms": 5.5,
                "label": run.label(setting),
            }
            ax.errorbar(means, y, xerr=np.maximum(bars, 0), ls="", elinewidth=1.2, capsize=2, **look)
        ax.set_yticks(range(len(names)), [short(name) for name in names])
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlabel(f"{run.fid_name} (lower is better){', logarithmic' if logarithmic else ''}")
        ax.tick_params(labelbottom=True)
        if logarithmic:
            log_axis(ax, "x", max(values) / min(values))
        else:
            ax.set_xlim(left=1.1 * left)  # a corrected FID may be below zero
        say_why(run, backbone, ax)
    if floor is not None and (not logarithmic or floor > min(values) / LOG_FROM):  # else far left of the axis
        for ax in axes:
            ax.axvline(floor, color=GREY, ls=":", label=f"floor {floor:.2f}: real test images")
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
    figure, axes = per_backbone(run, fit(2, 0.7, 0.2, 0.8), 4.2, left=0.7, gap=0.8)
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
                look: dict[str, Any] = {
                    "color": colour,
                    "marker": MARKERS[i % 6],
                    "ms": 5.5,
                    "elinewidth": 0.5,
                    "zorder": 3,
                }
                if colour == GREY:  # one of many, behind those that are named
                    look, xerr, yerr = look | {"ms": 3, "zorder": 1}, None, None
                ax.errorbar(x.mean, 100 * y.mean, xerr=xerr, yerr=yerr, **look)
        if wide(values):
            log_axis(ax, "x", max(values) / min(values))
        ax.set_xlabel(f"{run.fid_name} (lower is better)")
        ax.set_ylabel("accuracy, % of samples (higher is better)")
        ax.set_ylim(top=min(ax.get_ylim()[1], 101))
        if real := run.ceiling:
            ax.axhline(100 * real, color=GREY, ls=":", label=f"real test images {100 * real:.1f}%")
        ax.set_xlim(ax.get_xlim())
        ax.set_ylim(ax.get_ylim())
        bright = named(colours, [o for o in run.objectives if points[backbone, o]])
        first = [points[backbone, o][0] for o in bright]
        marks = [(x.mean, 100 * y.mean) for _, x, y in first]
        joined = [_along(ax, points[backbone, o]) for o in run.objectives if points[backbone, o]]
        label_points(ax, marks, bright, [colours[o][0] for o in bright], [spot for line in joined for spot in line])
    for i, setting in enumerate(series):
        axes[0].plot([], [], color=GREY, marker=MARKERS[i % 6], ls="", label=run.label(setting))
    legend(figure, axes[0])
    return figure


def classes(run: Run) -> Figure | None:
    """Accuracy per class as a heat map, under the highest guidance; the blank classes apart."""
    if not run.compared:
        return None
    names, setting, spec = run.ranked, run.highest, run.spec
    margins, row = (text_width(names), 0.2, 0.2, 0.75), 0.3 if len(names) <= MANY else 0.19
    figure, axes = panels(len(run.backbones), 1, 6.8, row * len(names), margins=margins, gaps=(0, 0.8))
    shares = {(b, name): run.class_shares(b, name, setting) for b in run.backbones for name in names}
    lowest = min((value for found in shares.values() for value in found.values()), default=0)
    low = min(90, 10 * int(10 * lowest))  # the colours begin at the ten per cent below the lowest share
    across = [label + 0.4 * (label in spec.blank) for label in range(spec.num_classes)]  # a gap sets the blanks apart
    for ax, backbone in zip(axes[:, 0], run.backbones, strict=True):
        found = [
            [100 * shares[backbone, name].get(label, np.nan) for label in range(spec.num_classes)] for name in names
        ]
        values = np.array(found)
        texts = np.array([[f"{value:.0f}" for value in line] for line in found])
        heat_map(ax, (values - low) / (100 - low), texts, across, 8 if row > 0.2 else 7)
        words, angle = ticks(spec.names)
        ax.set_xticks(across, words, rotation=angle)
        ax.set_yticks(range(len(names)), [short(name) for name in names])
        ax.set_title(f"{short(backbone)}: % that are the class asked for, {run.label(setting)}")
        say_why(run, backbone, ax)
    return figure


def confusion(run: Run) -> Figure | None:
    """What the judge saw in the samples of the first and the last objective by FID: % of those asked for."""
    rows = [(b, o, found) for b in run.backbones for o in _ends(run, b) if (found := _confused(run, b, o)) is not None]
    if not rows:
        return None
    columns, size = min(2, len(rows)), 3.9
    margins, gaps = (0.75, 0.2, 0.2, 1.1), (0.9, 1.2)
    figure, axes = panels(-(-len(rows) // columns), columns, size, size * 0.8, margins=margins, gaps=gaps)
    for ax in axes.flat[len(rows) :]:
        ax.set_visible(False)
    for ax, (backbone, o, counts) in zip(axes.flat, rows, strict=False):
        asked = counts.sum(1, keepdims=True)
        share = np.divide(counts, asked, out=np.full(counts.shape, np.nan), where=asked > 0)
        texts = np.array([[f"{100 * v:.0f}" if v >= 0.005 else "" for v in line] for line in np.nan_to_num(share)])
        heat_map(ax, share, texts, range(counts.shape[1]), 8, "Blues")
        words, angle = ticks(run.spec.classes)
        ax.set_xticks(range(counts.shape[1]), words, rotation=angle)
        ax.set_yticks(range(counts.shape[0]), words)
        ax.set_xlabel("class that the judge saw")
        ax.xaxis.set_label_position("top")
        ax.set_ylabel("class asked for")
        ax.set_title(f"{short(backbone)}\n{short(o)}", pad=8)
    return figure


def _ends(run: Run, backbone: str) -> list[str]:
    """The objectives of the lowest and of the highest FID under the highest guidance."""
    found = run.by_fid(backbone, run.highest) if run.headline else []
    return list(dict.fromkeys([*found[:1], *found[-1:]]))


def _confused(run: Run, backbone: str, objective: str) -> np.ndarray | None:
    """[asked, seen] counts of all seeds together, under the highest guidance; None if there are none."""
    scores = [cell.score(run.highest) for cell in run.group(backbone, objective)]
    tables = [np.array(score["confusion"]) for score in scores if score and score.get("confusion")]
    return np.sum(tables, axis=0) if tables and len({table.shape for table in tables}) == 1 else None


def _along(ax: Axes, found: list[tuple[int, Stat, Stat]]) -> list[tuple[float, float]]:
    """Spots along the line that joins these points, as it looks on the panel's axes."""
    ends = ax.transData.transform([(x.mean, 100 * y.mean) for _, x, y in found])
    steps = np.linspace(0, len(ends) - 1, 15 * (len(ends) - 1) + 1)
    spots = np.stack([np.interp(steps, range(len(ends)), ends[:, axis]) for axis in (0, 1)], axis=1)
    return [tuple(spot) for spot in ax.transData.inverted().transform(spots)]
