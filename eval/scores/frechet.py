"""The Frechet distance between two sets of features, and its correction for a finite sample.

    d^2(a, b) = |mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))            (arXiv 1706.08500)
    tr (C_a C_b)^(1/2) = sum of the singular values of A^T B,  where C_a = A A^T and C_b = B B^T

The plain estimate from n samples is too large by about c / n. With the samples cut into g blocks, m_j samples in the
j-th, and d_(-j) the distance without block j, the delete-a-group jackknife (Busing et al. 1999) is

    corrected = g d - sum_j (1 - m_j / n) d_(-j)
    se^2 = 1/g sum_j (p_j - corrected)^2 / (h_j - 1),   p_j = h_j d - (h_j - 1) d_(-j),   h_j = n / m_j

It removes the term in 1 / n without a fit, and adds no variance. Where the samples' labels were chosen, so many of
each class, the blocks hold the classes in the same proportions: blocks at random would see a spread between classes
that such samples do not have, and correct for it (1,000 images of MNIST: by .29 too much). The corrected distance may
fall below 0 where the truth is near it. A reference of moments is a constant: its own finite size is part of the
definition of the metric, not corrected for. Everything is float64 on the CPU.
"""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from zoo.base.counts import counted
from zoo.base.errors import ZooError

PERMUTATION_SEED = 0  # of the cut into blocks, part of the metric's definition
Features = Tensor | np.ndarray  # [N, d]


@dataclass(frozen=True)
class Moments:
    """Mean [d] and covariance [d, d] (over n - 1) of n samples, float64."""

    mean: np.ndarray
    cov: np.ndarray
    n: int


@dataclass(frozen=True)
class Frechet:
    """A corrected distance, its standard error, the plain distance, the number of samples, and the plain distances
    without one block each, from which the error of a difference follows (eval/ranks/paired.py)."""

    fid: float
    se: float
    plain: float
    n: int
    left_out: tuple[float, ...]


def moments(features: Features) -> Moments:
    """Moments of features [N, d], in two passes: the mean first, then the deviations from it.

    Raises ZooError for fewer than 2 samples, another shape, or a feature that is not finite.
    """
    x = _float64(features)
    if len(x) < 2:
        raise ZooError(f"a covariance needs at least 2 samples, not {len(x)}. Give more images")
    mean = x.mean(axis=0)
    x = x - mean
    return Moments(mean, x.T @ x / (len(x) - 1), len(x))


def distance(a: Moments, b: Moments) -> float:
    """The squared Frechet distance of two Gaussians with these moments, never below 0. Raises ZooError for unlike d."""
    return _distance(a, b, _factor(b.cov))


def corrected(
    features: Features,
    reference: Moments | Features,
    strata: Tensor | None = None,
    reference_strata: Tensor | None = None,
    blocks: int = 20,
) -> Frechet:
    """The distance of features [N, d] to the reference, corrected by a jackknife over blocks of a fixed permutation.

    reference: moments, taken as they are; or features [M, d], corrected for too, block by block with the others.
    strata: labels [N] whose counts were chosen rather than drawn; reference_strata: those of the reference. N may be
    below d. Raises ZooError for fewer samples than blocks, unlike d, or a feature that is not finite.
    """
    if blocks < 2:
        raise ZooError(f"a jackknife needs at least 2 blocks, not {blocks}")
    ours = _Blocks(_float64(features), strata, blocks)
    if isinstance(reference, Moments):
        root = _factor(reference.cov)
        distances = [_distance(ours.without(j), reference, root) for j in (None, *range(blocks))]
    else:
        theirs = _Blocks(_float64(reference), reference_strata, blocks)
        distances = [distance(ours.without(j), theirs.without(j)) for j in (None, *range(blocks))]
    plain, left = distances[0], np.array(distances[1:])
    fid = blocks * plain - np.sum((1 - ours.sizes / ours.n) * left)
    h = ours.n / ours.sizes
    pseudo = h * plain - (h - 1) * left
    se = math.sqrt(np.mean((pseudo - fid) ** 2 / (h - 1)))
    return Frechet(float(fid), se, plain, ours.n, tuple(left.tolist()))


class _Blocks:
    """Samples [N, d] dealt out into blocks, stratum by stratum in a random order, and the moments without a block."""

    def __init__(self, x: np.ndarray, strata: Tensor | None, blocks: int):
        self.n = len(x)
        if self.n < (needed := max(blocks, 4)):
            raise ZooError(
                f"a jackknife of {counted(blocks, 'block')} needs at least {counted(needed, 'sample')}, not {self.n}. "
                "Give more images"
            )
        self.mean = x.mean(axis=0)
        order = np.random.default_rng(PERMUTATION_SEED).permutation(self.n)
        if strata is not None:
            order = order[np.argsort(np.asarray(strata.cpu())[order], kind="stable")]
        parts = [x[order[j::blocks]] - self.mean for j in range(blocks)]  # centred: small sums, whatever the offset
        self.sizes = np.array([len(part) for part in parts])
        self.sums, self.scatters = [part.sum(axis=0) for part in parts], [part.T @ part for part in parts]
        self.sum, self.scatter = sum(self.sums), sum(self.scatters)

    def without(self, block: int | None) -> Moments:
        """Moments of all samples but those of a block; of all for None."""
        rest, total, scatter = self.n, self.sum, self.scatter
        if block is not None:
            rest, total = rest - int(self.sizes[block]), total - self.sums[block]
            scatter = scatter - self.scatters[block]
        shift = total / rest
        return Moments(self.mean + shift, (scatter - rest * np.outer(shift, shift)) / (rest - 1), rest)


def _distance(a: Moments, b: Moments, factor_b: np.ndarray) -> float:
    if a.mean.shape != b.mean.shape:
        raise ZooError(f"the two sets have {len(a.mean)} and {len(b.mean)} features. Use one judge for both")
    shift = a.mean - b.mean
    cross = np.linalg.svd(_factor(a.cov).T @ factor_b, compute_uv=False).sum()
    return max(0.0, float(shift @ shift + np.trace(a.cov) + np.trace(b.cov) - 2 * cross))


def _factor(cov: np.ndarray) -> np.ndarray:
    """A [d, d] with A A^T = cov. Rounding makes eigenvalues of a dead direction slightly negative: they are clipped."""
    values, vectors = np.linalg.eigh(cov)
    factor: np.ndarray = vectors * np.sqrt(values.clip(min=0))
    return factor


def _float64(features: Features) -> np.ndarray:
    if isinstance(features, Tensor):
        features = features.detach().cpu().double().numpy()
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2:
        raise ZooError(f"features should be [N, d], not {list(x.shape)}")
    bad = int((~np.isfinite(x).all(axis=1)).sum())
    if bad:
        raise ZooError(
            f"the features of {bad} of {counted(len(x), 'image')} are not finite. Look at the images: the run diverged"
        )
    return x
