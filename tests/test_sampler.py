"""Sampling: an exact denoiser gives its distribution back, and steps agree with diffusers' schedulers one for one."""

import math
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

from tests.oracle import GaussianMixture
from zoo import sampler
from zoo.registry import ZOO, objective

MIXTURE = GaussianMixture(
    means=torch.tensor([[-1.0, -0.5], [1.0, 0.75]], dtype=torch.float64).view(2, 1, 1, 2),
    std=0.25,
    weights=torch.tensor([0.3, 0.7], dtype=torch.float64),
)
# one objective for each target on each path: sampling knows nothing else of an objective
HEADS = list({(objective(name).target, objective(name).path): name for name in reversed(ZOO)}.values())
DDIM_PATHS = {"linear": "linear", "cosine": "squaredcos_cap_v2"}


def draw(name: str, steps: int, noise: torch.Tensor) -> torch.Tensor:
    chosen = objective(name)
    times = sampler.flow_steps(chosen.path, steps)
    denoiser = sampler.denoiser_of(chosen, MIXTURE.network(chosen))
    x = sampler.start(chosen.path, times[0], noise)
    return sampler.euler(denoiser, chosen.path, times, x, torch.zeros(len(noise), dtype=torch.int64))


def some_noise(count: int) -> torch.Tensor:
    return torch.randn(count, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_sampling_depends_on_target_and_path_alone():
    noise = some_noise(8)
    for name in ZOO:
        head = next(h for h in HEADS if (objective(h).target, objective(h).path) == _head(name))
        assert torch.equal(draw(name, 5, noise), draw(head, 5, noise))


def _head(name: str) -> tuple:
    return objective(name).target, objective(name).path


@pytest.mark.parametrize("name", HEADS)
def test_the_exact_denoiser_gives_the_mixture_back(name):
    images = draw(name, 200, some_noise(4000)).flatten(1)
    right = images[:, 0] > 0
    share = right.double().mean().item()
    assert share == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / 4000))
    for inside, mean in ((~right, MIXTURE.means[0].flatten()), (right, MIXTURE.means[1].flatten())):
        error = 4 * MIXTURE.std / math.sqrt(int(inside.sum()))
        torch.testing.assert_close(images[inside].mean(0), mean, atol=error, rtol=0)
        torch.testing.assert_close(images[inside].std(0), torch.full_like(mean, MIXTURE.std), rtol=0.06, atol=0)


# an exact denoiser gives the same x_hat through every target, so the steps' error is the path's
@pytest.mark.parametrize("name", {objective(name).path: name for name in reversed(ZOO)}.values())
def test_the_error_of_euler_is_of_first_order(name):
    noise = some_noise(200)
    exact = draw(name, 3200, noise)
    # the median, for a few paths run along the ridge between the components, where steps decide the side
    errors = [(draw(name, steps, noise) - exact).abs().median().item() for steps in (50, 100, 200)]
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("word", DDIM_PATHS)
def test_euler_is_diffusers_ddim(word):
    chosen = objective(f"eps/{word}")
    scheduler = DDIMScheduler(beta_schedule=DDIM_PATHS[word], clip_sample=False, set_alpha_to_one=True)
    scheduler.alphas_cumprod = (1 - scheduler.betas.double()).cumprod(0)
    scheduler.set_timesteps(20)
    net = MIXTURE.network(chosen)
    denoiser = sampler.denoiser_of(chosen, net)
    labels = torch.zeros(50, dtype=torch.int64)
    peer = x = some_noise(50)
    for timestep in scheduler.timesteps:
        _, eps_hat = denoiser(peer, timestep.double() / 999, labels)
        peer = scheduler.step(eps_hat, timestep, peer).prev_sample
    ours = sampler.euler(denoiser, chosen.path, scheduler.timesteps.double() / 999, x, labels)
    torch.testing.assert_close(ours, peer, rtol=1e-4, atol=1e-6)


def test_euler_is_diffusers_flow_match_euler():
    chosen = objective("rf")
    times = torch.linspace(0.99, 0.04, 20, dtype=torch.float64)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=times.tolist())
    denoiser = sampler.denoiser_of(chosen, MIXTURE.network(chosen))
    labels = torch.zeros(50, dtype=torch.int64)
    peer = x = some_noise(50)
    for t, timestep in zip(times, scheduler.timesteps, strict=True):
        x_hat, eps_hat = denoiser(peer, t, labels)
        peer = scheduler.step(eps_hat - x_hat, timestep, peer).prev_sample
    ours = sampler.euler(denoiser, chosen.path, times, x, labels)
    torch.testing.assert_close(ours, peer.double(), rtol=1e-4, atol=1e-4)  # the peer works in float32


@pytest.mark.parametrize("name", HEADS)
def test_steps_are_uniform_in_the_share_of_noise(name):
    path = objective(name).path
    times = sampler.flow_steps(path, 25)
    alpha, sigma = path.at(times)
    share = sigma / (alpha + sigma)
    low, high = path.span()
    ends = [1 / (1 + math.exp(logsnr / 2)) for logsnr in (max(low, -10.0), min(high, 10.0))]
    expected = torch.linspace(*ends, 26, dtype=torch.float64)[:-1]
    torch.testing.assert_close(share, expected, rtol=1e-9, atol=1e-12)
    assert (times.diff() < 0).all()


def test_no_step_is_an_error():
    with pytest.raises(ValueError, match="at least one step"):
        sampler.euler(None, None, torch.zeros(0), some_noise(1), None)


def test_guidance_is_linear_in_its_scale_and_keeps_x_t():
    chosen = objective("v/cosine")

    def labelled(x_t, t, labels):
        x_hat = labels.double().view(-1, 1, 1, 1).expand_as(x_t)
        return sampler.from_x_hat(chosen.path, x_t, t, x_hat)

    t, x_t, labels = torch.tensor(0.4, dtype=torch.float64), some_noise(3), torch.tensor([0, 1, 2])
    assert sampler.guided(labelled, chosen.path, 1, none_label=12) is labelled
    x_hat, eps_hat = sampler.guided(labelled, chosen.path, 2.5, none_label=12)(x_t, t, labels)
    expected = 12 + 2.5 * (labels.double() - 12)  # none + scale (class - none)
    torch.testing.assert_close(x_hat, expected.view(-1, 1, 1, 1).expand_as(x_t))
    alpha, sigma = chosen.path.at(t)
    torch.testing.assert_close(alpha * x_hat + sigma * eps_hat, x_t)


def test_clipping_keeps_the_data_s_range_and_x_t():
    chosen = objective("rf")
    denoiser = sampler.clipped(lambda x, t, labels: (3 * x, x), chosen.path, -0.5, 0.75)
    t, x_t = torch.tensor(0.3, dtype=torch.float64), some_noise(20)
    x_hat, eps_hat = denoiser(x_t, t, None)
    torch.testing.assert_close(x_hat, (3 * x_t).clamp(-0.5, 0.75))
    torch.testing.assert_close(0.7 * x_hat + 0.3 * eps_hat, x_t)
