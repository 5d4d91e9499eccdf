"""The plan on paper for a large grid agrees with what can be worked out by hand."""

import pytest

from zoo import bench
from zoo.base.errors import ZooError
from zoo.benchmark.simulate import Case, Costs, case, run

FREE = Costs(write=0.0, read=0.0)


def test_with_nothing_in_the_way_the_seats_are_busy_all_the_time():
    found = run(Case(cells=6400, nodes=8, seats=8, seconds=100, mb=1e-6, lost=0), FREE)
    assert found.seconds == pytest.approx(6400 / 64 * 100, rel=0.03)  # cells' times vary by a fifth
    assert found.again == 0


def test_a_driver_that_cannot_keep_up_sets_the_pace():
    """One cell at a time, 0.1 s each, is all that counts once seats would end them faster."""
    found = run(Case(cells=2000, nodes=100, seats=10, seconds=10, mb=1e-6, lost=0), Costs(write=0.1, read=0.0))
    assert found.seconds == pytest.approx(2000 * 0.1, rel=0.1)


def test_lost_nodes_cost_cells_at_their_rate():
    """Each cell of 1,000 s on one of 10 nodes that lose 8.64 a day: 1e-5 a second and node, 1% of the cells."""
    given = Case(cells=20_000, nodes=10, seats=8, seconds=1000, lost=8.64)
    assert run(given, FREE).again == pytest.approx(200, rel=0.25)


def test_the_command_names_what_breaks_first(inside):
    said = inside(bench.main, "--simulate", "cells=1000", "nodes=4", "mb=1", "link=0.1")
    assert "What breaks first: the network" in said and "--shared-out" in said


def test_other_words_are_refused():
    for words, why in {
        ("cell=3",): "Did you mean 'cells'",
        ("cells=x",): "is no number",
        ("nodes=0",): "at least 1",
    }.items():
        with pytest.raises(ZooError, match=why):
            case(words)
