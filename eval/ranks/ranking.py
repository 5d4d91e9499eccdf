"""Ranks as in Stable Diffusion 3's study (arXiv 2403.03206, section 5.1), with what runs by chance did to them.

Under each control setting (data set x backbone x weights x sampler setting) scores are averaged over seeds, and Pareto
fronts peeled over (fid down, acc up): an objective's rank there is the number of its front, and its rank is the mean
over the settings. A run that diverged scores fid = inf and acc = -inf, so that its objective comes after every finite
front. A run that is missing is nan: its objective's rank is marked incomplete, and it stays in the table.

Intervals come from resampling runs: seeds with replacement within (objective, backbone, data set), all settings of a
run together, since a run, not an image, is what would be different next time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from eval.ranks.effects import LEVEL

REPLICATES = 2000
CHUNK = 100  # replicates at once
APART = (0.05, 0.95)  # two objectives are told apart if the share of replicates with one first is outside of this
METRICS = {"fid": 1, "acc": -1, "fid_se": 1, "pfd": 1, "fid2": 1, "acc2": -1}  # name -> 1 if lower is better


@dataclass(frozen=True)
class Control:
    """One control setting: `place` (data set, backbone), `setting` its fields' values, `steps` of its sampler."""

    dataset: str
    backbone: str
    setting: tuple[object, ...]
    steps: int

    @property
    def place(self) -> tuple[str, str]:
        return self.dataset, self.backbone


@dataclass(frozen=True)
class Entry:
    """One run: what it was, its status (done, diverged, or anything else for a missing one), and its rows of scores."""

    dataset: str
    backbone: str
    objective: str
    seed: int
    status: str
    rows: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores as arrays [objective, control, seed], by metric; nan where a run is missing."""

    objectives: tuple[str, ...]
    controls: tuple[Control, ...]
    values: dict[str, np.ndarray]

    def part(self, keep: Callable[[Control], bool]) -> "Scores":
        """The same for some of the controls."""
        chosen = [i for i, control in enumerate(self.controls) if keep(control)]
        values = {name: array[:, chosen] for name, array in self.values.items()}
        return Scores(self.objectives, tuple(self.controls[i] for i in chosen), values)

    def without(self, objective: str) -> "Scores":
        """The same without an objective."""
        chosen = [i for i, name in enumerate(self.objectives) if name != objective]
        values = {name: array[chosen] for name, array in self.values.items()}
        return Scores(tuple(self.objectives[i] for i in chosen), self.controls, values)

    @cached_property
    def seeds(self) -> np.ndarray:
        """[objective, control]: runs that have a score."""
        count: np.ndarray = (~np.isnan(self.values["fid"])).sum(2)
        return count

    @cached_property
    def families(self) -> dict[str, str]:
        """Backbone -> `dit` or `unet`, so that sizes for different data sets count as one; else its own name."""
        places = {control.place for control in self.controls}
        words = {backbone: backbone.split("(")[0] for _, backbone in places}
        alone = [(dataset, words[backbone]) for dataset, backbone in places]
        return {b: word if all(alone.count((d, word)) < 2 for d, _ in places) else b for b, word in words.items()}


def scores_of(entries: Iterable[Entry], keys: Sequence[str], objectives: Sequence[str] = ()) -> Scores:
    """The arrays of some runs. keys: a row's fields that make up its setting; objectives: their order, if known."""
    entries = list(entries)
    names = list(dict.fromkeys([*objectives, *(entry.objective for entry in entries)]))
    seeds = sorted({entry.seed for entry in entries})
    controls: dict[tuple[object, ...], Control] = {}
    for entry in entries:
        for row in entry.rows:
            setting = tuple(_plain(row[key]) for key in keys)
            key = entry.dataset, entry.backbone, setting
            controls.setdefault(key, Control(*key, steps=row["steps"]))
    place = {key: i for i, key in enumerate(controls)}
    values = {name: np.full((len(names), len(controls), len(seeds)), np.nan) for name in METRICS}
    for entry in entries:
        at = names.index(entry.objective), seeds.index(entry.seed)
        if entry.status == "diverged":
            for i, control in enumerate(controls.values()):
                if control.place == (entry.dataset, entry.backbone):
                    for name, sign in METRICS.items():
                        values[name][at[0], i, at[1]] = sign * np.inf
        for row in entry.rows:
            i = place[entry.dataset, entry.backbone, tuple(_plain(row[key]) for key in keys)]
            for name in METRICS:
                if row.get(name) is not None:
                    values[name][at[0], i, at[1]] = row[name]
    return Scores(tuple(names), tuple(controls.values()), values)


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def fronts(costs: np.ndarray, slack: np.ndarray | float = 0.0) -> np.ndarray:
    """The number of each point's Pareto front, from 1, along the last axis but one; nan for points with a nan.

    costs: [.., N, K], lower is better. Equal points share a front. slack: [.., N, N, K] or a number, how much better a
    point has to be in a cost, and how much worse it may be, to count as better there and as no worse.
    """
    missing = np.isnan(costs).any(-1)
    no_worse, better = (
        np.True_,
        np.False_,
    )  # axis by axis, and sums as products of matrices: many times faster than reducing
    with np.errstate(invalid="ignore"):
        for k in range(costs.shape[-1]):
            a, b, by = costs[..., :, None, k], costs[..., None, :, k], np.asarray(slack)
            by = by[..., k] if by.ndim else by
            no_worse, better = no_worse & (a <= b + by), better | (a < b - by)
    beats = (no_worse & better).astype(np.float32)  # [.., i, j]: i dominates j
    front = np.where(missing, np.nan, 0.0)
    left, number = ~missing, 0
    while left.any():
        number += 1
        best = left & ~((left[..., None, :].astype(np.float32) @ beats)[..., 0, :] > 0)
        # with slack, points may dominate each other in a circle: then they share a front
        best = np.where(best.any(-1, keepdims=True), best, left)
        front = np.where(best, number, front)
        left &= ~best
    return front


