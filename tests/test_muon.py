"""Muon against singular value decompositions, and against torch's own, which works in bfloat16."""

import math

import pytest
import torch

from zoo import registry
from zoo.muon import Muon, orthogonal
from zoo.state import hidden


@pytest.mark.parametrize("shape", [(24, 64), (64, 24), (32, 32)])
def test_orthogonal_keeps_the_singular_vectors_and_levels_the_values(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    u, _, vt = torch.linalg.svd(matrices.double(), full_matrices=False)
    turned = u.mT @ orthogonal(matrices).double() @ vt.mT
    values = turned.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(turned, torch.diag_embed(values), rtol=0, atol=1e-4)
    at_zero = values < 0.6  # a singular value near zero of a square matrix is only lifted by 3.4445^5
    assert at_zero.sum() <= (3 if shape[0] == shape[1] else 0)
    assert values[~at_zero].min() > 0.6
    assert values.max() < 1.25


@pytest.mark.parametrize("rank", [2, 16, 64])
def test_polynomials_multiplied_first_are_the_iteration(rank):
    generator = torch.Generator().manual_seed(5)
    matrices = torch.randn(3, 24, rank, generator=generator) @ torch.randn(3, rank, 64, generator=generator)
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.double() / matrices.double().norm(dim=(-2, -1), keepdim=True)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    torch.testing.assert_close(orthogonal(matrices).double(), x, rtol=0, atol=2e-5)
    if rank == 64:  # of fewer, bfloat16 loses the small singular values, which the iteration lifts 485 times
        assert (orthogonal(matrices.bfloat16()).double() - x).norm() < 0.05 * x.norm()


def test_steps_agree_with_torchs_muon():
    generator = torch.Generator().manual_seed(2)
    weights = {name: torch.randn(16, 40, generator=generator).requires_grad_() for name in ("a", "b")}
    theirs = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    ours = Muon(weights, weight_decay=0.1)
    peer = torch.optim.Muon(theirs.values(), lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        before = {name: w.detach().clone() for name, w in theirs.items()}
        for name, w in weights.items():
            w.grad = torch.randn(w.shape, generator=generator)
            theirs[name].grad = w.grad.clone()
        ours.step(0.02)
        peer.step()
        for name, w in theirs.items():
            change = (w - before[name]).detach()
            gap = (weights[name] - w).detach()
            assert gap.norm() < 0.05 * change.norm()  # what three decimal digits of bfloat16 leave
            weights[name].data.copy_(w.data)


def test_an_update_has_the_size_of_adamws():
    weight = torch.zeros(64, 256, requires_grad=True)
    weight.grad = torch.randn(64, 256, generator=torch.Generator().manual_seed(3))
    Muon({"w": weight}, weight_decay=0.0).step(1.0)
    size = float(weight.detach().square().mean().sqrt())
    assert size == pytest.approx(0.2 * math.sqrt(256) * math.sqrt(64 / (64 * 256)), rel=0.25)  # sqrt(rank / entries)


def test_a_convolution_is_a_matrix():
    generator = torch.Generator().manual_seed(4)
    kernel, gradient = (torch.randn(8, 4, 3, 3, generator=generator) for _ in range(2))
    as_kernel = kernel.clone().to(memory_format=torch.channels_last).requires_grad_()
    as_matrix = kernel.flatten(1).clone().requires_grad_()
    as_kernel.grad, as_matrix.grad = gradient.to(memory_format=torch.channels_last), gradient.flatten(1).clone()
    for weight in (as_kernel, as_matrix):
        Muon({"w": weight}, weight_decay=0.01).step(0.1)
    torch.testing.assert_close(as_kernel.detach().flatten(1), as_matrix.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["dit(width=32,depth=2,heads=1)", "unet(width=16,attention=1)"])
def test_hidden_matrices_read_no_input_and_write_no_output(name):
    module = registry.backbone(name, (1, 8, 8), 12)
    chosen = hidden(module)
    assert all(p.ndim > 1 for p in chosen.values())
    outside = {n for n, p in module.named_parameters() if p.ndim > 1} - set(chosen)
    first_and_last = (
        "embed.",
        "time",
        "label",
        "modulation.",
        "out.",
        "net.conv_in",
        "net.conv_out",
        "net.time",
        "net.class",
    )
    assert outside
    assert all(n.startswith(first_and_last) for n in outside), outside
    assert not any(n.startswith(first_and_last) for n in chosen)
