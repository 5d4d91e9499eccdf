"""Weights: functions of logsnr, in units of the x0 loss.

    loss = w(logsnr) |x_hat - x|^2 = w(logsnr) (sigma / D)^2 |y_hat - y|^2

Each weight is written once, as log w; the factor (sigma / D)^2 of the target turns it into that target's units.
`Flat` is the plain mean squared error on whatever the target is.

Papers mean one of two things by a weight. Most (`X0Weight`: min-SNR, soft-min-SNR, P2, truncated SNR, JiT's flow loss)
weigh the loss at the levels as they are drawn, so that the density counts besides. Those that write the loss as an
integral over logsnr (`IntegralWeight`: sigmoid) weigh the integrand: the density drawn only lowers the variance, and is
divided out.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.base.errors import ZooError

if TYPE_CHECKING:
    from torch import Tensor


class Weight(ABC):
    """A factor on |y_hat - y|^2, kept as its logarithm so that both ends of logsnr stay finite."""

    papers: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[str] = ""

    @abstractmethod
    def log_factor(self, logsnr: "Tensor", log_x0_error: "Tensor", log_density: "Callable[[], Tensor]") -> "Tensor":
        """log of the factor; log_x0_error is log (sigma / D)^2, float64 like logsnr and of its shape; log_density gives
        log p(logsnr) of the levels drawn, for a weight that asks for it."""


@dataclass(frozen=True)
class Flat(Weight):
    """1 in the target's own units."""

    formula: ClassVar = "1 on the target's own error"

    def log_factor(self, logsnr: "Tensor", log_x0_error: "Tensor", log_density: "Callable[[], Tensor]") -> "Tensor":
        return log_x0_error.new_zeros(log_x0_error.shape)  # not 0 * log_x0_error, which is NaN at an infinite one


class X0Weight(Weight):
    """A weight that is the same for every target: it multiplies the error of x_hat."""

    @abstractmethod
    def log_x0(self, logsnr: "Tensor") -> "Tensor":
        """log of the weight on |x_hat - x|^2."""

    def log_factor(self, logsnr: "Tensor", log_x0_error: "Tensor", log_density: "Callable[[], Tensor]") -> "Tensor":
        # At zero snr a weight is 1, as in diffusers' trainers: min(snr, g) would leave the last step untrained.
        return (_each(self.log_x0(logsnr), logsnr, self) + log_x0_error).where(logsnr > -math.inf, 0.0)


class IntegralWeight(Weight):
    """A weight on the loss as an integral over logsnr, whatever levels are drawn.

        loss = integral of w(l) |eps_hat - eps|^2 dl = E_p [w(l) / p(l) |eps_hat - eps|^2]

    so that w is the effective weight itself (arXiv 2303.00848, equation 6 and section 4).
    """

    @abstractmethod
    def log_effective(self, logsnr: "Tensor") -> "Tensor":
        """log w, on the error of eps_hat."""

    def log_factor(self, logsnr: "Tensor", log_x0_error: "Tensor", log_density: "Callable[[], Tensor]") -> "Tensor":
        on_x0 = _each(self.log_effective(logsnr), logsnr, self) + logsnr - log_density()
        return (on_x0 + log_x0_error).where(logsnr > -math.inf, 0.0)


def _each(found: "Tensor", logsnr: "Tensor", weight: Weight) -> "Tensor":
    """A weight's numbers. Raises ZooError for a user's class whose numbers would be broadcast to a wrong loss."""
    if isinstance(found, int | float) or getattr(found, "shape", None) == logsnr.shape:
        return found
    shape = list(found.shape) if hasattr(found, "shape") else type(found).__name__
    given = f"gives {shape} for logsnr of shape {list(logsnr.shape)}: it should give a tensor of that shape"
    raise ZooError(f"the weight {type(weight).__name__} {given}")


def positive(name: str, value: float) -> None:
    """Raise ValueError unless an argument is above 0."""
    if not value > 0:
        raise ValueError(f"{name} = {value:g} must be above 0")


@dataclass(frozen=True)
class MinSNR(X0Weight):
    """min(snr, gamma) (arXiv 2303.09556); on eps it is min(snr, gamma) / snr, on v min(snr, gamma) / (snr + 1)."""

    gamma: float = 5.0
    papers: ClassVar = ("2303.09556",)
    formula: ClassVar = "min(snr, gamma) on the error of x_hat"

    def __post_init__(self) -> None:
        positive("gamma", self.gamma)

    def log_x0(self, logsnr: "Tensor") -> "Tensor":
        return logsnr.clamp(max=math.log(self.gamma))


@dataclass(frozen=True)
class SoftMinSNR(X0Weight):
    """gamma snr / (snr + gamma): min-SNR without the corner (arXiv 2401.11605, appendix B)."""

    gamma: float = 4.0
    papers: ClassVar = ("2401.11605",)
    formula: ClassVar = "gamma snr / (snr + gamma) on the error of x_hat"

    def __post_init__(self) -> None:
        positive("gamma", self.gamma)

    def log_x0(self, logsnr: "Tensor") -> "Tensor":
        from torch.nn.functional import logsigmoid

        return math.log(self.gamma) + logsigmoid(logsnr - math.log(self.gamma))


