"""An additive model of scores: objective + block, where a block is a control setting of one seed.

    y[i, c, s] = theta_i + block_cs + u_is       a run (i, s) has one error for all of its settings

Objectives share the noise and the batches of a seed, and the block takes out what a seed does to all of them. What is
left of a run, averaged over its settings, gives each objective a sum of squares ss_i with q_i degrees of freedom.
Three seeds say little of one objective's variance (q is 1.75 for 8 objectives), and variances of objectives differ, so
that neither each on its own nor all in one pot will do: they are shrunk to the pooled one, as in the moderated t of
Smyth (Stat. Appl. Genet. Mol. Biol. 3, 2004), here with a fixed weight, so that the method does not depend on the data:

    pooled = sum ss / sum q,     var_i = (PRIOR pooled + ss_i) / (PRIOR + q_i)

The variance of theta_i - theta_j follows from the weights that runs have in it: (var_i + var_j) / S where all runs are
there. Where runs are missing it is least squares over those that are there.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

PRIOR = 2.0  # the pooled variance counts as much as so many degrees of freedom


@dataclass(frozen=True, eq=False)
class Design:
    """What least squares does to runs that are there. R runs, P pairs of N objectives.

    effect [N, R] and left [R, R]: effects, and what is left of each run, of one unit of error in a run.
    scores: the same two maps, of scores that are there [K]. owner [R, N]: 1 where a run is an objective's; seed [R].
    freedom [N]: q. pairs: (i, j), i < j. weights [P, N]: variances' weights in a pair's; nan where nothing links it.
    """

    effect: np.ndarray
    left: np.ndarray
    scores: tuple[np.ndarray, np.ndarray]
    owner: np.ndarray
    seed: np.ndarray
    freedom: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray]
    weights: np.ndarray

    def variances(self, left: np.ndarray) -> np.ndarray:
        """[.., N] shrunk variances of what is left of runs [.., R]; nan without a degree of freedom."""
        squares = left**2 @ self.owner
        pooled = squares.sum(-1, keepdims=True) / (self.freedom.sum() or np.nan)
        return (PRIOR * pooled + squares) / (PRIOR + self.freedom)

    def statistics(self, effect: np.ndarray, left: np.ndarray) -> np.ndarray:
        """[.., P] differences of effects [.., N] over their standard errors; 0 over 0 is 0."""
        i, j = self.pairs
        difference = effect[..., i] - effect[..., j]
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.sqrt(self.variances(left) @ self.weights.T)
            return np.where((difference == 0) & (error == 0), 0.0, difference / error)


@lru_cache(maxsize=64)
def _design(there: bytes, shape: tuple[int, int, int]) -> Design:
    names, settings, seeds = shape
    mask = np.frombuffer(there, bool).reshape(shape)
    i, c, s = np.nonzero(mask)
    x = np.concatenate([np.eye(names)[i], np.eye(settings * seeds)[c * seeds + s]], 1)
    runs, of = np.unique(i * seeds + s, return_inverse=True)
    copies = np.eye(len(runs))[of]  # [K, R]
    solve = np.linalg.pinv(x)
    effect = solve[:names]
    left = (copies / copies.sum(0)).T @ (np.eye(len(i)) - x @ solve)
    owner = np.eye(names)[runs // seeds]
    a, b = np.triu_indices(names, 1)
    of_runs, left_runs = effect @ copies, left @ copies
    weights = (of_runs[a] - of_runs[b]) ** 2 @ owner
    kept, unit = solve @ x, np.eye(x.shape[1])  # a difference that blocks link is kept by the projection on x's rows
    weights[np.abs((kept - unit)[a] - (kept - unit)[b]).max(1, initial=0) > 1e-6] = np.nan
    freedom = np.maximum((left_runs**2).sum(1) @ owner, 0)
    freedom[freedom < 1e-9] = 0
    return Design(of_runs, left_runs, (effect, left), owner, runs % seeds, freedom, (a, b), weights)


def design(there: np.ndarray) -> Design:
    """The design of a mask [N, C, S] of scores that are there. Settings alike for all runs count as one."""
    if (there == there[:, :1]).all():
        there = there[:, :1]
    return _design(np.ascontiguousarray(there, bool).tobytes(), there.shape)


@dataclass(frozen=True, eq=False)
class Fit:
    """Effects [N], shrunk variances [N] of a run, and t [N, N], theta_i - theta_j over its standard error `error`.

    t is nan where two objectives share no block, or where no variance is known (one seed). `there` [N, C, S] is what
    it rests on.
    """

    effect: np.ndarray
    variance: np.ndarray
    error: np.ndarray
    t: np.ndarray
    there: np.ndarray


def fit(values: np.ndarray) -> Fit:
    """The model of scores [N, C, S] on a scale where they vary alike, nan where missing; all others finite."""
    there = ~np.isnan(values)
    if (there == there[:, :1]).all():
        values = values.mean(1, keepdims=True)
    found = design(there)
    y = values[~np.isnan(values)]
    effect, left = (each @ y for each in found.scores)
    some = there.any((1, 2))
    effect = np.where(some, effect + y.mean() - effect[some].mean(), np.nan).round(12)  # equal scores, equal effects
    variance = found.variances(left)
    i, j = found.pairs
    error, t = (np.full((len(effect),) * 2, np.nan) for _ in range(2))
    with np.errstate(invalid="ignore"):
        error[i, j] = error[j, i] = np.sqrt(found.weights @ variance)
    t[i, j] = found.statistics(effect, left)
    t[j, i] = -t[i, j]
    return Fit(effect, variance, error, t, there)
