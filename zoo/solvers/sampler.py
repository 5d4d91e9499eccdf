"""Samplers: from noise to images, through any objective's denoiser.

    euler       x_s = alpha_s x_hat + sigma_s eps_hat                  DDIM, eta 0 (arXiv 2010.02502)
    heun        the same, then once more with the mean of both ends' slopes (arXiv 2206.00364, algorithm 1)
    ancestral   x_s = alpha_s (x_hat + r_s^2 / r_t eps_hat + r_s (1 - r_s^2 / r_t^2)^.5 noise),  r = sigma / alpha
                DDIM with eta 1, and DDPM (arXiv 2006.11239) at its 1000 steps
    euler_a     k-diffusion's name for that step: there an Euler step down to r_s^2 / r_t, then noise up to r_s
    map         Euler's step with the (x_hat, eps_hat) of a denoiser that is told s: the map of a trained flow map
    renoise     x_s = alpha_s x_hat + sigma_s noise           multistep consistency sampling (arXiv 2303.01469)
    dpmpp_2m    x_s = sigma_s / sigma_t x_t - alpha_s (exp(-h) - 1) D,  h = log(r_t / r_s),
                D = x_hat + (x_hat - x_hat before) h / (2 h before)    DPM-Solver++(2M) (arXiv 2211.01095)

A sampler is a generator of its steps' (x_t, x_hat); the last x_hat is the image. All use one denoiser call a step, heun
two but in the last one. Heun's slope is taken in f = sigma / (alpha + sigma), in which the state x / (alpha + sigma)
stays bounded: EDM takes it in r, which is the same to second order, and much less exact over the first, longest steps.
torch is not imported here.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from zoo.objectives.path import Path

if TYPE_CHECKING:
    from torch import Tensor

# (x_t, t, labels) -> (x_hat, eps_hat); of a map also (x_t, t, labels, until when the step goes)
Denoiser = Callable[..., "tuple[Tensor, Tensor]"]
Noise = Callable[[int], "Tensor"]  # step -> standard normal noise like x
Steps = Iterator[tuple["Tensor", "Tensor"]]
Sampler = Callable[[Denoiser, Path, "Tensor", "Tensor", "Tensor", Noise], Steps]


def euler(denoiser: Denoiser, path: Path, times: "Tensor", x: "Tensor", labels: "Tensor", noise: Noise) -> Steps:
    """Deterministic first-order steps.

    As for every sampler here, times: [steps] decreasing; x: [B, C, H, W] at times[0]; labels: [B]; noise is called by
    the stochastic ones only.
    """
    for t, s in pairwise(times):
        x_hat, eps_hat = denoiser(x, t, labels)
        yield x, x_hat
        x = _mix(path, s, x_hat, eps_hat)
    yield x, denoiser(x, times[-1], labels)[0]


def heun(denoiser: Denoiser, path: Path, times: "Tensor", x: "Tensor", labels: "Tensor", noise: Noise) -> Steps:
    """Deterministic second-order steps, two calls each; the last is one."""
    for t, s in pairwise(times):
        x_hat, eps_hat = denoiser(x, t, labels)
        yield x, x_hat
        x_hat_s, eps_hat_s = denoiser(_mix(path, s, x_hat, eps_hat), s, labels)
        (size_t, f_t), (size_s, f_s) = _share(path, t), _share(path, s)
        slope = (eps_hat - x_hat + eps_hat_s - x_hat_s) / 2
        x = (size_s / size_t).to(x.dtype) * x + (size_s * (f_s - f_t)).to(x.dtype) * slope
    yield x, denoiser(x, times[-1], labels)[0]


def ancestral(denoiser: Denoiser, path: Path, times: "Tensor", x: "Tensor", labels: "Tensor", noise: Noise) -> Steps:
    """Draws from the posterior q(x_s | x_t, x_hat)."""
    for step, (t, s) in enumerate(pairwise(times)):
        x_hat, eps_hat = denoiser(x, t, labels)
        yield x, x_hat
        (alpha_t, sigma_t), (alpha_s, sigma_s) = path.at(t), path.at(s)
        left = (sigma_s * alpha_t / (alpha_s * sigma_t)).square()  # r_s^2 / r_t^2
        alpha, kept, fresh = (c.to(x.dtype) for c in (alpha_s, sigma_s * left.sqrt(), sigma_s * (1 - left).sqrt()))
        x = alpha * x_hat + kept * eps_hat + fresh * noise(step)
    yield x, denoiser(x, times[-1], labels)[0]


def dpmpp_2m(denoiser: Denoiser, path: Path, times: "Tensor", x: "Tensor", labels: "Tensor", noise: Noise) -> Steps:
    """Deterministic second-order steps that remember the one before; the first is Euler's."""
    before = None
    for t, s in pairwise(times):
        x_hat, _ = denoiser(x, t, labels)
        yield x, x_hat
        (_, sigma_t), (alpha_s, sigma_s) = path.at(t), path.at(s)
        h = (path.logsnr(s) - path.logsnr(t)) / 2
        extrapolated = x_hat if before is None else x_hat + (h / (2 * before[1])).to(x.dtype) * (x_hat - before[0])
        before = x_hat, h
        x = (sigma_s / sigma_t).to(x.dtype) * x - (alpha_s * (-h).expm1()).to(x.dtype) * extrapolated
    yield x, denoiser(x, times[-1], labels)[0]


