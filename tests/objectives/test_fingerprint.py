"""Effective weights: closed forms, equalities between objectives, and the table of quantiles and weights."""

import dataclasses
import math

import pytest
import torch
from scipy import stats

from tests.oracle import doubles
from zoo import registry
from zoo.objectives.auxiliary import Plain

LEVELS = torch.linspace(-8, 8, 33, dtype=torch.float64)
WIDE = torch.linspace(-30, 30, 61, dtype=torch.float64)  # of paths that reach both ends
ANY_TARGET = tuple(f"{target}/trig+minsnr(5)" for target in registry.TARGETS)
# 5, 50 and 95 % quantiles of the drawn logsnr; weight at -4, -2, 2, 4 over the weight at 0; as printed, so rounded.
TABLE = {
    "rf": ("-5.9 0 5.9", "7.4 2.7 .37 .14"),
    "rf/lognorm(0,1)": ("-3.3 0 3.3", "2.4 2.1 .28 .04"),
    "rf/mode(1.29)": ("-4.3 0 4.3", "1.0 .52 .07 .02"),
    "rf/cosmap": ("-5.1 0 5.1", "4.7 2.2 .30 .09"),
    "eps/linear": ("-9.1 -2.5 3.5", ".81 1.0 .56 .22"),
    "v/linear": ("-9.1 -2.5 3.5", "22.6 4.2 .32 .11"),
    "eps/trig": ("-5.1 0 5.1", ".27 .65 .65 .27"),
    "v/trig": ("-5.1 0 5.1", "7.4 2.7 .37 .14"),
    **dict.fromkeys(ANY_TARGET, ("-5.1 0 5.1", ".27 .65 .44 .02")),
}


def weight(name: str, logsnr=LEVELS):
    return registry.objective(name).effective_weight(logsnr)


def continuous(name: str):
    """The objective without DDPM's 1000 steps."""
    chosen = registry.objective(name)
    return dataclasses.replace(chosen, density=getattr(chosen.density, "base", chosen.density))


def expect_printed(values, printed: str) -> None:
    """Equal to the printed numbers up to half a unit of their last digit."""
    for value, text in zip(values.tolist(), printed.split(), strict=True):
        unit = 10.0 ** -len(text.partition(".")[2])
        assert abs(value - float(text)) <= 0.501 * unit or (text == "0" and abs(value) < 0.05), (values, printed)


@pytest.mark.parametrize("name", TABLE)
def test_table_of_quantiles_and_weights(name):
    quantiles, weights = TABLE[name]
    chosen = continuous(name)
    expect_printed(chosen.path.logsnr(chosen.time(doubles(0.05, 0.5, 0.95))).sort().values, quantiles)
    expect_printed(weight(name, doubles(-4, -2, 2, 4)), weights)


@pytest.mark.parametrize("name", ["rf", "v/trig"])
def test_rectified_flow_and_v_on_the_circle_weigh_alike(name):
    for dtype in (torch.float32, torch.float64):
        torch.testing.assert_close(weight(name, WIDE.to(dtype)), (-WIDE / 2).exp(), rtol=1e-6, atol=0)


def test_eps_on_the_circle_weighs_by_the_hyperbolic_secant():
    for dtype in (torch.float32, torch.float64):
        torch.testing.assert_close(weight("eps/trig", WIDE.to(dtype)), 1 / (WIDE / 2).cosh(), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("mean", "std"), [(0, 1), (-0.5, 0.6), (1, 1.4)])
def test_logit_normal_weighs_by_a_normal_law(mean, std):
    """w = N(l; -2m, (2s)^2) (D / alpha)^2, where D = 1 and alpha = sigmoid(l / 2) on the line."""

    def typed(logsnr):
        density = torch.from_numpy(stats.norm(-2 * mean, 2 * std).pdf(logsnr.numpy()))
        return density / (logsnr / 2).sigmoid() ** 2

    levels = -2 * mean + 2 * std * torch.linspace(-5, 5, 41, dtype=torch.float64)  # u near 1 resolves no further tail
    expected = typed(levels) / typed(doubles(0.0))
    torch.testing.assert_close(weight(f"rf/lognorm({mean},{std})", levels), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("path", registry.PATHS)
def test_minsnr_weighs_alike_on_every_target(path):
    weights = [weight(f"{target}/{path}+minsnr(5)") for target in registry.TARGETS]
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], rtol=1e-9, atol=0)


