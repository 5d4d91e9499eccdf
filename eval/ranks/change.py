"""Whether a change would be there again: after minus before, over seeds, tested against 0 for each of several runs.

    t_i = mean d_i / sqrt(var_i / S_i),   var_i shrunk to the pooled variance as in eval/ranks/additive.py

d is taken on a scale on which scores vary alike. p and interval are those of |t_i| in simulations without a change,
with the unequal variances of eval/ranks/critical.py.
"""

from functools import lru_cache

import numpy as np

from eval.ranks.additive import PRIOR
from eval.ranks.critical import LEVEL, SEED, SINGLE, errors
from eval.ranks.effects import Difference
from eval.ranks.scale import Scale


def changes(before: np.ndarray, after: np.ndarray, scale: Scale) -> list[Difference]:
    """One for each of N rows of scores [N, S], nan where a seed is missing; each row has one seed at least."""
    old, new = scale.forward(before), scale.forward(after)
    difference = new - old
    there = ~np.isnan(difference)
    mean, t, error = _statistics(difference)
    sizes = _null(there.tobytes(), there.shape)
    bound = float(np.quantile(sizes, LEVEL)) if len(sizes) else np.nan
    found = []
    for i in range(len(mean)):
        middle, seeds = float(np.nanmean((old + new)[i]) / 2), int(there[i].sum())
        value = scale.apart(middle, mean[i])
        if seeds > 1 and not difference[i][there[i]].any():
            found.append(Difference(0.0, 0.0, 0.0, seeds, 1.0))
        elif seeds < 2 or not error[i] > 0:
            found.append(Difference(value, None, None, seeds))
        else:
            low, high = (scale.apart(middle, mean[i] + side * bound * error[i]) for side in (-1, 1))
            p = (len(sizes) - np.searchsorted(sizes, abs(t[i])) + 1) / (len(sizes) + 1)
            found.append(Difference(value, low, high, seeds, float(p)))
    return found


def _statistics(d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(means, t, standard errors) [.., N] of d [.., N, S]; nan in a row of one seed."""
    there = ~np.isnan(d)
    count = there.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, d, 0).sum(-1) / count
        squares = (np.where(there, d - mean[..., None], 0) ** 2).sum(-1)
        freedom = np.maximum(count - 1, 0)
        pooled = squares.sum(-1, keepdims=True) / freedom.sum(-1, keepdims=True)
        error = np.sqrt((PRIOR * pooled + squares) / (PRIOR + freedom) / count)
        return mean, np.where(count > 1, mean / error, np.nan), error


@lru_cache(maxsize=16)
def _null(there: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Sorted |t| without a change, of rows with more than one seed."""
    mask = np.frombuffer(there, bool).reshape(shape)
    drawn = errors(np.random.default_rng(SEED), max(SINGLE // shape[0], 1000), *shape)
    t = _statistics(np.where(mask, drawn, np.nan))[1][:, mask.sum(1) > 1]
    return np.sort(np.abs(t), axis=None)
