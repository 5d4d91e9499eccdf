"""What objectives share in theory, against their curves: every pair of the zoo, and two names for one objective."""

from itertools import combinations

import pytest
import torch

from zoo.objectives.core import Objective
from zoo.objectives.theory import apart, same, same_curve, same_law
from zoo.objectives.weight import SpaceLoss
from zoo.registry import ZOO, objective

LOGSNR = torch.linspace(-4.5, 6.5, 45, dtype=torch.float64)  # within the span of every path
TWINS = [  # written in two ways
    ("rf/lognorm(0.5,1)", "rf/edm(0.5,1)"),
    ("eps/linear", "eps/linear+snr"),
    ("v/trig+lognorm(0,1)", "edm(sigma_data=1)/trig+lognorm(0,1)"),
    ("v/trig+match(rf)", "v/trig"),
    ("eps/linear+match(v/linear+minsnr(5))", "eps/linear+minsnr(5)"),
    ("v/trig+match(eps/sigmoid+sigmoid(-2))", "edm(sigma_data=1)/trig+sigmoid(-2)"),
    ("x0/linear+p2(2,1)", "x0/linear+softminsnr(2)"),
    ("v/trig+laplace(0,0.5)", "v/sigmoid+laplace(0,0.5)"),
    ("flow/flow+cosmap", "flow/trig"),
]


def curve(one: Objective) -> torch.Tensor:
    log = one.effective_weight(LOGSNR).log()
    return log - log.mean()


def law(one: Objective) -> torch.Tensor:
    return one.log_density(LOGSNR)


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool((a - b).abs().max() < 1e-5)


def test_the_rules_say_what_the_curves_say_for_every_pair_of_the_zoo():
    plain = [one for one in map(objective, ZOO) if not one.path.__class__.__name__.startswith("ZeroT")]
    curves, laws = {one: curve(one) for one in plain}, {one: law(one) for one in plain}
    found = 0
    for a, b in combinations(plain, 2):
        assert same_law(a, b) <= close(laws[a], laws[b]), (a.name, b.name)  # what is claimed is true
        if not (a.density.of_logsnr and b.density.of_logsnr):  # these are cut off where a path ends
            assert same_law(a, b) == close(laws[a], laws[b]), (a.name, b.name)
        if a.coupling == b.coupling and a.auxiliary == b.auxiliary:
            alike = close(curves[a], curves[b])
            assert same_curve(a, b) <= alike, (a.name, b.name)
            capped = isinstance(a.weight, SpaceLoss) or isinstance(b.weight, SpaceLoss)  # beyond these levels, often
            if a.auxiliary.formula.startswith("weight") and not capped:
                assert same_curve(a, b) == alike, (a.name, b.name)  # and nothing is overlooked
            found += alike
    assert found >= 4


@pytest.mark.parametrize(("a", "b"), TWINS)
def test_twins_are_one_objective(a, b):
    one, other = objective(a), objective(b)
    assert same(one, other) and same_law(one, other) and same_curve(one, other)
    assert one != other
    assert close(curve(one), curve(other))
    assert close(law(one), law(other))
    x = torch.linspace(-1, 1, 3 * 16, dtype=torch.float64).view(3, 1, 4, 4)  # the network's task, sign and length apart
    eps, level = x.flip(0).sin() + 0.1, torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64)
    rows = []
    for part in (one, other):
        a_row, b_row = part.target.row(*part.path.coefficients(level))
        y = a_row.view(-1, 1, 1, 1) * x + b_row.view(-1, 1, 1, 1) * eps
        y = y / y.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        rows.append(y * y.flatten(1).sum(1).sign().view(-1, 1, 1, 1))
    assert close(*rows)


def test_pairs_of_the_design_differ_where_it_says():
    for a, b, axes in [
        ("eps/cosine", "eps/cosine+minsnr(5)", ("weight",)),
        ("rf", "rf/lognorm(0,1)", ("density",)),
        ("eps/trig", "v/trig", ("target",)),
        ("v/linear", "v/trig", ("path",)),  # the steps of one and the times of the other come with the path
        ("rf", "rf+ot", ("coupling",)),
        ("rf", "rf+contrast(0.05)", ("auxiliary",)),
        ("rf", "v/trig", ("target", "path")),
    ]:
        assert apart(objective(a), objective(b)) == axes
    assert same_curve(objective("rf"), objective("v/trig"))
    assert not same_law(objective("rf"), objective("v/trig"))
    assert same_law(objective("rf/cosmap"), objective("v/trig"))
    assert not same_curve(objective("rf/cosmap"), objective("v/trig"))
    for a, b in combinations(("eps/cosine+minsnr(5)", "v/cosine+minsnr(5)", "x0/cosine+minsnr(5)"), 2):
        assert same_curve(objective(a), objective(b))
        assert not same(objective(a), objective(b))  # the networks have different things to put out
    assert not same_curve(objective("rf"), objective("rf+ot"))
    assert same_curve(objective("eps/cosine+match(v/cosine)"), objective("v/cosine"))
    assert same_curve(objective("eps/trig+sigmoid(-3)"), objective("rf/lognorm(0,1)+sigmoid(-3)"))
    assert not same_curve(objective("eps/trig+sigmoid(-3)"), objective("eps/cosine+sigmoid(-3)"))  # ends elsewhere
    assert apart(objective("v/trig"), objective("v/trig+match(rf/lognorm(0,1))")) == ("weight",)
