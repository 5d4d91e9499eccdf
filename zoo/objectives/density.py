"""Densities: which noise levels training draws, as quantile functions of u ~ U(0, 1).

    t = quantile(u),  u = share(t)

so that stratified draws and plots come for free; the inverse gives the density of logsnr, p = |du / dlogsnr|. A density
lives in [0, 1] of the path's time or in logsnr; the latter goes through the path's inverse.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.objectives.path import Path

if TYPE_CHECKING:
    from torch import Tensor


class Density(ABC):
    """A monotone quantile function and its inverse; u and t are float64 tensors of one shape."""

    papers: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[str] = ""
    of_logsnr: ClassVar[bool] = False  # whether it is a law of logsnr, which a path's law of time does not change

    @abstractmethod
    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        """The time in [0, 1] below or above which a share u of the draws lies."""

    @abstractmethod
    def share(self, t: "Tensor", path: Path) -> "Tensor":
        """The u that draws the time t, differentiable in t; `solved` is this for a law without a closed form."""


def solved(density: Density, t: "Tensor", path: Path) -> "Tensor":
    """The inverse of a density's quantile function by bisection, with its derivative: float64, of t's shape."""
    import torch

    low, high = torch.zeros_like(t), torch.ones_like(t)
    rising = density.quantile(high, path) > density.quantile(low, path)
    for _ in range(60):
        middle = (low + high) / 2
        right = (density.quantile(middle, path) < t) == rising
        low, high = torch.where(right, middle, low), torch.where(right, high, middle)
    with torch.enable_grad():
        u = ((low + high) / 2).detach().requires_grad_()
        found = density.quantile(u, path)
        (slope,) = torch.autograd.grad(found.sum(), u)
    return u.detach() + (t - found.detach()) / slope  # Newton's last step, which carries the derivative 1 / slope


@dataclass(frozen=True)
class Uniform(Density):
    """t = u."""

    formula: ClassVar = "t = u"

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        return u

    def share(self, t: "Tensor", path: Path) -> "Tensor":
        return t


@dataclass(frozen=True)
class Atoms(Density):
    """Another density rounded to `steps` equally spaced times 0, 1/(steps - 1), .., 1, as DDPM's integer steps are.

    `base` is the continuous law; plots and effective weights use it.
    """

    base: Density = Uniform()
    steps: int = 1000
    formula: ClassVar = "t uniform on 0, 1/999, .., 1"

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        return (self.base.quantile(u, path) * self.steps).floor().clamp(0, self.steps - 1) / (self.steps - 1)

    def share(self, t: "Tensor", path: Path) -> "Tensor":
        return self.base.share(t, path)


def natural(path: Path) -> Density:
    """What a name without a density means: DDPM-like paths are trained on their 1000 integer steps (arXiv 2006.11239),
    the continuous ones on all of [0, 1]."""
    return Atoms() if path.discrete else Uniform()


@dataclass(frozen=True)
class LogitNormal(Density):
    """logit(t) ~ N(mean, std^2) (SD3, arXiv 2403.03206, section 3.1); on the straight path logsnr ~ N(-2m, (2s)^2)."""

    mean: float
    std: float
    papers: ClassVar = ("2403.03206",)
    formula: ClassVar = "logit t ~ N(mean, std^2)"

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise ValueError(f"lognorm's second argument is a standard deviation: {self.std:g} must be above 0")

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        from torch.special import ndtri

        normal: Tensor = ndtri(u)
        return (self.mean + self.std * normal).sigmoid()

    def share(self, t: "Tensor", path: Path) -> "Tensor":
        from torch.special import ndtr

        u: Tensor = ndtr((t.logit() - self.mean) / self.std)
        return u


@dataclass(frozen=True)
class Mode(Density):
    """t = 1 - u - s (cos^2(pi u / 2) - 1 + u) (SD3, arXiv 2403.03206, section 3.1).

    s above 0 prefers the middle (near its upper limit it is nearly a point mass at t = 1/2), below 0 the ends.
    """

    s: float
    papers: ClassVar = ("2403.03206",)
    formula: ClassVar = "t = 1 - u - s (cos^2(pi u / 2) - 1 + u)"

    def __post_init__(self) -> None:
        if not -1 <= self.s <= 2 / (math.pi - 2):
            raise ValueError(f"mode's s = {self.s:g} must lie in [-1, 2 / (pi - 2) = 1.7519], where t follows u")

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        # 1 - cos^2 as sin^2, and u and 1 - u by themselves, keep both ends exact
        return (1 - u) - self.s * (u - (math.pi / 2 * u).sin().square())

    def share(self, t: "Tensor", path: Path) -> "Tensor":
        return solved(self, t, path)


@dataclass(frozen=True)
class CosMap(Density):
    """t = 1 - 1 / (tan(pi u / 2) + 1): on the straight path it draws what uniform times draw on `trig`.

    SD3, arXiv 2403.03206, section 3.1.
    """

    papers: ClassVar = ("2403.03206",)
    formula: ClassVar = "t = 1 - 1 / (tan(pi u / 2) + 1)"

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        sin, cos = (math.pi / 2 * u).sin(), (math.pi / 2 * (1 - u)).sin()
        return sin / (sin + cos)

    def share(self, t: "Tensor", path: Path) -> "Tensor":
        return t.atan2(1 - t) * (2 / math.pi)


@dataclass(frozen=True)
class UShape(Density):
    """p(t) proportional to exp(a t) + exp(a (1 - t)): both ends of the path (rectified flow's second stage).

    Improved rectified flows, arXiv 2405.20320, section 3.3, a = 4.
    """

    a: float = 4.0
    papers: ClassVar = ("2405.20320",)
    formula: ClassVar = "p(t) ~ exp(a t) + exp(a (1 - t))"

    def __post_init__(self) -> None:
        if not 0 < self.a <= 50:
            raise ValueError(f"a = {self.a:g} must lie above 0, and not above 50")

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        # the law is cosh(a (t - 1/2)), whose integral is a sinh
        return (0.5 + ((2 * u - 1) * math.sinh(self.a / 2)).asinh() / self.a).clamp(0, 1)

    def share(self, t: "Tensor", path: Path) -> "Tensor":
        return (1 + (self.a * (t - 0.5)).sinh() / math.sinh(self.a / 2)) / 2


@dataclass(frozen=True)
class EDMLogNormal(Density):
    """log(sigma / alpha) ~ N(mean, std^2), hence logsnr ~ N(-2 mean, (2 std)^2) (EDM, arXiv 2206.00364, table 1)."""

    mean: float
    std: float
    papers: ClassVar = ("2206.00364",)
    formula: ClassVar = "log(sigma / alpha) ~ N(mean, std^2)"
    of_logsnr: ClassVar = True

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise ValueError(f"edm's second argument is a standard deviation: {self.std:g} must be above 0")

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        from torch.special import ndtri

        return path.time(-2 * (self.mean + self.std * ndtri(u)))

    def share(self, t: "Tensor", path: Path) -> "Tensor":
        from torch.special import ndtr

        u: Tensor = ndtr((-path.logsnr(t) / 2 - self.mean) / self.std)
        return u


@dataclass(frozen=True)
class Laplace(Density):
    """logsnr ~ Laplace(mu, b) (arXiv 2407.03297, which chooses mu = 0, b = 0.5)."""

    mu: float = 0.0
    b: float = 0.5
    papers: ClassVar = ("2407.03297",)
    formula: ClassVar = "logsnr ~ Laplace(mu, b)"
    of_logsnr: ClassVar = True

    def __post_init__(self) -> None:
        if not self.b > 0:
            raise ValueError(f"laplace's second argument is a scale: {self.b:g} must be above 0")

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        import torch

        # by u and 1 - u themselves: 1 - 2 |u - 1/2| would round the tails away
        return path.time(self.mu + self.b * torch.where(u < 0.5, -(2 * u).log(), (2 * (1 - u)).log()))

    def share(self, t: "Tensor", path: Path) -> "Tensor":
        import torch

        z = (path.logsnr(t) - self.mu) / self.b
        # halves by `where`: clamp has no slope at the corner
        below, above = torch.where(z < 0, z, 0.0), torch.where(z < 0, 0.0, z)
        return torch.where(z < 0, 1 - below.exp() / 2, (-above).exp() / 2)
