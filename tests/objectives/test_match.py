"""`match(OBJECTIVE)`: another objective's effective weight, exactly, on any target and density; and the grid of it."""

import dataclasses
import itertools

import pytest
import torch

from tests.oracle import doubles
from zoo import registry
from zoo.base.names import slug
from zoo.grid import files as grid
from zoo.objectives.families import ANATOMY, COMMON
from zoo.objectives.theory import same, same_curve

LIKES = ("rf", "rf/lognorm(0,1)", "v/trig", "eps/trig+minsnr(5)", "x0/flow+flowloss(0.05)", "edm(-1.2,1.2)", "v/cosine")
DENSITIES = ("", "+lognorm(0.5,0.6)", "+cosmap", "+mode(1)", "+edm(-0.4,1)", "+laplace(0,0.5)")


def span(*paths) -> torch.Tensor:
    """Levels across what all these paths reach, at most +-10, and not where float32's edge of u ends the draws."""
    lows, highs = zip(*(path.span() for path in paths), strict=True)
    low, high = max(-10.0, *lows), min(10.0, *highs)
    return torch.linspace(low + 1e-6, high - 1e-6, 101, dtype=torch.float64)


@pytest.mark.parametrize("like", LIKES)
@pytest.mark.parametrize("path", ["flow", "trig", "cosine"])
@pytest.mark.parametrize("target", ["eps", "v", "x0", "flow", "edm"])
def test_the_curve_is_the_other_one_s_over_the_path_s_span(target, path, like):
    for density in DENSITIES:
        chosen, other = registry.objective(f"{target}/{path}{density}+match({like})"), registry.objective(like)
        levels = span(chosen.path, other.path)
        there = other.effective_weight(levels)
        seen = chosen.log_density(levels) > -600  # where float64 still holds the density that is divided out
        torch.testing.assert_close(chosen.effective_weight(levels)[seen], there[seen], rtol=1e-6, atol=0)
        assert seen.sum() > 30


@pytest.mark.parametrize(
    ("target", "density", "like"),
    list(itertools.product(("eps", "v", "x0"), ("", "+mode(1)", "+edm(0.3,0.9)"), ("rf", COMMON))),
)
def test_training_adds_up_to_the_other_one_s_loss(target, density, like):
    """The expected loss of a denoiser with a known error of eps_hat is the same number, constant and all."""
    u = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000

    def expected(name: str) -> float:
        one = registry.objective(name)
        logsnr = one.path.logsnr(one.time(u))
        alpha, sigma = one.path.coefficients(logsnr)
        unit = (one.target.determinant(alpha, sigma) / alpha).square()
        error = (-((logsnr - 1) / 3).square()).exp()  # of eps_hat, small where a density hardly goes
        return float((one.factor_at(logsnr) * unit * error).mean())

    assert expected(f"{target}/trig{density}+match({like})") == pytest.approx(expected(like), rel=1e-4)


def test_matched_to_itself_nothing_is_changed():
    for name in ("rf/lognorm(0,1)", "eps/trig+minsnr(5)", "v/trig", "v/linear"):
        one, other = registry.objective(name), registry.objective(f"{name.replace('+minsnr(5)', '')}+match({name})")
        t = one.time(doubles(0.01, 0.3, 0.5, 0.9, 0.99))
        torch.testing.assert_close(other.factor(t), one.factor(t), rtol=1e-9, atol=0)


def test_levels_that_the_other_one_never_sees_do_not_count():
    """DDPM's path ends at logsnr 9.2102 and -10.1177."""
    chosen = registry.objective("rf+match(eps/linear)")
    assert chosen.effective_weight(doubles(-10.2, 9.3)).tolist() == [0, 0]
    assert chosen.factor_at(doubles(-10.2, 9.3)).tolist() == [0, 0]
    assert (chosen.effective_weight(doubles(-10.1, 9.1)) > 0).all()


def test_it_trains_in_float32_with_finite_gradients():
    """Of every part of the grid `anatomy`, at levels from the edges of u too."""
    x, eps = torch.randn(2, 6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    u = doubles(0, 1e-6, 0.3, 0.6, 1 - 1e-6, 1)
    for name in ANATOMY:
        scale = torch.ones((), requires_grad=True)
        loss = registry.objective(name).loss(lambda z, t, _, s=scale: s * z, x, torch.zeros(6).long(), u, eps)
        loss.mean().backward()
        assert loss.dtype == torch.float32
        assert loss.isfinite().all()
        assert scale.grad.isfinite()


def test_the_grid_crosses_its_factors_and_holds_no_objective_twice():
    made = {name: registry.objective(name) for name in ANATOMY}
    assert len(made) == 29 == len({slug(name) for name in made})
    assert grid.load("anatomy").objectives == ANATOMY
    assert not any(same(a, b) for a, b in itertools.combinations(made.values(), 2))
    common = registry.objective(COMMON)
    matched = [one for name, one in made.items() if "match(" in name or name == COMMON]
    assert len(matched) == 15
    assert len({(one.target, one.density) for one in matched}) == 15
    for one in matched:
        assert same_curve(one, common)
        levels = span(one.path)
        torch.testing.assert_close(one.effective_weight(levels), common.effective_weight(levels), rtol=1e-6, atol=0)
    plain = [dataclasses.replace(one, name="") for name, one in made.items() if "match(" not in name]
    assert len(set(plain)) == 15


@pytest.mark.parametrize("draws", ["flow/flow+cosmap", "v/flow+cosmap"])
def test_its_third_density_is_that_of_v_trig(draws):
    levels = torch.linspace(-9, 9, 19, dtype=torch.float64)
    ours, theirs = (registry.objective(name).log_density(levels) for name in (draws, "v/trig"))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
