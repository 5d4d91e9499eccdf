"""What FID is made of: least squares over a grid whose factors are crossed, with each factor's effect as a ratio.

    y = f(FID) = mean + target + density + weight + backbone + start + guidance + images seen + seed + error

f is FID's scale (`scale.py`), a logarithm but near the floor, so that exp(effect) is a ratio of FIDs. An effect is that
of a level against its factor's first one, all else equal on average; what one factor does to another's effect stays in
the error.

Errors are those of training again. Within a seed all runs share images and noise, so that seeds are blocks: what
objectives differ in (target, density, weight) is compared within a block, and its error is that of single runs, from
how much each pairing of objective and backbone varies over seeds, clustered by run,

    var(b) = sum_r (A_r e_r)^2 n / (n - 1),    e = y - its mean over the pairing's n seeds - the seed's own mean of that

where A maps scores to effects. What all runs of a seed share (backbone, start, guidance, images seen) may shift with
the seed for all of them at once; its error is that of the effect from seed to seed, by Student's t.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from eval.ranks.scale import Asinh

LEVEL = 0.95
WITHIN = ("target", "density", "weight")  # what objectives differ in, compared within a seed


Row = tuple[tuple[tuple[str, str], ...], str]  # a point's levels by factor, and its nuisance


@dataclass(frozen=True)
class Point:
    """One FID: of a run (objective and backbone) and seed, at a level of every factor, from n samples.

    nuisance: a group of scores with a mean of its own, such as those from fewer samples.
    """

    run: str
    seed: int
    levels: dict[str, str]
    fid: float
    n: int
    nuisance: str = ""


@dataclass(frozen=True)
class Effect:
    """A level's FID over that of its factor's first level; low, high: its 95% interval, None with one seed."""

    factor: str
    level: str
    ratio: float
    low: float | None
    high: float | None


def decompose(points: Sequence[Point], factors: Mapping[str, Sequence[str]]) -> list[Effect]:
    """The effects of every factor of at least two levels, by factor and level; [] where they cannot be separated.

    factors: their levels, the reference first. Points whose FID is not finite are left out.
    """
    points = [point for point in points if math.isfinite(point.fid)]
    factors = {
        factor: [level for level in levels if any(point.levels[factor] == level for point in points)]
        for factor, levels in factors.items()
    }
    names = [(factor, level) for factor, levels in factors.items() for level in levels[1:]]
    if not points or not names:
        return []
    scale = Asinh.of(max(point.n for point in points))
    y = scale.forward(np.array([point.fid for point in points]))
    ours = np.array([[point.levels[factor] == level for factor, level in names] for point in points], float)
    blocks = _indicators([(point.seed, point.nuisance) for point in points])
    x = np.concatenate([ours, blocks], 1)
    if np.linalg.matrix_rank(x) < len(names) + np.linalg.matrix_rank(blocks):
        return []
    solve = np.linalg.pinv(x)[: len(names)]
    errors = _errors(points, y, solve, [factor in WITHIN for factor, _ in names])
    found = []
    for factor, levels in factors.items():
        if len(levels) < 2:
            continue
        found.append(Effect(factor, levels[0], 1.0, None, None))
        for level in levels[1:]:
            k = names.index((factor, level))
            effect, half = float(solve[k] @ y), errors[k]
            ends = (None, None) if half is None else (math.exp(effect - half), math.exp(effect + half))
            found.append(Effect(factor, level, math.exp(effect), *ends))
    return found


def _indicators(keys: Sequence[object]) -> np.ndarray:
    """[len(keys), distinct keys]"""
    known = list(dict.fromkeys(keys))
    return np.array([[key == other for other in known] for key in keys], float)


def _errors(points: Sequence[Point], y: np.ndarray, solve: np.ndarray, within: Sequence[bool]) -> list[float | None]:
    """Half the width of each effect's interval; None with one seed."""
    seeds = sorted({point.seed for point in points})
    if len(seeds) < 2:
        return [None] * len(solve)
    rows = [(tuple(point.levels.items()), point.nuisance) for point in points]
    deviation = y - _means([(point.run, row) for point, row in zip(points, rows, strict=True)], y)
    places = [(point.seed, _shared(row)) for point, row in zip(points, rows, strict=True)]
    centred = deviation - _means(places, deviation)
    runs = [(point.run, point.seed) for point in points]
    times = {run: len({s for r, s in runs if r == run}) for run, _ in runs}
    repeated = [run for run, count in times.items() if count > 1]
    freedom = (len(repeated) - 1) * (len(seeds) - 1) if len(repeated) > 1 else 0
    by_run = _sums(runs, solve * centred) ** 2
    known = list(dict.fromkeys(runs))
    weights = np.array([times[run] / (times[run] - 1) if times[run] > 1 else 0.0 for run, _ in known])
    share = len(known) / max(int((weights > 0).sum()), 1)  # a run without another seed has the others' mean error
    inside = by_run @ weights * share * len(repeated) / max(len(repeated) - 1, 1)
    across = (_sums([point.seed for point in points], solve * deviation) ** 2).sum(1) * len(seeds) / (len(seeds) - 1)
    halves: list[float | None] = []
    for own, one, other in zip(within, inside, across, strict=True):
        if own and not freedom:
            halves.append(None)
            continue
        variance, df = (one, freedom) if own else (other, len(seeds) - 1)
        halves.append(float(math.sqrt(variance) * stats.t.ppf((1 + LEVEL) / 2, df)))
    return halves


def _shared(row: Row) -> Row:
    """A row's place without what objectives differ in: what all of a seed's runs have a score at."""
    levels, nuisance = row
    return tuple((factor, level) for factor, level in levels if factor not in WITHIN), nuisance


def _means(keys: Sequence[object], values: np.ndarray) -> np.ndarray:
    """Each value's group mean."""
    groups = _indicators(keys)
    means: np.ndarray = groups @ ((groups.T @ values) / groups.sum(0))
    return means


def _sums(keys: Sequence[object], values: np.ndarray) -> np.ndarray:
    """[K, groups] sums of values [K, len(keys)] over the keys, in the order in which they first appear."""
    sums: np.ndarray = values @ _indicators(keys)
    return sums
