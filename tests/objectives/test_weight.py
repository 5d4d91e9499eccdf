"""Weights: the published vectors, diffusers' min-SNR, and finite factors at both ends of every objective."""

import math

import pytest
import torch
from diffusers.training_utils import compute_snr

from tests.oracle import ENDS, doubles, scheduler
from zoo import registry
from zoo.base.errors import ZooError
from zoo.objectives.weight import P2, Flat, FlowLoss, MinSNR, SigmoidWeight, SoftMinSNR, TruncSNR
from zoo.objectives.weight import SNR as PlainSNR

LEVELS = doubles(-4, -2, 0, 2, 4)
SNR = LEVELS.exp()
X0_ERROR = {  # (sigma / D)^2 of each target, as a function of snr
    "x0": torch.ones_like(SNR),
    "eps": 1 / SNR,
    "v": 1 / (1 + SNR),  # on the circle
}
VECTORS = {  # at logsnr -4, -2, 0, 2, 4, worked out by hand from the papers' formulas to six decimals
    (MinSNR(5.0), "x0"): (0.018316, 0.135335, 1, 5, 5),
    (MinSNR(5.0), "eps"): (1, 1, 1, 0.676676, 0.091578),
    (MinSNR(5.0), "v"): (0.017986, 0.119203, 0.5, 0.596015, 0.089931),
    (SoftMinSNR(4.0), "x0"): (0.018232, 0.130906, 0.8, 2.595143, 3.726954),
    (SoftMinSNR(4.0), "eps"): (0.995442, 0.967273, 0.8, 0.351214, 0.068262),
    (SoftMinSNR(4.0), "v"): (0.017904, 0.115302, 0.4, 0.309349, 0.067034),
    (P2(1.0, 1.0), "eps"): (0.982014, 0.880797, 0.5, 0.119203, 0.017986),
    (PlainSNR(), "eps"): (1, 1, 1, 1, 1),
    (TruncSNR(), "eps"): (54.59815, 7.389056, 1, 1, 1),
    (SigmoidWeight(-3.0), "eps"): (0.731059, 0.268941, 0.047426, 0.006693, 0.000911),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("weight", "target"), VECTORS, ids=repr)
def test_vectors(weight, target, dtype):
    levels = LEVELS.to(dtype)
    factor = weight.log_factor(levels, X0_ERROR[target].log().to(dtype), lambda: torch.zeros_like(levels)).exp()
    expected = doubles(*VECTORS[weight, target]).to(dtype)
    torch.testing.assert_close(factor, expected, rtol=1e-6 if dtype == torch.float64 else 1e-5, atol=6e-7)


def test_edm_s_own_loss_is_its_weight_on_x0_and_eps():
    """sigma_data 0.5: (r^2 + s^2) / (r s)^2 on the x0 loss (arXiv 2206.00364, table 1), over snr on the eps loss."""
    chosen = registry.objective("edm(-1.2,1.2)")
    on_x0 = chosen.factor_at(LEVELS) / chosen.scalings(LEVELS)[1].square()
    torch.testing.assert_close(on_x0, doubles(4.018316, 4.135335, 5, 11.389056, 58.59815), rtol=1e-6, atol=0)
    torch.testing.assert_close(on_x0 / SNR, doubles(219.3926, 30.556224, 5, 1.541341, 1.073263), rtol=1e-6, atol=0)


def test_p2_for_any_exponent():
    expected = SNR / (2 + SNR) ** 0.5
    torch.testing.assert_close(P2(2.0, 0.5).log_x0(LEVELS).exp(), expected, rtol=1e-12, atol=0)


DRAWN = ("eps/trig", "eps/cosine", "v/cosine", "rf", "rf/lognorm(0.5,0.6)", "rf/mode(1.29)", "x0/trig+laplace(0,0.5)")


@pytest.mark.parametrize("b", [-3.0, -1.0, 2.0])
@pytest.mark.parametrize("name", DRAWN)
def test_sigmoid_is_the_effective_weight_whatever_is_drawn(name, b):
    """arXiv 2303.00848: E_p[w(l) / p(l) |eps_hat - eps|^2] with w(l) = sigmoid(b - l)."""
    found = registry.objective(f"{name}+sigmoid({b})").effective_weight(LEVELS)
    torch.testing.assert_close(found, (b - LEVELS).sigmoid() / doubles(b).sigmoid(), rtol=1e-9, atol=0)


def test_sigmoid_s_factor_on_eps_divides_by_the_density_drawn():
    """On the quarter circle with uniform times p(l) = sech(l / 2) / (2 pi), typed here; b = -3 as in 2410.19324."""
    factor = registry.objective("eps/trig+sigmoid(-3)").factor_at(LEVELS)
    typed = doubles(0.731059, 0.268941, 0.047426, 0.006693, 0.000911) * 2 * math.pi * (LEVELS / 2).cosh()
    torch.testing.assert_close(factor, typed, rtol=1e-3, atol=0)


def test_sigmoid_counts_high_noise_as_published():
    """sigmoid(-3 + 6) / sigmoid(-3) = 0.952574 / 0.047426 = 20.0855."""
    found = registry.objective("eps/cosine+sigmoid(-3)").effective_weight(doubles(-6, 0))
    assert found.tolist() == pytest.approx([20.0855, 1], abs=1e-4)


