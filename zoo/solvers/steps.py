"""Step grids: the times at which a sampler asks its denoiser, from noise to data.

    flow        f = sigma / (alpha + sigma), the straight path's time, in equal parts (the default; SD3's sampler)
    logsnr      logsnr in equal parts, both ends included
    karras(7)   r^(1 / rho) in equal parts, r = sigma / alpha, both ends included (arXiv 2206.00364, equation 5)
    trailing    the path's own time in equal parts from its noisiest (arXiv 2305.08891, section 3.3)

All lie within logsnr `start` .. 10, or the path's own span where that is shorter, so that every objective is asked at
the same noise levels (`trailing` apart, whose levels are the path's). A later start is another control setting: x_hat
takes an error of eps times exp(-logsnr / 2), which is 148 at logsnr -10 and 15 at -5.4, where LDM's path ends.
After the last time a sampler returns x_hat. torch is not imported at the top.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.names import parse_term
from zoo.objectives.path import Path

if TYPE_CHECKING:
    from torch import Tensor

LOGSNR_SPAN = (-10.0, 10.0)
RHO = (0.1, 100.0)  # beyond it Karras' powers leave floating point, or equal LogSNRSteps to many digits


class StepGrid(ABC):
    """A law of the noise levels of n steps."""

    def times(self, path: Path, steps: int, start: float = LOGSNR_SPAN[0]) -> "Tensor":
        """The path's times, [steps] float64 on the CPU, finite and strictly decreasing.

        start: logsnr of the first one, or the path's own end where that is nearer to the data. Raises ZooError where
        the path holds no such steps: it ends before the start, or so many of them cannot be distinguished.
        """
        import torch

        low, high = path.span()
        low, high = max(low, start), min(high, LOGSNR_SPAN[1])
        if not low < high:
            raise ZooError(f"sampling starts at logsnr {start:g}, and this path ends at {high:.3g}: start below that")
        index = torch.arange(steps, dtype=torch.float64)
        times = path.time(self.logsnr(path, index, low, high).clamp(low, high))
        if not times.isfinite().all() or (times.diff() >= 0).any():
            raise ZooError(
                f"{counted(steps, 'step')} on this grid repeat a time of the path: take fewer steps, or another grid"
            )
        return times

    @abstractmethod
    def logsnr(self, path: Path, index: "Tensor", low: float, high: float) -> "Tensor":
        """logsnr of the steps 0 .. n - 1 (`index`, [n] float64) on a path that is used from `low` to `high`."""


@dataclass(frozen=True)
class FlowSteps(StepGrid):
    """Equal parts of the share of noise; the last part ends at the data."""

    def logsnr(self, path: Path, index: "Tensor", low: float, high: float) -> "Tensor":
        noisiest, cleanest = (1 / (1 + math.exp(logsnr / 2)) for logsnr in (low, high))
        f = noisiest + (cleanest - noisiest) * index / len(index)
        return 2 * ((1 - f) / f).log()


@dataclass(frozen=True)
class LogSNRSteps(StepGrid):
    """Equal parts of logsnr."""

    def logsnr(self, path: Path, index: "Tensor", low: float, high: float) -> "Tensor":
        return low + (high - low) * index / max(len(index) - 1, 1)


@dataclass(frozen=True)
class KarrasSteps(StepGrid):
    """EDM's grid: the larger rho, the more steps near the data."""

    rho: float = 7.0

    def __post_init__(self) -> None:
        if not RHO[0] <= self.rho <= RHO[1]:
            raise ValueError(f"rho must lie within {RHO[0]:g} .. {RHO[1]:g}, not be {self.rho:g}")

    def logsnr(self, path: Path, index: "Tensor", low: float, high: float) -> "Tensor":
        noisiest, cleanest = (math.exp(-logsnr / 2 / self.rho) for logsnr in (low, high))
        return -2 * self.rho * (noisiest + (cleanest - noisiest) * index / max(len(index) - 1, 1)).log()


@dataclass(frozen=True)
class TrailingSteps(StepGrid):
    """Equal parts of the path's time, which begin at its noisiest; the last part ends at the data."""

    def logsnr(self, path: Path, index: "Tensor", low: float, high: float) -> "Tensor":
        noisiest, cleanest = path.time(index.new_tensor([low, high]))
        return path.logsnr(noisiest + (cleanest - noisiest) * index / len(index))


STEP_GRIDS: dict[str, Callable[..., StepGrid]] = {
    "flow": FlowSteps,
    "logsnr": LogSNRSteps,
    "karras": KarrasSteps,
    "trailing": TrailingSteps,
}


def step_grid(name: str) -> StepGrid:
    """The step grid of this name. Raises ZooError for an unknown one, with the nearest, and for a bad argument."""
    return parse_term(name, "step grid").call("step grid", STEP_GRIDS)
