"""Simulations of FID's correction and of its paired error, from features whose true distance is known.

Features are made like a judge's: 10 classes far apart, within a class a covariance whose eigenvalues fall off, 128
dimensions, a trace of 128. Generated ones differ from real ones by a shift of the mean and a narrower spread, so that
the Frechet distance of the two populations has a closed form; labels are in fixed proportions.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from eval.ranks.paired import sampled
from eval.scores.frechet import Moments, corrected, distance

CLASSES, WIDTH, TRACE = 10, 128, 128.0
WITHIN = 0.2  # share of the variance that lies within classes
FALL = 1.5  # eigenvalues within a class are k^-FALL
SHARED = 0.98  # correlation of the features of two networks that drew from the same noise


@dataclass(frozen=True, eq=False)
class Population:
    """Class means [CLASSES, WIDTH] and the standard deviations [WIDTH] within a class, along the axes."""

    means: np.ndarray
    spread: np.ndarray

    @classmethod
    def real(cls, rng: np.random.Generator) -> "Population":
        """One with a trace of TRACE."""
        means = rng.standard_normal((CLASSES, WIDTH))
        means -= means.mean(0)
        values = np.arange(1, WIDTH + 1.0) ** -FALL
        between = (1 - WITHIN) * TRACE / means.var(0).sum()
        return cls(means * between**0.5, np.sqrt(values / values.sum() * WITHIN * TRACE))

    def moved(self, shift: float, narrower: float) -> "Population":
        """One whose mean lies `shift` away (alike in all directions), and whose spread is smaller by a share."""
        return Population(self.means + shift / WIDTH**0.5, self.spread * (1 - narrower))

    @property
    def moments(self) -> Moments:
        """The exact moments; n is of no account."""
        centred = self.means - self.means.mean(0)
        return Moments(self.means.mean(0), centred.T @ centred / CLASSES + np.diag(self.spread**2), 2)

    def features(self, noise: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """[n, WIDTH] from standard normal noise [n, WIDTH] and labels [n]."""
        return self.means[labels] + noise * self.spread


def near(truth: float, rng: np.random.Generator) -> tuple[Population, Population]:
    """(real, generated) populations whose distance is `truth`, half of it by the mean."""
    real = Population.real(rng)
    low, high = 0.0, 0.9
    for _ in range(60):
        middle = (low + high) / 2
        below = distance(real.moved(0, middle).moments, real.moments) < truth / 2
        low, high = (middle, high) if below else (low, middle)
    return real, real.moved((truth / 2) ** 0.5, low)


def jackknife(truth: float, n: int, replicates: int, seed: int) -> dict[str, float]:
    """{mean, covered, plain} of n samples: means of corrected and plain FID, share of 95% intervals with the truth."""
    rng = np.random.default_rng(seed)
    real, fake = near(truth, rng)
    reference, labels = real.moments, np.arange(n) % CLASSES
    found = [
        corrected(fake.features(rng.standard_normal((n, WIDTH)), labels), reference, torch.from_numpy(labels))
        for _ in range(replicates)
    ]
    z = stats.t.ppf(0.975, 19)
    covered = np.mean([abs(one.fid - truth) <= z * one.se for one in found])
    return {
        "mean": float(np.mean([one.fid for one in found])),
        "covered": float(covered),
        "plain": float(np.mean([one.plain for one in found])),
    }


def paired_errors(n: int, replicates: int, seed: int) -> dict[str, float]:
    """{true, paired, unpaired, covered}: errors of a difference of two FIDs that share their noise.

    true: standard deviation over replicates; paired and unpaired: means of what one replicate claims; covered: the
    share of paired 95% intervals that hold the true difference.
    """
    rng = np.random.default_rng(seed)
    real, one = near(6.0, rng)
    other = one.moved(0.4, 0.02)
    labels = np.arange(n) % CLASSES
    truth = distance(one.moments, real.moments) - distance(other.moments, real.moments)
    differences, paired, unpaired, covered = [], [], [], []
    for _ in range(replicates):
        common, own = rng.standard_normal((2, n, WIDTH))
        noise = SHARED * common + (1 - SHARED**2) ** 0.5 * own
        rows = []
        for population, drawn in ((one, common), (other, noise)):
            found = corrected(population.features(drawn, labels), real.moments, torch.from_numpy(labels))
            rows.append({"fid": found.fid, "fid_plain": found.plain, "n": n, "se": found.se,
                         "fid_leave_one_out": found.left_out})  # fmt: skip
        claim = sampled([tuple(rows)], "fid")
        differences.append(claim.mean)
        paired.append((claim.high - claim.low) / (2 * stats.t.ppf(0.975, 19)))
        unpaired.append(np.hypot(*(row["se"] for row in rows)))
        covered.append(claim.low <= truth <= claim.high)
    return {
        "true": float(np.std(differences, ddof=1)),
        "paired": float(np.mean(paired)),
        "unpaired": float(np.mean(unpaired)),
        "covered": float(np.mean(covered)),
    }
