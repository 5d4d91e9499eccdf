"""Differences between runs, with what chance alone would do to them.

    over seeds       mean d -+ t sd(d) / sqrt(S)                      Student's t on the S paired differences
    FID, one seed    d -+ 1.96 sqrt(se_a^2 + se_b^2)                  the error of sampling alone
    share, one seed  d - sqrt((a - l_a)^2 + (u_b - b)^2) .. d + sqrt((u_a - a)^2 + (b - l_b)^2)
                                                                      Newcombe's interval from the Wilson ones
                                                                      (Stat. Med. 17, 1998, method 10)

The error of sampling says how well a trained network was measured. What training again would change is no part of it,
and is often larger. For the mean over several control settings the errors are averaged, as if they moved together:
the settings share a network and its starting noise, so that this is the cautious choice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from eval.ranks.stats import Z

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """A mean difference, its 95% interval and two-sided p (None where nothing is known), and the number of seeds.

    The interval is over seeds, by Student's t. For one seed it is that of sampling alone, where there is one.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int
    p: float | None = None

    @property
    def beyond(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def student(each: Sequence[float]) -> Difference:
    """The mean of differences, one a seed, with Student's interval.

    Seeds that all give the same difference, other than 0, say nothing of its spread: then there is no interval.
    """
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


def sampled(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], metric: str) -> Difference | None:
    """`metric` (fid or acc) of the first minus that of the second, with the interval of sampling alone.

    pairs: rows of scores of one run and of another, one pair for each control setting. None where a row lacks the
    metric.
    """
    if not pairs or any(row.get(metric) is None for pair in pairs for row in pair):
        return None
    each = [a[metric] - b[metric] for a, b in pairs]
    halves = [half for a, b in pairs if (half := _halves(a, b, metric))]
    mean = float(np.mean(each))
    if len(halves) < len(pairs):
        return Difference(mean, None, None, 1)
    down, up = np.mean(halves, axis=0)
    toward = down if mean > 0 else up  # the side on which 0 lies
    p = 1.0 if mean == 0 else float(2 * stats.norm.sf(abs(mean) * Z / toward)) if toward > 0 else 0.0
    return Difference(mean, mean - float(down), mean + float(up), 1, p)


def _halves(a: dict[str, Any], b: dict[str, Any], metric: str) -> tuple[float, float] | None:
    """How far the interval of a difference reaches below and above it."""
    if metric == "acc":
        ends = [row.get(key) for row in (a, b) for key in ("acc_low", "acc_high")]
        if None in ends:
            return None
        low_a, high_a, low_b, high_b = ends
        down = math.hypot(a["acc"] - low_a, high_b - b["acc"])
        return down, math.hypot(high_a - a["acc"], b["acc"] - low_b)
    errors = [row[f"{metric}_se"] for row in (a, b) if row.get(f"{metric}_se") is not None]
    if len(errors) < 2:
        return None
    half = Z * math.hypot(*errors)
    return half, half


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
