"""Muon against singular value decompositions, and against torch's own, which works in bfloat16."""

import math

import numpy as np
import pytest
import scipy.optimize
import torch

from tests.backbones.test_backbones import TINY, awake
from zoo.training import muon
from zoo.training.muon import CUSHION, FROM, JORDANS, MINIMAX, Muon, orthogonal
from zoo.training.state import hidden


@pytest.mark.parametrize("shape", [(24, 64), (64, 24), (32, 32)])
def test_orthogonal_keeps_the_singular_vectors_and_levels_the_values(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    u, before, vt = torch.linalg.svd(matrices.double(), full_matrices=False)
    turned = u.mT @ orthogonal([matrices])[0].double() @ vt.mT
    values = turned.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(turned, torch.diag_embed(values), rtol=0, atol=1e-4)
    reached = before > 0.005 * before[:, :1]  # X is divided by one and a half times its largest singular value at most
    assert reached.double().mean() > 0.95
    assert values[reached].min() > 0.79
    assert values.max() < 1.21


def test_each_polynomial_is_the_best_on_what_the_one_before_leaves():
    low, high = FROM, 1.0
    for found in MINIMAX:
        x = np.linspace(low, high, 4001)
        powers = np.stack([x, x**3, x**5], axis=1)
        rows = np.block([[powers, -np.ones((len(x), 1))], [-powers, -np.ones((len(x), 1))]])
        best = scipy.optimize.linprog(  # the least bound on |p(x) - 1|
            [0, 0, 0, 1], A_ub=rows, b_ub=np.repeat([1.0, -1.0], len(x)), bounds=[(None, None)] * 3 + [(0, None)]
        )
        worst = np.abs(powers @ np.array(found) - 1).max()
        assert worst == pytest.approx(best.x[3], abs=5e-3)
        low, high = 1 - worst, 1 + worst
    assert worst == pytest.approx(0.2, abs=5e-3)
    assert math.prod(a for a, _, _ in MINIMAX) == pytest.approx(296, abs=0.5)


def frobenius(x):
    return torch.linalg.norm(x, dim=(-2, -1), keepdim=True)


def iterated(matrices, polynomials, scale):
    x = matrices.double()
    x = x / scale(x)
    for a, b, c in polynomials:
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


@pytest.mark.parametrize("rank", [2, 16, 64])
def test_polynomials_multiplied_first_are_the_iteration(rank):
    generator = torch.Generator().manual_seed(5)
    low = torch.randn(3, 24, rank, generator=generator) @ torch.randn(3, rank, 64, generator=generator)
    stacks = [low, torch.randn(2, 100, 24, generator=generator), torch.zeros(1, 24, 64)]
    wide, tall, nothing = orthogonal(stacks)
    torch.testing.assert_close(
        wide.double(), iterated(low, MINIMAX, lambda x: (CUSHION * frobenius(x @ x.mT)).sqrt()), rtol=0, atol=2e-5
    )
    torch.testing.assert_close(
        tall.mT.double(),
        iterated(stacks[1].mT, MINIMAX, lambda x: (CUSHION * frobenius(x @ x.mT)).sqrt()),
        rtol=0,
        atol=2e-5,
    )
    assert not nothing.any()
    if rank == 64:  # of fewer, bfloat16 loses the small singular values, which the iteration lifts 485 times
        found, wanted = orthogonal([low.bfloat16()])[0].double(), iterated(low, JORDANS, frobenius)
        assert (found - wanted).norm() < 0.05 * wanted.norm()


def exactly(stacks):
    return [u @ vt for u, _, vt in (torch.linalg.svd(matrices, full_matrices=False) for matrices in stacks)]


def test_steps_agree_with_torchs_muon(monkeypatch):
    monkeypatch.setattr(muon, "orthogonal", exactly)  # torch's is as exact after twenty steps of a slow iteration
    generator = torch.Generator().manual_seed(2)
    weights = {name: torch.randn(16, 40, generator=generator).requires_grad_() for name in ("a", "b")}
    theirs = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    ours = Muon(weights, weight_decay=0.1)
    peer = torch.optim.Muon(
        theirs.values(), lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw",
        ns_coefficients=(1.5, -0.5, 0.0), ns_steps=20,
    )  # fmt: skip
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


@pytest.mark.parametrize(
    ("name", "also"), [("dit(width=32,depth=2,heads=1)", "nothing"), ("unet(width=16,attention=1)", "time_emb_proj")]
)
def test_hidden_matrices_are_those_that_the_image_passes_between_the_first_and_the_last(name, also):
    module, entered = awake(name), {}
    for part, layer in module.named_modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
            layer.register_forward_hook(lambda _, given, __, part=part: entered.setdefault(part, []).append(given[0]))
    images = torch.randn(2, 2, *TINY, generator=torch.Generator().manual_seed(6))
    for image in images:
        module(image, torch.tensor([0.2, 0.7]), torch.tensor([1, 2]))
    passed = [part for part, (one, other) in entered.items() if not torch.equal(one, other)]  # in the order of calls
    assert 0 < len(passed) < len(entered)  # the others are told time and class alone
    told = [part for part in entered if part not in passed and part.endswith(also)]
    assert bool(told) == (also != "nothing")
    assert set(hidden(module)) == {f"{part}.weight" for part in passed[1:-1] + told}
