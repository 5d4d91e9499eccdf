"""Auxiliary terms: the contrastive loss typed by hand, and a learned weight that finds the error at every level."""

import math

import pytest
import torch

from zoo import registry
from zoo.base.errors import ZooError
from zoo.objectives.uncertainty import Uncertainty


def batch(count: int):
    generator = torch.Generator().manual_seed(0)
    x, eps = torch.randn(2, count, 1, 2, 2, generator=generator, dtype=torch.float64)
    return x, torch.zeros(count, dtype=torch.int64), torch.rand(count, generator=generator, dtype=torch.float64), eps


def some_net(x, time, labels):
    return 0.7 * x.sin() + time.view(-1, 1, 1, 1)


def test_contrastive_flow_matching_is_the_paper_s():
    """|v_hat - (eps - x)|^2 - 0.05 |v_hat - (eps' - x')|^2, with x', eps' those of another image (arXiv 2506.05350)."""
    x, labels, u, eps = batch(6)
    loss = registry.objective("rf+contrast(0.05)").loss(some_net, x, labels, u, eps)
    t = u.view(-1, 1, 1, 1)
    v_hat = some_net(((1 - t) * x + t * eps) / ((1 - t) ** 2 + t**2).sqrt(), torch.atan2(u, 1 - u) * 2 / math.pi, None)
    other = torch.tensor([5, 0, 1, 2, 3, 4])
    right, wrong = ((v_hat - v).square().mean((1, 2, 3)) for v in (eps - x, (eps - x)[other]))
    torch.testing.assert_close(loss, right - 0.05 * wrong)


def test_pseudo_huber_is_the_paper_s():
    """(|e|^2 + c^2)^.5 - c, c = 0.00054 d^.5 (arXiv 2405.20320), over d^.5, the sum of squares over the d numbers."""
    x, labels, u, eps = batch(6)
    loss = registry.objective("rf+huber(0.00054)").loss(some_net, x, labels, u, eps)
    t = u.view(-1, 1, 1, 1)
    v_hat = some_net(((1 - t) * x + t * eps) / ((1 - t) ** 2 + t**2).sqrt(), torch.atan2(u, 1 - u) * 2 / math.pi, None)
    c, d = 0.00054 * 4**0.5, 4
    wanted = (((v_hat - eps + x).square().sum((1, 2, 3)) + c**2).sqrt() - c) / d**0.5
    torch.testing.assert_close(loss, wanted)


@pytest.mark.parametrize("share", [0, 1])
def test_a_contrast_without_a_minimum_is_refused(share):
    with pytest.raises(ZooError, match="between 0 and 1"):
        registry.objective(f"rf+contrast({share})")


def test_the_learned_weight_is_the_plain_loss_at_first():
    chosen, (x, labels, u, eps) = registry.objective("rf+learned"), batch(20)
    prediction = chosen.predict(some_net, x, labels, u, eps)
    at_first = chosen.auxiliary.loss(prediction, chosen.auxiliary.module())
    torch.testing.assert_close(at_first, registry.objective("rf").loss(some_net, x, labels, u, eps))


def test_the_learned_weight_finds_the_log_error_of_every_level():
    """error / e^u + u is least at u = log error (arXiv 2312.02696, section 2.2), whatever the error's curve."""
    torch.manual_seed(0)
    module, logsnr = Uncertainty(), torch.linspace(-8, 8, 200, dtype=torch.float64)
    log_error = (logsnr / 3).sin().float() - 1
    adam = torch.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(400):
        u = module(logsnr)
        (log_error.exp() * (-u).exp() + u).mean().backward()
        adam.step()
        adam.zero_grad()
    torch.testing.assert_close(module(logsnr), log_error, rtol=0, atol=0.1)


def test_uncertainty_is_finite_where_there_is_no_signal():
    levels = torch.tensor([-math.inf, -40.0, 40.0, math.inf], dtype=torch.float64)
    module = Uncertainty()
    torch.nn.init.ones_(module.linear.weight)
    assert module(levels).isfinite().all()
