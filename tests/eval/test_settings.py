"""The number of settings in effect, where it is known: copies of one, unrelated ones, and a correlation that is set."""

import math

import numpy as np
import pytest

from eval.ranks.settings import effective_settings

RNG = np.random.default_rng(0)


def test_copies_are_one_and_scales_do_not_matter():
    one = RNG.normal(size=(8, 1))
    assert effective_settings(np.hstack([one, 3 * one + 1, np.exp(one)])) == pytest.approx(1)
    assert effective_settings(np.hstack([one, -one])) == pytest.approx(1)


def test_ema_and_raw_of_unrelated_settings_count_once_each():
    pairs = RNG.normal(size=(400, 3)).repeat(2, axis=1)
    assert effective_settings(pairs) == pytest.approx(3, rel=0.03)


@pytest.mark.parametrize("objectives", [8, 60])
def test_unrelated_settings_are_as_many_as_they_are(objectives):
    """Without the correction for chance it were 12 / (1 + 11 / 7) = 4.7 of 12 for 8 objectives."""
    found = [effective_settings(RNG.normal(size=(objectives, 12))) for _ in range(200)]
    assert np.median(found) == pytest.approx(12, rel=0.1)


def test_a_correlation_that_is_set():
    rho = 0.8
    common = RNG.normal(size=(20_000, 1))
    two = math.sqrt(rho) * common + math.sqrt(1 - rho) * RNG.normal(size=(20_000, 2))
    spearman = 6 / math.pi * math.asin(rho / 2)  # of a bivariate normal law
    assert effective_settings(two) == pytest.approx(4 / (2 + 2 * spearman**2), rel=0.02)


def test_missing_and_infinite_scores():
    values = RNG.normal(size=(8, 4))
    values[0] = np.nan
    values[1] = np.inf
    assert 1 <= effective_settings(values) <= 4
    assert math.isnan(effective_settings(values[:3]))
    assert effective_settings(values[:, :1]) == 1
