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

    def row(self, alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        return 0 * alpha, 0 * alpha + 1


@dataclass(frozen=True)
class V(Target):
    """y = alpha eps - sigma x (Salimans & Ho, arXiv 2202.00512)."""

    papers: ClassVar = ("2202.00512",)

    def row(self, alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        return -sigma, alpha


@dataclass(frozen=True)
class FlowTarget(Target):
    """y = eps - x: the derivative of the straight path (rectified flow, arXiv 2209.03003)."""

    papers: ClassVar = ("2209.03003",)

    def row(self, alpha: "Tensor", sigma: "Tensor") -> "tuple[Tensor, Tensor]":
        return 0 * alpha - 1, 0 * alpha + 1
