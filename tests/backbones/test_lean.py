"""The lean forms: the same function and gradients, with fewer bytes moved and no change of layout."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.backbones.test_backbones import SMALL, TINY, awake, inputs
from tests.test_crash import FAMILIES
from tests.test_fast import loss_and_gradient
from zoo.benchmark.speed import activation_bytes


def result(net, *given) -> list[torch.Tensor]:
    """The output for these inputs, and all gradients of its mean square."""
    net.zero_grad()
    out = net(*given)
    out.square().mean().backward()
    return [out.detach(), *(p.grad.clone() for p in net.parameters())]


@pytest.mark.parametrize("name", ["unet(width=16,attention=0)", "unet(width=16,layers=2,attention=1,head=16)",
                                  "unet(width=32,attention=3)"])  # fmt: skip
def test_the_lean_unet_is_diffusers(name):
    net, given = awake(name), inputs(6)
    plain = result(net, *given)
    net.enable_lean()
    for mine, theirs in zip(result(net, *given), plain, strict=True):
        assert (mine - theirs).norm() <= 1e-4 * theirs.norm() + 1e-7


def test_the_lean_unet_is_told_a_second_time():
    from zoo import registry

    torch.manual_seed(0)
    net = registry.backbone("unet(width=16,attention=1)", TINY, 10, until=True)
    for p in net.parameters():
        if not p.any():
            torch.nn.init.normal_(p, std=0.1)
    x, time, labels = inputs(6)
    plain = result(net, x, time, labels, time / 3)
    net.enable_lean()
    for mine, theirs in zip(result(net, x, time, labels, time / 3), plain, strict=True):
        assert (mine - theirs).norm() <= 1e-4 * theirs.norm() + 1e-7


class Layouts(TorchDispatchMode):
    """Counts copies of images, and convolutions that are handed images in another layout than channels-last."""

    def __init__(self):
        super().__init__()
        self.copies = self.turned = self.convolutions = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
        large = any(tensor.numel() > 64 * 16 * 4 and tensor.ndim == 4 for tensor in tensors)
        self.copies += large and name in ("clone", "contiguous", "_to_copy")
        if name == "convolution":
            self.convolutions += 1
            self.turned += not args[0].is_contiguous(memory_format=torch.channels_last)
        return result


def test_a_lean_unet_changes_no_layout():
    net = awake("unet(width=16,attention=1)").to(memory_format=torch.channels_last)
    x, time, labels = inputs(64)  # diffusers asks for contiguous images from here on
    seen = []
    for lean in (False, True):
        if lean:
            net.enable_lean()
        with Layouts() as layouts:
            net(x, time, labels)
        seen.append(layouts)
    assert seen[0].convolutions == seen[1].convolutions
    assert seen[0].copies > 0 and seen[0].turned > 0
    assert seen[1].copies == seen[1].turned == 0


def test_checkpointing_goes_before_the_lean_form():
    net, given = awake(SMALL["unet"]), inputs(4)
    plain = result(net, *given)
    net.enable_lean()
    net.enable_gradient_checkpointing()
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(result(net, *given), plain, strict=True))


def test_a_lean_dit_keeps_its_tokens_in_the_type_of_the_products():
    net, given, seen = awake(SMALL["dit"]), inputs(8), []
    net.blocks[1].register_forward_pre_hook(lambda block, given: seen.append(given[0].dtype))
    exact = result(net, *given)
    kept = []
    for lean in (False, True):
        if lean:
            net.enable_lean()
            assert all(torch.equal(a, b) for a, b in zip(result(net, *given), exact, strict=True))  # float32
        with torch.autocast("cpu", torch.bfloat16):
            kept.append(activation_bytes(lambda: net(*given).square().mean().backward()))
    assert seen == [torch.float32, torch.float32, torch.float32, torch.bfloat16]
    assert kept[1] < kept[0]


@pytest.mark.parametrize("backbone", SMALL)
def test_lean_training_in_bfloat16_is_as_near_to_float32_as_the_usual_one(backbone):
    net = awake(SMALL[backbone])
    plain = {name: loss_and_gradient(net, net, name, "float32") for name in FAMILIES.values()}
    net.enable_lean()
    for name, (loss, gradient) in plain.items():
        fast_loss, fast_gradient = loss_and_gradient(net, net, name, "bfloat16")
        assert fast_loss == pytest.approx(loss, rel=2e-2), name  # as in test_fast.py
        assert (fast_gradient - gradient).norm() <= 5e-2 * gradient.norm(), name
