"""Effects on FID where objectives cross target, density and loss weight: least squares, each effect a ratio of FIDs.

    y = f(FID) = mean + weight + target + density + backbone + start + guidance + seed + error

f is FID's scale (`scale.py`), a logarithm far above its s, so that exp(effect) is a ratio of FIDs there. An effect is
that of a level against its factor's first one, all else equal on average; what one factor does to another's effect
stays in the error. Target and density may have effects of their own under each weight, and any sum of effects has its
interval.

Errors are those of training again. Within a seed all runs share images and noise, so that seeds are blocks: what
objectives differ in (target, density, weight) is compared within a block, and its error is that of single runs, from
how much each pairing of objective and backbone varies over seeds, clustered by run,

    var(c) = sum_r (c A_r e_r)^2 n / (n - 1)
    e = y - its mean over the pairing's n seeds - the seed's own mean of that

where A maps scores to effects and c sums these. Pairings vary unequally, so degrees of freedom are Welch's (Biometrika
34, 1947), (sum v)^2 / sum(v^2 / (n + 1)) - 2, with v what a pairing adds to the variance. What all runs of a seed share
(backbone, start, guidance, images seen) may shift with the seed for all of them at once; its error is that of the
effect from seed to seed, by Student's t, and is not told where seeds have different runs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from eval.ranks.effects import holm
from eval.ranks.scale import Asinh

LEVEL = 0.95
WITHIN = ("target", "density", "weight")  # what objectives differ in, compared within a seed
SPLIT = ("target", "density")  # with effects of their own under each weight

Levels = tuple[tuple[str, str], ...]  # of a point, by factor
Name = tuple[str, str, str]  # a factor, its level, and the weight under which it counts, "" for all


@dataclass(frozen=True)
class Point:
    """One FID, from n samples: of a run (objective and backbone) and seed, at a level of every factor."""

    run: str
    seed: int
    levels: dict[str, str]
    fid: float
    n: int


@dataclass(frozen=True)
class Effect:
    """A ratio of FIDs; low, high: its 95% interval, p: two-sided for a ratio of 1. None where nothing is known."""

    ratio: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Fit:
    """What least squares found. Arrays have a row for each of `names`, the effects against each factor's first level.

    inside: what each run adds to an effect's error, so that the sum of squares is its variance; across: what each seed
    adds. pairing: the pairing of each run, and times: the number of its seeds. freedom: degrees of freedom, at most, of
    inside and across, 0 where nothing is known. spread: the standard deviation of y about the fit. s: FID about which
    the scale turns from a straight line into a logarithm.
    """

    names: list[Name]
    effects: np.ndarray
    inside: np.ndarray
    across: np.ndarray
    pairing: np.ndarray
    times: np.ndarray
    freedom: tuple[int, int]
    spread: float
    s: float

    def effect(self, parts: Mapping[Name, float]) -> Effect:
        """A sum of effects, each times its number; a factor's first level has none and adds nothing."""
        contrast = np.array([parts.get(name, 0.0) for name in self.names])
        mean = float(contrast @ self.effects)
        own = all(factor in WITHIN for (factor, _, _), part in zip(self.names, contrast, strict=True) if part)
        each = contrast @ (self.inside if own else self.across)
        error, freedom = float(np.linalg.norm(each)), float(self.freedom[0 if own else 1])
        if not freedom or not error > 0:
            return Effect(math.exp(mean))
        if own:
            added = np.bincount(self.pairing, each**2)
            freedom = min(freedom, max(1.0, error**4 / float(added**2 @ (1 / (self.times + 1))) - 2))
        half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
        p = float(2 * stats.t.sf(abs(mean) / error, freedom))
        return Effect(math.exp(mean), math.exp(mean - half), math.exp(mean + half), p)

    def pairs(self, factor: str, levels: Sequence[str], weight: str) -> list[float | None]:
        """p of every pair of a factor's levels under a weight, by Holm's correction."""
        return holm([
            self.effect({(factor, one, weight): 1.0, (factor, other, weight): -1.0}).p
            for one, other in combinations(levels, 2)
        ])  # fmt: skip


