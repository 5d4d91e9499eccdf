"""The fast ways to train give the loss and gradients of the plain one: compiled, in bfloat16, in a GPU's layout, with
fused attention. What a GPU records and replays: test_capture.py.
"""

import re

import pytest
import torch
from torch._inductor.utils import run_and_get_code

from tests.backbones.test_backbones import SMALL, awake
from tests.test_crash import FAMILIES
from zoo.backbones import dit, unet
from zoo.base.environment import compiled
from zoo.registry import BACKBONES, objective

# relative errors of the loss and of all gradients together: rounding in another order; 8 bits of mantissa
WAYS = {
    "compiled": ({"compile": True}, 1e-5, 1e-4),
    "bfloat16": ({"precision": "bfloat16"}, 2e-2, 5e-2),
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
    forward, is_compiled = compiled(net, how.get("compile", False), precision, torch.device("cpu"), print)
    assert is_compiled == bool(how.get("compile"))
    for family, name in FAMILIES.items():
        loss, gradient = loss_and_gradient(net, net, name, "float32")
        fast_loss, fast_gradient = loss_and_gradient(net, forward, name, precision)
        assert fast_loss == pytest.approx(loss, rel=loss_error), family
        assert (fast_gradient - gradient).norm() <= gradient_error * gradient.norm(), family


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_compiled_block_is_its_products_and_one_kernel_between_two(precision):
    """adaLN's norm, scale and shift, and the gated sum before them; queries' and keys' norm and rotation; softmax."""
    block = dit.Block(64, heads=4)
    angle = dit.rotary_table(4, 4, 16)

    def forward(h, condition):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return block(h, condition, angle.cos(), angle.sin())

    with torch.no_grad():
        _, (code,) = run_and_get_code(torch.compile(forward), torch.randn(2, 17, 64), torch.randn(2, 64))
    kernels = re.findall(r"^(cpp_fused\w*) = async_compile", code, re.MULTILINE)
    products = 7  # modulation, qkv, q k^T, softmax v, out, and the perceptron's two
    assert len(kernels) == products + 1, kernels
    norms = [name for name in kernels if "layer_norm" in name]
    assert len(norms) == 2 and all("mul" in name and "add" in name for name in norms)


def fused(net, monkeypatch) -> None:
    """Attention as a GPU takes it, on the CPU."""
    monkeypatch.setattr(dit, "attention", torch.nn.functional.scaled_dot_product_attention)
    for module in net.modules():
        if isinstance(found := getattr(module, "processor", None), unet.ByDevice):
            found.written_out = found.fused


def gpu_layout(net, monkeypatch) -> None:
    net.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("change", [fused, gpu_layout])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_training_as_a_gpu_does_is_plain_training(backbone, change, monkeypatch):
    net = awake(SMALL[backbone])
    plain = {name: loss_and_gradient(net, net, name, "float32") for name in FAMILIES.values()}
    change(net, monkeypatch)
    for name, (loss, gradient) in plain.items():
        other_loss, other_gradient = loss_and_gradient(net, net, name, "float32")
        assert other_loss == pytest.approx(loss, rel=1e-5), name
        assert (other_gradient - gradient).norm() <= 1e-4 * gradient.norm(), name
        assert change is gpu_layout or not torch.equal(other_gradient, gradient)  # it did take another way
