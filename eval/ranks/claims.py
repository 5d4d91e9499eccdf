"""Whether a claim about training holds: effects as ratios of FID with intervals, and rank correlations with intervals.

Effects. Every arm (backbone, objective, variant of the recipe) is an objective of the additive model (additive.py), and
a seed a block of it. An effect d is on FID's scale (scale.py), so that exp(d) is a ratio of FIDs, but near the floor.

    better     holds if d < 0 after Holm's correction over all claims; does not if d is above -MARGIN
    worse      the same with d > 0
    no effect  holds if the interval lies within -+ MARGIN; does not if d differs from 0 after the correction

and cannot be told otherwise. A claim of `better` fails where an improvement of a tenth is ruled out.

Correlation. Spearman's rho of loss and FID, with the interval of resampled arms, each with all of its runs (percentiles
of DRAWS resamples): runs of an arm resemble each other. It holds if the interval lies above 0, does not if it lies
below WEAK.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from eval.ranks.additive import fit
from eval.ranks.critical import LEVEL
from eval.ranks.effects import Difference, between
from eval.ranks.table import Scores

MARGIN = math.log(1.1)  # a tenth of FID
WEAK = 0.3  # a rank correlation below which loss says little of quality
DRAWS, FEWEST = 2000, 4  # resamples; arms behind an interval
HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told"

Expect = Literal["better", "worse", "no effect"]
Pairs = Sequence[tuple[float, float]]  # (loss, FID)


@dataclass(frozen=True)
class Plain:
    """The scale itself: differences in its own unit."""

    def apart(self, middle: float, difference: float) -> float:
        return difference


def contrast(scores: Scores, changed: str, against: str) -> Difference | None:
    """log of FID's ratio, `changed` over `against`, by the additive model; None where a run diverged or none is shared.

    scores: the arms as objectives, under the settings to be averaged over.
    """
    if changed not in scores.objectives or against not in scores.objectives:
        return None
    values = scores.values["level"]
    i, j = scores.objectives.index(changed), scores.objectives.index(against)
    if np.isinf(values[[i, j]]).any() or np.isnan(values[[i, j]]).any((0, 1)).all():
        return None
    whole = np.isfinite(values).any((1, 2)) & ~np.isinf(values).any((1, 2))
    place = np.cumsum(whole) - 1
    return between(fit(values[whole]), place[i], place[j], Plain())  # type: ignore[arg-type]  # a scale all the same


def verdict(expect: Expect, found: Difference | None, p: float | None) -> str:
    """HOLDS, FAILS or OPEN. p: of the effect, corrected over all claims; None where there is no test."""
    if found is None or found.low is None or found.high is None or p is None:
        return OPEN
    sure = p <= 1 - LEVEL
    if expect == "no effect":
        if found.low > -MARGIN and found.high < MARGIN:
            return HOLDS
        return FAILS if sure else OPEN
    sign = -1 if expect == "better" else 1
    if sure and sign * found.mean > 0:
        return HOLDS
    return FAILS if max(sign * found.low, sign * found.high) < MARGIN else OPEN


def by_divergence(expect: Expect, changed: tuple[int, int], against: tuple[int, int]) -> str | None:
    """The verdict where runs diverged, (diverged, runs) of either side: at least half of one and none of the other.

    None where none did, OPEN where it is neither.
    """
    if not changed[0] and not against[0]:
        return None
    worse = 2 * changed[0] >= changed[1] > 0 and not against[0]
    better = 2 * against[0] >= against[1] > 0 and not changed[0]
    if not worse and not better:
        return OPEN
    return HOLDS if expect == ("worse" if worse else "better") else FAILS


def correlation(arms: Sequence[Sequence[Pairs]], over: Literal["cells", "time"]) -> Difference | None:
    """Spearman's rho of loss and FID, over all cells or the mean of those over each cell's training.

    arms: by arm its cells, each as its points of training; the last point is the cell's end. `seeds` of what is
    returned is the number of cells. No interval from fewer than FEWEST arms; None where nothing can be ranked.
    """
    statistic = _over_cells if over == "cells" else _over_time
    arms = [cells for cells in arms if cells]
    whole = statistic(arms)
    if math.isnan(whole):
        return None
    count = sum(len(cells) for cells in arms)
    if len(arms) < FEWEST:
        return Difference(whole, None, None, count)
    rng = np.random.default_rng(0)
    drawn = np.array([statistic([arms[i] for i in rng.integers(len(arms), size=len(arms))]) for _ in range(DRAWS)])
    low, high = np.nanpercentile(drawn, [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2])
    return Difference(whole, float(low), float(high), count)


def related(found: Difference | None) -> str:
    """The verdict on a claim that loss and FID rise together."""
    if found is None or found.low is None or found.high is None:
        return OPEN
    return HOLDS if found.low > 0 else FAILS if found.high < WEAK else OPEN


Statistic = Callable[[Sequence[Sequence[Pairs]]], float]


def _over_cells(arms: Sequence[Sequence[Pairs]]) -> float:
    return rho([cell[-1] for cells in arms for cell in cells if cell])


def _over_time(arms: Sequence[Sequence[Pairs]]) -> float:
    each = [value for cells in arms for cell in cells if not math.isnan(value := rho(cell))]
    return float(np.mean(each)) if each else math.nan


def rho(pairs: Pairs) -> float:
    """Spearman's rank correlation; nan from fewer than three pairs, or where one side does not vary."""
    if len(pairs) < 3:
        return math.nan
    ranks = [stats.rankdata(side) for side in zip(*pairs, strict=True)]
    centred = [side - side.mean() for side in ranks]
    length = math.prod(float(np.linalg.norm(side)) for side in centred)
    return float(centred[0] @ centred[1] / length) if length else math.nan
