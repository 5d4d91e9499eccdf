"""Pictures of the ranks: the Pareto fronts that they are the numbers of, and the order under every control setting."""

from itertools import pairwise
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.ranks.board import KEYS
from eval.ranks.ranking import Control, Scores, average, mean_ranks, ranks, scores_of
from reports.figures.plotting import LINES, MANY, fit, label_points, log_axis, looks, text_width, wide
from reports.read.run import Run
from reports.read.setting import Setting
from zoo.base.figure import GREY, PALETTE, panels, short

FAINT = "#C4C4C4"  # lines of the many behind those that are named
LINED = 4  # fronts that are drawn as lines
FIRST, LATER = PALETTE[0], (0.45, 0.83)  # the first front's colour; greys from the second to the last


def pareto(run: Run, backbone: str) -> Figure | None:
    """Accuracy against FID of one backbone, a panel for each control setting: the fronts as the ranks count them."""
    scores = scores_of(run.entries, KEYS, run.objectives).part(lambda control: control.backbone == backbone)
    order = sorted(range(len(scores.controls)), key=lambda i: _place(run, scores.controls[i]))
    fids, accs = (average(scores.values[name]) for name in ("fid", "acc"))
    shown = [i for i in order if np.isfinite(fids[:, i]).sum() > 1]
    if not shown:
        return None
    columns = min(2 if len(shown) <= 4 else 3, len(shown))
    width, height = fit(max(2, columns), 0.7, 0.2, 0.65), 3.2 if columns < 3 else 2.5
    margins, gaps = (0.7, 0.2, 0.55, 0.8), (0.65, 1.0)
    figure, axes = panels(-(-len(shown) // columns), columns, width, height, margins=margins, gaps=gaps)
    figure.text(0.01, 1 - 0.22 / figure.get_figheight(), short(backbone), weight="bold", fontsize=11)
    number = ranks(scores)
    for ax in axes.flat[len(shown) :]:
        ax.set_visible(False)
    for ax, i in zip(axes.flat, shown, strict=False):
        drawn = np.flatnonzero(np.isfinite(fids[:, i]) & np.isfinite(accs[:, i]))
        x, y = fids[drawn, i], 100 * accs[drawn, i]
        _fronts(ax, x, y, number[drawn, i])
        if wide(x):
            log_axis(ax, "x", max(x) / min(x))
        setting = _setting(run, scores.controls[i])
        ax.set_title("\n".join(wrap(f"{setting.kind}, {run.brief(setting)}", int(14 * width))))
        ax.set_xlabel(f"{run.fid_name} (lower is better)")
        ax.set_ylabel("accuracy, % (higher is better)")
        ax.margins(0.1, 0.12)
        ax.set_xlim(ax.get_xlim())
        ax.set_ylim(ax.get_ylim())
        best = number[drawn, i] == 1
        names = [scores.objectives[o] for o in drawn[best]]
        others = [*zip(x[~best], y[~best], strict=True), *_along(x[best], y[best])]
        label_points(ax, list(zip(x[best], y[best], strict=True)), names, [FIRST] * len(names), others)
    return figure


def _fronts(ax: Axes, x: np.ndarray, y: np.ndarray, number: np.ndarray) -> None:
    """Points, and a staircase through the points of each front; the first one stands out."""
    count = int(number.max())
    for front in range(count, 0, -1):
        at = np.flatnonzero(number == front)
        at = at[np.lexsort((y[at], x[at]))]
        first, grey = front == 1, f"{np.interp(front, (2, max(count, 6)), LATER):.2f}"
        look: dict[str, Any] = {"color": FIRST, "lw": 1.6, "ms": 6} if first else {"color": grey, "lw": 0.7, "ms": 4}
        line = "-" if front <= LINED else ""
        ax.plot(
            x[at],
            y[at],
            marker="o",
            ls=line,
            drawstyle="steps-post",
            label=f"front {front}",
            zorder=9 - min(front, 6),
            **look,
        )


def _along(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """Spots along the staircase through these points, which names are to leave free."""
    points = sorted(zip(x, y, strict=True))
    corners = [spot for (a, b), (c, d) in pairwise(points) for spot in ((a, b), (c, b), (c, d))]
    return [
        (a + share * (c - a), b + share * (d - b))
        for (a, b), (c, d) in pairwise(corners)
        for share in np.linspace(0, 1, 15)
    ]


def bump(run: Run) -> Figure | None:
    """The objectives' order under every control setting, of all data sets, and over all of them."""
    scores = scores_of(run.entries, KEYS, run.objectives)
    if not scores.controls:
        return None
    order = sorted(range(len(scores.controls)), key=lambda i: _place(run, scores.controls[i]))
    places, means = order_by_setting(scores)
    ranked = np.flatnonzero(~np.isnan(means))
    if len(order) < 2 or len(ranked) < 2:
        return None
    controls, places = [scores.controls[i] for i in order], places[:, order]
    overall = np.argsort(np.argsort(np.where(np.isnan(means), np.inf, means), kind="stable"), kind="stable") + 1
    styles = looks(run)
    if len(ranked) > len(PALETTE):  # here the best by rank are named
        best = [scores.objectives[o] for o in ranked[np.argsort(overall[ranked])][: len(PALETTE)]]
        styles = {o: (PALETTE[best.index(o)], LINES[best.index(o) % 2]) if o in best else (GREY, "-") for o in styles}
    side = text_width([f"{name}  0.00" for name in scores.objectives])
    row, few = 0.32 if len(ranked) <= MANY else 0.15, len(controls) <= 12
    settings = [_setting(run, control) for control in controls]
    words = [f"{s.kind}, {run.brief(s)}" for s in settings]
    words = [text.replace(", ", "\n") for text in words] if few else words
    below = max(0.3 + 0.16 * (1 + text.count("\n")) if few else 0.3 + 0.068 * len(text) for text in words)
    figure, ((ax,),) = panels(1, 1, fit(1, side, side, 0), row * len(ranked), margins=(side, side, below, 0.7))
    end = len(controls) + 0.2  # the last column is set apart
    for o in ranked:
        name, (colour, line) = scores.objectives[o], styles[scores.objectives[o]]
        plain = colour == GREY
        look = (
            {"color": FAINT, "lw": 0.5} if plain else {"color": colour, "ls": line, "lw": 1.8, "marker": "o", "ms": 5}
        )
        y = [*places[o], overall[o]]
        ax.plot([*range(len(controls)), end], y, zorder=1 if plain else 2, label=name, **look)
        if not plain:
            text = {"color": colour, "fontsize": 8.5, "va": "center", "annotation_clip": False}
            ax.annotate(f"{short(name)}  {means[o]:.2f}", (end, overall[o]), (8, 0), textcoords="offset points", **text)
            if not np.isnan(places[o, 0]):
                ax.annotate(short(name), (0, places[o, 0]), (-8, 0), textcoords="offset points", ha="right", **text)
    ax.set_xticks([*range(len(controls)), end], [*words, "mean rank"], rotation=0 if few else 90, fontsize=8)
    ax.set_xlim(-0.3, end + 0.3)
    ax.set_ylim(len(ranked) + 0.6, 0.4)
    ax.set_yticks([])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    starts = [i for i, control in enumerate(controls) if i == 0 or control.place != controls[i - 1].place]
    for i, start in enumerate(starts):
        dataset, backbone = controls[start].place
        place = backbone if len(run.datasets) == 1 else f"{dataset}, {backbone}"
        above = -6, 14 + 13 * (i % 2 and len(starts) > 2)  # many names take turns on two lines
        where: dict[str, Any] = {
            "xycoords": ax.get_xaxis_transform(),
            "textcoords": "offset points",
            "annotation_clip": False,
        }
        ax.annotate(short(place, 26), (start, 1), above, weight="bold", **where)
    for edge in [*starts[1:], end - 0.1]:
        ax.axvline(edge - 0.5, color="#C8C8C8", lw=0.8, ymin=-0.02, ymax=1.02, clip_on=False)
    return figure


def order_by_setting(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """[objective, control] places from 1, by front and within a front by FID, nan without a score; and mean ranks."""
    number, fids = ranks(scores), average(scores.values["fid"])
    places = np.full(number.shape, np.nan)
    for i in range(number.shape[1]):
        there = np.flatnonzero(~np.isnan(number[:, i]))
        places[there[np.lexsort((fids[there, i], number[there, i]))], i] = 1 + np.arange(len(there))
    return places, mean_ranks(scores)


def _setting(run: Run, control: Control) -> Setting:
    return next(s for s in run.settings if tuple(getattr(s, key) for key in KEYS) == control.setting)


def _place(run: Run, control: Control) -> tuple[int, int, int]:
    """Where a control setting stands on the page."""
    setting = run.settings.index(_setting(run, control))
    return run.datasets.index(control.dataset), run.backbones.index(control.backbone), setting