@dataclass(frozen=True)
class P2(X0Weight):
    """snr / (k + snr)^gamma: less weight where only imperceptible detail is left to learn (arXiv 2204.00227)."""

    k: float = 1.0
    gamma: float = 1.0
    papers: ClassVar = ("2204.00227",)
    formula: ClassVar = "snr / (k + snr)^gamma on the error of x_hat"

    def __post_init__(self) -> None:
        positive("k", self.k)

    def log_x0(self, logsnr: "Tensor") -> "Tensor":
        return logsnr - self.gamma * logsnr.logaddexp(logsnr.new_full((), math.log(self.k)))


@dataclass(frozen=True)
class SNR(X0Weight):
    """snr: the plain loss on eps, whatever the target (arXiv 2202.00512, section 4)."""

    papers: ClassVar = ("2202.00512",)
    formula: ClassVar = "snr on the error of x_hat"

    def log_x0(self, logsnr: "Tensor") -> "Tensor":
        return logsnr


@dataclass(frozen=True)
class TruncSNR(X0Weight):
    """max(snr, 1) (arXiv 2202.00512, section 4)."""

    papers: ClassVar = ("2202.00512",)
    formula: ClassVar = "max(snr, 1) on the error of x_hat"

    def log_x0(self, logsnr: "Tensor") -> "Tensor":
        return logsnr.clamp(min=0)


@dataclass(frozen=True)
class SigmoidWeight(IntegralWeight):
    """sigmoid(b - logsnr) (arXiv 2303.00848, which chooses b = 2 in section 4.2; 2410.19324, which chooses b = -3)."""

    b: float = -3.0
    papers: ClassVar = ("2303.00848", "2410.19324")
    formula: ClassVar = "1 / (1 + exp(logsnr - b)) / p(logsnr) on the error of eps_hat, p the density drawn"

    def log_effective(self, logsnr: "Tensor") -> "Tensor":
        from torch.nn.functional import logsigmoid

        return logsigmoid(self.b - logsnr)


class SpaceLoss(Weight):
    """The plain error of something else than what the network puts out: |z_hat - z|^2 = (D_z / D)^2 |y_hat - y|^2.

    The factor is at most 1 / clamp^2: where it is larger, the output says next to nothing of z. So JiT clamps the
    denominators of its conversions (arXiv 2511.13720, which chooses 0.05).
    """

    clamp: float

    @abstractmethod
    def log_space(self, logsnr: "Tensor") -> "Tensor":
        """log (D_z / sigma)^2, z what the error is taken of."""

    def log_factor(self, logsnr: "Tensor", log_x0_error: "Tensor", log_density: "Callable[[], Tensor]") -> "Tensor":
        found = (self.log_space(logsnr) + log_x0_error).where(logsnr > -math.inf, 0.0)
        return found.clamp(max=-2 * math.log(self.clamp))


@dataclass(frozen=True)
class XLoss(SpaceLoss):
    """The error of x_hat, whatever the network puts out."""

    clamp: float = 0.05
    papers: ClassVar = ("2511.13720",)
    formula: ClassVar = "1 on the error of x_hat, at most 1 / clamp^2 on the target's own"

    def __post_init__(self) -> None:
        positive("clamp", self.clamp)

    def log_space(self, logsnr: "Tensor") -> "Tensor":
        return logsnr.new_zeros(logsnr.shape)


@dataclass(frozen=True)
class EpsLoss(SpaceLoss):
    """The error of eps_hat, whatever the network puts out."""

    clamp: float = 0.05
    papers: ClassVar = ("2511.13720",)
    formula: ClassVar = "1 on the error of eps_hat, at most 1 / clamp^2 on the target's own"

    def __post_init__(self) -> None:
        positive("clamp", self.clamp)

    def log_space(self, logsnr: "Tensor") -> "Tensor":
        return logsnr


@dataclass(frozen=True)
class VLoss(SpaceLoss):
    """The error of eps_hat - x_hat, rectified flow's velocity, whatever the network puts out."""

    clamp: float = 0.05
    papers: ClassVar = ("2511.13720",)
    formula: ClassVar = "1 on the error of eps_hat - x_hat, at most 1 / clamp^2 on the target's own"

    def __post_init__(self) -> None:
        positive("clamp", self.clamp)

    def log_space(self, logsnr: "Tensor") -> "Tensor":
        from torch.nn.functional import logsigmoid

        return -2 * logsigmoid(-logsnr / 2)  # (alpha + sigma)^2 / sigma^2


@dataclass(frozen=True)
class FlowLoss(X0Weight):
    """1 / max(t, clamp)^2, t = sigma / (alpha + sigma): the loss of rectified flow, whatever the target.

    With target x0 it is JiT's (arXiv 2511.13720): the network gives x, the loss compares velocities (x_hat - x_t) / t,
    and t is clamped (at 0.05) so that the division stays tame.
    """

    clamp: float = 0.05
    papers: ClassVar = ("2511.13720",)
    formula: ClassVar = "1 / max(t, clamp)^2 on the error of x_hat, t = sigma / (alpha + sigma)"

    def __post_init__(self) -> None:
        if not 0 < self.clamp < 1:
            raise ValueError(f"clamp = {self.clamp:g} is a time between 0 and 1")

    def log_x0(self, logsnr: "Tensor") -> "Tensor":
        from torch.nn.functional import logsigmoid

        return -2 * logsigmoid(-logsnr / 2).clamp(min=math.log(self.clamp))
