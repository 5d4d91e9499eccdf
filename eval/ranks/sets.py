"""Ranks with their confidence sets, from simultaneous tests of all pairs.

The rank of an objective is one more than the number of those that are truly better. Tests of all pairs that together
are wrong with a chance of at most 5% bound all ranks at once with a confidence of 95% (Mogstad, Romano, Shaikh,
Wilhelm, Rev. Econ. Stud. 91, 2024):

    1 + #{j found better than i}  <=  rank of i  <=  N - #{j found worse than i}

An estimated rank counts those that are better by more than one standard error of the difference: what lies within it is
a tie. It always lies in the set.
"""

import numpy as np

from eval.ranks.additive import PRIOR, Fit, design
from eval.ranks.critical import LEVEL

DRAWS = 20_000


def rank_sets(t: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """([N] the lowest, [N] the highest rank) of t and p [N, N], t above 0 where the first of a pair is worse."""
    found = p <= 1 - LEVEL
    return 1 + (found & (t > 0)).sum(1), len(t) - (found & (t < 0)).sum(1)


def tied_ranks(effect: np.ndarray, error: np.ndarray) -> np.ndarray:
    """[N] 1 + the number of those lower by more than error [N, N], and never less than that of a lower effect.

    nan for nan; an error of nan ties nothing.
    """
    with np.errstate(invalid="ignore"):
        rank = 1.0 + (effect[:, None] - effect > np.nan_to_num(error, nan=0.0)).sum(1)
    order = np.argsort(effect, kind="stable")
    rank[order] = np.maximum.accumulate(rank[order])
    return np.where(np.isnan(effect), np.nan, rank)


def first(found: Fit, seed: int = 0, draws: int = DRAWS) -> np.ndarray:
    """[N] the chance that each has the lowest effect: the share of draws from the estimated effects with their errors.

    A run's error is drawn by Student's t with its variance's degrees of freedom. nan where there is no variance.
    """
    rng, rule = np.random.default_rng(seed), design(found.there)
    if np.isnan(found.variance).any() or np.isnan(found.effect).any():
        return np.full(len(found.effect), np.nan)
    freedom = PRIOR + rule.freedom
    scale = np.sqrt(found.variance * freedom / rng.chisquare(freedom, (draws, len(freedom))))
    runs = rng.standard_normal((draws, len(rule.owner))) * (scale @ rule.owner.T)
    lowest = (found.effect + runs @ rule.effect.T).argmin(1)
    return np.bincount(lowest, minlength=len(found.effect)) / draws
