"""Samplers: from noise to images, through any objective's denoiser.

    x_s = alpha_s x_hat + sigma_s eps_hat          (euler, which is DDIM with eta 0, arXiv 2010.02502)

A denoiser is a function (x_t [B, C, H, W], t scalar, labels [B]) -> (x_hat, eps_hat); guidance and clipping wrap one.
The step grid is uniform in f = sigma / (alpha + sigma), the straight path's time, over logsnr in [-10, 10] or the
path's own span where that is shorter, so that every objective is asked at the same noise levels.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from zoo.objective import Network, Objective
from zoo.path import Path

Denoiser = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

LOGSNR_SPAN = (-10.0, 10.0)


def flow_steps(path: Path, steps: int, device: str | torch.device = "cpu") -> Tensor:
    """The path's times of the `flow` step grid, [steps] float64, from noise to data; the last step ends at x_hat."""
    low, high = path.span()
    low, high = max(low, LOGSNR_SPAN[0]), min(high, LOGSNR_SPAN[1])
    noisiest, cleanest = (1 / (1 + math.exp(logsnr / 2)) for logsnr in (low, high))
    share = torch.arange(steps, dtype=torch.float64, device=device) / steps
    f = noisiest + (cleanest - noisiest) * share
    return path.time(2 * ((1 - f) / f).log())


def start(path: Path, t: Tensor, noise: Tensor) -> Tensor:
    """The first x_t: noise of the standard deviation that standardised data have at time t on this path."""
    alpha, sigma = path.at(t)
    return noise * (alpha**2 + sigma**2).sqrt().to(noise.dtype)


def euler(denoiser: Denoiser, path: Path, times: Tensor, x: Tensor, labels: Tensor) -> Tensor:
    """Deterministic first-order steps; one denoiser call a step.

    times: [steps] decreasing; x: [B, C, H, W] at times[0]; labels: [B]. Returns x_hat of the last step.
    """
    for i, t in enumerate(times):
        x_hat, eps_hat = denoiser(x, t, labels)
        if i + 1 == len(times):
            return x_hat
        alpha, sigma = (c.to(x.dtype) for c in path.at(times[i + 1]))
        x = alpha * x_hat + sigma * eps_hat
    raise ValueError("a sampler needs at least one step")


def denoiser_of(objective: Objective, net: Network) -> Denoiser:
    """A network seen through its objective's head."""
    return lambda x_t, t, labels: objective.denoise(net, x_t, t, labels)


def guided(denoiser: Denoiser, path: Path, scale: float, none_label: int) -> Denoiser:
    """Classifier-free guidance (arXiv 2207.12598): x_hat = none + scale (class - none). Two calls unless scale is 1."""
    if scale == 1:
        return denoiser

    def wrapped(x_t: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with_class, _ = denoiser(x_t, t, labels)
        without, _ = denoiser(x_t, t, torch.full_like(labels, none_label))
        return from_x_hat(path, x_t, t, without + scale * (with_class - without))

    return wrapped


def clipped(denoiser: Denoiser, path: Path, low: float, high: float) -> Denoiser:
    """x_hat clamped to the data's range, eps_hat to match: one policy for every objective."""

    def wrapped(x_t: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        x_hat, _ = denoiser(x_t, t, labels)
        return from_x_hat(path, x_t, t, x_hat.clamp(low, high))

    return wrapped


def from_x_hat(path: Path, x_t: Tensor, t: Tensor, x_hat: Tensor) -> tuple[Tensor, Tensor]:
    """(x_hat, eps_hat), the noise being what x_t leaves beside x_hat."""
    alpha, sigma = (c.to(x_t.dtype) for c in path.at(t))
    return x_hat, (x_t - alpha * x_hat) / sigma
