"""What chance alone does to the t of eval/ranks/additive.py: critical values and p by simulation.

Under no difference the t of a pair depends on the runs' errors alone, and its distribution on how these vary and vary
together. Objectives have unequal variances, and runs of a seed move together in groups, so that the errors of a seed
are simulated as normal with a random covariance, another one in each replicate:

    u_s = L z_s,   L [N, FACTORS] and z_s [FACTORS] standard normal

which gives variances that differ by a factor of 4 and more, and correlations of about +- .6 between objectives. It is
further from equal and independent than the covariances that were measured on MNIST's and digits' pages, and than the
others that were tried (eval/simulate.py). No law stands for all runs, though: with measured covariances one false
finding or more came up in up to 5.7% of tables at 5 seeds, so that a family's p is taken SAFETY times as large.

A family of pairs is tested by the largest |t|, stepping down (Romano and Wolf, Econometrica 73, 2005): what is found is
left out of the family for the next step, as its difference is none of those that chance has to explain.
"""

from functools import lru_cache

import numpy as np

from eval.ranks.additive import Design, Fit, design

LEVEL = 0.95
FACTORS = 3
SAFETY = 1.25
REPLICATES = 5000
SINGLE = 400_000  # simulated statistics behind the p of a single pair
MOST = 6_000_000  # simulated statistics that are kept of one design
SEED = 0  # of the simulation: the same scores have the same p


def family(found: Fit) -> np.ndarray:
    """[N, N] p of each pair's difference, corrected for all pairs; 1 where it cannot be tested, nan on the diagonal."""
    i, j = np.triu_indices(len(found.t), 1)
    p = np.full(found.t.shape, np.nan)
    tested = stepped(np.abs(found.t[i, j]), _null(found.there.tobytes(), found.there.shape))
    p[i, j] = p[j, i] = np.minimum(1.0, SAFETY * tested)
    return p


def single(found: Fit, i: int, j: int) -> float:
    """p of one pair's difference, as if it were the only one asked for; nan where it cannot be tested."""
    t = abs(found.t[i, j])
    sizes = _sizes(found.there.tobytes(), found.there.shape)
    return float("nan") if np.isnan(t) else float((len(sizes) - np.searchsorted(sizes, t) + 1) / (len(sizes) + 1))


def critical(found: Fit) -> float:
    """The |t| that a single difference reaches with a chance of 5%."""
    sizes = _sizes(found.there.tobytes(), found.there.shape)
    return float(sizes[int(np.ceil(LEVEL * (len(sizes) - 1)))])  # they are sorted


def stepped(t: np.ndarray, null: np.ndarray) -> np.ndarray:
    """[P] step-down p of |t| [P], by simulated ones [P, R]; 1 for nan."""
    size = np.where(np.isnan(t), -1.0, t)
    order = np.argsort(-size, kind="stable")
    largest = np.maximum.accumulate(null[order[::-1]], axis=0)[::-1]  # over a pair and all with a smaller |t|
    p = np.empty(len(t))
    p[order] = np.maximum.accumulate(((largest >= size[order, None]).sum(1) + 1) / (null.shape[1] + 1))
    return np.where(np.isnan(t), 1.0, p)


def simulated(found: Design, replicates: int, seed: int) -> np.ndarray:
    """[replicates, P] |t| under no difference, float32; 0 where there is none."""
    seeds = int(found.seed.max(initial=0)) + 1
    drawn = errors(np.random.default_rng(seed), replicates, len(found.freedom), seeds)
    drawn = drawn[:, found.owner.argmax(1), found.seed]
    t: np.ndarray = np.abs(found.statistics(drawn @ found.effect.T, drawn @ found.left.T))
    finite: np.ndarray = np.nan_to_num(t, nan=0.0, posinf=0.0).astype(np.float32)
    return finite


def errors(rng: np.random.Generator, replicates: int, names: int, seeds: int) -> np.ndarray:
    """[replicates, names, seeds] runs' errors with unequal variances, correlated within a seed."""
    return rng.standard_normal((replicates, names, FACTORS)) @ rng.standard_normal((replicates, FACTORS, seeds))


@lru_cache(maxsize=16)
def _null(there: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    found = design(np.frombuffer(there, bool).reshape(shape))
    pairs = max(len(found.weights), 1)
    return np.ascontiguousarray(simulated(found, min(REPLICATES, max(MOST // pairs, 1000)), SEED).T)


@lru_cache(maxsize=16)
def _sizes(there: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """All simulated |t| of one design, whichever the pair, sorted."""
    found = design(np.frombuffer(there, bool).reshape(shape))
    pairs = max(len(found.weights), 1)
    return np.sort(simulated(found, max(SINGLE // pairs, 1000), SEED + 1), axis=None)
