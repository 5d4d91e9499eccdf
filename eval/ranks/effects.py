"""Differences between objectives, with what chance alone would do to them.

over seeds       mean d of two effects of the additive model (eval/ranks/additive.py), tested on a scale on which
                 scores vary alike, told in the score's unit
one seed         the error of sampling alone (eval/ranks/paired.py)
a change         after minus before, over seeds, tested against 0 (eval/ranks/change.py)
ratios of time   Student's t on their logarithms
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from eval.ranks.additive import Fit
from eval.ranks.critical import LEVEL, critical, single
from eval.ranks.scale import Scale


@dataclass(frozen=True)
class Difference:
    """A mean difference, its 95% interval and two-sided p (None where nothing is known), and the number of seeds.

    For one seed the interval is that of sampling alone, where there is one.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int
    p: float | None = None

    @property
    def beyond(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and not self.low <= 0 <= self.high


def between(found: Fit, i: int, j: int, scale: Scale) -> Difference:
    """The i-th objective's effect minus the j-th's, in the unit of the scores behind `scale`."""
    middle, apart = (found.effect[i] + found.effect[j]) / 2, found.effect[i] - found.effect[j]
    seeds = int((found.there[[i, j]].any(1)).all(0).sum())
    mean, half = scale.apart(middle, apart), critical(found) * found.error[i, j]
    if not half > 0:
        return Difference(mean, None, None, seeds)
    low, high = (scale.apart(middle, apart + side * half) for side in (-1, 1))
    return Difference(mean, low, high, seeds, single(found, i, j))


def student(each: Sequence[float]) -> Difference:
    """The mean of values, one a seed, with Student's interval; none where they are all the same and not 0."""
    values = np.asarray(each, float)
    mean, count = float(values.mean()), len(values)
    if count > 1 and not values.any():
        return Difference(0.0, 0.0, 0.0, count, 1.0)
    error = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else 0.0
    if error <= 1e-12 * abs(mean):
        return Difference(mean, None, None, count)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, count - 1))
    return Difference(mean, mean - half, mean + half, count, p)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Holm's corrected p-values (Scand. J. Stat. 6, 1979); None stays None and is no test.

    Of all that are at most 0.05, the chance that even one is a true null is at most 0.05.
    """
    order = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    found: list[float | None] = [None] * len(ps)
    highest = 0.0
    for place, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p))
        found[i] = highest
    return found
