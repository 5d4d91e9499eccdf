"""Differences with their intervals: against scipy's tests, closed forms, simulations and corrections by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from eval.ranks.additive import fit
from eval.ranks.change import changes
from eval.ranks.effects import between, holm, student
from eval.ranks.paired import influence, packed, sampled, unpacked
from eval.ranks.scale import Arcsine, Asinh
from eval.scores.trials import jackknife, paired_errors


def test_students_interval_is_scipys():
    rng = np.random.default_rng(0)
    for count in (2, 3, 5, 20):
        a, b = rng.normal(5, 2, count), rng.normal(4, 2, count)
        found, truth = student(a - b), stats.ttest_rel(a, b)
        low, high = truth.confidence_interval(0.95)
        assert (found.mean, found.low, found.high) == pytest.approx((np.mean(a - b), low, high))
        assert found.p == pytest.approx(truth.pvalue)


@pytest.mark.parametrize("scale", [Asinh.of(300), Asinh.of(10_000), Arcsine()])
def test_scales_are_monotone_with_the_slope_they_say_and_come_back(scale):
    values = np.linspace(0.01, 0.99, 50) if isinstance(scale, Arcsine) else np.linspace(-3, 80, 200)
    y = scale.forward(values)
    assert (np.diff(y) > 0).all()
    np.testing.assert_allclose(scale.back(y), values, atol=1e-9)
    step = 1e-6
    np.testing.assert_allclose((scale.forward(values + step) - y) / step, scale.slope(values), rtol=1e-3)
    a, b = values[5], values[-5]
    ya, yb = (float(scale.forward(v)) for v in (a, b))
    assert scale.apart((ya + yb) / 2, yb - ya) == pytest.approx(b - a)


def test_the_scale_makes_runs_vary_alike_whatever_the_level():
    rng = np.random.default_rng(0)
    for n in (300, 10_000):
        scale = Asinh.of(n)
        floor = 0.15 * scale.s  # sd^2 = floor^2 + (.15 f)^2
        sds = [scale.forward(f + rng.normal(0, math.hypot(floor, 0.15 * f), 20_000)).std() for f in (0.0, 1.0, 5.0, 60)]
        assert max(sds) / min(sds) < 1.1


def test_two_objectives_are_tested_as_by_students_paired_t():
    rng = np.random.default_rng(1)
    for seeds in (3, 5):
        y = rng.normal(size=(2, 4, seeds)) + np.array([0.0, 1.0])[:, None, None]  # several settings are averaged
        found, truth = fit(1e-6 * y), stats.ttest_rel(*y.mean(1))
        assert found.t[0, 1] == pytest.approx(truth.statistic, rel=1e-4)
        one = between(found, 0, 1, Asinh(1e6))  # a straight line
        low, high = truth.confidence_interval(0.95)
        assert (one.low, one.high) == pytest.approx((low, high), rel=0.02)
        assert one.p == pytest.approx(truth.pvalue, rel=0.05)
        assert one.seeds == seeds


def row(fid: float, left: np.ndarray, right: np.ndarray) -> dict:
    return {"fid": fid, "fid_plain": fid, "fid_leave_one_out": left.tolist(), "n": len(right),
            "acc": float(right.mean()), "right": packed(right)}  # fmt: skip


def test_bits_come_back():
    right = np.random.default_rng(0).random(301) < 0.7
    assert (unpacked(packed(right), 301) == right).all()
    assert packed(np.array([1, 0, 0, 0, 0, 0, 0, 0, 1])) == "8080"


def test_the_error_of_one_score_is_the_jackknifes():
    from eval.scores.frechet import corrected

    rng = np.random.default_rng(0)
    found = corrected(rng.normal(size=(307, 6)), rng.normal(size=(900, 6)) @ np.diag([1, 2, 1, 1, 1, 1.0]))
    one = {"fid": found.fid, "fid_plain": found.plain, "fid_leave_one_out": found.left_out, "n": 307}
    assert np.linalg.norm(influence(one)) == pytest.approx(found.se, rel=1e-9)


def test_what_two_scores_share_is_no_error_of_their_difference():
    rng = np.random.default_rng(0)
    common, own, right = rng.normal(0, 1, 20), rng.normal(0, 0.01, 20), rng.random(400) < 0.5
    a, b, c = (row(fid, fid + left, right) for fid, left in ((5, common), (4, common + own), (4, rng.normal(0, 1, 20))))
    shared, alone = (sampled([(a, other)], "fid") for other in (b, c))
    assert shared.mean == alone.mean == 1
    assert (shared.high - shared.low) < 0.05 * (alone.high - alone.low)
    assert sampled([(a, a)], "fid").p == 1
    assert sampled([(a, b), (a, b)], "fid") == shared  # settings share their noise


def test_paired_errors_are_right_where_independent_ones_are_too_large():
    found = paired_errors(300, 40, seed=1)
    assert found["paired"] == pytest.approx(found["true"], rel=0.35)
    assert found["unpaired"] > 1.8 * found["true"]
    assert found["covered"] >= 0.85


def test_the_jackknife_needs_600_images_near_the_floor():
    small, large = (jackknife(0.11, n, 12, seed=0) for n in (150, 600))
    assert small["mean"] < -0.4
    assert abs(large["mean"] - 0.11) < 0.1
    assert small["covered"] < 0.5 < large["covered"]


def test_accuracy_is_compared_image_by_image():
    rng = np.random.default_rng(0)
    n = 300
    a = rng.random(n) < 0.9
    b = a.copy()
    b[np.flatnonzero(a)[:12]] = False  # 12 images only the first has right
    found = sampled([(row(1, np.zeros(20), a), row(1, np.zeros(20), b))], "acc")
    assert found.mean == pytest.approx(12 / n)
    assert found.beyond and found.p < 0.01
    exact = stats.binomtest(12, 12).pvalue  # McNemar's, exact
    assert found.p == pytest.approx(exact, abs=0.003)
    unpaired = stats.norm.isf(0.025) * math.sqrt(a.mean() * (1 - a.mean()) / n + b.mean() * (1 - b.mean()) / n)
    assert found.high - found.low < 1.2 * unpaired
    # Bonett and Price 2012: (43, 8; 3, 12) of 66 has the interval -0.006 to 0.152 of (8 - 3) / 66, plus 2 images
    x = np.repeat([True, True, False, False], [43, 8, 3, 12])
    y = np.repeat([True, False, True, False], [43, 8, 3, 12])
    one = sampled([(row(1, np.zeros(20), x), row(1, np.zeros(20), y))], "acc")
    p12, p21 = 9 / 68, 4 / 68
    half = 1.959964 * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / 68)
    assert (one.low, one.high) == pytest.approx((p12 - p21 - half, p12 - p21 + half), abs=1e-6)


def test_the_interval_of_two_paired_shares_covers():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(400):
        u = rng.random(150)
        a, b = u < 0.95, np.where(rng.random(150) < 0.9, u, rng.random(150)) < 0.9
        found = sampled([(row(1, np.zeros(20), a), row(1, np.zeros(20), b))], "acc")
        covered.append(found.low <= 0.05 <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.99


def test_rows_without_the_metric_or_its_error_claim_nothing():
    whole = row(7, np.zeros(20), np.ones(300, bool))
    assert sampled([], "fid") is None
    assert sampled([(whole, whole | {"fid": None})], "fid") is None
    assert sampled([(whole, whole | {"fid_leave_one_out": None})], "fid").low is None
    assert sampled([(whole, whole | {"n": 400})], "fid").low is None


def test_a_change_is_found_and_noise_is_none():
    rng = np.random.default_rng(0)
    before = np.exp(rng.normal(2, 0.1, (6, 3)))
    after = before * np.exp(rng.normal(0, 0.1, (6, 3)))
    after[2] *= 0.5
    before[4, 1] = np.nan
    found = changes(before, after, Asinh.of(300))
    assert found[2].beyond and found[2].high < 0
    assert found[4].seeds == 2
    assert changes(before, before, Asinh.of(300))[0].p == 1
    assert changes(before[:, :1], after[:, :1], Asinh.of(300))[0].low is None
    false = np.mean([
        one.beyond
        for _ in range(150)
        for one in changes(np.full((6, 3), 9.0), 9 * np.exp(rng.normal(0, 0.1, (6, 3))), Asinh.of(300))
    ])  # fmt: skip
    assert false <= 0.07


def test_holms_correction_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, never below the one before: .02 .03 .06 .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, None, 0.04]) == [0.02, None, 0.04]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_holms_correction_keeps_the_rate_of_any_false_finding():
    rng = np.random.default_rng(1)
    wrong = sum(any(p <= 0.05 for p in holm(list(rng.random(20)))) for _ in range(2000)) / 2000
    assert abs(wrong - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 2000)
