"""Orders in two places: tau beside scipy's, and pairs that were planted reversed, or too close to be distinguished."""

import pytest
from scipy import stats

from reports.words import elsewhere
from reports.words.document import plain
from tests.eval.test_claims import scores

HERE = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0}


def table(monkeypatch, *places):
    monkeypatch.setattr(elsewhere, "_places", lambda studies: iter(places))
    return elsewhere.orders({})


def test_the_same_order_is_reversed_nowhere(monkeypatch):
    found = table(monkeypatch, ("here", scores(HERE, 0.01)), ("there", scores(HERE, 0.01, seed=1)))
    assert [plain(cell) for cell in found.rows[0]] == ["here", "there", "4", "1.00", "a", "6", "0"]


def test_a_pair_that_is_reversed_is_named(monkeypatch):
    turned = {"a": 0.0, "b": 2.0, "c": 1.0, "d": 3.0}  # in the order of HERE
    row = table(monkeypatch, ("here", scores(HERE, 0.01)), ("there", scores(turned, 0.01, seed=1))).rows[0]
    assert float(row[3]) == pytest.approx(stats.kendalltau(list(HERE.values()), list(turned.values()))[0], abs=0.006)
    assert [plain(cell) for cell in row[4:]] == ["a", "6", "1 (there b behind c)"]


def test_runs_that_differ_more_than_objectives_distinguish_nothing(monkeypatch):
    close = {"a": 0.0, "b": -0.01, "c": 0.01, "d": 0.02}
    row = table(monkeypatch, ("here", scores(HERE, 0.01)), ("there", scores(close, 0.5, seed=1))).rows[0]
    assert int(plain(row[5])) <= 1


def test_only_objectives_that_both_have_count(monkeypatch):
    more = scores({**HERE, "e": -1.0}, 0.01, diverged=("d", 1))
    assert table(monkeypatch, ("here", scores(HERE, 0.01)), ("there", more)) is None  # three: too few for an order
