"""Targets: what the network regresses, as rows over (x, eps).

    y = a x + b eps,   D = alpha b - sigma a
    x_hat = (b x_t - sigma y_hat) / D,   eps_hat = (alpha y_hat - a x_t) / D
    |y_hat - y|^2 = (D / sigma)^2 |x_hat - x|^2 = (D / alpha)^2 |eps_hat - eps|^2

One 2x2 solve serves all targets. A row depends on (alpha, sigma) only.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


class Target(ABC):
    """A row (a, b); alpha, sigma, a and b are tensors of one shape."""

    papers: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[str] = ""

    @abstractmethod
    def row(self, alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        """The coefficients (a, b) of y = a x + b eps."""

    def determinant(self, alpha: "Tensor", sigma: "Tensor") -> "Tensor":
        """D = alpha b - sigma a; 0 where x and eps cannot be told from (x_t, y)."""
        a, b = self.row(alpha, sigma)
        return alpha * b - sigma * a

    def solve(self, x_t: "Tensor", y_hat: "Tensor", alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        """(x_hat, eps_hat) from the noisy image and the prediction; alpha and sigma broadcast against them."""
        a, b = self.row(alpha, sigma)
        determinant = alpha * b - sigma * a
        return (b * x_t - sigma * y_hat) / determinant, (alpha * y_hat - a * x_t) / determinant


@dataclass(frozen=True)
class Eps(Target):
    """y = eps (DDPM, arXiv 2006.11239); singular where alpha = 0."""

    papers: ClassVar = ("2006.11239",)
    formula: ClassVar = "eps"

    def row(self, alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        return 0 * alpha, 0 * alpha + 1


@dataclass(frozen=True)
class X0(Target):
    """y = x, the clean image (DDPM, arXiv 2006.11239, section 3.2; 2202.00512); singular where sigma = 0."""

    papers: ClassVar = ("2202.00512",)
    formula: ClassVar = "x"

    def row(self, alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        return 0 * alpha + 1, 0 * alpha


@dataclass(frozen=True)
class V(Target):
    """y = alpha eps - sigma x (Salimans & Ho, arXiv 2202.00512)."""

    papers: ClassVar = ("2202.00512",)
    formula: ClassVar = "alpha eps - sigma x"

    def row(self, alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        return -sigma, alpha


@dataclass(frozen=True)
class FlowTarget(Target):
    """y = eps - x: the derivative of the straight path (rectified flow, arXiv 2209.03003)."""

    papers: ClassVar = ("2209.03003",)
    formula: ClassVar = "eps - x"

    def row(self, alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        return 0 * alpha - 1, 0 * alpha + 1


@dataclass(frozen=True)
class EDM(Target):
    """EDM's F: what its network gives, before c_out and c_skip (arXiv 2206.00364, table 1 and section 5).

    With r = sigma / alpha, s = sigma_data: a = (r / s) / sqrt(r^2 + s^2), b = -s / sqrt(r^2 + s^2). Its plain squared
    error is EDM's weight (r^2 + s^2) / (r s)^2 on the x0 loss. sigma_data = 0.5 as published, whatever the data's.
    """

    sigma_data: float = 0.5
    papers: ClassVar = ("2206.00364",)
    formula: ClassVar = "(sigma x / s - s alpha eps) / sqrt(sigma^2 + s^2 alpha^2), s = sigma_data"

    def __post_init__(self) -> None:
        if not self.sigma_data > 0:
            raise ValueError(f"sigma_data is a standard deviation: {self.sigma_data:g} must be above 0")

    def row(self, alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        s = self.sigma_data
        length = sigma.hypot(s * alpha)
        return sigma / (s * length), -s * alpha / length
