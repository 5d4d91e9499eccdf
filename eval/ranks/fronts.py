"""Pareto fronts, the ranks of Stable Diffusion 3's study (arXiv 2403.03206, section 5.1).

Under each control setting scores are averaged over seeds, and fronts peeled over (fid down, acc up): an objective's
rank there is the number of its front, and its mean front the mean over the settings. Scores count on scales on which
they vary alike, and a difference within its standard error is a tie: over seeds the error of the additive model, for
one seed that of sampling. Accuracy above the real images' counts as equal to it.
"""

from collections.abc import Sequence

import numpy as np

from eval.ranks.additive import fit
from eval.ranks.table import METRICS, Scores, average

AXES = ("level", "miss")


def fronts(costs: np.ndarray, slack: np.ndarray | float = 0.0) -> np.ndarray:
    """The number of each point's Pareto front, from 1, along the last axis but one; nan for points with a nan.

    costs: [.., N, K], lower is better. Equal points share a front. slack: [.., N, N, K] or a number, how much better a
    point has to be in a cost, and how much worse it may be, to count as better there and as no worse.
    """
    missing = np.isnan(costs).any(-1)
    no_worse, better = True, False  # axis by axis, and sums as products of matrices: many times faster than reducing
    with np.errstate(invalid="ignore"):
        for k in range(costs.shape[-1]):
            a, b, by = costs[..., :, None, k], costs[..., None, :, k], np.asarray(slack)
            by = by[..., k] if by.ndim else by
            no_worse, better = no_worse & (a <= b + by), better | (a < b - by)
    beats = (no_worse & better).astype(np.float32)  # [.., i, j]: i dominates j
    front = np.where(missing, np.nan, 0.0)
    left, number = ~missing, 0
    while left.any():
        number += 1
        best = left & ~((left[..., None, :].astype(np.float32) @ beats)[..., 0, :] > 0)
        # with slack, points may dominate each other in a circle: then they share a front
        best = np.where(best.any(-1, keepdims=True), best, left)
        front = np.where(best, number, front)
        left &= ~best
    return front


def ranks(scores: Scores, axes: Sequence[str] = AXES, ties: bool = True) -> np.ndarray:
    """[objective, control] numbers of fronts. ties: whether a difference in AXES within its standard error is one."""
    costs = np.stack([average(scores.values[name] * METRICS.get(name, 1)) for name in axes], -1).swapaxes(0, 1)
    return fronts(costs, np.stack([_errors(scores, name) for name in axes], -1) if ties else 0.0).T


def mean_fronts(scores: Scores, axes: Sequence[str] = AXES, ties: bool = True) -> np.ndarray:
    """[objective] the mean of `ranks` over the controls."""
    return average(ranks(scores, axes, ties))


def _errors(scores: Scores, name: str) -> np.ndarray:
    """[control, objective, objective] standard errors of differences under each control; 0 where none is known."""
    values = scores.values[name]
    found = np.zeros((values.shape[1], values.shape[0], values.shape[0]))
    if name not in AXES:
        return found
    for c in range(values.shape[1]):
        finite = np.flatnonzero(np.isfinite(values[:, c]).any(1) & ~np.isinf(values[:, c]).any(1))
        error = fit(values[finite, c : c + 1]).error if len(finite) else np.zeros((0, 0))
        single = np.isnan(error)
        if single.any():  # one seed
            error = np.where(single, _sampling(scores, name, c)[np.ix_(finite, finite)], error)
        found[c][np.ix_(finite, finite)] = np.nan_to_num(error, nan=0.0)
    return found


def _sampling(scores: Scores, name: str, c: int) -> np.ndarray:
    """[objective, objective] errors of sampling of one seed's differences under a control: paired by block for FID."""
    if name == "level":
        return sampling_errors(scores.part(lambda control: control is scores.controls[c]))
    return np.full((len(scores.objectives),) * 2, np.sqrt(1 / (2 * scores.samples[c])))  # of two arcsines


def sampling_errors(scores: Scores) -> np.ndarray:
    """[objective, objective] the error of sampling of differences in mean level over controls and seeds, or nan."""
    each = np.nan_to_num(scores.blocks.mean(1), nan=0.0)  # [O, S, g]; settings share a network and its noise
    there = ~np.isnan(scores.blocks).any((1, 3))  # [O, S]
    apart = (each[:, None] - each[None]) * (there[:, None] & there[None])[..., None]
    count = (there[:, None] & there[None]).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, np.sqrt((apart**2).sum((-1, -2))) / count, np.nan)
