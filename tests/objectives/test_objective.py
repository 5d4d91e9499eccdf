"""Objectives: losses typed by hand, the exact denoiser of a mixture through every head, and finite gradients."""

import dataclasses
import itertools
import math

import pytest
import torch
from torch import nn

from tests.oracle import ENDS, SCHEDULES, doubles, example, regressed, scheduler
from zoo import registry
from zoo.base.errors import ZooError
from zoo.objectives.auxiliary import Plain

MIXTURE = example()
U = torch.cat([doubles(*ENDS), torch.linspace(0.02, 0.98, 15, dtype=torch.float64)])
# The eight objectives written out a second time: drawn time, target, and min-SNR's factor on that target.
TIME = {"rf/lognorm(0,1)": lambda u: torch.special.ndtri(u).sigmoid()}
Y = {
    "eps": lambda x, eps, alpha, sigma: eps,
    "v": lambda x, eps, alpha, sigma: alpha * eps - sigma * x,
    "rf": lambda x, eps, alpha, sigma: eps - x,
}
MINSNR_5 = {"eps": lambda snr: snr.clamp(max=5) / snr, "v": lambda snr: snr.clamp(max=5) / (snr + 1)}
EIGHT = (
    "rf",
    "rf/lognorm(0,1)",
    "v/cosine",
    "eps/linear",
    "eps/cosine",
    "eps/linear+minsnr(5)",
    "eps/cosine+minsnr(5)",
    "v/cosine+minsnr(5)",
)


def batch(count: int, dtype=torch.float64):
    """Images of the mixture, their labels, and noise."""
    generator = torch.Generator().manual_seed(2)
    x = MIXTURE.sample(count, generator)
    eps = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return x.to(dtype), torch.arange(count) % 11, eps.to(dtype)


def some_net(x, time, labels):
    """Any function of all three inputs."""
    return 0.7 * x.sin() + (time + 0.1 * labels).view(-1, 1, 1, 1)


def typed_loss(name: str, x, labels, eps, u):
    """The loss of one of the EIGHT as its paper writes it, [B]."""
    target, _, rest = name.partition("/")
    word = rest.partition("+")[0]
    if word in SCHEDULES:
        alpha_bar = scheduler(word).alphas_cumprod[(1000 * u).floor().long()]
        alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    else:
        t = TIME.get(name, lambda u: u)(u)
        alpha, sigma = 1 - t, t
    angle = torch.atan2(sigma, alpha) * 2 / math.pi
    factor = MINSNR_5[target](alpha**2 / sigma**2) if name.endswith("+minsnr(5)") else 1
    alpha, sigma = (value.view(-1, 1, 1, 1) for value in (alpha, sigma))
    y_hat = some_net((alpha * x + sigma * eps) / (alpha**2 + sigma**2).sqrt(), angle, labels)
    return factor * (y_hat - Y[target](x, eps, alpha, sigma)).square().mean((1, 2, 3))


