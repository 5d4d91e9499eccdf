"""Sampling: an exact denoiser gives its distribution back, and steps agree with diffusers' schedulers one for one."""

import math
from functools import lru_cache, partial
from itertools import pairwise

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from pydantic import ValidationError

from tests.oracle import SCHEDULES, GaussianMixture
from zoo.config.control import Sampling, Setting
from zoo.registry import ZOO, objective
from zoo.sampling.denoiser import denoiser_of
from zoo.sampling.model import evaluations
from zoo.solvers import sampler
from zoo.solvers.sampler import SAMPLERS
from zoo.solvers.steps import step_grid

MIXTURE = GaussianMixture(
    means=torch.tensor([[-1.0, -0.5], [1.0, 0.75]], dtype=torch.float64).view(2, 1, 1, 2),
    std=0.25,
    weights=torch.tensor([0.3, 0.7], dtype=torch.float64),
)
# one objective for each target on each path: sampling knows nothing else of an objective
HEADS = list({(objective(name).target, objective(name).path): name for name in reversed(ZOO)}.values())
# an exact denoiser gives the same x_hat through every target, so the steps' error is the path's
PATHS = list({objective(name).path: name for name in reversed(ZOO)}.values())
ORDERS = {"euler": 1, "heun": 2, "dpmpp_2m": 2}


def exact(name: str):
    chosen = objective(name)
    return chosen.path, denoiser_of(chosen, MIXTURE.network(chosen))


def fresh(seed: int, x: torch.Tensor):
    """Noise by the step, from one generator, as schedulers take it."""
    generator = torch.Generator().manual_seed(seed)
    return lambda step: torch.randn(x.shape, generator=generator, dtype=x.dtype)


def draw(name: str, steps: int, noise: torch.Tensor, how: str = "euler", grid: str = "flow") -> torch.Tensor:
    path, denoiser = exact(name)
    times = step_grid(grid).times(path, steps)
    x = sampler.start(path, times[0], noise)
    labels = torch.zeros(len(noise), dtype=torch.int64)
    return sampler.last(SAMPLERS[how](denoiser, path, times, x, labels, fresh(1, x)))


