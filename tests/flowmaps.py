"""The exact flow map of a Gaussian mixture on a line, and networks that know it.

In one dimension the flow from t to r keeps the share of the mass to the left of a point: F_r(x_r) = F_t(x_t). F is a
sum of normal laws, so that x_r is found by bisection; a last Newton step carries the derivatives by x_t and t.
"""

import math

import torch
from torch import Tensor

from tests.oracle import GaussianMixture, doubles
from zoo.objectives.core import Network, Objective

LINE = GaussianMixture(
    means=doubles(-1.1, 0.4, 1.2).view(3, 1, 1, 1),
    std=0.35,
    weights=doubles(0.3, 0.45, 0.25),
)


def mass(x: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(F, p) at x_t [B], alpha and sigma [B]: the share of the mass to the left, and the density."""
    deviation = (alpha**2 * LINE.std**2 + sigma**2).sqrt()[:, None]
    z = (x[:, None] - alpha[:, None] * LINE.means.flatten()) / deviation
    left = (LINE.weights * torch.special.ndtr(z)).sum(1)
    return left, (LINE.weights * (-z.square() / 2).exp() / (deviation * math.sqrt(2 * math.pi))).sum(1)


def flow_map(x_t: Tensor, at: tuple[Tensor, Tensor], to: tuple[Tensor, Tensor]) -> Tensor:
    """x_r [B] from x_t [B]; at, to: (alpha, sigma) of t and r, [B] each."""
    share, _ = mass(x_t, *at)
    low, high = torch.full_like(x_t, -12.0).detach(), torch.full_like(x_t, 12.0).detach()
    for _ in range(70):
        middle = (low + high) / 2
        right = mass(middle, *to)[0].detach() < share.detach()
        low, high = torch.where(right, middle, low), torch.where(right, high, middle)
    found, slope = mass(low.detach(), *(c.detach() for c in to))
    return low.detach() - (found.detach() - share) / slope.detach()


def circle(time: Tensor) -> tuple[Tensor, Tensor]:
    """(cos, sin) of a network's time."""
    return (math.pi / 2 * (1 - time)).sin(), (math.pi / 2 * time).sin()


def straight(time: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) on the straight line at a network's time."""
    cos, sin = circle(time)
    return cos / (cos + sin), sin / (cos + sin)


def mean_velocity(x_in: Tensor, time: Tensor, labels: Tensor, until: Tensor) -> Tensor:
    """The network that gives (x_t - x_r) / (t - r) on the straight path, exactly; at r = t the flow itself."""
    at, to = straight(time), straight(until)
    x_t = x_in.flatten() * (at[0] ** 2 + at[1] ** 2).sqrt()
    x_hat, eps_hat = LINE.denoise(x_t.view(-1, 1, 1, 1), *at)
    span = at[1] - to[1]
    apart = span > 1e-9
    mean = (x_t - flow_map(x_t, at, to)) / torch.where(apart, span, 1.0)
    return torch.where(apart, mean, (eps_hat - x_hat).flatten()).view(-1, 1, 1, 1)


def consistency(x_in: Tensor, time: Tensor, labels: Tensor) -> Tensor:
    """The network on the circle whose x_hat is the end of the flow: F = (cos x_t - f(x_t)) / sin."""
    cos, sin = circle(time)
    x_t = x_in.flatten()
    end = flow_map(x_t, (cos, sin), (torch.ones_like(cos), torch.zeros_like(sin)))
    return ((cos * x_t - end) / sin).view(-1, 1, 1, 1)


def exact(chosen: Objective) -> Network:
    """The network that this objective's training should end at."""
    if chosen.two_times:
        return mean_velocity
    return lambda x_in, time, labels: consistency(x_in, time / chosen.time_scale, labels)