@pytest.mark.parametrize("name", EIGHT)
def test_loss_is_the_papers(name):
    u = torch.linspace(0.0005, 0.9995, 200, dtype=torch.float64)
    x, labels, eps = batch(len(u))
    loss = registry.objective(name).loss(some_net, x, labels, u, eps)
    torch.testing.assert_close(loss, typed_loss(name, x, labels, eps, u), rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", registry.ZOO)
def test_loss_is_one_number_per_example_and_not_negative(name):
    chosen = dataclasses.replace(registry.objective(name), auxiliary=Plain())
    x, labels, eps = batch(len(U), torch.float32)
    loss = chosen.loss(some_net, x, labels, U.float(), eps)
    assert loss.shape == U.shape
    assert loss.dtype == torch.float32
    assert (loss >= 0).all()
    alone = chosen.loss(some_net, x[3:4], labels[3:4], U[3:4].float(), eps[3:4])
    torch.testing.assert_close(alone, loss[3:4])


@pytest.mark.parametrize("name", registry.ZOO)
def test_perfect_network_has_no_loss(name):
    chosen = registry.objective(name)
    x, labels, eps = batch(len(U))
    error = chosen.predict(lambda _, time, __: regressed(chosen, time, x, eps), x, labels, U, eps).error
    torch.testing.assert_close(error, torch.zeros_like(error), rtol=0, atol=1e-20)


@pytest.mark.parametrize("name", registry.ZOO)
def test_network_sees_the_same_input_at_the_same_level(name):
    """x_in = cos(angle) x + sin(angle) eps, time = 2 angle / pi: whatever the objective, so labels too pass through."""
    x, labels, eps = batch(len(U))
    seen = []

    def net(x_in, time, given):
        seen.append((x_in, time, given))
        return x_in

    registry.objective(name).loss(net, x, labels, U, eps)
    ((x_in, time, given),) = seen
    angle = (math.pi / 2 * time).view(-1, 1, 1, 1)
    assert ((time >= 0) & (time <= 1)).all()
    torch.testing.assert_close(x_in, angle.cos() * x + angle.sin() * eps, rtol=0, atol=1e-12)
    assert torch.equal(given, labels)


def test_mixture_satisfies_tweedie():
    """The oracle itself: score = -eps_hat / sigma, and alpha x_hat + sigma eps_hat = x_t."""
    x, _, eps = batch(20)
    angle = torch.linspace(0.02, 1.55, 20, dtype=torch.float64)
    alpha, sigma = angle.cos(), angle.sin()
    x_t = (alpha.view(-1, 1, 1, 1) * x + sigma.view(-1, 1, 1, 1) * eps).requires_grad_()
    (score,) = torch.autograd.grad(MIXTURE.log_density(x_t, alpha, sigma).sum(), x_t)
    x_hat, eps_hat = MIXTURE.denoise(x_t, alpha, sigma)
    torch.testing.assert_close(score, -eps_hat / sigma.view(-1, 1, 1, 1))
    torch.testing.assert_close(alpha.view(-1, 1, 1, 1) * x_hat + sigma.view(-1, 1, 1, 1) * eps_hat, x_t)


@pytest.mark.parametrize("name", registry.ZOO)
def test_exact_network_denoises_exactly(name):
    """Through each objective's own head, at both ends of time too."""
    chosen = registry.objective(name)
    t = torch.cat([doubles(*ENDS), torch.linspace(0.01, 0.99, 30, dtype=torch.float64)])
    x, labels, eps = batch(len(t))
    alpha, sigma = chosen.path.at(t)
    x_t = alpha.view(-1, 1, 1, 1) * x + sigma.view(-1, 1, 1, 1) * eps
    scale = chosen.target.determinant(alpha, sigma).abs().view(-1, 1, 1, 1)  # a small D magnifies rounding by 1 / D
    kept = scale.flatten() > 1e-9  # not where the target is singular
    found = chosen.denoise(MIXTURE.network(chosen), x_t, t, labels)
    assert kept.sum() >= 33
    for ours, exact in zip(found, MIXTURE.denoise(x_t, alpha, sigma), strict=True):
        assert ((ours - exact) * scale)[kept].abs().max() < 1e-11


@pytest.mark.parametrize("name", registry.ZOO)
def test_one_time_serves_the_whole_batch(name):
    chosen = registry.objective(name)
    x_t, labels, _ = batch(4)
    one = chosen.denoise(some_net, x_t, torch.tensor(0.3, dtype=torch.float64), labels)
    torch.testing.assert_close(one, chosen.denoise(some_net, x_t, doubles(0.3, 0.3, 0.3, 0.3), labels))


@pytest.mark.parametrize("name", registry.ZOO)
def test_loss_tells_the_error_of_the_noise_estimate(name):
    """eps_error turns a prediction into mean |eps_hat - eps|^2, measured here through denoise."""
    chosen = registry.objective(name)
    x, labels, eps = batch(len(U))
    t = chosen.time(U)
    alpha, sigma = chosen.path.at(t)
    x_t = alpha.view(-1, 1, 1, 1) * x + sigma.view(-1, 1, 1, 1) * eps
    _, eps_hat = chosen.denoise(some_net, x_t, t, labels)
    prediction = chosen.predict(some_net, x, labels, U, eps)
    error = chosen.eps_error(prediction)
    torch.testing.assert_close(prediction.logsnr, chosen.path.logsnr(t))
    torch.testing.assert_close(error, (eps_hat - eps).square().mean((1, 2, 3)), rtol=1e-5, atol=1e-14)


@pytest.mark.parametrize("name", registry.ZOO)
def test_exact_network_is_a_minimum_of_the_loss(name):
    """E[y | x_t] is where training goes: a step to either side of it raises the expected loss."""
    chosen = registry.objective(name)
    u = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    x, labels, eps = batch(len(u))
    exact = MIXTURE.network(chosen)
    best, more, less = (
        chosen.loss(lambda *given, by=by: by * exact(*given), x, labels, u, eps).mean() for by in (1, 1.2, 0.8)
    )
    assert best < more
    assert best < less


SMALL = ("dit(width=32,depth=1,patch=4)", "unet(width=16)")


def awake(name: str) -> nn.Module:
    """A small network whose zero-initialised layers are not zero."""
    torch.manual_seed(0)
    net = registry.backbone(name, (1, 8, 8), 10)
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return net


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("backbone", SMALL)
def test_loss_and_gradient_are_finite_at_the_ends_of_u(backbone, precision):
    net = awake(backbone)
    u = torch.tensor(ENDS, dtype=torch.float64).float()
    x, eps = torch.randn((2, len(u), 1, 8, 8), generator=torch.Generator().manual_seed(3))
    for name in registry.ZOO:
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = registry.objective(name).loss(net, x, torch.arange(len(u)), u, eps)
        loss.mean().backward()
        assert loss.isfinite().all(), name
        assert loss.dtype == torch.float32, name
        assert all(parameter.grad.isfinite().all() for parameter in net.parameters()), name


DENSITIES = ("uniform", "lognorm(0,1)", "mode(1.29)", "cosmap", "edm(0,1)", "laplace")


@pytest.mark.parametrize("path", [*registry.PATHS, "linear+ztsnr", "flow+shift(3)"])
@pytest.mark.parametrize("target", registry.TARGETS)
def test_every_sensible_combination_is_reachable_and_finite(target, path):
    """All weights and densities on this target and path; refused is only what makes no sense, with the reason."""
    u = torch.tensor(ENDS, dtype=torch.float32)
    x, labels, eps = batch(len(u), torch.float32)
    words = [word for word in registry.WEIGHTS if word not in registry.OF_OBJECTIVE]
    for density, weight in itertools.product(DENSITIES, (*words, "match(v/trig)", "match(eps/linear)")):
        name = f"{target}/{path}+{density}+{weight}"
        of_logsnr = density in ("edm(0,1)", "laplace")
        if (target == "eps" and "ztsnr" in path) or ("shift" in path and of_logsnr):
            with pytest.raises(ZooError, match="makes no sense: "):
                registry.objective(name)
            continue
        assert registry.objective(name).loss(some_net, x, labels, u, eps).isfinite().all(), name
