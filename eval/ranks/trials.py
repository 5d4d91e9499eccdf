"""Simulations of ranks and their tests with a known truth: are they wrong no more often than they say?

A trial draws the scores of N objectives and S seeds, tests all pairs, and looks whether any finding is false and
whether every confidence set holds the true rank. LAWS are how runs vary about the truth: as the model has it, with
unequal variances, with heavy tails, and as runs were measured to vary (eval/ranks/measured.py), all scaled to a mean
variance of 1. TRUTHS are levels in units of that standard deviation; equal ones may have any rank among themselves,
and a set has to hold them all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eval.ranks.additive import fit
from eval.ranks.critical import LEVEL, family
from eval.ranks.measured import LEVELS, RESIDUALS
from eval.ranks.sets import first, rank_sets

NAMES = 8
Law = Callable[[np.random.Generator, int], np.ndarray]  # (generator, seeds) -> errors [NAMES, seeds]


def _normal(spread: np.ndarray) -> Law:
    scale = (spread / np.sqrt((spread**2).mean()))[:, None]
    return lambda rng, seeds: scale * rng.standard_normal((NAMES, seeds))


def _heavy(spread: np.ndarray) -> Law:
    scale = (spread / np.sqrt((spread**2).mean()) / 3**0.5)[:, None]  # Student's t of 3 has a variance of 3
    return lambda rng, seeds: scale * rng.standard_t(3, (NAMES, seeds))


def _measured(name: str, resampled: bool) -> Law:
    columns = np.array(RESIDUALS[name])
    columns = columns / np.sqrt((columns**2).mean())

    def law(rng: np.random.Generator, seeds: int) -> np.ndarray:
        if resampled:  # whole columns: what one seed did to all objectives
            chosen = rng.integers(columns.shape[1], size=seeds)
            return columns[:, chosen] * rng.choice([-1.0, 1.0], seeds)
        return columns @ rng.standard_normal((columns.shape[1], seeds)) / columns.shape[1] ** 0.5

    return law


EVEN, UNEVEN = np.ones(NAMES), np.geomspace(1, 5, NAMES)
ONE = np.where(np.arange(NAMES) == NAMES // 2, 4.0, 1.0)
LAWS: dict[str, Law] = {
    "equal variances": _normal(EVEN),
    "standard deviations 1 to 5": _normal(UNEVEN),
    "one objective 4 times as noisy": _normal(ONE),
    "heavy tails (t, 3)": _heavy(EVEN),
    "heavy tails, 1 to 5": _heavy(UNEVEN),
    "MNIST's covariance": _measured("mnist", False),
    "digits' covariance": _measured("digits", False),
    "MNIST's runs resampled": _measured("mnist", True),
    "digits' runs resampled": _measured("digits", True),
}
TRUTHS = {
    "all equal": np.zeros(NAMES),
    "two groups": np.repeat([0.0, 9.0], NAMES // 2),
    "as MNIST": np.array(LEVELS["mnist"]),
    "as digits": np.array(LEVELS["digits"]),
}


@dataclass(frozen=True)
class Trial:
    """Shares of replicates with any false finding and with every set right, and of true differences found.

    sure: the share in which some objective's chance of being first is above .9; right: of these, how often it is first.
    """

    false: float
    covered: float
    found: float
    sure: float
    right: float


def trial(law: Law, truth: np.ndarray, seeds: int, replicates: int, seed: int) -> Trial:
    """Scores of all objectives under one setting, drawn about `truth` [N]."""
    rng = np.random.default_rng(seed)
    apart = np.sign(truth[:, None] - truth[None])
    lowest, highest = 1 + (apart > 0).sum(1), len(truth) - (apart < 0).sum(1)
    false, covered, power, sure, right = 0, 0, 0.0, 0, 0
    for _ in range(replicates):
        found = fit((truth[:, None] + law(rng, seeds))[:, None])
        p = family(found)
        hit = p <= 1 - LEVEL
        false += bool((hit & (np.sign(found.t) != apart)).any())
        low, high = rank_sets(found.t, p)
        covered += bool((low <= lowest).all() and (high >= highest).all())
        power += (hit & (np.sign(found.t) == apart)).sum() / max((apart != 0).sum(), 1)
        chance = first(found, draws=500)
        if chance.max() > 0.9:
            sure, right = sure + 1, right + int(truth[chance.argmax()] == truth.min())
    count = replicates
    return Trial(false / count, covered / count, power / count, sure / count, right / sure if sure else float("nan"))


def distinguished(truth: np.ndarray, seeds: int, replicates: int, seed: int, last: int = 3) -> float:
    """The share of replicates in which the best objective is distinguished from the `last` last, all of them."""
    rng, law = np.random.default_rng(seed), LAWS["equal variances"]
    order = np.argsort(truth)
    hits = 0
    for _ in range(replicates):
        p = family(fit((truth[:, None] + law(rng, seeds))[:, None]))
        hits += bool((p[order[0], order[-last:]] <= 1 - LEVEL).all())
    return hits / replicates