@pytest.mark.parametrize("word", ["minsnr(5)", "softminsnr(4)", "p2(1,1)", "snr", "truncsnr", "flowloss(0.05)"])
def test_other_weights_count_the_density_besides(word):
    """Their papers weigh the loss under the levels as drawn: between two densities the curves differ by the laws."""
    here, there = (registry.objective(f"v/trig{density}+{word}") for density in ("", "+lognorm(0,1)"))
    ratio = (there.effective_weight(LEVELS) / here.effective_weight(LEVELS)).log()
    laws = there.log_density(LEVELS) - here.log_density(LEVELS)
    torch.testing.assert_close(ratio, laws - laws[2], rtol=1e-9, atol=1e-12)
    assert (laws - laws[2]).abs().max() > 0.5


def test_x0_with_the_flow_loss_compares_velocities():
    """JiT (arXiv 2511.13720): |(x_hat - x_t) / t - (x - x_t) / t|^2 with t clamped at 0.05, here on x0's error."""
    t = doubles(0.01, 0.05, 0.3, 0.9)
    factor = registry.objective("x0/flow+flowloss(0.05)").factor(t)
    torch.testing.assert_close(factor, t.clamp(min=0.05) ** -2, rtol=1e-9, atol=0)
    flow_on_flow = FlowLoss(1e-9).log_factor(2 * ((1 - t) / t).log(), 2 * t.log(), lambda: torch.zeros_like(t))
    torch.testing.assert_close(flow_on_flow, torch.zeros_like(t), rtol=0, atol=1e-9)


@pytest.mark.parametrize("word", ["softminsnr(0)", "p2(0,1)", "flowloss(0)", "flowloss(2)"])
def test_senseless_arguments_are_refused(word):
    with pytest.raises(ZooError, match=r"must be above 0|between 0 and 1"):
        registry.objective(f"x0/cosine+{word}")


@pytest.mark.parametrize("gamma", [1.0, 5.0])
@pytest.mark.parametrize("word", ["linear", "cosine"])
@pytest.mark.parametrize("target", ["eps", "v"])
def test_minsnr_is_diffusers_at_all_1000_steps(target, word, gamma):
    """diffusers' trainers: min(snr, gamma) over snr for epsilon, over snr + 1 for v."""
    steps = torch.arange(1000)
    snr = compute_snr(scheduler(word), steps)
    factor = registry.objective(f"{target}/{word}+minsnr({gamma})").factor(steps.double() / 999)
    expected = snr.clamp(max=gamma) / (snr if target == "eps" else snr + 1)
    torch.testing.assert_close(factor, expected.double(), rtol=2e-4, atol=0)


def test_minsnr_on_rectified_flow():
    """The flow loss is the x0 loss over t^2, so the factor is t^2 min(snr, gamma)."""
    t = doubles(1e-7, 0.1, 0.5, 0.9, 1 - 1e-7)
    snr = ((1 - t) / t) ** 2
    torch.testing.assert_close(registry.objective("rf+minsnr(5)").factor(t), t**2 * snr.clamp(max=5), rtol=1e-9, atol=0)


def test_a_weight_is_one_at_zero_snr():
    """As in diffusers' trainers: min(0, gamma) would leave the last step untrained."""
    assert registry.objective("v/trig+minsnr(5)").factor(doubles(1.0)).item() == 1
    assert registry.objective("eps/trig+minsnr(5)").factor(doubles(1.0)).item() == 1
    assert registry.objective("rf+minsnr(5)").factor(doubles(1.0)).item() == 1


def test_flat_is_one_wherever_it_is_asked():
    log_x0_error = doubles(-math.inf, -3, 0, 3, math.inf)  # infinite where a target is singular
    assert Flat().log_factor(log_x0_error, log_x0_error, lambda: log_x0_error).tolist() == [0] * 5


CORNERS = [f"{target}/{path}" for target in registry.TARGETS for path in ("flow", "trig", "linear")]


ANYWHERE = ("minsnr(5)", "sigmoid(-3)", "match(v/trig)")


CORNERS += [f"{name}+{word}" for name in CORNERS for word in ANYWHERE]


@pytest.mark.parametrize("name", [*registry.ZOO, *CORNERS])
def test_factors_are_finite_and_not_negative_at_both_ends(name):
    chosen = registry.objective(name)
    factor = chosen.factor(chosen.time(doubles(*ENDS)))
    assert factor.isfinite().all()
    assert (factor >= 0).all()


@pytest.mark.parametrize("gamma", [0, -5])
def test_minsnr_needs_a_positive_gamma(gamma):
    with pytest.raises(ZooError, match="gamma"):
        registry.objective(f"eps/linear+minsnr({gamma})")


@pytest.mark.parametrize("output", ["x0/flow", "eps/flow", "rf"])
@pytest.mark.parametrize("loss", ["xloss", "epsloss", "vloss"])
def test_nine_cells_are_jit_s(output, loss):
    """|z_hat - z|^2 from the output's error, as JiT converts (arXiv 2511.13720, table 1), its t read as 1 - t."""
    t = torch.linspace(0.06, 0.94, 30, dtype=torch.float64)  # where no denominator is clamped
    of_x = {"x0/flow": 1 + 0 * t, "eps/flow": t / (1 - t), "rf": t}[output]  # |x_hat - x| for an error of 1
    wanted = {"xloss": of_x, "epsloss": of_x * (1 - t) / t, "vloss": of_x / t}[loss] ** 2
    factor = registry.objective(f"{output}+{loss}(0.01)").factor(t)
    torch.testing.assert_close(factor, wanted, rtol=1e-9, atol=0)
    assert registry.objective(f"{output}+{loss}").factor(doubles(1e-4, 1 - 1e-4)).max() <= 400 * (1 + 1e-9)
