"""Effects on FID: planted ones come back, and intervals hold them in simulations with a known answer."""

import math

import numpy as np
import pytest

from eval.ranks.anatomy import Point, fit
from eval.ranks.effecttrials import FACTORS, simulated, trial, truth


def expected(name) -> float:
    return math.exp(truth(name))


def none(seeds: int = 2) -> list[Point]:
    """Runs without any error."""
    return simulated(np.random.default_rng(0), seeds, 0, 0, 0)


def test_planted_effects_come_back_under_each_weight():
    found = fit(none(), FACTORS)
    levels = [(f, level, w) for f in ("target", "density") for w in FACTORS["weight"] for level in FACTORS[f][1:]]
    rest = [(f, level, "") for f in ("weight", "backbone", "start", "guidance") for level in FACTORS[f][1:]]
    assert sorted(found.names) == sorted(levels + rest)
    for name in found.names:
        assert found.effect({name: 1.0}).ratio == pytest.approx(expected(name), rel=1e-4)
    change = {("target", "flow", "matched"): 1.0, ("target", "flow", "plain"): -1.0}
    assert found.effect(change).ratio == pytest.approx(math.exp(-0.5 * 0.5 + 0.5), rel=1e-4)
    assert found.spread == pytest.approx(0, abs=1e-4)


def test_missing_and_diverged_runs_bias_nothing():
    gone = ("v", "cosmap", "plain", "dit")
    points = simulated(
        np.random.default_rng(0), 2, 0, 0, 0, drop=lambda key: key[1:] == gone or key[:3] == (1, "x0", "uniform")
    )
    points.append(Point("x", 0, dict.fromkeys(FACTORS, ""), math.inf, 600))
    found = fit(points, FACTORS)
    for name in found.names:
        assert found.effect({name: 1.0}).ratio == pytest.approx(expected(name), rel=1e-4)


def test_one_seed_has_effects_and_no_intervals():
    found = fit(simulated(np.random.default_rng(0), 1, 0.1, 0, 0), FACTORS)
    effects = [found.effect({name: 1.0}) for name in found.names]
    assert all((one.low, one.high, one.p) == (None, None, None) for one in effects)
    assert found.pairs("target", FACTORS["target"], "plain") == [None] * 10


def test_seeds_of_different_runs_have_no_interval_for_what_they_share():
    """A backbone's effect from seed to seed needs the same runs in each."""
    dropped = simulated(np.random.default_rng(0), 3, 0.1, 0, 0.1, drop=lambda key: key[:2] == (2, "eps"))
    found = fit(dropped, FACTORS)
    assert found.effect({("backbone", "unet", ""): 1.0}).low is None
    assert found.effect({("target", "flow", "plain"): 1.0}).low is not None


def test_confounded_factors_are_not_told():
    points = [p for p in none() if (p.levels["start"] == "-10") == (p.levels["guidance"] == "1")]
    assert fit(points, FACTORS) is None
    assert fit([], FACTORS) is None


def test_a_run_that_is_plain_and_matched_counts_once():
    """Its points stand under both weights, and its errors with them: the interval is not that of two runs."""
    rng, points = np.random.default_rng(1), []
    for point in simulated(rng, 3, 0.2, 0, 0, left={"target": 1.0, "density": 1.0}):
        levels = point.levels | {"weight": "plain"}
        points += [
            Point(point.run, point.seed, levels | {"weight": weight}, point.fid, 600) for weight in FACTORS["weight"]
        ]
    found = fit(points, FACTORS)
    plain, matched = ({("target", "flow", weight): 1.0} for weight in FACTORS["weight"])
    mean = dict.fromkeys((*plain, *matched), 0.5)
    one, both = found.effect(plain), found.effect(mean)
    assert (one.low, one.high) == pytest.approx((both.low, both.high))
    assert found.effect({**plain, next(iter(matched)): -1.0}).ratio == pytest.approx(1)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover(seeds):
    """Unequal errors of runs, and shifts of a seed in backbone, start and guidance: 95% at nominal 95%."""
    rng, hits, count = np.random.default_rng(seeds), {}, 120
    for _ in range(count):
        found = fit(simulated(rng, seeds, 0.3, 0.05, 0.1), FACTORS)
        for name in found.names:
            effect = found.effect({name: 1.0})
            hits.setdefault(name[0], []).append(effect.low <= expected(name) <= effect.high)
        for level in FACTORS["target"][1:]:
            change = {("target", level, "matched"): 1.0, ("target", level, "plain"): -1.0}
            effect, true = found.effect(change), -0.5 * truth(("target", level, "plain"))
            hits.setdefault("change", []).append(effect.low <= math.exp(true) <= effect.high)
    for factor, told in hits.items():
        assert np.mean(told) > 0.95 - 3 * math.sqrt(0.95 * 0.05 / count), (factor, np.mean(told))
        assert np.mean(told) < 0.995 or factor in ("backbone", "start", "guidance"), (factor, np.mean(told))


def test_what_matching_leaves_nothing_of_is_not_distinguished():
    """Targets that are alike once matched: in at most 5% of studies any pair of them is distinguished."""
    count = 500  # as many as tell 5% from the 10% of degrees of freedom that take all runs to vary alike
    found = trial(3, 0.1, count, 7)
    assert found.false <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / count)
    assert found.found > 0.8
    assert found.covered > 0.95 - 3 * math.sqrt(0.95 * 0.05 / count)
