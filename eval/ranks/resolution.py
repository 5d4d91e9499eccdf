"""How far apart in noise the losses of two resolutions are: the shift(k) that lays one on the other.

    share_n(logsnr - 2 log k) = share_m(logsnr),    n > m pixels

share is the error of x_hat over that of the class's mean image, between 1 (nothing is seen) and 0. Where the larger
picture only repeats the smaller one's pixels, averaging them divides the noise's variance by n / m, so that the network
sees as much at a logsnr lower by log(n / m): k = sqrt(n / m) (arXiv 2403.03206, section 5.3.2).

Both curves are read at equal heights. log k is the mean of half the distances, paired by seed; its interval is
Student's over seeds. Between the measured levels, curves are monotone cubics (scipy's PCHIP).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.interpolate import PchipInterpolator

from eval.ranks.effects import student

HEIGHTS = (0.8, 0.6, 0.4, 0.2)  # shares at which curves are read: where they are steep
FINE = 4001  # points at which a curve is looked at

Curve = tuple[Sequence[float], Sequence[float]]  # (logsnr, share)


@dataclass(frozen=True)
class Shift:
    """k with its 95% interval over seeds (None with one seed), and k at each of HEIGHTS."""

    k: float
    low: float | None
    high: float | None
    by_height: tuple[float, ...]
    seeds: int

    def holds(self, k: float) -> bool | None:
        """Whether the interval holds this k; None where there is no interval."""
        return None if self.low is None or self.high is None else self.low <= k <= self.high


def shift_between(small: Mapping[int, Curve], large: Mapping[int, Curve]) -> Shift | None:
    """The shift of the larger resolution's noise level, from each seed's curves; None where no seed has both."""
    logs = {}
    for seed in sorted(small.keys() & large.keys()):
        ours, theirs = (crossings(curves[seed]) for curves in (small, large))
        if ours and theirs:
            logs[seed] = [(a - b) / 2 for a, b in zip(ours, theirs, strict=True)]
    if not logs:
        return None
    found = student([fmean(each) for each in logs.values()])
    by_height = tuple(math.exp(fmean(column)) for column in zip(*logs.values(), strict=True))
    low, high = (None if end is None else math.exp(end) for end in (found.low, found.high))
    return Shift(math.exp(found.mean), low, high, by_height, len(logs))


def crossings(curve: Curve) -> list[float] | None:
    """The logsnr above which the curve stays below each of HEIGHTS; None where it does not cross all of them."""
    logsnr, share = (np.asarray(each, float) for each in curve)
    if len(logsnr) < 3 or not np.isfinite(share).all() or not (np.diff(logsnr) > 0).all():
        return None
    x = np.linspace(logsnr[0], logsnr[-1], FINE)
    y = PchipInterpolator(logsnr, share)(x)
    found = []
    for height in HEIGHTS:
        above = np.flatnonzero(y > height)
        if not len(above) or above[-1] == len(x) - 1:
            return None
        i = above[-1]
        found.append(float(x[i] + (x[i + 1] - x[i]) * (y[i] - height) / (y[i] - y[i + 1])))
    return found
