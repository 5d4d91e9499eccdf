"""Pictures of what scores cost: FID against network evaluations, training images and seconds."""

import math
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.plotting import (
    LINES,
    MARKERS,
    fit,
    label_ends,
    label_points,
    legend,
    log_axis,
    looks,
    named,
    per_backbone,
    plain_ticks,
    text_width,
    wide,
)
from reports.read.run import Run
from reports.read.setting import Setting
from reports.words.fewsteps import FEW, by_count, is_about
from reports.words.fewsteps import seconds as of_training
from zoo.base.counts import counted
from zoo.base.figure import GREY, PALETTE, panels, short

Curve = tuple[str, tuple[str, str], list[float], list[float]]  # a name, its look, x, y
APART = 1.25  # how far seconds have to differ to be worth an axis
PANELS = 6  # objectives that get a panel of their own


def by_steps(run: Run) -> dict[tuple[Any, ...], list[Setting]]:
    """Settings that differ in their number of steps alone, by what they share, where there are several numbers."""
    series: dict[tuple[Any, ...], list[Setting]] = {}
    for s in run.compared:
        series.setdefault((s.sampler, s.step_grid, s.guidance, s.interval, s.rescale, s.clip, s.n), []).append(s)
    return {key: found for key, found in series.items() if len({s.steps for s in found}) > 1}


def evaluations(run: Run) -> Figure | None:
    """FID against network evaluations: a line an objective, or a line a sampler where several were scored."""
    series = by_steps(run)
    if not series:
        return None
    words = {key: _without_steps(run, found[0]) for key, found in series.items()}
    plots: list[tuple[str, list[Curve]]] = []
    for backbone in run.backbones:
        if len({key[:2] for key in series}) > 1:
            look = {key: (PALETTE[i % 8], LINES[i % 2]) for i, key in enumerate(series)}
            for o in run.by_fid(backbone)[:PANELS]:
                curves = [(words[key], look[key], *_by_count(run, backbone, o, found)) for key, found in series.items()]
                plots.append((f"{short(backbone)}: {short(o)}", curves))
        else:
            styles = looks(run)
            for key, found in series.items():
                curves = [(o, styles[o], *_by_count(run, backbone, o, found)) for o in run.objectives]
                plots.append((f"{short(backbone)}: {words[key]}", curves))
    return _lines(run, plots, "network evaluations an image", grid=True)


def few_steps(run: Run) -> Figure | None:
    """FID against network evaluations, each objective under its best sampler at as many, where maps were drawn from.

    Named are the best at any few evaluations: the first of each number, then the second, and so on.
    """
    if not is_about(run):
        return None
    tried = {backbone: {o: by_count(run, backbone, o) for o in run.objectives} for backbone in run.backbones}
    places = dict.fromkeys(run.objectives, math.inf)
    for found in tried.values():
        for count in {n for each in found.values() for n in each if n <= FEW}:
            order = sorted((each[count][1].mean, o) for o, each in found.items() if count in each)
            places |= {o: min(places[o], place) for place, (_, o) in enumerate(order)}
    styles, plots = looks(run, places), []
    for backbone, found in tried.items():
        curves = [(o, styles[o], [*map(float, each)], [s.mean for _, s in each.values()]) for o, each in found.items()]
        plots.append((short(backbone), curves))
    return _lines(run, plots, "network evaluations an image", grid=True)


