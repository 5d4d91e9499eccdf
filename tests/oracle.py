"""Independent truths: a Gaussian mixture whose denoiser is known exactly, and the tables of diffusers' schedulers.

    x ~ sum_k p_k N(mu_k, s^2 I)        x_t | k ~ N(alpha mu_k, c I),  c = alpha^2 s^2 + sigma^2
    r_k = softmax_k(log p_k - |x_t - alpha mu_k|^2 / (2 c))
    x_hat   = E[x | x_t]   = sum_k r_k (mu_k + (alpha s^2 / c) (x_t - alpha mu_k))
    eps_hat = E[eps | x_t] = sum_k r_k (sigma / c) (x_t - alpha mu_k)

Both hold at alpha = 0 and at sigma = 0.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from zoo.objectives.core import Network, Objective

ENDS = (0.0, 1e-7, 0.5, 1 - 1e-7, 1.0)  # where quantiles, paths and solves go wrong if they do
# our path's word -> diffusers' beta_schedule
SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2", "ldm": "scaled_linear"}


def doubles(*values: float) -> Tensor:
    """The numbers as a float64 tensor."""
    return torch.tensor(values, dtype=torch.float64)


@lru_cache
def scheduler(word: str) -> DDPMScheduler:
    """diffusers' scheduler for our path of this word, its cumulative product taken in float64."""
    ends = {"beta_start": 0.00085, "beta_end": 0.012} if word == "ldm" else {}
    made = DDPMScheduler(num_train_timesteps=1000, beta_schedule=SCHEDULES[word], **ends)
    made.alphas_cumprod = (1 - made.betas.double()).cumprod(0)
    return made


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """means: [K, 1, H, W] float64; std: one number for all components and pixels; weights: [K], sum 1."""

    means: Tensor
    std: float
    weights: Tensor

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Images [count, 1, H, W]."""
        component = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn((count, *self.means.shape[1:]), generator=generator, dtype=self.means.dtype)
        return self.means[component] + self.std * noise

    def log_density(self, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """log p(x_t), [B]; alpha and sigma: [B]."""
        log_joint, _, variance = self._components(x_t, alpha, sigma)
        pixels = self.means[0].numel()
        return log_joint.logsumexp(dim=1) - pixels / 2 * (2 * math.pi * variance).log()

    def denoise(self, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """(x_hat, eps_hat), each [B, 1, H, W] like x_t; alpha and sigma: [B]."""
        log_joint, offset, variance = self._components(x_t, alpha, sigma)
        share = log_joint.softmax(dim=1)[:, :, None, None, None]
        alpha, sigma, variance = (value.view(-1, 1, 1, 1, 1) for value in (alpha, sigma, variance))
        x_hat = share * (self.means + alpha * self.std**2 / variance * offset)
        eps_hat = share * (sigma / variance * offset)
        return x_hat.sum(dim=1), eps_hat.sum(dim=1)

    def network(self, objective: Objective) -> Network:
        """The network that training this objective on this mixture without end would give.

        Its input is x_t / sqrt(alpha^2 + sigma^2) = cos(angle) x + sin(angle) eps, with angle = pi / 2 time; its time
        is in the objective's scale.
        """

        def net(x_in: Tensor, time: Tensor, labels: Tensor) -> Tensor:
            time = time / objective.time_scale
            cos, sin = (math.pi / 2 * (1 - time)).sin(), (math.pi / 2 * time).sin()
            x_hat, eps_hat = self.denoise(x_in, cos, sin)
            return regressed(objective, time, x_hat, eps_hat)

        return net

    def _components(self, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        offset = x_t[:, None] - alpha.view(-1, 1, 1, 1, 1) * self.means
        variance = alpha**2 * self.std**2 + sigma**2
        return self.weights.log() - offset.square().sum((2, 3, 4)) / (2 * variance)[:, None], offset, variance


def regressed(objective: Objective, time: Tensor, x: Tensor, eps: Tensor) -> Tensor:
    """What the objective regresses, y = a x + b eps, at a network time [B]; x and eps: [B, 1, H, W]."""
    cos, sin = (math.pi / 2 * (1 - time)).sin(), (math.pi / 2 * time).sin()
    a, b = objective.target.row(*objective.path.coefficients(2 * (cos.log() - sin.log())))
    return a.view(-1, 1, 1, 1) * x + b.view(-1, 1, 1, 1) * eps


def example(size: int = 4) -> GaussianMixture:
    """Three components of unequal weight, some of them close, in images of `size` x `size`."""
    means = 0.6 * torch.randn((3, 1, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return GaussianMixture(means, std=0.5, weights=doubles(0.5, 0.3, 0.2))
