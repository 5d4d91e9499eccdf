"""Paths: how much data and how much noise is left at time t.

    x_t = alpha(t) x + sigma(t) eps        t = 0 is data, t = 1 is noise
    logsnr = 2 log(alpha / sigma)

A path is a law of time, logsnr(t), on one of two curves: the circle alpha^2 + sigma^2 = 1
("variance preserving", arXiv 2011.13456) or the straight line alpha + sigma = 1 (rectified flow, arXiv 2209.03003).
On either curve alpha and sigma are functions of logsnr alone, exact at both ends.

This file does not import torch at its top: names are parsed without it (`run_all.py --list`).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


class Path(ABC):
    """A law of time on a curve. Times and logsnr are float64 tensors of any shape."""

    papers: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[str] = ""

    @property
    def discrete(self) -> bool:
        """Whether it, or the path it is made from, trains on DDPM's 1000 integer steps unless the name says more."""
        base: Path | None = getattr(self, "base", None)
        return base is not None and base.discrete

    @abstractmethod
    def logsnr(self, t: "Tensor") -> "Tensor":
        """logsnr at time t in [0, 1]; strictly decreasing, infinite where alpha or sigma is 0."""

    @abstractmethod
    def time(self, logsnr: "Tensor") -> "Tensor":
        """The inverse of `logsnr`, in [0, 1]."""

    @abstractmethod
    def coefficients(self, logsnr: "Tensor") -> "tuple[Tensor, Tensor]":
        """(alpha, sigma) at this logsnr."""

    def at(self, t: "Tensor") -> "tuple[Tensor, Tensor]":
        """(alpha, sigma) at time t."""
        return self.coefficients(self.logsnr(t))

    def span(self) -> tuple[float, float]:
        """(lowest, highest) logsnr of the path, at t = 1 and t = 0."""
        return _span(self)


@lru_cache
def _span(path: Path) -> tuple[float, float]:
    import torch  # computed once, on the CPU: a step in training never waits for it

    low, high = path.logsnr(torch.tensor([1.0, 0.0], dtype=torch.float64)).tolist()
    return low, high


class Circle(Path):
    """alpha^2 + sigma^2 = 1, hence alpha^2 = sigmoid(logsnr)."""

    def coefficients(self, logsnr: "Tensor") -> "tuple[Tensor, Tensor]":
        return logsnr.sigmoid().sqrt(), (-logsnr).sigmoid().sqrt()


@dataclass(frozen=True)
class Flow(Path):
    """alpha = 1 - t, sigma = t: rectified flow's straight line (arXiv 2209.03003, 2403.03206)."""

    papers: ClassVar = ("2209.03003",)
    formula: ClassVar = "alpha = 1 - t, sigma = t"

    def logsnr(self, t: "Tensor") -> "Tensor":
        return 2 * ((-t).log1p() - t.log())

    def time(self, logsnr: "Tensor") -> "Tensor":
        return (-logsnr / 2).sigmoid()

    def coefficients(self, logsnr: "Tensor") -> "tuple[Tensor, Tensor]":
        return (logsnr / 2).sigmoid(), (-logsnr / 2).sigmoid()


@dataclass(frozen=True)
class Trig(Circle):
    """alpha = cos(pi t / 2), sigma = sin(pi t / 2); SD3's study calls it "cos" (arXiv 2403.03206)."""

    papers: ClassVar = ("2403.03206",)
    formula: ClassVar = "alpha = cos(pi t / 2), sigma = sin(pi t / 2)"

    def logsnr(self, t: "Tensor") -> "Tensor":
        # the cotangent as tan(pi (1 - t) / 2) keeps both ends exact: 0 at t = 1, infinite at t = 0
        return ((math.pi / 2 * (1 - t)).sin().log() - (math.pi / 2 * t).sin().log()) * 2

    def time(self, logsnr: "Tensor") -> "Tensor":
        return (-logsnr / 2).exp().atan() * (2 / math.pi)


@dataclass(frozen=True)
class Sigmoid(Circle):
    """alpha^2 = (S(3) - S(6 t - 3)) / (S(3) - S(-3)), S the logistic function (arXiv 2212.11972, with start -3, end 3).

    As S(a) - S(b) = sinh((a - b) / 2) / (2 cosh(a / 2) cosh(b / 2)), snr = sinh(3 - 3 t) / sinh(3 t).
    """

    papers: ClassVar = ("2212.11972",)
    formula: ClassVar = (
        "alpha^2 = (S(3) - S(6 t - 3)) / (S(3) - S(-3)), S(z) = 1 / (1 + exp(-z)), sigma^2 = 1 - alpha^2"
    )

    def logsnr(self, t: "Tensor") -> "Tensor":
        return (3 * (1 - t)).sinh().log() - (3 * t).sinh().log()

    def time(self, logsnr: "Tensor") -> "Tensor":
        return (2 * math.sinh(3) / (logsnr.exp() + math.exp(-3))).log1p().clamp(max=6) / 6


