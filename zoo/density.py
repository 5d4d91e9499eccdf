"""Densities: which noise levels training draws, as quantile functions of u ~ U(0, 1).

    t = quantile(u)

so that stratified draws and plots come for free. A density lives in [0, 1] of the path's time or in logsnr; the
latter goes through the path's inverse.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.path import Path

if TYPE_CHECKING:
    from torch import Tensor


class Density(ABC):
    """A monotone quantile function; u and t are float64 tensors of one shape."""

    papers: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        """The time in [0, 1] below or above which a share u of the draws lies."""


@dataclass(frozen=True)
class Uniform(Density):
    """t = u."""

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        return u


@dataclass(frozen=True)
class Atoms(Density):
    """Another density rounded to `steps` equally spaced times 0, 1/(steps - 1), .., 1, as DDPM's integer steps are.

    `base` is the continuous law; plots and effective weights use it.
    """

    base: Density = Uniform()
    steps: int = 1000

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        return (self.base.quantile(u, path) * self.steps).floor().clamp(0, self.steps - 1) / (self.steps - 1)


@dataclass(frozen=True)
class LogitNormal(Density):
    """logit(t) ~ N(mean, std^2) (SD3, arXiv 2403.03206, section 3.1); on the straight path logsnr ~ N(-2m, (2s)^2)."""

    mean: float
    std: float
    papers: ClassVar = ("2403.03206",)

    def __post_init__(self):
        if not self.std > 0:
            raise ValueError(f"lognorm's second argument is a standard deviation: {self.std:g} must be above 0")

    def quantile(self, u: "Tensor", path: Path) -> "Tensor":
        from torch.special import ndtri

        return (self.mean + self.std * ndtri(u)).sigmoid()
