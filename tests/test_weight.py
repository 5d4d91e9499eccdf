"""Weights: the published vectors, diffusers' min-SNR, and finite factors at both ends of every objective."""

import math

import pytest
import torch
from diffusers.training_utils import compute_snr

from tests.oracle import ENDS, doubles, scheduler
from zoo import registry
from zoo.errors import ZooError
from zoo.weight import Flat, MinSNR

LEVELS = doubles(-4, -2, 0, 2, 4)
SNR = LEVELS.exp()
X0_ERROR = {  # (sigma / D)^2 of each target, as a function of snr
    "x0": torch.ones_like(SNR),
    "eps": 1 / SNR,
    "v": 1 / (1 + SNR),  # on the circle
}
MINSNR_5 = {  # arXiv 2303.09556 at logsnr -4, -2, 0, 2, 4, worked out by hand to six decimals
    "x0": (0.018316, 0.135335, 1, 5, 5),
    "eps": (1, 1, 1, 0.676676, 0.091578),
    "v": (0.017986, 0.119203, 0.5, 0.596015, 0.089931),
}


@pytest.mark.parametrize("target", MINSNR_5)
def test_minsnr_vectors(target):
    factor = MinSNR(5.0).log_factor(LEVELS, X0_ERROR[target].log()).exp()
    torch.testing.assert_close(factor, doubles(*MINSNR_5[target]), rtol=0, atol=6e-7)


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
    assert Flat().log_factor(log_x0_error, log_x0_error).tolist() == [0] * 5


CORNERS = [f"{target}/{path}" for target in registry.TARGETS for path in ("flow", "trig", "linear")]


@pytest.mark.parametrize("name", [*registry.ZOO, *CORNERS, *(f"{name}+minsnr(5)" for name in CORNERS)])
def test_factors_are_finite_and_not_negative_at_both_ends(name):
    factor = registry.objective(name).factor(doubles(*ENDS))
    assert factor.isfinite().all()
    assert (factor >= 0).all()


@pytest.mark.parametrize("gamma", [0, -5])
def test_minsnr_needs_a_positive_gamma(gamma):
    with pytest.raises(ZooError, match="gamma"):
        registry.objective(f"eps/linear+minsnr({gamma})")