@dataclass(frozen=True)
class Table(Circle):
    """A path given at T = 1000 discrete steps, t = i / 999, by betas: alpha_i^2 = prod_{j <= i} (1 - beta_j).

    Between the steps logsnr is interpolated linearly.
    """

    STEPS: ClassVar[int] = 1000

    @property
    def discrete(self) -> bool:
        return True

    @abstractmethod
    def betas(self) -> "Tensor":
        """beta_i for i = 0 .. 999, [1000] float64."""

    def logsnr(self, t: "Tensor") -> "Tensor":
        table = logsnr_table(self, str(t.device))
        position = t * (self.STEPS - 1)
        below = position.floor().clamp(0, self.STEPS - 2).long()
        return table.take(below).lerp(table.take(below + 1), position - below)  # a GPU would wait for table[a scalar]

    def time(self, logsnr: "Tensor") -> "Tensor":
        import torch

        table = logsnr_table(self, str(logsnr.device))
        logsnr = logsnr.clamp(table[-1], table[0])
        below = (torch.searchsorted(-table, -logsnr.contiguous(), right=True) - 1).clamp(0, self.STEPS - 2)
        above = table.take(below)
        return (below + (above - logsnr) / (above - table.take(below + 1))) / (self.STEPS - 1)


@lru_cache
def logsnr_table(path: Table, device: str) -> "Tensor":
    """logsnr at the path's 1000 steps, float64, kept per device."""
    log_alpha2 = (-path.betas()).log1p().cumsum(0)
    return (log_alpha2 - (-log_alpha2.expm1()).log()).to(device)


@dataclass(frozen=True)
class Linear(Table):
    """DDPM: beta linear from 1e-4 to 0.02 (arXiv 2006.11239, section 4)."""

    papers: ClassVar = ("2006.11239",)
    formula: ClassVar = "alpha^2 = prod (1 - beta), beta linear from 1e-4 to 0.02 in 1000 steps, sigma^2 = 1 - alpha^2"

    def betas(self) -> "Tensor":
        import torch

        return torch.linspace(1e-4, 0.02, self.STEPS, dtype=torch.float64)


@dataclass(frozen=True)
class Cosine(Table):
    """Nichol & Dhariwal: alpha^2 like cos^2((t + s) / (1 + s) pi / 2), s = 0.008, beta <= 0.999 (arXiv 2102.09672)."""

    papers: ClassVar = ("2102.09672",)
    formula: ClassVar = "alpha^2 ~ cos^2((t + .008) / 1.008 pi / 2), beta <= .999 in 1000 steps, sigma^2 = 1 - alpha^2"

    def betas(self) -> "Tensor":
        import torch

        t = torch.linspace(0, 1, self.STEPS + 1, dtype=torch.float64)
        alpha2 = ((t + 0.008) / 1.008 * math.pi / 2).cos() ** 2
        return (1 - alpha2[1:] / alpha2[:-1]).clamp(max=0.999)


@dataclass(frozen=True)
class LDM(Table):
    """Latent diffusion's scaled linear: sqrt(beta) linear from sqrt(0.00085) to sqrt(0.012) (arXiv 2112.10752).

    SD3's study calls it "linear".
    """

    papers: ClassVar = ("2112.10752",)
    formula: ClassVar = (
        "alpha^2 = prod (1 - beta), beta^.5 linear from .00085^.5 to .012^.5 in 1000 steps, sigma^2 = 1 - alpha^2"
    )

    def betas(self) -> "Tensor":
        import torch

        return torch.linspace(math.sqrt(0.00085), math.sqrt(0.012), self.STEPS, dtype=torch.float64).square()


@dataclass(frozen=True)
class ZeroTerminal(Circle):
    """Another path on the circle, its alpha stretched to end at exactly 0 (arXiv 2305.08891, section 3.1).

    alpha <- (alpha - alpha(1)) alpha(0) / (alpha(0) - alpha(1)); at DDPM's steps this is the paper's table.
    """

    base: Path
    papers: ClassVar = ("2305.08891",)
    formula: ClassVar = "alpha <- (alpha - alpha(1)) alpha(0) / (alpha(0) - alpha(1))"

    def __post_init__(self) -> None:
        if not isinstance(self.base, Table):
            raise ValueError("this path ends at zero SNR already")

    def logsnr(self, t: "Tensor") -> "Tensor":
        first, last = self._ends(t)
        alpha = ((self.base.at(t)[0] - last) * first / (first - last)).clamp(min=0)
        return 2 * alpha.log() - (-alpha.square()).log1p()

    def time(self, logsnr: "Tensor") -> "Tensor":
        first, last = self._ends(logsnr)
        alpha = last + logsnr.sigmoid().sqrt() * (first - last) / first
        return self.base.time(2 * alpha.log() - (-alpha.square()).log1p()).where(logsnr > -math.inf, 1.0)

    def _ends(self, like: "Tensor") -> "tuple[Tensor, Tensor]":
        return self.base.at(like.new_zeros(()))[0], self.base.at(like.new_ones(()))[0]


@dataclass(frozen=True)
class Shift(Path):
    """Another path with more noise at every time: logsnr - 2 log k (arXiv 2301.11093; 2403.03206, section 5.3.2).

    On the straight path t <- k t / (1 + (k - 1) t).
    """

    k: float
    base: Path
    papers: ClassVar = ("2301.11093",)
    formula: ClassVar = "logsnr <- logsnr - 2 log k"

    def __post_init__(self) -> None:
        if not self.k > 0 or self.k == 1:
            raise ValueError(f"k must be above 0, and 1 shifts nothing: {self.k:g}")

    def logsnr(self, t: "Tensor") -> "Tensor":
        return self.base.logsnr(t) - 2 * math.log(self.k)

    def time(self, logsnr: "Tensor") -> "Tensor":
        return self.base.time(logsnr + 2 * math.log(self.k))

    def coefficients(self, logsnr: "Tensor") -> "tuple[Tensor, Tensor]":
        return self.base.coefficients(logsnr)