def flow_map(denoiser: Denoiser, path: Path, times: "Tensor", x: "Tensor", labels: "Tensor", noise: Noise) -> Steps:
    """Steps of a map: the denoiser is told until when each goes; the last one goes to the data, time 0."""
    for t, s in pairwise(times):
        x_hat, eps_hat = denoiser(x, t, labels, s)
        yield x, x_hat
        x = _mix(path, s, x_hat, eps_hat)
    yield x, denoiser(x, times[-1], labels, 0 * times[-1])[0]


def renoise(denoiser: Denoiser, path: Path, times: "Tensor", x: "Tensor", labels: "Tensor", noise: Noise) -> Steps:
    """x_hat, and fresh noise for the next level: what a map to the data alone allows."""
    for step, (t, s) in enumerate(pairwise(times)):
        x_hat, _ = denoiser(x, t, labels)
        yield x, x_hat
        x = _mix(path, s, x_hat, noise(step))
    yield x, denoiser(x, times[-1], labels)[0]


SAMPLERS: dict[str, Sampler] = {
    "euler": euler,
    "heun": heun,
    "ancestral": ancestral,
    "dpmpp_2m": dpmpp_2m,
    "euler_a": ancestral,
    "map": flow_map,
    "renoise": renoise,
}
TWICE = frozenset({"heun"})  # those with two denoiser calls a step but in the last


def start(path: Path, t: "Tensor", noise: "Tensor") -> "Tensor":
    """The first x_t: noise of the standard deviation that standardised data have at time t on this path.

    Of the data alpha x only the variance is kept. What is left out is small at logsnr -10 (alpha .007) and can be seen
    from -5 up (arXiv 2305.08891).
    """
    alpha, sigma = path.at(t)
    return noise * alpha.hypot(sigma).to(noise.dtype)


def picked(steps: int, most: int = 8) -> list[int]:
    """Which of a sampler's steps a strip of at most so many pictures shows: the first, the last, and evenly between."""
    count = min(steps, most)
    return [round(i * (steps - 1) / max(count - 1, 1)) for i in range(count)]


def last(steps: Steps) -> "Tensor":
    """The image that a sampler ends at, [B, C, H, W]."""
    for _, x_hat in steps:
        found = x_hat
    return found


def _mix(path: Path, s: "Tensor", x_hat: "Tensor", eps_hat: "Tensor") -> "Tensor":
    alpha, sigma = (c.to(x_hat.dtype) for c in path.at(s))
    return alpha * x_hat + sigma * eps_hat


def _share(path: Path, t: "Tensor") -> "tuple[Tensor, Tensor]":
    """(alpha + sigma, sigma / (alpha + sigma)) at time t, float64."""
    alpha, sigma = path.at(t)
    return alpha + sigma, sigma / (alpha + sigma)