def some_noise(count: int) -> torch.Tensor:
    return torch.randn(count, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_sampling_depends_on_target_and_path_alone():
    noise = some_noise(8)
    for name in ZOO:
        head = next(h for h in HEADS if _head(h) == _head(name))
        assert torch.equal(draw(name, 5, noise), draw(head, 5, noise))


def _head(name: str) -> tuple:
    return objective(name).target, objective(name).path


@pytest.mark.parametrize("how", ["euler", "heun", "dpmpp_2m", "ancestral"])
@pytest.mark.parametrize("name", PATHS)
def test_the_exact_denoiser_gives_the_mixture_back(how, name):
    check_mixture(draw(name, 150, some_noise(4000), how, "logsnr" if how == "ancestral" else "flow"))


@pytest.mark.parametrize("grid", ["logsnr", "karras(7)", "trailing"])
@pytest.mark.parametrize("how", ["euler", "dpmpp_2m", "ancestral"])
def test_on_every_step_grid(grid, how):
    check_mixture(draw("v/cosine", 300, some_noise(4000), how, grid))


@pytest.mark.parametrize("name", HEADS)
def test_every_head_on_a_path_draws_the_same(name):
    path = next(other for other in PATHS if objective(other).path == objective(name).path)
    torch.testing.assert_close(draw(name, 40, some_noise(50)), draw(path, 40, some_noise(50)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("start", [-5.4, 1.0])
@pytest.mark.parametrize("name", PATHS)
def test_a_later_start_is_drawn_with_the_variance_of_its_level(name, start):
    """Data N(0, 1) have Gaussian marginals of just that variance: steps from anywhere give N(0, 1) back."""
    normal = GaussianMixture(torch.zeros((1, 1, 1, 2), dtype=torch.float64), 1.0, torch.ones(1, dtype=torch.float64))
    chosen = objective(name)
    times = step_grid("flow").times(chosen.path, 60, start)
    assert float(chosen.path.logsnr(times[0])) == pytest.approx(max(start, chosen.path.span()[0]), abs=1e-6)
    x = sampler.start(chosen.path, times[0], some_noise(4000))
    labels = torch.zeros(len(x), dtype=torch.int64)
    net = denoiser_of(chosen, normal.network(chosen))
    images = sampler.last(SAMPLERS["heun"](net, chosen.path, times, x, labels, fresh(1, x)))
    assert images.std().item() == pytest.approx(1, abs=4 / math.sqrt(2 * 8000) + 0.01)


def check_mixture(images: torch.Tensor) -> None:
    """Each component has its share of images, its mean and its deviation."""
    images = images.flatten(1)
    right = images[:, 0] > 0
    share = right.double().mean().item()
    assert share == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / 4000))
    for inside, mean in ((~right, MIXTURE.means[0].flatten()), (right, MIXTURE.means[1].flatten())):
        error = 4 * MIXTURE.std / math.sqrt(int(inside.sum()))
        torch.testing.assert_close(images[inside].mean(0), mean, atol=error, rtol=0)
        torch.testing.assert_close(images[inside].std(0), torch.full_like(mean, MIXTURE.std), rtol=0.06, atol=0)


@lru_cache
def truth(name: str) -> torch.Tensor:
    return draw(name, 1600, some_noise(100), "dpmpp_2m", "logsnr")


@pytest.mark.parametrize("how", ORDERS)
@pytest.mark.parametrize("name", PATHS)
def test_the_error_is_of_the_sampler_s_order(how, name):
    noise = some_noise(100)
    # the median, for a few paths run along the ridge between the components, where steps decide the side
    errors = [(draw(name, n, noise, how, "logsnr") - truth(name)).abs().median().item() for n in (50, 100, 200)]
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(ORDERS[how], abs=0.15)


def assert_same(ours: torch.Tensor, peer: torch.Tensor) -> None:
    """Relative error 1e-4 or less."""
    assert (ours - peer.double()).norm() <= 1e-4 * peer.double().norm()


@pytest.mark.parametrize("word", ["linear", "cosine"])
def test_euler_is_diffusers_ddim(word):
    compare(word, "euler", DDIMScheduler(beta_schedule=SCHEDULES[word], clip_sample=False, set_alpha_to_one=True), 20)


@pytest.mark.parametrize(("steps", "word"), [(1000, "linear"), (50, "linear"), (50, "cosine")])
def test_ancestral_is_diffusers_ddpm(steps, word):
    compare(word, "ancestral", DDPMScheduler(beta_schedule=SCHEDULES[word], clip_sample=False), steps)


@pytest.mark.parametrize("word", ["linear", "cosine"])
def test_ancestral_is_diffusers_ddim_with_eta_1(word):
    peer = DDIMScheduler(beta_schedule=SCHEDULES[word], clip_sample=False, set_alpha_to_one=True)
    compare(word, "ancestral", peer, 25, eta=1.0)


def compare(word: str, how: str, scheduler, steps: int, **more) -> None:
    """Every step of a sampler beside the scheduler's, on the scheduler's own timesteps."""
    path, denoiser = exact(f"eps/{word}")
    scheduler.alphas_cumprod = (1 - scheduler.betas.double()).cumprod(0)
    scheduler.set_timesteps(steps)
    labels = torch.zeros(20, dtype=torch.int64)
    x = some_noise(20)
    step = partial(scheduler.step, generator=torch.Generator().manual_seed(1), **more)
    ours = SAMPLERS[how](denoiser, path, scheduler.timesteps.double() / 999, x, labels, fresh(1, x))
    peer, states = x, list(ours)
    for timestep, (state, _) in zip(scheduler.timesteps, states, strict=True):
        assert_same(state, peer)
        _, eps_hat = denoiser(peer, timestep.double() / 999, labels)
        peer = step(eps_hat, timestep, peer).prev_sample
    assert_same(states[-1][1], peer)


@pytest.mark.parametrize("word", ["linear", "cosine"])
def test_dpmpp_2m_is_diffusers_dpm_solver_multistep(word):
    peer = DPMSolverMultistepScheduler(
        beta_schedule=SCHEDULES[word], algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint",
        final_sigmas_type="zero", thresholding=False,
    )  # fmt: skip
    follow_sigmas(word, "dpmpp_2m", peer, 20)


def test_euler_a_is_diffusers_euler_ancestral():
    peer = EulerAncestralDiscreteScheduler(beta_schedule="linear", timestep_spacing="trailing")
    follow_sigmas("linear", "euler_a", peer, 20, variance_exploding=True)


def follow_sigmas(word: str, how: str, scheduler, steps: int, variance_exploding: bool = False) -> None:
    """The same for schedulers that count in sigma / alpha; some of them keep x / alpha as their state."""
    path, denoiser = exact(f"eps/{word}")
    scheduler.set_timesteps(steps)
    times = path.time(-2 * scheduler.sigmas[:-1].double().log())
    labels = torch.zeros(20, dtype=torch.int64)
    x = some_noise(20)
    generator = torch.Generator().manual_seed(1)
    peer, states = x, list(SAMPLERS[how](denoiser, path, times, x, labels, fresh(1, x)))
    for t, s, timestep, (state, _) in zip(times, [*times[1:], None], scheduler.timesteps, states, strict=True):
        assert_same(state, peer)
        _, eps_hat = denoiser(peer, t, labels)
        scale, after = (1.0 if not variance_exploding or each is None else path.at(each)[0] for each in (t, s))
        step = scheduler.step(eps_hat, timestep, peer / scale, generator=generator)
        peer = step.prev_sample.double() * after
    assert_same(states[-1][1], peer)


def test_euler_is_diffusers_flow_match_euler():
    path, denoiser = exact("rf")
    times = torch.linspace(0.99, 0.04, 20, dtype=torch.float64)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=times.tolist())
    labels = torch.zeros(50, dtype=torch.int64)
    peer = x = some_noise(50)
    states = list(sampler.euler(denoiser, path, times, x, labels, None))
    for t, timestep, (state, _) in zip(times, scheduler.timesteps, states, strict=True):
        assert_same(state, peer)
        x_hat, eps_hat = denoiser(peer, t, labels)
        peer = scheduler.step(eps_hat - x_hat, timestep, peer).prev_sample
    assert_same(states[-1][1], peer)


