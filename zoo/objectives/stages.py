"""Stages: a teacher's run first, then a student that begins at its weights.

    reflow(OBJECTIVE)                 the same regression on pairs (noise, what the teacher makes of it) (2209.03003)
    progressive(OBJECTIVE,N)          a step of the student from two of the teacher, N steps in all (2202.00512)

The teacher is an objective by name: its run has the same network, data, seed and recipe, is trained as a run of its
own, and serves every student that asks for it.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.objectives.auxiliary import Aid, Network, Plain, Prediction
from zoo.objectives.core import Objective, Scheme, per_image
from zoo.objectives.coupling import Independent
from zoo.objectives.path import Flow
from zoo.objectives.weight import TruncSNR

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = (-10.0, 10.0)  # of logsnr, between which the steps of progressive distillation lie: those of the samplers


class Stage(Scheme):
    """A scheme with a teacher; the axes are those of the objective it is made of."""

    of: Objective

    @property
    def teacher(self) -> str | None:
        return self.of.name


@dataclass(frozen=True)
class Reflow(Stage):
    """Reflow (arXiv 2209.03003, section 2.2): flow matching on (noise, image) pairs that the teacher's flow connects.

    Straighter paths come of it, on which one step errs less. `reflow(reflow(rf))` is one more round.
    """

    of: Objective
    from_pairs: ClassVar = True
    weighed: ClassVar = True
    papers: ClassVar = ("2209.03003",)
    formula: ClassVar = "x = the end of the teacher's flow from eps"
    taught: ClassVar = "the same regression on pairs (noise, what the teacher makes of it)"

    def __post_init__(self) -> None:
        if self.of.path != Flow() or (self.of.scheme and not self.of.scheme.from_pairs):
            raise ValueError(f"{self.of.name} has no straight path to flow along: write rf, rf/DENSITY or TARGET/flow")
        if self.of.coupling != Independent() or self.of.auxiliary != Plain():
            raise ValueError("its pairs leave no place for a coupling, nor for an auxiliary term: leave them out")

    def predict(
        self,
        chosen: Objective,
        net: Network,
        x: "Tensor",
        labels: "Tensor",
        u: "Tensor",
        eps: "Tensor",
        aid: Aid,
    ) -> Prediction:
        return chosen.predict_at(net, x, labels, eps, chosen.path.logsnr(chosen.time(u)))


@dataclass(frozen=True)
class Progressive(Stage):
    """Progressive distillation (arXiv 2202.00512, algorithm 2): each stage halves the steps, from 16 to `steps`.

    The student is taught at its own times alone: equal parts of the share of noise, as the samplers step. What it
    should put out at t is the x_hat whose one step ends where two of the teacher's do; its weight is max(snr, 1).
    """

    steps: int
    of: Objective
    drawn: ClassVar = False  # its levels are those of its steps
    START: ClassVar[int] = 16  # steps of the first teacher, the objective itself
    papers: ClassVar = ("2202.00512",)
    formula: ClassVar = (
        "x_hat whose one step, of `steps` in all, ends where two of the teacher's do; weight max(snr, 1)"
    )
    taught: ClassVar = "one step from two of the teacher's"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.steps & (self.steps - 1) or self.steps >= self.START:
            raise ValueError(f"steps = {self.steps} must be a power of 2 below {self.START}")
        if self.of.scheme or self.of.coupling != Independent() or self.of.auxiliary != Plain():
            raise ValueError(f"{self.of.name} is no plain regression: give one without scheme, coupling and auxiliary")

    @property
    def teacher(self) -> str:
        twice = 2 * self.steps
        return self.of.name if twice == self.START else f"progressive({self.of.name},{twice})"

    def predict(
        self,
        chosen: Objective,
        net: Network,
        x: "Tensor",
        labels: "Tensor",
        u: "Tensor",
        eps: "Tensor",
        aid: Aid,
    ) -> Prediction:
        import torch

        teacher = aid.teacher or net  # a trainer always hands one over
        place = (u.double() * self.steps).floor().clamp(max=self.steps - 1)
        first, middle, last = (self._time(chosen, place + half / 2) for half in range(3))
        alpha, sigma = chosen.path.at(first)
        a, b = chosen.target.row(alpha, sigma)
        z = per_image(alpha, x) * x + per_image(sigma, x) * eps
        with torch.no_grad():
            end = z
            for now, then in ((first, middle), (middle, last)):
                x_hat, eps_hat = chosen.denoise(teacher, end, now, labels)
                to_alpha, to_sigma = (per_image(c, x) for c in self._at(chosen, then))
                end = to_alpha * x_hat + to_sigma * eps_hat
            end_alpha, end_sigma = self._at(chosen, last)
            ratio = end_sigma / sigma
            goal = (end - per_image(ratio, x) * z) / per_image(end_alpha - ratio * alpha, x)
            y = per_image(a, x) * goal + per_image(b / sigma, x) * (z - per_image(alpha, x) * goal)
        y_hat = chosen.call(net, z, alpha, sigma, labels)
        error = (y_hat - y).square().mean(dim=(1, 2, 3))
        logsnr = chosen.path.logsnr(first)
        log_x0_error = 2 * (sigma.log() - chosen.target.determinant(alpha, sigma).abs().log())
        factor = TruncSNR().log_factor(logsnr, log_x0_error, lambda: logsnr).exp()
        return Prediction(y_hat, x, eps, a, b, error, factor.to(x.dtype), logsnr)

    def _time(self, chosen: Objective, place: "Tensor") -> "Tensor":
        """The path's time of a step, its number from 0; at `steps` the data, as NaN."""
        low, high = chosen.path.span()
        noisiest, cleanest = (1 / (1 + math.exp(end / 2)) for end in (max(low, LEVELS[0]), min(high, LEVELS[1])))
        f = noisiest + (cleanest - noisiest) * place / self.steps
        time = chosen.path.time(2 * ((1 - f) / f).log())
        return time.masked_fill(place >= self.steps, math.nan)

    @staticmethod
    def _at(chosen: Objective, t: "Tensor") -> "tuple[Tensor, Tensor]":
        """(alpha, sigma) at these times; (1, 0) at the data."""
        ended = t.isnan()
        alpha, sigma = chosen.path.at(t.nan_to_num(0.5))
        return alpha.masked_fill(ended, 1.0), sigma.masked_fill(ended, 0.0)
