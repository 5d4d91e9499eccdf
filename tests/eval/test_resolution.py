"""The shift between two resolutions, found again where it is known."""

import math

import numpy as np
import pytest

from eval.ranks.resolution import HEIGHTS, crossings, shift_between
from eval.scores.validation import X0_LEVELS

SPECTRUM = np.random.default_rng(0).lognormal(0, 1.5, 60)


def left(logsnr, repeats: int = 1) -> np.ndarray:
    """What is left of a normal image's variance when it is known through noise, exactly, over the variance.

    Of an image with covariance eigenvalues v a share sum v / (1 + snr v) / sum v is left. If every pixel is there
    `repeats` times, the eigenvalues are so many times as large, and as many pixels more have none.
    """
    snr, values = np.exp(np.asarray(logsnr, float))[:, None], repeats * SPECTRUM
    return (values / (1 + snr * values)).sum(1) / values.sum()


def measured(repeats: int, seeds: int = 1, spread: float = 0.0, seed: int = 0) -> dict:
    """Curves at the levels at which runs are measured, each level and seed with its own error."""
    rng = np.random.default_rng(seed)
    share = left(X0_LEVELS, repeats)
    return {s: (X0_LEVELS, (share * np.exp(spread * rng.normal(size=share.shape))).tolist()) for s in range(seeds)}


@pytest.mark.parametrize("repeats", [1, 4, 9, 16])
def test_repeated_pixels_shift_by_the_root_of_their_number(repeats):
    found = shift_between(measured(1), measured(repeats))
    assert found.k == pytest.approx(math.sqrt(repeats), rel=0.02)
    assert found.by_height == pytest.approx([math.sqrt(repeats)] * len(HEIGHTS), rel=0.05)
    assert (found.low, found.high, found.seeds) == (None, None, 1)
    assert found.holds(2.0) is None


def test_a_curve_is_read_where_it_stays_below():
    exact = crossings((X0_LEVELS, left(X0_LEVELS).tolist()))
    assert left(exact) == pytest.approx(HEIGHTS, abs=0.01)
    bump = crossings(((-4, -2, 0, 2, 4), (1.0, 0.1, 0.9, 0.3, 0.0)))
    assert all(0 < level < 4 for level in bump)
    assert crossings(((-4, -2, 0), (1.0, 0.9, 0.5))) is None
    assert crossings(((-4, -2, 0), (0.1, 0.05, 0.0))) is None
    assert crossings(((-4, -4, 0), (1.0, 0.9, 0.0))) is None
    assert crossings(((-4, -2, 0), (math.nan, 0.5, 0.0))) is None


def test_intervals_over_seeds_hold_the_known_shift():
    inside = 0
    for trial in range(200):
        small = measured(1, 3, 0.03, seed=2 * trial)
        found = shift_between(small, measured(4, 3, 0.03, seed=2 * trial + 1))
        assert found.seeds == 3
        inside += bool(found.holds(2.0))
    assert inside >= 181  # 190 expected; below that with a chance of 0.3%
    assert shift_between(measured(1), {5: measured(4)[0]}) is None
