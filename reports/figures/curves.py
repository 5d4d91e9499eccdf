"""Curves of training: the loss, the error of eps_hat by noise level, and what the objectives lay weight on."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from reports.figures.plotting import fit, label_ends, looks, named, per_backbone, plain_ticks, text_width, wide
from reports.read.run import Cell, Run
from zoo.base.errors import ZooError
from zoo.base.figure import GREY, PALETTE, panels, short
from zoo.registry import TARGETS
from zoo.registry import objective as parse_objective

SPAN = 8.0  # of logsnr, to either side
DECADES = 1e4  # of the effective weight, above and below 1


def loss(run: Run) -> Figure | None:
    """Training loss against images seen."""
    curves = {(b, o): curve for b in run.backbones for o in run.objectives if len(curve := _metrics(run, b, o)[1]) > 1}
    if not curves:
        return None
    styles, right = looks(run), text_width(run.objectives) + 0.2
    width = fit(2, 0.7, right, right + 0.5)
    figure, axes = per_backbone(run, width, 3.2, left=0.7, gap=right + 0.5, right=right, top=0.4)
    for ax, backbone in zip(axes, run.backbones, strict=True):
        found = [o for o in run.objectives if (backbone, o) in curves]
        for o in found:
            rows = curves[backbone, o]
            _line(ax, [row["images"] / 1000 for row in rows], [row["loss"] for row in rows], styles[o])
        ax.set_yscale("log")
        plain_ticks(ax, "y", [row["loss"] for o in found for row in curves[backbone, o]])
        ax.set_xlabel("training images seen (thousands)")
        ax.set_ylabel("loss, in the target's units (log)")
        ends = {o: (curves[backbone, o][-1]["images"] / 1000, curves[backbone, o][-1]["loss"]) for o in found}
        _name_ends(ax, ends, styles)
    return figure


def eps_error(run: Run) -> Figure | None:
    """Squared error of eps_hat by noise level, and how far above the lowest of all objectives it is."""
    means, edges = {}, None
    for b in run.backbones:
        for o in run.objectives:
            cell, rows = _metrics(run, b, o)
            bins = [row["bins"] for row in rows[-max(1, len(rows) // 4) :] if row.get("bins")]
            if bins and len({len(row) for row in bins}) == 1:
                edges = edges or ((cell.facts if cell else {}).get("train") or {}).get("logsnr_edges")
                table = np.ma.masked_invalid(np.array(bins, dtype=float))
                means[b, o] = table.mean(axis=0).filled(np.nan)
    if not edges or not any(len(mean) == len(edges) - 1 for mean in means.values()):
        return None
    styles, right, middle = looks(run), text_width(run.objectives) + 0.2, (np.array(edges[1:]) + edges[:-1]) / 2
    width = fit(2, 0.95, right, 0.9)
    figure, axes = panels(len(run.backbones), 2, width, 3.2, margins=(0.95, right, 0.5, 0.4), gaps=(0.9, 0.9))
    for (ax, ratio), backbone in zip(axes, run.backbones, strict=True):
        found = [o for o in run.objectives if len(means.get((backbone, o), ())) == len(middle)]
        table = np.ma.masked_invalid([means[backbone, o] for o in found]).reshape(len(found), len(middle))
        best = table.min(axis=0) if found else None
        ends = {}
        for o, mean in zip(found, table, strict=True):
            seen = ~np.ma.getmaskarray(mean)
            _line(ax, middle[seen], mean[seen], styles[o], marker=".")
            _line(ratio, middle[seen], (mean / best)[seen], styles[o], marker=".")
            if seen.any():
                ends[o] = middle[seen][-1], float((mean / best)[seen][-1])
        what = {"absolute": "error of eps (log)", "relative": "error / lowest in the bin"}
        for panel, title in zip((ax, ratio), what, strict=True):
            panel.set_title(f"{short(backbone)}: {title}")
            panel.set_xlabel("logsnr  (noise at the left, data at the right)")
            panel.set_ylabel(what[title])
            panel.set_xticks(edges[::2] if len(edges) > 6 else edges)
        ax.set_yscale("log")
        plain_ticks(ax, "y", table.compressed())
        if found and table.count() and wide([1, (table / best).max()]):
            ratio.set_yscale("log")
            plain_ticks(ratio, "y", (table / best).compressed())
        _name_ends(ratio, ends, styles)
    return figure


def weights(run: Run) -> Figure | None:
    """Effective weight by logsnr, a panel for each target; as the cells wrote it."""
    styles = looks(run)
    found: dict[str, dict[str, Any]] = {}
    for o in run.objectives:
        prints = [cell.facts.get("fingerprint") for cell in run.done if cell.objective == o]
        if kept := next(filter(None, prints), None):
            found.setdefault(_target(o), {})[o] = kept
    if not found:
        return None
    # the lines of a panel that holds few of them are all named
    shown = {target: list(prints) if len(prints) <= len(PALETTE) else named(styles, list(prints))
             for target, prints in found.items()}  # fmt: skip
    right = text_width([o for names in shown.values() for o in names]) + 0.2
    columns = min(2, len(found))
    width, margins = fit(2, 0.75, right, right + 0.6), (0.75, right, 0.5, 0.4)
    figure, axes = panels(-(-len(found) // columns), columns, width, 3.0, margins=margins, gaps=(right + 0.6, 0.9))
    for ax in axes.flat[len(found) :]:
        ax.set_visible(False)
    for ax, (target, kinds) in zip(axes.flat, found.items(), strict=False):
        ends = {}
        for o, kept in kinds.items():
            logsnr, weight = (
                np.array([np.nan if v is None else v for v in kept[k]], float) for k in ("logsnr", "weight")
            )
            seen = (abs(logsnr) <= SPAN) & (weight > 1 / DECADES) & (weight < DECADES)
            _line(ax, logsnr[seen], weight[seen], styles[o])
            if seen.any():
                ends[o] = logsnr[seen][-1], weight[seen][-1]
        ax.set_yscale("log")
        ax.set_ylim(1 / DECADES, DECADES)
        plain_ticks(ax, "y", [1 / DECADES, DECADES])
        ax.set_xticks(np.linspace(-SPAN, SPAN, 5))
        ax.set_xlim(-SPAN, SPAN)
        ax.set_title(f"target {target}")
        ax.set_xlabel("logsnr  (noise at the left, data at the right)")
        ax.set_ylabel("effective weight, 1 at logsnr 0")
        names = [o for o in shown[target] if o in ends]
        label_ends(ax, [ends[o] for o in names], names, [styles[o][0] for o in names])
    return figure


def _target(name: str) -> str:
    """The word of an objective's target; of one that is not in the registry here, what its name begins with."""
    try:
        made = type(parse_objective(name).target)
    except ZooError:
        return short(name.split("/")[0].split("(")[0], 12)
    return next((word for word, target in TARGETS.items() if target is made), made.__name__)


def _metrics(run: Run, backbone: str, objective: str) -> tuple[Cell | None, list[dict[str, Any]]]:
    """The lowest seed that has a curve, and the curve; also of a cell that failed."""
    found = [(cell, rows) for cell in run.group(backbone, objective) if (rows := run.metrics(cell))]
    return found[0] if found else (None, [])


def _line(ax: Axes, x: ArrayLike, y: ArrayLike, look: tuple[str, str], marker: str = "") -> None:
    grey = look[0] == GREY
    ax.plot(
        x, y, color=look[0], ls=look[1], lw=0.5 if grey else 1.5, zorder=1 if grey else 2, marker="" if grey else marker
    )


def _name_ends(ax: Axes, ends: dict[str, tuple[float, float]], styles: dict[str, tuple[str, str]]) -> None:
    bright = named(styles, list(ends))
    ax.set_xlim(ax.get_xlim()[0], max((x for x, _ in ends.values()), default=1))
    ax.set_ylim(ax.get_ylim())
    if bright:
        label_ends(ax, [ends[o] for o in bright], bright, [styles[o][0] for o in bright])
