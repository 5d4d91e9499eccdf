"""Curves of training: the loss, the error of eps_hat by noise level, and what the objectives lay weight on."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from reports.figures.plotting import fit, label_ends, looks, named, per_backbone, plain_ticks, text_width, wide
from reports.read.cell import Cell
from reports.read.run import Run
from zoo.base.errors import ZooError
from zoo.base.figure import GREY, panels, short
from zoo.registry import objective

SPAN = 8.0  # of logsnr, to either side
DECADES = 1e4  # of the effective weight, above and below 1
SAME, SLACK = 0.02, 2  # how far equal curves may differ: in height, and in points at their ends


def loss(run: Run) -> Figure | None:
    """Training loss against images seen."""
    curves = {(b, o): curve for b in run.backbones for o in run.objectives if len(curve := _metrics(run, b, o)[1]) > 1}
    if not curves:
        return None
    styles, right = looks(run), text_width(run.objectives) + 0.2
    width = fit(2, 0.9, right, right + 0.7)
    figure, axes = per_backbone(run, width, 3.2, left=0.9, gap=right + 0.7, right=right, top=0.4)
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
        for o in filter(_taught_by_data, run.objectives):
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


def _taught_by_data(name: str) -> bool:
    """Whether an objective's error is one against the data's noise: a student's is one against its teacher."""
    try:
        scheme = objective(name.partition(" [")[0]).scheme
    except ZooError:
        return True
    return scheme is None or scheme.teacher is None


def weights(run: Run) -> Figure | None:
    """Effective weight by logsnr of all objectives in one panel, as the cells wrote it; equal curves are named so."""
    styles = looks(run)
    kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for o in run.objectives:
        prints = [cell.facts.get("fingerprint") for cell in run.done if cell.objective == o]
        if found := next(filter(None, prints), None):
            logsnr, weight = (
                np.array([np.nan if v is None else v for v in found[k]], float) for k in ("logsnr", "weight")
            )
            seen = (abs(logsnr) <= SPAN) & (weight > 1 / DECADES) & (weight < DECADES)
            kept[o] = logsnr[seen], weight[seen]
    groups = equal_curves(kept)
    if not groups:
        return None
    right = text_width([f"= {o}" for o in kept])
    height = max(4.2, 0.19 * len(named(styles, list(kept))))
    figure, ((ax,),) = panels(1, 1, min(7.4, fit(1, 0.75, right, 0)), height, margins=(0.75, right, 0.5, 0.15))
    ends, names, colours = [], [], []
    for group in groups:
        bright = named(styles, group)
        look = styles[(bright or group)[0]]
        x, y = kept[group[0]]
        _line(ax, x, y, look)
        for i, o in reversed(list(enumerate(bright))):  # of equal heights the last one is named at the top
            ends.append((float(x[-1]), float(y[-1])))
            names.append(f"= {o}" if i else o)
            colours.append(look[0])
    ax.set_yscale("log")
    ax.set_ylim(1 / DECADES, DECADES)
    plain_ticks(ax, "y", [1 / DECADES, DECADES])
    ax.set_xticks(np.linspace(-SPAN, SPAN, 5))
    ax.set_xlim(-SPAN, SPAN)
    ax.set_xlabel("logsnr  (noise at the left, data at the right)")
    ax.set_ylabel("effective weight, 1 at logsnr 0")
    label_ends(ax, ends, names, colours)
    return figure


def equal_curves(kept: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[list[str]]:
    """The names whose curves (x, y) are the same within SAME, as groups in the order of their first; empty ones out."""
    groups: list[list[str]] = []
    for name, (x, y) in kept.items():
        if not len(x):
            continue
        for group in groups:
            first_x, first_y = kept[group[0]]
            both = np.isin(first_x, x), np.isin(x, first_x)
            near = len(first_x) - SLACK <= both[0].sum() and len(x) - SLACK <= both[1].sum()
            if near and np.allclose(y[both[1]], first_y[both[0]], rtol=SAME, atol=0):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def x_hat_error(run: Run) -> Figure | None:
    """Error of x_hat by logsnr on test images, as a share of that of the class's mean image; means over seeds."""
    curves: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for b in run.backbones:
        for o in run.objectives:
            rows = [found for cell in run.group(b, o) if (found := _held_out(run, cell))]
            if rows and len({tuple(levels) for levels, _ in rows}) == 1:
                curves[b, o] = rows[0][0], np.mean([shares for _, shares in rows], axis=0).tolist()
    if not curves:
        return None
    styles, right = looks(run), text_width(run.objectives) + 0.2
    figure, axes = per_backbone(
        run, fit(2, 0.7, right, right + 0.5), 3.2, left=0.7, gap=right + 0.5, right=right, top=0.4
    )
    for ax, backbone in zip(axes, run.backbones, strict=True):
        drawn = {o: curves[backbone, o] for o in run.objectives if (backbone, o) in curves}
        for o, (x, y) in drawn.items():
            _line(ax, x, y, styles[o], marker="o")
        ax.set_yscale("log")
        plain_ticks(ax, "y", [value for _, y in drawn.values() for value in y])
        ax.axhline(1, color=GREY, ls=":")
        ax.set_xlabel("logsnr  (data at the left, noise at the right)")
        ax.set_ylabel("error of x_hat / of the class mean")
        levels = [value for x, _ in drawn.values() for value in x]
        ax.set_xlim(max(levels, default=1) + 0.5, min(levels, default=0))
        ax.set_ylim(ax.get_ylim())
        bright = named(styles, list(drawn))
        label_ends(ax, [(drawn[o][0][0], drawn[o][1][0]) for o in bright], bright, [styles[o][0] for o in bright])
    return figure


def _held_out(run: Run, cell: Cell) -> tuple[list[float], list[float]] | None:
    """(logsnr, error of x_hat) of a cell under the weights that are compared; None where it was not measured."""
    kinds = (cell.result or {}).get("validation") or {}
    found = kinds.get(run.headline[0].weights) if run.headline else None
    found = found or {}
    levels, shares = found.get("x0_logsnr"), found.get("x0_share")
    return (levels, shares) if levels and shares and len(levels) == len(shares) and None not in shares else None


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