def samplers(run: Run) -> Figure | None:
    """FID under every setting where samplers or step grids differ, with its network evaluations."""
    settings = run.compared
    if len({(s.sampler, s.step_grid) for s in settings}) < 2:
        return None
    names = [f"{run.brief(s)}: {_count(run, s)}" for s in settings]
    styles, left = looks(run), 0.2 + 0.068 * max(map(len, names))
    width, height = fit(min(2, len(run.backbones)), left, 0.2, 0.3), 0.5 + 0.3 * len(settings)
    bright = named(styles, run.objectives)
    top = 0.65 + 0.2 * ((len(bright) - 1) // 4)
    figure, axes = per_backbone(run, width, height, left=left, gap=0.3, top=top)
    seen = []
    for ax, backbone in zip(axes, run.backbones, strict=True):
        for o in run.objectives:
            found = [(y, stat) for y, s in enumerate(settings) if (stat := run.stat(backbone, o, s, "fid"))]
            seen += [stat.mean for _, stat in found]
            colour, line = styles[o]
            plain, i = colour == GREY, run.objectives.index(o)
            look = {"lw": 0.3, "ms": 3, "zorder": 1} if plain else {"lw": 0.8, "ms": 6, "label": short(o)}
            x, y = [stat.mean for _, stat in found], [y for y, _ in found]
            ax.plot(x, y, color=colour, ls=line, marker=MARKERS[i % 6], **look)
        ax.set_yticks(range(len(settings)), names, fontsize=8)
        ax.set_ylim(len(settings) - 0.5, -0.5)
        ax.set_xlabel(f"{run.fid_name} (lower is better)")
        ax.tick_params(labelbottom=True)
    for ax in axes[1::2]:
        ax.tick_params(labelleft=False)
    if not seen:
        return None
    for ax in axes if wide(seen) else ():
        log_axis(ax, "x", max(seen) / min(seen))
    legend(figure, axes[0])
    return figure


def snapshots(run: Run) -> Figure | None:
    """FID against training images seen: means over the seeds that have the point."""
    styles, plots = looks(run), []
    for backbone in run.backbones:
        curves = [(o, styles[o], *_course(run, backbone, o)) for o in run.objectives]
        if any(len(x) > 1 for _, _, x, _ in curves):
            plots.append((short(backbone), curves))
    return _lines(run, plots, "training images seen (thousands)") if plots else None


def guidance(run: Run) -> Figure | None:
    """FID against guidance, a line an objective: of several other choices (start, sampler) the lowest FID of each."""
    styles, plots = looks(run), []
    for backbone in run.backbones:
        curves = [(o, styles[o], *by_guidance(run, backbone, o)) for o in run.objectives]
        if any(len(x) > 1 for _, _, x, _ in curves):
            plots.append((short(backbone), curves))
    return _lines(run, plots, "guidance (1: none)") if plots else None


def seconds(run: Run) -> Figure | None:
    """FID of the final scores against seconds of training with those of the teachers, where these differ."""
    styles, points = looks(run), {}
    for b in run.backbones:
        for o in run.objectives:
            stat = run.stat(b, o, run.headline[0], "fid") if run.headline else None
            took = of_training(run, b, o)
            if stat and took is not None:
                points[b, o] = took, stat
    apart = [[x for (b, _), (x, _) in points.items() if b == backbone] for backbone in run.backbones]
    if not any(len(found) > 1 and max(found) > APART * min(found) for found in apart):
        return None
    figure, axes = per_backbone(run, fit(2, 0.7, 0.2, 0.8), 3.4, left=0.7, gap=0.8, top=0.4)
    for ax, backbone in zip(axes, run.backbones, strict=True):
        found = {o: points[backbone, o] for o in run.objectives if (backbone, o) in points}
        for o, (x, stat) in found.items():
            plain = styles[o][0] == GREY
            error = None if plain else np.maximum([[stat.mean - stat.low], [stat.high - stat.mean]], 0)
            look = {"ms": 3, "zorder": 1} if plain else {"ms": 5.5, "elinewidth": 0.8}
            ax.errorbar(x, stat.mean, yerr=error, color=styles[o][0], marker="o", **look)
        if found:
            _log_where_wide(ax, "y", [stat.mean for _, stat in found.values()])
            _log_where_wide(ax, "x", [x for x, _ in found.values()])
        ax.set_xlabel("seconds of training, wall clock, the median")
        ax.set_ylabel(f"{run.fid_name}, {run.label(run.headline[0])}")
        ax.margins(0.12)
        ax.set_xlim(ax.get_xlim())
        ax.set_ylim(ax.get_ylim())
        bright = named(styles, list(found))
        spots = [(found[o][0], found[o][1].mean) for o in bright]
        others = [(x, stat.mean) for o, (x, stat) in found.items() if o not in bright]
        label_points(ax, spots, bright, [styles[o][0] for o in bright], others)
    return figure


def _lines(run: Run, plots: list[tuple[str, list[Curve]]], *xlabels: str, grid: bool = False) -> Figure:
    """Panels of FID by something, two to a row, the lines named at their ends; xlabels: of the columns."""
    labels = [name for _, curves in plots for name, look, x, _ in curves if x and look[0] != GREY]
    columns, right = min(2, len(plots)), text_width(labels) + 0.15
    width = fit(max(2, columns), 0.7, right, right + 0.6)
    margins, gaps = (0.7, right, 0.55, 0.4), (right + 0.6, 0.9)
    figure, axes = panels(-(-len(plots) // columns), columns, width, 2.9, margins=margins, gaps=gaps)
    for ax in axes.flat[len(plots) :]:
        ax.set_visible(False)
    for i, (ax, (title, curves)) in enumerate(zip(axes.flat, plots, strict=False)):
        curves = [curve for curve in curves if curve[2]]
        for name, (colour, line), x, y in curves:
            plain = colour == GREY
            look = {"lw": 0.5, "zorder": 1} if plain else {"lw": 1.5, "marker": "o", "ms": 4}
            ax.plot(x, y, color=colour, ls=line, label=name, **look)
        every = [value for *_, x, _ in curves for value in x]
        ax.set_title(title)
        ax.set_xlabel(xlabels[i % len(xlabels)])
        ax.set_ylabel(f"{run.fid_name} (lower is better)")
        if not curves:
            continue
        _log_where_wide(ax, "y", [value for *_, y in curves for value in y])
        if grid:
            ax.set_xscale("log")
            ax.set_xticks(sorted(set(every)), [f"{value:g}" for value in sorted(set(every))])
            ax.minorticks_off()
        ax.set_xlim(ax.get_xlim()[0], max(every) + (0 if grid else 0.02 * (max(every) - min(every))))
        ax.set_ylim(ax.get_ylim())
        bright = [curve for curve in curves if curve[1][0] != GREY]
        ends = [(x[-1], y[-1]) for *_, x, y in bright]
        label_ends(ax, ends, [name for name, *_ in bright], [look[0] for _, look, *_ in bright])
    return figure


def _log_where_wide(ax: Axes, which: str, values: list[float]) -> None:
    if wide(values):
        getattr(ax, f"set_{which}scale")("log")
        plain_ticks(ax, which, values)


def _by_count(run: Run, backbone: str, objective: str, settings: list[Setting]) -> tuple[list[float], list[float]]:
    """(evaluations, FID) of an objective under these settings."""
    found = []
    for setting in settings:
        counts = [s["evaluations"] for c in run.group(backbone, objective) if (s := c.score(setting))]
        if counts and (stat := run.stat(backbone, objective, setting, "fid")):
            found.append((fmean(counts), stat.mean))
    return [x for x, _ in sorted(found)], [y for _, y in sorted(found)]


def _course(run: Run, backbone: str, objective: str) -> tuple[list[float], list[float]]:
    """(images in thousands, FID) at the points of training that were scored."""
    points: dict[int, list[float]] = {}
    for cell in run.group(backbone, objective):
        for one in (cell.result or {}).get("snapshots") or []:
            points.setdefault(one["images"], []).append(one["fid"])
    return [images / 1000 for images in sorted(points)], [fmean(points[images]) for images in sorted(points)]


def by_guidance(run: Run, backbone: str, objective: str) -> tuple[list[float], list[float]]:
    """(guidance, FID): over the best case's candidates, or the headline settings, which all have the most steps."""
    points: dict[float, list[float]] = {}
    for cell in run.group(backbone, objective):
        tried = ((cell.result or {}).get("best") or {}).get("candidates")
        rows = tried or [score for setting in run.headline if (score := cell.score(setting))]
        lowest: dict[float, float] = {}
        for row in rows:
            lowest[row["guidance"]] = min(row["fid"], lowest.get(row["guidance"], math.inf))
        for value, fid in lowest.items():
            points.setdefault(value, []).append(fid)
    return sorted(points), [fmean(points[value]) for value in sorted(points)]


def _count(run: Run, setting: Setting) -> str:
    """`24 evaluations`, or `23 to 24`."""
    counts = {score["evaluations"] for cell in run.done if (score := cell.score(setting))}
    *low, high = sorted({min(counts), max(counts)})
    return "".join(f"{n:,} to " for n in low) + counted(high, "evaluation")


def _without_steps(run: Run, setting: Setting) -> str:
    return ", ".join(part for part in run.label(setting).split(", ") if not part.endswith((" steps", " step")))