def fit(points: Sequence[Point], factors: Mapping[str, Sequence[str]]) -> Fit | None:
    """The effects of every factor of at least two levels; None where they cannot be separated.

    factors: their levels, the reference first; those that no point has are left out, and so are points whose FID is not
    finite. Target and density have effects under each level of the factor weight, if it has several.
    """
    points = [point for point in points if math.isfinite(point.fid)]
    names = _names(points, factors)
    if not names:
        return None
    scale = Asinh.of(max(point.n for point in points))
    y = scale.forward(np.array([point.fid for point in points]))
    ours = np.array([[_has(point, name) for name in names] for point in points], float)
    blocks = _indicators([point.seed for point in points])
    x = np.concatenate([ours, blocks], 1)
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return None
    inverse = np.linalg.pinv(x)
    solve, coefficients = inverse[: len(names)], inverse @ y
    left = max(len(points) - x.shape[1], 1)
    spread = float(np.linalg.norm(y - x @ coefficients) / math.sqrt(left))
    return Fit(names, solve @ y, *_errors(points, y, solve), spread, scale.s)


def _names(points: Sequence[Point], factors: Mapping[str, Sequence[str]]) -> list[Name]:
    known = {
        factor: [level for level in levels if any(point.levels.get(factor) == level for point in points)]
        for factor, levels in factors.items()
    }
    weights = known.get("weight", ())
    each = weights if len(weights) > 1 else ("",)
    return [
        (factor, level, weight)
        for factor, levels in known.items()
        for weight in (each if factor in SPLIT else ("",))
        for level in levels[1:]
    ]


def _has(point: Point, name: Name) -> bool:
    factor, level, weight = name
    return point.levels[factor] == level and weight in ("", point.levels.get("weight"))


def _indicators(keys: Sequence[object]) -> np.ndarray:
    """[len(keys), distinct keys]"""
    places: dict[object, int] = {}
    found = [places.setdefault(key, len(places)) for key in keys]
    return np.eye(len(places))[found]


def _errors(
    points: Sequence[Point], y: np.ndarray, solve: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """Fit's inside, across, pairing, times and freedom."""
    levels = [tuple(point.levels.items()) for point in points]
    deviation = y - _means([(point.run, own) for point, own in zip(points, levels, strict=True)], y)
    shared = [(point.seed, _shared(own)) for point, own in zip(points, levels, strict=True)]
    centred = deviation - _means(shared, deviation)
    runs = [(point.run, point.seed) for point in points]
    known = list(dict.fromkeys(runs))
    names = list(dict.fromkeys(run for run, _ in known))
    pairing = np.array([names.index(run) for run, _ in known])
    times = np.bincount(pairing)
    seeds = {seed: frozenset(run for run, other in known if other == seed) for _, seed in known}
    repeated, several = int((times > 1).sum()), times[pairing] > 1
    weights = np.where(several, times[pairing] / np.maximum(times[pairing] - 1, 1), 0.0)
    weights *= len(known) / max(int(several.sum()), 1)  # a run without another seed has the others' mean error
    inside = _sums(runs, solve * centred) * np.sqrt(weights * repeated / max(repeated - 1, 1))
    across = _sums([point.seed for point in points], solve * deviation) * math.sqrt(len(seeds) / max(len(seeds) - 1, 1))
    alike = len(set(seeds.values())) == 1
    freedom = max(repeated - 1, 0) * (len(seeds) - 1), len(seeds) - 1 if alike else 0
    return inside, across, pairing, times, freedom


def _shared(levels: Levels) -> Levels:
    """A point's place without what objectives differ in: what all of a seed's runs have a score at."""
    return tuple((factor, level) for factor, level in levels if factor not in WITHIN)


def _means(keys: Sequence[object], values: np.ndarray) -> np.ndarray:
    """Each value's group mean."""
    groups = _indicators(keys)
    means: np.ndarray = groups @ ((groups.T @ values) / groups.sum(0))
    return means


def _sums(keys: Sequence[object], values: np.ndarray) -> np.ndarray:
    """[K, groups] sums of values [K, len(keys)] over the keys, in the order in which they first appear."""
    sums: np.ndarray = values @ _indicators(keys)
    return sums
