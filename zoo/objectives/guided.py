"""Guidance inside the target: what classifier-free guidance does in sampling, learned, so that sampling needs one call.

guided(OBJECTIVE)    y + w (y_hat - y_hat without class), the difference a constant: model guidance (arXiv 2502.12154)
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.objectives.auxiliary import Aid, Network, Plain, Prediction
from zoo.objectives.core import Objective, Scheme, per_image

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Guided(Scheme):
    """Model guidance (arXiv 2502.12154, equation 8): the target moves away from what the network says of no class.

    scale: of the difference; the network then draws as guidance 1 + scale would, roughly, for one evaluation a step.
    Where the label was dropped the two outputs are one, and the target is the plain one.
    """

    of: Objective
    scale: float = 1.0
    papers: ClassVar = ("2502.12154",)
    formula: ClassVar = "y + scale (y_hat - y_hat without class) for y, the difference a constant"
    taught: ClassVar = "the target with guidance in it"

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ValueError(f"scale = {self.scale:g} must be above 0")
        if self.of.scheme or self.of.auxiliary != Plain():
            raise ValueError(f"{self.of.name} is no plain regression: give one without scheme and auxiliary term")

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

        found = chosen.predict_at(net, x, labels, eps, chosen.path.logsnr(chosen.time(u)))
        alpha, sigma = chosen.path.coefficients(found.logsnr)
        x_t = per_image(alpha, x) * x + per_image(sigma, x) * eps
        with torch.no_grad():
            without = chosen.call(net, x_t, alpha, sigma, torch.full_like(labels, aid.none))
            dropped = (labels == aid.none).view(-1, 1, 1, 1)
            shift = self.scale * (found.y_hat - without).masked_fill(dropped, 0.0)
            y = per_image(found.a, x) * x + per_image(found.b, x) * eps + shift
        error = (found.y_hat - y).square().mean(dim=(1, 2, 3))
        return found._replace(error=error, plain=chosen.eps_error(found).detach())
