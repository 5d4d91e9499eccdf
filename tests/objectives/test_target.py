"""Targets: the solve gives back (x, eps), the errors relate as the module says, and diffusers agrees."""

import math

import pytest
import torch

from tests.oracle import SCHEDULES, doubles, scheduler
from zoo import registry

WORDS = {word: make() for word, make in registry.TARGETS.items()}
IN_ZOO = {repr(target): target for target in (registry.objective(name).target for name in registry.ZOO)}
TARGETS = list({repr(target): target for target in [*WORDS.values(), *IN_ZOO.values()]}.values())
CURVES = {"circle": registry.PATHS["trig"](), "line": registry.PATHS["flow"]()}
TYPED = {  # y as the papers write it, typed a second time
    "eps": lambda x, eps, alpha, sigma: eps,
    "v": lambda x, eps, alpha, sigma: alpha * eps - sigma * x,
    "flow": lambda x, eps, alpha, sigma: eps - x,
    "x0": lambda x, eps, alpha, sigma: x,
    "edm": lambda x, eps, alpha, sigma: edm_f(x, eps, sigma / alpha),
}


def edm_f(x, eps, r, s=0.5):
    """What EDM's network gives for a perfect denoiser: (x - c_skip z) / c_out, z = x + r eps (arXiv 2206.00364)."""
    c_skip, c_out = s**2 / (r**2 + s**2), r * s / (r**2 + s**2).sqrt()
    return (x - c_skip * (x + r * eps)) / c_out


LEVELS = doubles(math.inf, 40, 20, 9, 4, 1, 0, -1, -4, -9, -20, -40, -math.inf)


def images(count: int, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn((2, count, 1, 3, 3), generator=generator, dtype=dtype)


def column(value: torch.Tensor) -> torch.Tensor:
    return value.view(-1, 1, 1, 1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_solve_gives_back_image_and_noise(target, curve, dtype):
    """Wherever D is not 0; a small D magnifies rounding by 1 / D, and no more."""
    levels = CURVES[curve].coefficients(LEVELS)
    kept = target.determinant(*levels).abs() > 1e-3
    alpha, sigma = (column(value[kept].to(dtype)) for value in levels)
    x, eps = images(int(kept.sum()), dtype)
    a, b = target.row(alpha, sigma)
    x_hat, eps_hat = target.solve(alpha * x + sigma * eps, a * x + b * eps, alpha, sigma)
    scale = target.determinant(alpha, sigma).abs()
    tolerance = 50 * torch.finfo(dtype).eps
    assert kept.sum() >= 5
    assert x_hat.dtype == eps_hat.dtype == dtype
    assert ((x_hat - x).abs() * scale).max() < tolerance
    assert ((eps_hat - eps).abs() * scale).max() < tolerance


@pytest.mark.parametrize("word", ["v", "flow", "edm"])
@pytest.mark.parametrize("curve", CURVES)
def test_v_and_flow_and_edm_are_never_singular(word, curve):
    determinant = WORDS[word].determinant(*CURVES[curve].coefficients(LEVELS)).abs()
    assert determinant.min() >= 0.4
    assert determinant.max() <= 2.1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_scalings_are_edm_s(dtype):
    """c_skip and c_out of arXiv 2206.00364, table 1; c_in for data of unit variance, 1 / sqrt(1 + r^2)."""
    levels = LEVELS[1:-1].to(dtype)
    skip, out, into = (value.to(dtype) for value in registry.objective("edm(-1.2,1.2)").scalings(levels))
    r, s = (-levels / 2).exp(), 0.5
    torch.testing.assert_close(skip, s**2 / (r**2 + s**2), rtol=1e-5, atol=0)
    torch.testing.assert_close(out, r * s / (r**2 + s**2).sqrt(), rtol=1e-5, atol=0)
    torch.testing.assert_close(into, 1 / (1 + r**2).sqrt(), rtol=1e-5, atol=0)


def test_edm_with_unit_data_is_minus_v_on_the_circle():
    levels = CURVES["circle"].coefficients(LEVELS)
    for ours, v in zip(registry.TARGETS["edm"](1.0).row(*levels), WORDS["v"].row(*levels), strict=True):
        torch.testing.assert_close(ours, -v, rtol=0, atol=1e-14)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("word", TYPED)
def test_rows_are_the_papers_formulas(word, curve):
    alpha, sigma = (column(value) for value in CURVES[curve].coefficients(LEVELS[2:-2]))
    x, eps = images(len(LEVELS) - 4)
    a, b = WORDS[word].row(alpha, sigma)
    torch.testing.assert_close(a * x + b * eps, TYPED[word](x, eps, alpha, sigma), rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_errors_relate_by_the_determinant(target, curve):
    """|y_hat - y|^2 = (D / sigma)^2 |x_hat - x|^2 = (D / alpha)^2 |eps_hat - eps|^2."""
    alpha, sigma = (column(value) for value in CURVES[curve].coefficients(LEVELS[2:-2]))
    x, eps = images(len(LEVELS) - 4)
    a, b = target.row(alpha, sigma)
    y = a * x + b * eps
    y_hat = y + 0.3 * images(len(y))[1]
    x_hat, eps_hat = target.solve(alpha * x + sigma * eps, y_hat, alpha, sigma)
    determinant = alpha * b - sigma * a
    error = (y_hat - y).square().sum((1, 2, 3))
    for wrong, right, coefficient in ((x_hat, x, sigma), (eps_hat, eps, alpha)):
        scaled = ((determinant / coefficient) * (wrong - right)).square().sum((1, 2, 3))
        torch.testing.assert_close(scaled, error, rtol=1e-6, atol=0)


@pytest.mark.parametrize("word", SCHEDULES)
def test_noising_and_velocity_are_diffusers(word):
    steps = torch.tensor([0, 1, 250, 500, 998, 999])
    x, eps = images(len(steps))
    alpha, sigma = (column(value) for value in registry.PATHS[word]().at(steps.double() / 999))
    noisy = scheduler(word).add_noise(x, eps, steps)
    velocity = scheduler(word).get_velocity(x, eps, steps)
    a, b = WORDS["v"].row(alpha, sigma)
    torch.testing.assert_close(alpha * x + sigma * eps, noisy, rtol=0, atol=1e-6)
    torch.testing.assert_close(a * x + b * eps, velocity, rtol=0, atol=1e-6)
