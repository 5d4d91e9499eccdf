"""The decomposition of FID: planted effects come back, and intervals hold them in simulations with a known answer."""

import itertools
import math

import numpy as np
import pytest

from eval.ranks.anatomy import Point, decompose

FACTORS = {
    "target": ("eps", "v", "x0", "flow", "edm"),
    "density": ("uniform", "lognorm(0,1)", "cosmap"),
    "weight": ("plain", "matched"),
    "backbone": ("dit", "unet"),
    "start": ("-10", "-5.4"),
    "guidance": ("1", "2"),
}
TRUE = {  # log ratios to the first level
    "target": (0, -0.3, 0.2, -0.5, -0.1),
    "density": (0, -0.4, -0.2),
    "weight": (0, 0.25),
    "backbone": (0, -1.0),
    "start": (0, -0.6),
    "guidance": (0, 0.3),
}
RUN = ("target", "density", "weight", "backbone")
HIGH = 300.0  # a FID so far above the scale's turn that the scale is a logarithm


def simulated(rng, seeds: int, run: float, row: float, shared: float, drop=lambda key: False) -> list[Point]:
    """Runs with errors of their own (U-Nets half of them), scores with theirs, and shifts that a seed's runs share."""
    shifts = {
        (s, factor, level): rng.normal(0, shared)
        for s in range(seeds)
        for factor in FACTORS
        for level in FACTORS[factor]
    }
    points = []
    for s in range(seeds):
        for key in itertools.product(*(FACTORS[factor] for factor in RUN)):
            own = rng.normal(0, run * (0.5 if key[3] == "unet" else 1)) if run else 0.0
            for setting in itertools.product(FACTORS["start"], FACTORS["guidance"]):
                levels = dict(zip(FACTORS, (*key, *setting), strict=True))
                y = sum(TRUE[f][FACTORS[f].index(level)] for f, level in levels.items()) + own
                y += rng.normal(0, row) if row else 0.0
                y += sum(shifts[s, f, levels[f]] for f in ("backbone", "start", "guidance"))
                if not drop((s, *key)):
                    points.append(Point("/".join(key), s, levels, HIGH * math.exp(y), 600))
    return points


def expected(factor: str, level: str) -> float:
    return math.exp(TRUE[factor][FACTORS[factor].index(level)])


def test_planted_effects_come_back():
    found = decompose(simulated(np.random.default_rng(0), 2, 0, 0, 0), FACTORS)
    assert [(e.factor, e.level) for e in found] == [(f, level) for f in FACTORS for level in FACTORS[f]]
    for effect in found:
        assert effect.ratio == pytest.approx(expected(effect.factor, effect.level), rel=1e-4)
        if effect.level != FACTORS[effect.factor][0]:
            assert effect.low == pytest.approx(effect.ratio, rel=1e-4)
            assert effect.high == pytest.approx(effect.ratio, rel=1e-4)
        else:
            assert effect.low is effect.high is None


def test_missing_and_diverged_runs_bias_nothing():
    gone = ("v", "cosmap", "plain", "dit")
    points = simulated(
        np.random.default_rng(0), 2, 0, 0, 0, drop=lambda key: key[1:] == gone or key[:3] == (1, "x0", "uniform")
    )
    points.append(Point("x", 0, dict.fromkeys(FACTORS, ""), math.inf, 600))
    for effect in decompose(points, FACTORS):
        assert effect.ratio == pytest.approx(expected(effect.factor, effect.level), rel=1e-4)


def test_one_seed_has_effects_and_no_intervals():
    found = decompose(simulated(np.random.default_rng(0), 1, 0.1, 0, 0), FACTORS)
    assert len(found) == 16
    assert all(effect.low is None and effect.high is None for effect in found)


def test_confounded_factors_are_not_told():
    points = [
        p
        for p in simulated(np.random.default_rng(0), 2, 0, 0, 0)
        if (p.levels["target"] == "eps") == (p.levels["weight"] == "plain")
    ]
    assert decompose(points, FACTORS) == []
    assert decompose([], FACTORS) == []


def test_scores_of_few_samples_have_a_level_of_their_own():
    """Snapshots of a third of the samples, planted 0.5 higher as a group: the effect of images seen is as planted."""
    rng, factors = np.random.default_rng(0), {**FACTORS, "images": ("100%", "50%")}
    points = []
    for point in simulated(rng, 2, 0, 0, 0):
        points.append(Point(point.run, point.seed, {**point.levels, "images": "100%"}, point.fid, 600))
        if point.levels["start"] == "-10" and point.levels["guidance"] == "1":
            for images, rise in (("100%", 0.0), ("50%", 0.7)):
                fid = point.fid * math.exp(0.5 + rise)
                points.append(Point(point.run, point.seed, {**point.levels, "images": images}, fid, 600, "few"))
    found = {(e.factor, e.level): e.ratio for e in decompose(points, factors)}
    assert found["images", "50%"] == pytest.approx(math.exp(0.7), rel=1e-3)
    assert found["start", "-5.4"] == pytest.approx(expected("start", "-5.4"), rel=1e-3)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover(seeds):
    """Unequal errors of runs, and shifts of a seed in backbone, start and guidance: 95% at nominal 95%."""
    rng, hits, count = np.random.default_rng(seeds), {}, 120
    for _ in range(count):
        for effect in decompose(simulated(rng, seeds, 0.3, 0.05, 0.1), FACTORS):
            if effect.low is not None:
                hit = effect.low <= expected(effect.factor, effect.level) <= effect.high
                hits.setdefault(effect.factor, []).append(hit)
    for factor, found in hits.items():
        assert np.mean(found) > 0.95 - 3 * math.sqrt(0.95 * 0.05 / count), (factor, np.mean(found))
        assert np.mean(found) < 0.995 or factor in ("backbone", "start", "guidance"), (factor, np.mean(found))
