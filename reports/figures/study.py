"""Parameter studies: FID and rank by the numbers of a density or weight of which the grid holds several.

The numbers are read from the objectives' names: `rf/lognorm(0,1)` and `rf/lognorm(0.5,1)` are of one family.
"""

import re
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from eval.ranks.board import KEYS
from eval.ranks.fronts import ranks
from eval.ranks.table import average, scores_of
from reports.figures.plotting import MARKERS, fit, heat_map, legend, log_axis, per_backbone, wide
from reports.read.run import Run
from zoo.base.errors import ZooError
from zoo.base.figure import PALETTE, panels, short
from zoo.base.names import parse_term
from zoo.registry import TABLES

VALUES = {1: (3,), 2: (2, 2)}  # how many values of each number make a study


@dataclass(frozen=True)
class Family:
    """Objectives that differ in the numbers of one term, `rf/lognorm` in mean and std.

    points: objective -> its numbers.
    """

    name: str
    word: str
    parameters: tuple[str, ...]
    points: dict[str, tuple[float, ...]]

    def values(self, axis: int) -> list[float]:
        """The values of one of the numbers, each once."""
        return sorted({numbers[axis] for numbers in self.points.values()})


def families(run: Run) -> list[Family]:
    """The families of which the run holds enough values, in the order in which they first appear."""
    found: dict[tuple[str, str, int], dict[str, tuple[float, ...]]] = {}
    for o in run.objectives:
        for name, word, numbers in _terms(o):
            found.setdefault((name, word, len(numbers)), {})[o] = numbers
    every = [
        Family(name, word, _parameters(word, n), points) for (name, word, n), points in found.items() if n in VALUES
    ]
    return [f for f in every if all(len(f.values(i)) >= least for i, least in enumerate(VALUES[len(f.parameters)]))]


def study(run: Run, family: Family) -> Figure | None:
    """A family's heat maps or lines."""
    return (_heat_maps if len(family.parameters) == 2 else _line)(run, family)


def _heat_maps(run: Run, family: Family) -> Figure | None:
    """FID under the first setting, and the mean front over all settings, for a family of two numbers."""
    across, down = family.values(0), family.values(1)[::-1]
    tables = {}
    for backbone in run.backbones:
        tables[backbone, "fid"] = _table(family, across, down, _fids(run, backbone, family))
        tables[backbone, "rank"] = _table(family, across, down, _ranks(run, backbone))
    shown = [b for b in run.backbones if np.isfinite(tables[b, "fid"]).any()]
    if not shown:
        return None
    width = min(fit(2, 0.8, 0.2, 0.9), 0.75 * len(across) + 0.3)
    margins, gaps = (0.8, max(0.2, 4 - 2 * width), 0.2, 1.1), (0.9, 1.25)
    figure, axes = panels(len(shown), 2, width, 0.34 * len(down) + 0.1, margins=margins, gaps=gaps)
    setting = run.headline[0]
    for row, backbone in zip(axes, shown, strict=True):
        for ax, (metric, form, title) in zip(
            row,
            (("fid", "{:.1f}", f"{run.fid_name}, {run.label(setting)}"), ("rank", "{:.1f}", "mean front")),
            strict=True,
        ):
            _heat(ax, tables[backbone, metric], form)
            ax.set_xticks(range(len(across)), [f"{value:g}" for value in across])
            ax.set_yticks(range(len(down)), [f"{value:g}" for value in down])
            ax.set_xlabel(family.parameters[0])
            ax.xaxis.set_label_position("top")
            ax.set_ylabel(family.parameters[1])
            ax.set_title(f"{short(backbone)}\n{title}", pad=8)
    return figure


