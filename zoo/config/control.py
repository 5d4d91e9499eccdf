"""Control settings: how images are drawn from a trained run. The same settings for every objective.

torch is not imported here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from zoo.base.counts import counted
from zoo.base.errors import choose
from zoo.base.names import slug
from zoo.config.schema import Frozen, Positive, checked
from zoo.objectives.path import Path
from zoo.solvers.sampler import SAMPLERS
from zoo.solvers.steps import LOGSNR_SPAN, step_grid

if TYPE_CHECKING:
    from torch import Tensor

FULL = 10_000  # images behind an FID that is called plain `fid`
NoiseShare = Annotated[float, Field(ge=0, le=1)]
Steps = Annotated[int, Field(ge=1, le=10_000)]
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
    steps: Steps = 20
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
    def words(self) -> str:
        """What a score belongs to, for a reader: `EMA, no guidance`, and what is not usual after it."""
        usual = Sampling()
        how = [self.sampler] if self.sampler != usual.sampler else []
        how += [f"{self.step_grid} grid"] if self.step_grid != usual.step_grid else []
        how += [counted(self.steps, "step")] if self.steps != usual.steps else []
        how += [f"start {self.start:g}"] if self.start != usual.start else []
        how += [f"rescaled {self.rescale:g}"] if self.rescale else []
        how += ["unclipped"] if not self.clip else []
        guided = "no guidance" if self.guidance == 1 else f"guidance {self.guidance:g}"
        within = f" within {self.interval[0]:g}-{self.interval[1]:g}" if self.interval != usual.interval else ""
        return ", ".join(["EMA" if self.weights == "ema" else "raw weights", guided + within, *how])

    @property
    def name(self) -> str:
        """A file's name: `ema-euler-flow-20-g2`, and what is not usual after it."""
        parts = [self.weights, self.sampler, slug(self.step_grid), str(self.steps), f"g{self.guidance:g}"]
        parts += [f"s{self.start:g}"] if self.start != LOGSNR_SPAN[0] else []
        parts += [f"i{self.interval[0]:g}-{self.interval[1]:g}"] if self.interval != (0.0, 1.0) else []
        parts += [f"r{self.rescale:g}"] if self.rescale else []
        return "-".join([*parts, *([] if self.clip else ["unclipped"])])


def score_words(row: Mapping[str, Any]) -> str:
    """A row of scores as a line says it: `fid@300 3.21 ± 0.12, accuracy 85.0% (EMA, no guidance)`."""
    how = Setting(**{key: row[key] for key in Setting.model_fields if key in row})
    name = "fid" if row["n"] >= FULL else f"fid@{row['n']}"
    return f"{name} {row['fid']:.2f} ± {row['fid_se']:.2f}, accuracy {row['acc']:.1%} ({how.words})"
