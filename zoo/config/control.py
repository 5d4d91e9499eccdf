"""Control settings: how images are drawn from a trained run. The same settings for every objective.

torch is not imported here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from zoo.base.errors import choose
from zoo.base.names import slug
from zoo.config.schema import Frozen, Positive, checked
from zoo.solvers.sampler import SAMPLERS
from zoo.solvers.steps import step_grid

FULL = 10_000  # images behind an FID that is called plain `fid`
NoiseShare = Annotated[float, Field(ge=0, le=1)]


def _interval(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] < ends[1]:
        raise ValueError("write the lower share of noise first, as in [0.2, 0.8]")
    return ends


def _sampler(name: str) -> str:
    if name not in SAMPLERS:
        raise choose("sampler", name, SAMPLERS)
    return name


def _step_grid(name: str) -> str:
    step_grid(name)
    return name.replace(" ", "")


class Sampling(Frozen):
    """A sampler, its step grid and steps, guidance (1 is none) within an interval of noise, rescaled, and clipping."""

    sampler: Annotated[str, AfterValidator(checked(_sampler))] = "euler"
    step_grid: Annotated[str, AfterValidator(checked(_step_grid))] = "flow"
    steps: Annotated[int, Field(ge=1, le=10_000)] = 20
    guidance: Positive = 1.0
    interval: Annotated[tuple[NoiseShare, NoiseShare], Field(strict=False), AfterValidator(_interval)] = (0.0, 1.0)
    rescale: NoiseShare = 0.0
    clip: bool = True


class Setting(Sampling):
    """One control setting: how images are drawn, and from which of the run's weights."""

    weights: Literal["ema", "raw"] = "ema"

    @property
    def words(self) -> str:
        """What a score belongs to, for a reader: `EMA, no guidance`, and what is not usual after it."""
        usual = Sampling()
        how = [self.sampler] if self.sampler != usual.sampler else []
        how += [f"{self.step_grid} grid"] if self.step_grid != usual.step_grid else []
        how += [f"{self.steps} steps"] if self.steps != usual.steps else []
        how += [f"rescaled {self.rescale:g}"] if self.rescale else []
        how += ["unclipped"] if not self.clip else []
        guided = "no guidance" if self.guidance == 1 else f"guidance {self.guidance:g}"
        within = f" within {self.interval[0]:g}-{self.interval[1]:g}" if self.interval != usual.interval else ""
        return ", ".join(["EMA" if self.weights == "ema" else "raw weights", guided + within, *how])

    @property
    def name(self) -> str:
        """A file's name: `ema-euler-flow-20-g2`, and what is not usual after it."""
        parts = [self.weights, self.sampler, slug(self.step_grid), str(self.steps), f"g{self.guidance:g}"]
        parts += [f"i{self.interval[0]:g}-{self.interval[1]:g}"] if self.interval != (0.0, 1.0) else []
        parts += [f"r{self.rescale:g}"] if self.rescale else []
        return "-".join([*parts, *([] if self.clip else ["unclipped"])])


def score_words(row: Mapping[str, Any]) -> str:
    """A row of scores as a line says it: `fid@300 3.21 ± 0.12, accuracy 85.0% (EMA, no guidance)`."""
    how = Setting(**{key: row[key] for key in Setting.model_fields if key in row})
    name = "fid" if row["n"] >= FULL else f"fid@{row['n']}"
    return f"{name} {row['fid']:.2f} ± {row['fid_se']:.2f}, accuracy {row['acc']:.1%} ({how.words})"