def test_a_setting_s_name_tells_its_start_where_it_is_not_the_usual_one():
    assert Setting(steps=12, guidance=2.0).name == "ema-euler-flow-12-g2"
    assert Setting(steps=12, guidance=2.0, start=-5.4).name == "ema-euler-flow-12-g2-s-5.4"
    assert Setting(start=-5).name != Setting(start=-5.4).name
    for refused in (-10.1, 10.0, math.nan, -math.inf):
        with pytest.raises(ValidationError):
            Setting(start=refused)


COUNTS = {
    "euler": (Sampling(steps=7), 7),
    "guided": (Sampling(steps=7, guidance=2.0), 14),
    "heun": (Sampling(sampler="heun", steps=7), 13),
    "heun, guided": (Sampling(sampler="heun", steps=7, guidance=2.0), 26),
    "one step": (Sampling(sampler="heun", steps=1), 1),
    "dpmpp_2m": (Sampling(sampler="dpmpp_2m", steps=7), 7),
    "an interval": (Sampling(steps=10, guidance=2.0, interval=(0.4, 0.8)), 10 + 5),  # at .80 .70 .60 .50 .40
}


@pytest.mark.parametrize(("sampling", "count"), COUNTS.values(), ids=COUNTS.keys())
def test_network_evaluations_are_counted(sampling, count):
    assert evaluations(objective("rf").path, sampling) == count
