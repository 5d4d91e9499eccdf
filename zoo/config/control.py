"""Control settings: how images are drawn from a trained run. The same settings for every objective.

torch is not imported here.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from zoo.base.errors import choose
from zoo.base.names import slug
from zoo.config.schema import Count, Frozen, Positive, checked
from zoo.objectives.path import Path
from zoo.solvers.sampler import SAMPLERS
from zoo.solvers.steps import LOGSNR_SPAN, step_grid

if TYPE_CHECKING:
    from torch import Tensor

NoiseShare = Annotated[float, Field(ge=0, le=1)]
Start = Annotated[float, Field(ge=LOGSNR_SPAN[0], lt=LOGSNR_SPAN[1], allow_inf_nan=False)]


def _interval(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] < ends[1]:
        raise ValueError("write the lower share of noise first, as in [0.2, 0.8]")
    return ends


def _sampler(name: str) -> str:
    if name not in SAMPLERS:
        raise choose("sampler", name, SAMPLERS)
    return name


SamplerName = Annotated[str, AfterValidator(checked(_sampler))]


def _step_grid(name: str) -> str:
    step_grid(name)
    return name.replace(" ", "")


class Sampling(Frozen):
    """A sampler, its step grid and steps, guidance (1 is none) within an interval of noise, rescaled, and clipping.

    start: logsnr at which sampling begins, or the path's own end where that is nearer to the data.
    """

    sampler: SamplerName = "euler"
    step_grid: Annotated[str, AfterValidator(checked(_step_grid))] = "flow"
    steps: Count = 20
    start: Start = LOGSNR_SPAN[0]
    guidance: Positive = 1.0
    interval: Annotated[tuple[NoiseShare, NoiseShare], Field(strict=False), AfterValidator(_interval)] = (0.0, 1.0)
    rescale: NoiseShare = 0.0
    clip: bool = True

    def times(self, path: Path) -> "Tensor":
        """Its times on a path, [steps] float64, decreasing. Raises ZooError if the path has no such times."""
        return step_grid(self.step_grid).times(path, self.steps, self.start)


class Setting(Sampling):
    """One control setting: how images are drawn, and from which of the run's weights."""

    weights: Literal["ema", "raw"] = "ema"

    @property
    def name(self) -> str:
        """A file's name: `ema-euler-flow-20-g2`, and what is not usual after it."""
        parts = [self.weights, self.sampler, slug(self.step_grid), str(self.steps), f"g{self.guidance:g}"]
        parts += [f"s{self.start:g}"] if self.start != LOGSNR_SPAN[0] else []
        parts += [f"i{self.interval[0]:g}-{self.interval[1]:g}"] if self.interval != (0.0, 1.0) else []
        parts += [f"r{self.rescale:g}"] if self.rescale else []
        return "-".join([*parts, *([] if self.clip else ["unclipped"])])
