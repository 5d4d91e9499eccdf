"""Auxiliary terms: what a loss has besides the weighted squared error, or learns beside the network.

loss = factor |y_hat - y|^2           plain
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor, nn


# (x [B, C, H, W], time [B], labels [B]) -> [B, C, H, W]; of two times: (x, time, labels, until [B])
Network = Callable[..., "Tensor"]


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
    plain: "Tensor | None" = None  # squared error of eps_hat, float64, where `error` is in no units of the target


@dataclass(frozen=True)
class Aid:
    """What a scheme may ask for besides the batch.

    more: [B] float64 in [0, 1], a second uniform number for each image; progress: the share of the training that is
    done. average: the network with the moving average of its weights; teacher: with those of the teacher's run, if the
    scheme has one; eager: the network in float32, not compiled, to be differentiated; eager_average: the averaged one
    likewise. none: the label "no class".
    """

    more: "Tensor"
    progress: "float | Tensor"
    average: Network
    eager: Network
    none: int
    teacher: Network | None = None
    eager_average: Network | None = None


class Auxiliary(ABC):
    """Turns a prediction into a loss."""

    papers: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[str] = ""
    across: ClassVar[bool] = False  # whether an image's loss depends on others of its batch

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
    across: ClassVar = True
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
class PseudoHuber(Auxiliary):
    """(|y_hat - y|^2 + c^2)^.5 - c over the whole image instead of the square: outliers count less.

    Improved rectified flows, arXiv 2405.20320, section 3.3: c = 0.00054 for each root of a number in the image.
    """

    c: float = 0.00054
    papers: ClassVar = ("2405.20320",)
    formula: ClassVar = "weight ((|y_hat - y|^2 + c^2 n)^.5 - c n^.5) / n^.5, n numbers in an image, |.|^2 their sum"

    def __post_init__(self) -> None:
        if not self.c > 0:
            raise ValueError(f"c = {self.c:g} must be above 0")

    def module(self) -> None:
        return None

    def loss(self, prediction: Prediction, module: "nn.Module | None") -> "Tensor":
        return prediction.factor * ((prediction.error + self.c**2).sqrt() - self.c)


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
