"""An additive model of scores: objective + block, where a block is a control setting of one seed.

    y[i, c, s] = theta_i + block_cs + error,     a run (i, s) has one error u_is for all of its settings

Objectives share the noise and the batches of a seed, and the block takes out what a seed does to all of them. What is
left of a run, averaged over its settings, gives each objective a sum of squares ss_i with q_i degrees of freedom.
Three seeds say little of one objective's variance (q is 1.75 of 2), and variances of objectives differ, so that
neither each on its own nor all in one pot will do: they are shrunk to the pooled one, as in the moderated t of
Smyth (Stat. Appl. Genet. Mol. Biol. 3, 2004), here with a fixed weight, so that no choice depends on the data:

    pooled = sum ss / sum q,     var_i = (PRIOR pooled + ss_i) / (PRIOR + q_i)

The variance of theta_i - theta_j follows from the weights that runs have in it: (var_i + var_j) / S where all runs are
there. Runs may be missing: least squares over what is there.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

PRIOR = 2.0  # the pooled variance counts as much as so many degrees of freedom


@dataclass(frozen=True, eq=False)
class Design:
    """What least squares does with runs that are there: mask [N, C, S]. All maps act on runs or on scores, flattened.

    owner: [runs] whose run it is. theta: [N, runs], effects of one unit in a run, centred. left: [runs, runs], what
    is left of runs' errors. of_scores: the same two maps for scores [N C S] that are there.
    """

    owner: np.ndarray
    theta: np.ndarray
    left: np.ndarray
    of_scores: tuple[np.ndarray, np.ndarray]
    objectives: int

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """(i, j) of all pairs i < j."""
        return np.triu_indices(self.objectives, 1)

    @cached_property
    def members(self) -> np.ndarray:
        """[runs, N] 1 where a run is an objective's."""
        return np.eye(self.objectives)[self.owner]

    @cached_property
    def freedom(self) -> np.ndarray:
        """[N] degrees of freedom q."""
        return (self.left**2).sum(1) @ self.members

    @cached_property
    def weights(self) -> np.ndarray:
        """[pairs, N] of objectives' variances in the variance of a pair's difference; nan where it has no estimate."""
        i, j = self.pairs
        weights = (self.theta[i] - self.theta[j]) ** 2 @ self.members
        weights[~self.joined[i, j]] = np.nan
        return weights

    @cached_property
    def joined(self) -> np.ndarray:
        """[N, N] whether blocks that both have, or a chain of them, make two objectives comparable."""
        near = np.linalg.matrix_power((self.shared > 0).astype(float) + np.eye(self.objectives), self.objectives)
        return near > 0

    @cached_property
    def shared(self) -> np.ndarray:
        """[N, N] how many blocks both have."""
        raise NotImplementedError

    def variances(self, left: np.ndarray) -> np.ndarray:
        """[.., N] shrunk variances, of what is left of runs [.., runs]."""
        squares = left**2 @ self.members
        pooled = squares.sum(-1, keepdims=True) / self.freedom.sum()
        return (PRIOR * pooled + squares) / (PRIOR + self.freedom)
