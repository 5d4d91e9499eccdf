"""Pictures of the ranks: the Pareto fronts that they are the numbers of, and the places under every control setting."""

from itertools import pairwise
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eval.ranks.board import KEYS
from eval.ranks.fronts import ranks
from eval.ranks.ranking import ranking
from eval.ranks.table import Control, Scores, average, scores_of
from reports.figures.plotting import MANY, fit, heat_map, label_points, log_axis, text_width, wide
from reports.read.run import Run
from reports.read.setting import Setting
from zoo.base.figure import PALETTE, panels, short

LINED = 4  # fronts that are drawn as lines
LEAST = 2.0  # percent of accuracy that an axis spans: less is a few images
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
        ax.margins(x=0.1)
        ax.set_xlim(ax.get_xlim())
        span = max(max(y) - min(y), LEAST)
        ax.set_ylim(max(y) - 1.12 * span, max(y) + 0.12 * span)
        ax.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))  # one digit after the point at most
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


def places(run: Run) -> Figure | None:
    """The objectives' places under every control setting: a heat map, a row an objective, the best at the top."""
    scores = scores_of(run.entries, KEYS, run.objectives)
    order = sorted(range(len(scores.controls)), key=lambda i: _place(run, scores.controls[i]))
    found, means = order_by_setting(scores)
    rows = [scores.objectives.index(name) for name in run.ranked]
    rows = [row for row in rows if not np.isnan(means[row])]
    if len(order) < 2 or len(rows) < 2:
        return None
    controls, table = [scores.controls[i] for i in order], found[np.ix_(rows, order)]
    settings = [_setting(run, control) for control in controls]
    few = len(controls) <= 12
    words = [f"{s.kind}, {run.brief(s)}" for s in settings]
    words = [text.replace(", ", "\n") for text in words] if few else words
    starts = [i for i, control in enumerate(controls) if i == 0 or control.place != controls[i - 1].place]
    x = [i + 0.3 * sum(start <= i for start in starts[1:]) for i in range(len(controls))]  # a gap before each backbone
    left = text_width([f"{scores.objectives[row]}  0.00" for row in rows])
    above = 0.45 + (0.16 * (1 + max(text.count("\n") for text in words)) if few else 0.068 * max(map(len, words)))
    high = 0.3 if len(rows) <= MANY else 0.17
    width = min(fit(1, left, 0.2, 0), (0.95 if few else 0.3) * (x[-1] + 1))
    figure, ((ax,),) = panels(1, 1, width, high * len(rows), margins=(left, 0.2, 0.15, above))
    last = max(2.0, float(np.nanmax(table)))
    texts = np.array([["" if np.isnan(value) else f"{value:.0f}" for value in line] for line in table])
    heat_map(ax, (table - 1) / (last - 1), texts, x, 8 if high > 0.2 else 6.5, "Blues_r", 0.9)
    names = [f"{short(scores.objectives[row])}  {means[row]:.2f}" for row in rows]
    ax.set_yticks(range(len(rows)), names)
    ax.set_xticks(x, words, rotation=0 if few else 90, fontsize=8)
    for i, start in enumerate(starts):
        dataset, backbone = controls[start].place
        text = backbone if len(run.datasets) == 1 else f"{dataset}, {backbone}"
        wide_enough = ([*starts, len(controls)][i + 1] - start) * width / (x[-1] + 1)
        spot = (x[start] - 0.48, 1 + (above - 0.18) / (high * len(rows)))
        limit = max(8, int(wide_enough / 0.088))
        ax.text(*spot, short(text, limit), transform=ax.get_xaxis_transform(), weight="bold", fontsize=9)
    return figure


def order_by_setting(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """[objective, control] places from 1, by front and within a front by FID, nan without a score; and FID over all."""
    number, fids = ranks(scores), average(scores.values["fid"])
    places = np.full(number.shape, np.nan)
    for i in range(number.shape[1]):
        there = np.flatnonzero(~np.isnan(number[:, i]))
        places[there[np.lexsort((fids[there, i], number[there, i]))], i] = 1 + np.arange(len(there))
    return places, ranking(scores, expected=0).fid


def _setting(run: Run, control: Control) -> Setting:
    return next(s for s in run.settings if tuple(getattr(s, key) for key in KEYS) == control.setting)


def _place(run: Run, control: Control) -> tuple[int, int, int]:
    """Where a control setting stands on the page."""
    setting = run.settings.index(_setting(run, control))
    return run.datasets.index(control.dataset), run.backbones.index(control.backbone), setting
