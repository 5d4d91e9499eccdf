"""What executors add: cells that last as long as they are asked to, and a table that adds up."""

import os

import pytest

from zoo import bench
from zoo.base.errors import ZooError
from zoo.benchmark import overhead
from zoo.benchmark.overhead import Case, Spent, case, executors, measured, timed, told


def test_the_local_executor_takes_as_long_as_its_cells(tmp_path):
    given = Case(seconds=0.4, jobs=2, mb=0.01)
    found = timed(executors(given)["local"], tmp_path, 6, given)
    assert found.ideal == pytest.approx(3 * 0.4)  # three waves of two
    assert found.total >= found.start + 3 * 0.4 - 0.05
    cells = sorted((tmp_path / "cells").iterdir())
    assert len(cells) == 6
    assert all((cell / "result.json").stat().st_size > 40_000 for cell in cells)
    assert all((cell / "weights.bin").stat().st_size == 10_000 for cell in cells)


def test_the_table_adds_up():
    """100 waves of 1 s: the first executor starts in 3 s and adds 20 ms to each, the second 6 s and 50 ms."""
    found = {"one": [Spent(105.0, 3.0, 100.0)], "two": [Spent(55.5, 6.0, 47.0), Spent(60.0, 5.0, 52.9)]}
    rows = [line.split() for line in told(Case(), found).splitlines()]
    assert ["one", "105.0", "s", "3.0", "s", "20", "ms", "+0.0%"] in rows
    assert ["two", "115.5", "s", "5.5", "s", "46", "ms", "+10.0%"] in rows  # (115.5 - 11 - 99.9) / 99.9 waves


def test_a_failed_cell_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(overhead.sys, "executable", "/bin/false")
    with pytest.raises(ZooError, match="failed with status 1"):
        timed(executors(Case())["local"], tmp_path, 1, Case())


def test_words(inside, refused):
    assert case(("cells=4", "mb=2.5")) == Case(cells=4, mb=2.5)
    with pytest.raises(ZooError, match="Did you mean 'jobs'"):
        case(("job=3",))
    assert "at least 1" in refused(bench.main, "--overhead", "rounds=0")
    assert "cells=200" in inside(bench.main, "--overhead", "--help")


@pytest.mark.slow
def test_one_process_has_one_cluster_after_another():
    """Each with a token of its own, and nothing of them is left in the environment."""
    before = dict(os.environ)
    found = measured(Case(cells=4, seconds=0.1, rounds=2))
    assert [len(turns) for turns in found.values()] == [2, 2, 2]
    kept = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "PYTHONPATH")
    assert [os.environ.get(name) for name in kept] == [before.get(name) for name in kept]
