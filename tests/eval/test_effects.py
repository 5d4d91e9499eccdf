"""Differences with their intervals: against scipy's tests, closed forms and corrections worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from eval.ranks.effects import holm, sampled, student
from eval.ranks.stats import wilson


def test_students_interval_is_scipys():
    rng = np.random.default_rng(0)
    for count in (2, 3, 5, 20):
        a, b = rng.normal(5, 2, count), rng.normal(4, 2, count)
        found, truth = student(a - b), stats.ttest_rel(a, b)
        low, high = truth.confidence_interval(0.95)
        assert (found.mean, found.low, found.high) == pytest.approx((np.mean(a - b), low, high))
        assert found.p == pytest.approx(truth.pvalue)
        assert found.beyond == (truth.pvalue < 0.05)
        assert found.seeds == count


def test_seeds_that_do_not_vary_give_no_interval_and_no_test():
    one = student([1.5])
    assert (one.mean, one.low, one.p, one.beyond) == (1.5, None, None, False)
    alike = student([0.02, 0.02, 0.02])
    assert (alike.mean, alike.low, alike.p, alike.beyond) == (0.02, None, None, False)
    none = student([0.0, 0.0])
    assert (none.low, none.high, none.p, none.beyond) == (0.0, 0.0, 1.0, False)


def row(fid: float, se: float, correct: int, n: int = 200) -> dict:
    low, high = wilson(correct, n)
    return {"fid": fid, "fid_se": se, "acc": correct / n, "acc_low": low, "acc_high": high}


def test_the_error_of_sampling_of_fid_is_that_of_two_normals():
    found = sampled([(row(7, 0.3, 100), row(5, 0.4, 100))], "fid")
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - 1.96 * 0.5, 2 + 1.96 * 0.5), abs=1e-4)
    assert found.p == pytest.approx(2 * stats.norm.sf(4), rel=1e-6)
    same = sampled([(row(7, 0.3, 100), row(7, 0.3, 100))], "fid")
    assert (same.mean, same.p, same.beyond) == (0, 1, False)


def test_the_interval_of_two_shares_is_newcombes():
    # Newcombe 1998, table II, method 10: 56/70 against 48/80 gives 0.0524 to 0.3339; 10/10 against 0/10 0.6075 to 1
    for (a, m), (b, n), low, high in [((56, 70), (48, 80), 0.0524, 0.3339), ((10, 10), (0, 10), 0.6075, 1.0)]:
        found = sampled([(row(0, 1, a, m), row(0, 1, b, n))], "acc")
        assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)
        assert found.beyond and found.p < 0.05


def test_several_settings_are_averaged_as_if_their_errors_moved_together():
    one, other = (row(7, 0.3, 100), row(5, 0.4, 90)), (row(4, 0.6, 150), row(5, 0.8, 120))
    both = sampled([one, other], "fid")
    assert both.mean == pytest.approx(0.5)
    assert both.high - both.mean == pytest.approx(1.96 * (0.5 + 1.0) / 2, abs=1e-4)
    assert sampled([one, one], "acc") == sampled([one], "acc")


def test_rows_without_the_metric_or_its_error_claim_nothing():
    whole = row(7, 0.3, 100)
    assert sampled([], "fid") is None
    assert sampled([(whole, whole | {"fid": None})], "fid") is None
    assert sampled([(whole, whole | {"fid_se": None})], "fid").low is None
    assert sampled([(whole, whole | {"acc_low": None})], "acc").p is None


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