@pytest.mark.parametrize("path", registry.PATHS)
def test_minsnr_caps_the_weight_of_eps(path):
    """Against plain eps the weight falls by min(snr, 5) / snr, which at logsnr 0 is 1."""
    levels = LEVELS[LEVELS.abs() <= 5]  # within the span of every path
    ratio = weight(f"eps/{path}+minsnr(5)", levels) / weight(f"eps/{path}", levels)
    torch.testing.assert_close(ratio, levels.exp().clamp(max=5) / levels.exp(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("path", ["trig", "linear", "cosine"])
def test_v_outweighs_eps_by_snr_plus_one_over_snr(path):
    """On the circle |v error|^2 = (1 + 1 / snr) |eps error|^2."""
    ratio = weight(f"v/{path}") / weight(f"eps/{path}")
    torch.testing.assert_close(ratio, (1 + (-LEVELS).exp()) / 2, rtol=1e-9, atol=0)


def test_nothing_outside_the_span_is_trained():
    """DDPM's linear path ends at logsnr 9.2102 and -10.1177."""
    assert weight("eps/linear", doubles(9.3, -10.2)).tolist() == [0, 0]
    assert (weight("eps/linear", doubles(9.1, -10.0)) > 0).all()


def test_cosmap_and_v_on_the_circle_draw_alike():
    """Equal draws, so that the weights' ratio is that of 1 / alpha^2 on the two curves."""
    alpha, sigma = registry.PATHS["flow"]().coefficients(LEVELS)
    expected = 1 / (alpha**2 + sigma**2) / 2
    torch.testing.assert_close(weight("rf/cosmap") / weight("v/trig"), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("mean", "std"), [(0, 0.6), (-1.2, 1.2), (0.5, 1)])
def test_lognorm_on_the_line_and_edm_draw_alike(mean, std):
    one, other = (registry.objective(name) for name in (f"rf/lognorm({mean},{std})", f"edm({mean},{std})"))
    torch.testing.assert_close(one.log_density(LEVELS), other.log_density(LEVELS), rtol=1e-6, atol=1e-6)


def test_edm_with_unit_data_is_v_on_the_circle():
    torch.testing.assert_close(weight("edm(sigma_data=1)/trig+edm(0,1)"), weight("v/trig+edm(0,1)"), rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", registry.ZOO)
def test_density_of_logsnr_is_that_of_the_draws(name):
    """p(logsnr(u)) |d logsnr / du| = 1, the slope by differences."""
    chosen, step = continuous(name), 1e-6
    u = torch.linspace(0.013, 0.987, 97, dtype=torch.float64)
    here, above, below = (chosen.path.logsnr(chosen.time(u + h)) for h in (0, step, -step))
    slope = (above - below).abs() / (2 * step)
    smooth = (above + below - 2 * here).abs() < 1e-3 * (above - below).abs()  # not at a table's steps
    assert smooth.sum() > 80
    mass = chosen.log_density(here).exp() * slope
    torch.testing.assert_close(mass[smooth], torch.ones_like(mass[smooth]), rtol=2e-3, atol=0)


@pytest.mark.parametrize("name", registry.ZOO)
def test_effective_weight_is_what_training_adds_up(name):
    """The cost of errors of eps_hat, summed over draws of u, is the area under the curve between the levels drawn.

    The cost is measured on the loss: a network whose eps_hat is off by 1 everywhere.
    """
    chosen = dataclasses.replace(continuous(name), auxiliary=Plain())
    groups, size = 20, 500
    u = (torch.arange(groups * size, dtype=torch.float64) + 0.5) / (groups * size)
    logsnr = chosen.path.logsnr(chosen.time(u))
    zeros = torch.zeros((len(u), 1, 1, 1), dtype=torch.float64)

    def off_by_one(_, time, __):  # x = eps = 0, so that y = 0; eps_hat = 1 where y_hat = D / alpha
        cos, sin = (math.pi / 2 * (1 - time)).sin(), (math.pi / 2 * time).sin()
        alpha, sigma = chosen.path.coefficients(2 * (cos.log() - sin.log()))
        return (chosen.target.determinant(alpha, sigma) / alpha).view(-1, 1, 1, 1)

    cost = chosen.loss(off_by_one, zeros, zeros[:, 0, 0, 0].long(), u, zeros)
    curve = chosen.effective_weight(logsnr)
    inner = [torch.arange(g * size, (g + 1) * size) for g in range(1, groups - 1)]  # the tails' steps are too wide
    drawn = torch.stack([torch.trapezoid(cost[part], u[part]) for part in inner])
    area = torch.stack([torch.trapezoid(curve[part], logsnr[part]).abs() for part in inner])
    torch.testing.assert_close(drawn / drawn.sum(), area / area.sum(), rtol=0.01, atol=0)