def _heat(ax: Axes, table: np.ndarray, form: str) -> None:
    """The lower the lighter, in equal parts of the logarithm; the lowest is framed."""
    finite = table[np.isfinite(table)]
    texts = np.array([[form.format(v) if np.isfinite(v) else "" for v in line] for line in table])
    scaled = np.log(np.maximum(table, max(finite.min(), 0.01))) if finite.size else table
    low, high = np.nanmin(scaled, initial=np.inf), np.nanmax(scaled[np.isfinite(scaled)], initial=-np.inf)
    shares = np.clip(1 - (scaled - low) / max(high - low, 1e-9), 0, 1)
    heat_map(ax, shares, texts, range(table.shape[1]), 8)
    if finite.size:
        row, column = np.argwhere(table == finite.min())[0]
        box: dict[str, Any] = {"fill": False, "edgecolor": PALETTE[1], "linewidth": 2.5}
        ax.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, **box))


def _line(run: Run, family: Family) -> Figure | None:
    """FID against the number of a family of one, a line a setting."""
    order = sorted(family.points, key=lambda o: family.points[o])
    found = {
        (b, s): [(family.points[o][0], stat) for o in order if (stat := run.stat(b, o, s, "fid"))]
        for b in run.backbones
        for s in run.headline
    }
    means = [stat.mean for points in found.values() for _, stat in points]
    if not means:
        return None
    figure, axes = per_backbone(run, fit(2, 0.7, 0.2, 0.8), 2.8, left=0.7, gap=0.8)
    for ax, backbone in zip(axes, run.backbones, strict=True):
        for i, setting in enumerate(run.headline):
            points = found[backbone, setting]
            y = np.array([stat.mean for _, stat in points])
            bars = np.maximum([y - [stat.low for _, stat in points], [stat.high for _, stat in points] - y], 0)
            look: dict[str, Any] = {
                "color": PALETTE[i % 8],
                "marker": MARKERS[i % 6],
                "ms": 5,
                "elinewidth": 0.8,
                "capsize": 2,
            }
            ax.errorbar([x for x, _ in points], y, yerr=bars, label=run.label(setting), **look)
        if wide(means):
            log_axis(ax, "y", max(means) / min(means))
        ax.set_xticks(family.values(0), [f"{value:.3g}" for value in family.values(0)])
        ax.set_xlabel(f"{family.word}: {family.parameters[0]}")
        ax.set_ylabel(f"{run.fid_name} (lower is better)")
    legend(figure, axes[0])
    return figure


def _fids(run: Run, backbone: str, family: Family) -> dict[str, float]:
    found = {o: run.stat(backbone, o, run.headline[0], "fid") for o in family.points} if run.headline else {}
    return {o: stat.mean for o, stat in found.items() if stat}


def _ranks(run: Run, backbone: str) -> dict[str, float]:
    """Every objective's mean front on a backbone, among all objectives of the run."""
    scores = scores_of(run.entries, KEYS, run.objectives).part(lambda control: control.backbone == backbone)
    return dict(zip(scores.objectives, average(ranks(scores)), strict=True)) if scores.controls else {}


def _table(family: Family, across: list[float], down: list[float], values: dict[str, float]) -> np.ndarray:
    """[len(down), len(across)], nan where the grid has no such objective."""
    table = np.full((len(down), len(across)), np.nan)
    for o, (x, y) in family.points.items():
        table[down.index(y), across.index(x)] = values.get(o, np.nan)
    return table


def _terms(objective: str) -> list[tuple[str, str, tuple[float, ...]]]:
    """(the name without a term's numbers, the term's word, its numbers) for each term that has any."""
    parts = re.split(r"([/+](?![^(]*\)))", objective)  # separators outside of parentheses are kept
    found = []
    for i in range(0, len(parts), 2):
        try:
            term = parse_term(parts[i], "part")
        except ZooError:
            continue
        if term.positional and not term.named:
            found.append(("".join([*parts[:i], term.word, *parts[i + 1 :]]), term.word, term.positional))
    return found


def _parameters(word: str, count: int) -> tuple[str, ...]:
    """What a part calls its numbers; `number 1` and so on for a part that is not known here."""
    kinds = [kind for kind, table in TABLES.items() if kind != "target" and word in table]
    made = TABLES[kinds[0]][word] if kinds else None
    known = tuple(f.name for f in fields(made) if f.name != "base") if is_dataclass(made) else ()
    return known if len(known) == count else tuple(f"number {i + 1}" for i in range(count))
