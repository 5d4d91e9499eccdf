"""Couplings: optimal against all permutations, within classes, and noise laws measured on draws."""

import math
from itertools import permutations

import pytest
import torch

from zoo import registry
from zoo.base.errors import ZooError
from zoo.objectives.coupling import Nearest, Offset

ASSIGNMENTS = {"ot": (2, False), "ot_class": (2, True), "immiscible": (1, False), "immiscible_class": (1, True)}


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def none_needed(shape):
    raise AssertionError("an assignment draws nothing")


def cost(x: torch.Tensor, eps: torch.Tensor, power: int) -> float:
    return float((x - eps).flatten(1).double().norm(dim=1).pow(power).sum())


@pytest.mark.parametrize("word", ASSIGNMENTS)
def test_assignment_is_the_best_of_all_permutations(word):
    power, within = ASSIGNMENTS[word]
    x, labels = draws(6, 1, 2, 2), torch.tensor([0, 0, 0, 1, 1, 2])
    eps = x[[1, 2, 0, 4, 3, 5]] + draws(6, 1, 2, 2, seed=1)  # so that the order as drawn is not the best
    paired = registry.COUPLINGS[word]().pair(x, labels, eps, none_needed)
    orders = [list(p) for p in permutations(range(6)) if not within or labels[list(p)].equal(labels)]
    assert any(torch.equal(paired, eps[order]) for order in orders)
    assert cost(x, paired, power) == pytest.approx(min(cost(x, eps[order], power) for order in orders), rel=1e-12)
    assert cost(x, paired, power) < cost(x, eps, power)


def test_squared_and_plain_distances_may_choose_differently():
    """On a line, a long step and a short one cost more, squared, than two middle ones."""
    x, eps = (torch.tensor(values).view(2, 1, 1, 1) for values in ([0.0, 1.0], [1.0, 2.1]))
    labels = torch.zeros(2, dtype=torch.int64)
    assert registry.COUPLINGS["ot"]().pair(x, labels, eps, none_needed).flatten().tolist() == pytest.approx([1.0, 2.1])
    ties = registry.COUPLINGS["immiscible"]().pair(x, labels, eps, none_needed)
    assert cost(x, ties, 1) == pytest.approx(2.1)


def test_offset_noise_has_one_number_for_each_image_and_channel():
    eps = torch.zeros(20_000, 2, 3, 3)
    paired = Offset(0.1).pair(eps, eps[:, 0, 0, 0].long(), eps, lambda shape: draws(*shape))
    assert torch.equal(paired, paired[:, :, :1, :1].expand_as(paired))
    assert paired[:, 0, 0, 0].std() == pytest.approx(0.1, rel=4 / math.sqrt(2 * 20_000))
    together = torch.corrcoef(paired[:, :, 0, 0].T)[0, 1]
    assert abs(together) < 4 / math.sqrt(20_000)  # channels are independent


def test_nearest_takes_the_best_of_k_for_each_image():
    x, eps = draws(50, 1, 2, 2), draws(50, 1, 2, 2, seed=1)
    fresh = draws(3, 50, 1, 2, 2, seed=2)
    paired = Nearest(4).pair(x, torch.zeros(50), eps, lambda shape: fresh.view(shape))
    every = torch.stack([eps, *fresh])
    distance = (every - x).flatten(2).norm(dim=2)
    for i in range(50):
        assert torch.equal(paired[i], every[distance[:, i].argmin(), i])


@pytest.mark.parametrize("name", ["rf+nearest(1)", "rf+offset(0)", "rf+offset(-1)"])
def test_arguments_that_couple_nothing_are_refused(name):
    with pytest.raises(ZooError, match="must be"):
        registry.objective(name)
