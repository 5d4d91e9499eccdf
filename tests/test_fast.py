"""The fast ways to train give the loss and gradients of the plain one: compiled, in bfloat16, in a GPU's layout."""

import pytest
import torch

from tests.test_backbones import SMALL, awake
from tests.test_crash import FAMILIES
from zoo.environment import compiled
from zoo.registry import BACKBONES, objective

# relative errors of the loss and of all gradients together: rounding in another order; 8 bits of mantissa
WAYS = {
    "compiled": ({"compile": True}, 1e-5, 1e-4),
    "bfloat16": ({"precision": "bfloat16"}, 2e-2, 5e-2),
    "compiled for CUDA graphs": ({"compile": "graphs"}, 1e-5, 1e-4),
    "compiled bfloat16": ({"compile": True, "precision": "bfloat16"}, 2e-2, 5e-2),
}


def loss_and_gradient(net, forward, name: str, precision: str) -> tuple[float, torch.Tensor]:
    """The mean loss of a fixed batch, and the gradient of all weights as one vector."""
    generator = torch.Generator().manual_seed(5)
    x, eps = torch.randn((2, 32, 1, 8, 8), generator=generator)
    u = (torch.arange(32) + 0.5) / 32

    def called(*given):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return forward(*given)

    chosen = objective(name)
    auxiliary = chosen.auxiliary.module()
    net.zero_grad()
    loss = chosen.auxiliary.loss(chosen.predict(called, x, torch.arange(32) % 11, u, eps), auxiliary).mean()
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten() for p in net.parameters()])


@pytest.mark.slow
@pytest.mark.parametrize(("how", "loss_error", "gradient_error"), WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("backbone", BACKBONES)
def test_fast_training_is_plain_training(backbone, how, loss_error, gradient_error):
    net, precision = awake(SMALL[backbone]), how.get("precision", "float32")
    forward, is_compiled = compiled(net, how.get("compile", False), precision, print)
    assert is_compiled == bool(how.get("compile"))
    for family, name in FAMILIES.items():
        loss, gradient = loss_and_gradient(net, net, name, "float32")
        fast_loss, fast_gradient = loss_and_gradient(net, forward, name, precision)
        assert fast_loss == pytest.approx(loss, rel=loss_error), family
        assert (fast_gradient - gradient).norm() <= gradient_error * gradient.norm(), family


@pytest.mark.parametrize("backbone", BACKBONES)
def test_training_in_a_gpu_s_layout_is_plain_training(backbone):
    net = awake(SMALL[backbone])
    plain = {name: loss_and_gradient(net, net, name, "float32") for name in FAMILIES.values()}
    net.to(memory_format=torch.channels_last)
    for name, (loss, gradient) in plain.items():
        other_loss, other_gradient = loss_and_gradient(net, net, name, "float32")
        assert other_loss == pytest.approx(loss, rel=1e-5), name
        assert (other_gradient - gradient).norm() <= 1e-4 * gradient.norm(), name
