"""Weights: functions of logsnr, in units of the x0 loss.

    loss = w(logsnr) |x_hat - x|^2 = w(logsnr) (sigma / D)^2 |y_hat - y|^2

Each weight is written once, as log w; the factor (sigma / D)^2 of the target turns it into that target's units.
`Flat` is the plain mean squared error on whatever the target is.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


class Weight(ABC):
    """A factor on |y_hat - y|^2, kept as its logarithm so that both ends of logsnr stay finite."""

    papers: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def log_factor(self, logsnr: "Tensor", log_x0_error: "Tensor") -> "Tensor":
        """log of the factor; log_x0_error is log (sigma / D)^2, float64 like logsnr and of its shape."""


@dataclass(frozen=True)
class Flat(Weight):
    """1 in the target's own units."""

    def log_factor(self, logsnr: "Tensor", log_x0_error: "Tensor") -> "Tensor":
        return log_x0_error.new_zeros(log_x0_error.shape)  # not 0 * log_x0_error, which is NaN at an infinite one


class X0Weight(Weight):
    """A weight that is the same for every target: it multiplies the error of x_hat."""

    @abstractmethod
    def log_x0(self, logsnr: "Tensor") -> "Tensor":
        """log of the weight on |x_hat - x|^2."""

    def log_factor(self, logsnr: "Tensor", log_x0_error: "Tensor") -> "Tensor":
        # At zero snr a weight is 1, as in diffusers' trainers: min(snr, g) would leave the last step untrained.
        return (self.log_x0(logsnr) + log_x0_error).where(logsnr > -math.inf, 0.0)


@dataclass(frozen=True)
class MinSNR(X0Weight):
    """min(snr, gamma) (arXiv 2303.09556); on eps it is min(snr, gamma) / snr, on v min(snr, gamma) / (snr + 1)."""

    gamma: float = 5.0
    papers: ClassVar = ("2303.09556",)

    def __post_init__(self):
        if not self.gamma > 0:
            raise ValueError(f"minsnr's argument gamma caps the signal-to-noise ratio: {self.gamma:g} must be above 0")

    def log_x0(self, logsnr: "Tensor") -> "Tensor":
        return logsnr.clamp(max=math.log(self.gamma))
