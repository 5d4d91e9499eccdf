"""Families: SD3's 61 formulations under their published names and ranks, and what the grids make of them."""

import pytest

from zoo import registry
from zoo.grid import files as grid
from zoo.objectives.families import BEYOND, RANKS, SD3


def test_sd3_s_61_formulations():
    """arXiv 2403.03206, section 5.1: 4 + 9 + 30 + 1 + 15 + 2."""
    printed = [published.name for published in SD3.values()]
    assert len(printed) == len(set(printed)) == 61
    assert {"eps/linear", "v/linear", "eps/cos", "v/cos", "rf", "rf/cosmap", "edm/rf", "edm/cos"} <= set(printed)
    counts = {head: sum(name.startswith(head) for name in printed) for head in ("rf/mode(", "rf/lognorm(", "edm(")}
    assert counts == {"rf/mode(": 8, "rf/lognorm(": 30, "edm(": 15}  # mode's ninth, s = 0, is rf
    assert {"rf/mode(-1.00)", "rf/mode(-0.54)", "rf/mode(1.29)", "rf/mode(1.75)", "rf/mode(1.00)"} <= set(printed)


def test_sd3_s_names_mean_other_schedules():
    """Its "linear" is latent diffusion's, its "cos" the quarter circle."""
    ours = {published.name: name for name, published in SD3.items()}
    assert [ours[name] for name in ("eps/linear", "v/cos", "edm/rf", "edm/cos")] == [
        "eps/ldm",
        "v/trig",
        "edm/flow",
        "edm/trig",
    ]


def test_printed_ranks_belong_to_formulations_of_the_study():
    ranked = {published.name: published for published in SD3.values() if published.rank is not None}
    assert ranked.keys() == RANKS.keys()
    assert ranked["rf/lognorm(0.00,1.00)"][1:] == (1.54, 1.25, 1.50)
    assert SD3["rf/mode(1.29167)"].rank == 2.75
    assert SD3["edm/flow"].rank == 13.04


def test_beyond_is_beyond():
    assert len(BEYOND) >= 25
    assert not set(BEYOND) & (set(SD3) | set(registry.FAMILIES["default"]))


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_a_family_s_grid_holds_it_on_all_backbones(family):
    loaded = grid.load(family)
    assert loaded.objectives == registry.FAMILIES[family]
    for dataset in ("mnist", "digits"):
        for kind in ("cpu", "gpu"):
            made = grid.cells(loaded, dataset, loaded.budget(kind, dataset))
            assert len(made) == len(loaded.backbones) * loaded.seeds * len(registry.FAMILIES[family])


def test_the_study_s_grid_is_these_61():
    assert grid.load("sd3").objectives == tuple(SD3)


def test_the_grid_of_printed_ranks_is_a_part_of_it_cell_by_cell():
    """What the one has trained, the other takes: the same folders and the same keys."""
    printed, whole = grid.load("sd3-printed"), grid.load("sd3")
    assert len(printed.objectives) == 16  # rows of tables 1 and 2 of arXiv 2403.03206 together
    for kind, dataset in (("cpu", "digits"), ("cpu", "mnist"), ("gpu", "fashion")):
        every = {c.folder: c.config.key for c in grid.cells(whole, dataset, whole.budget(kind, dataset), printed.seeds)}
        part = {c.folder: c.config.key for c in grid.cells(printed, dataset, printed.budget(kind, dataset))}
        assert len(part) == 16 * 2 * 3
        assert part.items() <= every.items()
