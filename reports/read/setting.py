"""A control setting as result files name it."""

from dataclasses import dataclass
from typing import Any

SETTING = ("weights", "sampler", "step_grid", "steps", "start", "guidance", "interval", "rescale", "clip", "n")


@dataclass(frozen=True)
class Setting:
    """One control setting: what is the same for every objective when scores are compared."""

    weights: str
    sampler: str
    step_grid: str
    steps: int
    start: float
    guidance: float
    interval: tuple[float, float]
    rescale: float
    clip: bool
    n: int

    @staticmethod
    def of(score: dict[str, Any]) -> "Setting":
        """The setting of a row of scores."""
        values: dict[str, Any] = {key: tuple(v) if isinstance(v := score[key], list) else v for key in SETTING}
        return Setting(**values)

    @property
    def kind(self) -> str:
        """The weights, as a reader writes them."""
        return "EMA" if self.weights == "ema" else self.weights

    def order(self) -> tuple[Any, ...]:
        """What settings are sorted by: the sampler, many steps before few, little guidance before much."""
        solver = (self.sampler, self.step_grid, -self.steps, self.start)
        return (*solver, self.guidance, self.interval, self.rescale, self.clip, self.n)
