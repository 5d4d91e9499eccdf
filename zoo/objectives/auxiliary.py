"""Auxiliary terms: what a loss has besides the weighted squared error, or learns beside the network.

loss = factor |y_hat - y|^2           plain
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor, nn


class Prediction(NamedTuple):
    """What a loss is made of, per image: y_hat, x and eps are [B, C, H, W], all else is [B]."""

    y_hat: "Tensor"
    x: "Tensor"
    eps: "Tensor"
    a: "Tensor"  # y = a x + b eps
    b: "Tensor"
    error: "Tensor"  # mean |y_hat - y|^2
    factor: "Tensor"
    logsnr: "Tensor"


class Auxiliary(ABC):
    """Turns a prediction into a loss."""

    papers: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[str] = ""

    @abstractmethod
    def module(self) -> "nn.Module | None":
        """A fresh module to be trained beside the network, if the term has parameters."""

    @abstractmethod
    def loss(self, prediction: Prediction, module: "nn.Module | None") -> "Tensor":
        """The loss of each image, [B]; module: one that `module()` made, or None for its state at the start."""


@dataclass(frozen=True)
class Plain(Auxiliary):
    """The weighted squared error alone."""

    formula: ClassVar = "weight |y_hat - y|^2"

    def module(self) -> None:
        return None

    def loss(self, prediction: Prediction, module: "nn.Module | None") -> "Tensor":
        return prediction.factor * prediction.error


@dataclass(frozen=True)
class Contrast(Auxiliary):
    """Contrastive flow matching: minus a share of the error to another image's target (arXiv 2506.05350).

    The other image is the batch's next one, with its own noise, at this image's noise level.
    """

    share: float = 0.05
    papers: ClassVar = ("2506.05350",)
    formula: ClassVar = "weight (|y_hat - y|^2 - share |y_hat - y of another image|^2)"

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share = {self.share:g} must lie between 0 and 1: from 1 on the loss has no minimum")

    def module(self) -> None:
        return None

    def loss(self, prediction: Prediction, module: "nn.Module | None") -> "Tensor":
        a, b = (value.to(prediction.x).view(-1, 1, 1, 1) for value in (prediction.a, prediction.b))
        other = a * prediction.x.roll(1, 0) + b * prediction.eps.roll(1, 0)
        apart = (prediction.y_hat - other).square().mean(dim=(1, 2, 3))
        return prediction.factor * (prediction.error - self.share * apart)


@dataclass(frozen=True)
class Learned(Auxiliary):
    """EDM2's learned weight: error / e^u(logsnr) + u(logsnr), where u is trained too (arXiv 2312.02696, section 2.2).

    In the end e^u is the error to be expected at a noise level, so that every level contributes alike.
    """

    papers: ClassVar = ("2312.02696",)
    formula: ClassVar = "weight |y_hat - y|^2 / e^u + u, u(logsnr) learned"

    def module(self) -> "nn.Module":
        from zoo.objectives.uncertainty import Uncertainty

        return Uncertainty()

    def loss(self, prediction: Prediction, module: "nn.Module | None") -> "Tensor":
        weighted = prediction.factor * prediction.error
        if module is None:
            return weighted
        u: Tensor = module(prediction.logsnr).to(weighted)
        return weighted * (-u).exp() + u
