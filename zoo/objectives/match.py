"""`match(OBJECTIVE)`: the weight that gives any target and density the effective weight of another objective.

    loss = E_p [w'(l) / p(l) |eps_hat - eps|^2],  w'(l) = p'(l) factor'(l) (D' / alpha')^2

where p is the density drawn and what is primed is the other objective's. Both have the same expected loss for the same
denoiser, constant and all; what is left to differ is what the network puts out and which levels are drawn how often.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.objectives.auxiliary import Plain
from zoo.objectives.core import Objective
from zoo.objectives.coupling import Independent
from zoo.objectives.weight import IntegralWeight

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Match(IntegralWeight):
    """The effective weight of `like` (arXiv 2303.00848: all that a Gaussian objective is in expectation).

    0 at levels outside the span of its path. A coupling or an auxiliary term is no part of a weight: raises ValueError
    for an objective with one, and for one that is itself matched.
    """

    like: Objective
    papers: ClassVar = ("2303.00848",)
    formula: ClassVar = "the effective weight of `like` / p(logsnr) on the error of eps_hat, p the density drawn"

    def __post_init__(self) -> None:
        if self.like.coupling != Independent() or self.like.auxiliary != Plain():
            raise ValueError("an effective weight knows of no coupling and no auxiliary term: leave them out within it")
        if isinstance(self.like.weight, Match):
            raise ValueError(f"{self.like.name} is matched itself: write +match({self.like.weight.like.name})")

    def log_effective(self, logsnr: "Tensor") -> "Tensor":
        return self.like.log_effective(logsnr)
