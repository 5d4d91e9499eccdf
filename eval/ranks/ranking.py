"""Ranks of objectives, with what runs by chance did to them.

An objective's level is its FID on a logarithmic scale (eval/ranks/scale.py), averaged over control settings and seeds
by the additive model; its rank is one more than the number of objectives whose level is lower by more than one standard
error. Intervals are confidence sets from simultaneous tests of all pairs (eval/ranks/sets.py), and two objectives
cannot be distinguished if these tests do not. Beside it stands the mean Pareto front of FID and accuracy
(eval/ranks/fronts.py), which jumps where two scores are near each other, so that no interval of its own covers it.

An objective of which a run diverged comes after all others, by definition and without a test.
"""

from dataclasses import dataclass

import numpy as np

from eval.ranks.additive import Fit, fit
from eval.ranks.critical import LEVEL, family
from eval.ranks.fronts import mean_fronts, sampling_errors
from eval.ranks.scale import Asinh
from eval.ranks.sets import first, rank_sets, tied_ranks
from eval.ranks.table import Scores, average


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranks of some scores. All arrays are [objective] in the scores' order, but for p.

    rank: see the module, nan without any score. level: its mean, inf where a run diverged. low, high: the 95%
    confidence set of the rank; chance: that of being first; nan where an objective has fewer than two seeds under some
    control. front: mean Pareto front. incomplete: whether runs are missing. p [objective, objective]: of no difference
    between two, corrected for all pairs; nan without a test.
    """

    scores: Scores
    rank: np.ndarray
    level: np.ndarray
    low: np.ndarray
    high: np.ndarray
    chance: np.ndarray
    front: np.ndarray
    incomplete: np.ndarray
    p: np.ndarray

    @property
    def order(self) -> list[int]:
        """Objectives by level, and so by rank; those without any last, in the scores' order."""
        return list(np.argsort(self.level, kind="stable"))

    @property
    def fid(self) -> np.ndarray:
        """The FID at an objective's level: a geometric mean over control settings, where FID is large."""
        samples = self.scores.samples
        return Asinh.of(samples.min()).back(self.level) if len(samples) else self.level

    def alike(self, i: int) -> list[int]:
        """Objectives that cannot be distinguished from the i-th, by rank."""
        return [j for j in self.order if j != i and self.p[i, j] > 1 - LEVEL]


def ranking(scores: Scores, expected: int, seed: int = 0) -> Ranking:
    """Rank objectives. expected: seeds that each of them should have under every control."""
    values = scores.values["level"]
    names = len(values)
    diverged = np.isinf(values).any((1, 2))
    chosen = np.flatnonzero(np.isfinite(values).any((1, 2)) & ~diverged)
    level, low, high, chance = (np.full(names, np.nan) for _ in range(4))
    level[diverged] = np.inf
    error, p = np.full((names, names), np.nan), np.full((names, names), np.nan)
    at = np.ix_(chosen, chosen)
    if len(chosen):
        found = fit(values[chosen])
        level[chosen], error[at] = found.effect, found.error
        single = np.isnan(found.error)
        error[at] = np.where(single, sampling_errors(scores)[at], found.error)
    ranked = ~np.isnan(level)
    if ranked.any() and (scores.seeds[ranked] > 1).all():
        if len(chosen):
            low[chosen], bound, chance[chosen], p[at] = _tested(found, seed)
            high[chosen] = bound
        low[diverged], high[diverged], chance[diverged] = len(chosen) + 1, ranked.sum(), 0.0 if len(chosen) else np.nan
        p[np.ix_(diverged, chosen)] = p[np.ix_(chosen, diverged)] = 0.0
        p[np.ix_(diverged, diverged)] = 1.0
    rank = tied_ranks(level, error)
    incomplete = (scores.seeds < expected).any(1)
    return Ranking(scores, rank, level, low, high, chance, mean_fronts(scores), incomplete, p)


def _tested(found: Fit, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    p = family(found)
    return *rank_sets(found.t, p), first(found, seed), p


def levels(values: np.ndarray) -> np.ndarray:
    """[objective] means over controls and seeds of values [objective, control, seed], by the additive model.

    inf where a run diverged, nan where nothing is known.
    """
    diverged = np.isinf(values).any((1, 2))
    chosen = np.flatnonzero(np.isfinite(values).any((1, 2)) & ~diverged)
    found = np.where(diverged, np.inf, np.nan)
    if len(chosen):
        found[chosen] = fit(values[chosen]).effect
    return found


def sampling_share(scores: Scores) -> float | None:
    """The share of sampling in the variance between runs of differences in level; None for what is not known.

    Over 1 by chance where it is near it.
    """
    values = scores.values["level"]
    whole = np.flatnonzero(np.isfinite(values).all((1, 2)) & ~np.isnan(scores.blocks).any((1, 2, 3)))
    if len(whole) < 2 or values.shape[2] < 2:
        return None
    runs = values[whole].mean(1)
    left = runs - average(runs)[:, None] - runs.mean(0) + runs.mean()
    between = (left**2).sum() / ((len(whole) - 1) * (values.shape[2] - 1))
    blocks = scores.blocks[whole].mean(1)
    sampling = ((blocks - blocks.mean(0)) ** 2).sum(-1).sum() / ((len(whole) - 1) * values.shape[2])
    return float(sampling / between) if between > 0 else None