def ranks(scores: Scores, axes: Sequence[str] = ("fid", "acc"), weights: np.ndarray | float = 1.0) -> np.ndarray:
    """[objective, control] fronts of the means over seeds; weights: how often each run counts, [.., O, C, S]."""
    costs = [average(scores.values[name] * METRICS[name], weights) for name in axes]
    return fronts(np.stack(costs, -1).swapaxes(-3, -2)).swapaxes(-1, -2)


def mean_ranks(scores: Scores, axes: Sequence[str] = ("fid", "acc"), weights: np.ndarray | float = 1.0) -> np.ndarray:
    """[objective] the mean of `ranks` over the controls."""
    return average(ranks(scores, axes, weights))


def average(array: np.ndarray, weights: np.ndarray | float = 1.0) -> np.ndarray:
    """The mean over the last axis of what is not nan; nan where nothing is, inf where anything is."""
    count = np.where(np.isnan(array), 0.0, weights)
    total = (np.where(count > 0, array, 0.0) * np.where(count > 0, count, 1.0)).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count.sum(-1) > 0, total / count.sum(-1), np.nan)


def resampled(scores: Scores, replicates: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """[replicates, objective] mean ranks with the runs drawn anew, from a generator of this seed."""
    rng = np.random.default_rng(seed)
    places = list(dict.fromkeys(control.place for control in scores.controls))
    of = [places.index(control.place) for control in scores.controls]
    there = ~np.isnan(scores.values["fid"])
    runs = np.stack([there[:, np.array(of) == p].any(1) for p in range(len(places))], 1)  # [O, place, S]
    count, order = runs.sum(2)[..., None, None], np.argsort(~runs, axis=2, kind="stable")
    slots, found = np.arange(runs.shape[2]), []
    for first in range(0, replicates, CHUNK):
        shape = (min(CHUNK, replicates - first), *runs.shape)
        drawn = np.floor(rng.random(shape)[..., None] * count)  # which of the runs that are there
        times = ((drawn == slots) & (slots[:, None] < count)).sum(-2)  # how often each of them
        weights = np.zeros(shape)
        np.put_along_axis(weights, np.broadcast_to(order, shape), times, axis=3)
        found.append(mean_ranks(scores, weights=weights[:, :, of]))
    return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranks of some scores. All arrays are [objective] in the scores' order.

    rank: the mean front, nan without any score. low, high: its 95% interval; first: P(rank 1); both nan where an
    objective has fewer than two seeds under some control. incomplete: whether runs are missing. before: [i, j] share of
    replicates with i before j, ties as halves.
    """

    scores: Scores
    rank: np.ndarray
    low: np.ndarray
    high: np.ndarray
    first: np.ndarray
    incomplete: np.ndarray
    before: np.ndarray

    @property
    def order(self) -> list[int]:
        """Objectives by rank, those without any last; equal ranks in the scores' order."""
        return list(np.argsort(np.where(np.isnan(self.rank), np.inf, self.rank), kind="stable"))

    def alike(self, i: int) -> list[int]:
        """Objectives that cannot be told apart from the i-th, by rank."""
        return [j for j in self.order if j != i and APART[0] <= self.before[i, j] <= APART[1]]


def ranking(scores: Scores, expected: int, replicates: int = REPLICATES, seed: int = 0) -> Ranking:
    """Rank objectives. expected: seeds that each of them should have under every control."""
    rank = mean_ranks(scores)
    names = len(rank)
    low, high, first = (np.full(names, np.nan) for _ in range(3))
    before = np.full((names, names), np.nan)
    ranked = ~np.isnan(rank)
    if ranked.any() and (scores.seeds[ranked] > 1).all():
        drawn = resampled(scores, replicates, seed)[:, ranked]
        low[ranked], high[ranked] = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        best = drawn == drawn.min(1, keepdims=True)
        first[ranked] = (best / best.sum(1, keepdims=True)).mean(0)
        a, b = drawn[:, :, None], drawn[:, None, :]
        before[np.ix_(ranked, ranked)] = (a < b).mean(0) + (a == b).mean(0) / 2
    return Ranking(scores, rank, low, high, first, np.any(scores.seeds < expected, axis=1), before)
