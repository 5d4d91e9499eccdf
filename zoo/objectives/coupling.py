"""Couplings: which noise each image is trained with. Without one they are independent.

A coupling changes the batch's noise before the loss sees it; everything else about an objective stays as it is. Its
effective weight is that of the independent objective: the curve is exact for independent pairs only.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

Fresh = Callable[[tuple[int, ...]], "Tensor"]  # shape -> N(0, 1) numbers of this step's own stream


class Coupling(ABC):
    """A law of (image, noise) pairs."""

    papers: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[str] = ""

    @abstractmethod
    def pair(self, x: "Tensor", labels: "Tensor", eps: "Tensor", fresh: Fresh) -> "Tensor":
        """The noise [B, C, H, W] that the images x are trained with.

        labels: [B] int64, the images' true classes; eps: [B, C, H, W] independent N(0, 1) noise.
        """


@dataclass(frozen=True)
class Independent(Coupling):
    """The noise as it was drawn."""

    formula: ClassVar = "eps ~ N(0, I), independent of x"

    def pair(self, x: "Tensor", labels: "Tensor", eps: "Tensor", fresh: Fresh) -> "Tensor":
        return eps


@dataclass(frozen=True)
class Offset(Coupling):
    """Offset noise: eps + c N(0, 1), one number for each image and channel, so that brightness is noised too.

    N. Guttenberg, "Diffusion with offset noise", 2023 (a note without an arXiv id), c = 0.1. The samplers start from
    plain noise all the same.
    """

    c: float = 0.1
    formula: ClassVar = "eps + c N(0, 1), the same over height and width"

    def __post_init__(self) -> None:
        if not self.c > 0:
            raise ValueError(f"c = {self.c:g} must be above 0")

    def pair(self, x: "Tensor", labels: "Tensor", eps: "Tensor", fresh: Fresh) -> "Tensor":
        return eps + self.c * fresh((*eps.shape[:2], 1, 1))


class Assignment(Coupling):
    """The batch's noises paired again, one to an image, so that the sum of a cost is least (exactly)."""

    power: ClassVar[int]  # of the L2 distance in the cost
    within: ClassVar[bool]  # whether noises are exchanged between images of one class only

    def pair(self, x: "Tensor", labels: "Tensor", eps: "Tensor", fresh: Fresh) -> "Tensor":
        import torch

        groups = [labels == label for label in labels.unique()] if self.within else [torch.ones_like(labels) == 1]
        paired = eps.clone()
        for group in groups:
            paired[group] = eps[group][assignment(x[group], eps[group], self.power)]
        return paired


def assignment(x: "Tensor", eps: "Tensor", power: int) -> "Tensor":
    """The permutation p [B] that minimises sum_i |x_i - eps_p(i)|^power (scipy's `linear_sum_assignment`)."""
    import torch
    from scipy.optimize import linear_sum_assignment

    # differences, not the matrix product's expansion: that rounds, and by how much depends on the machine
    distance = torch.cdist(x.flatten(1), eps.flatten(1), compute_mode="donot_use_mm_for_euclid_dist")
    _, chosen = linear_sum_assignment(distance.cpu().double().pow(power).numpy())
    return torch.from_numpy(chosen).to(x.device)


@dataclass(frozen=True)
class OT(Assignment):
    """Minibatch optimal transport: squared L2 over the whole batch (OT-CFM, arXiv 2302.00482)."""

    power: ClassVar = 2
    within: ClassVar = False
    papers: ClassVar = ("2302.00482",)
    formula: ClassVar = "eps dealt out by least sum of |x - eps|^2 in the batch"


@dataclass(frozen=True)
class ClassOT(Assignment):
    """Minibatch optimal transport within each class, which leaves p(eps | class) as it was (arXiv 2302.00482)."""

    power: ClassVar = 2
    within: ClassVar = True
    papers: ClassVar = ("2302.00482",)
    formula: ClassVar = "eps dealt out by least sum of |x - eps|^2 among a class in the batch"


@dataclass(frozen=True)
class Immiscible(Assignment):
    """Immiscible diffusion: plain L2 over the whole batch (arXiv 2406.12303)."""

    power: ClassVar = 1
    within: ClassVar = False
    papers: ClassVar = ("2406.12303",)
    formula: ClassVar = "eps dealt out by least sum of |x - eps| in the batch"


@dataclass(frozen=True)
class ClassImmiscible(Assignment):
    """Immiscible diffusion within each class (arXiv 2406.12303)."""

    power: ClassVar = 1
    within: ClassVar = True
    papers: ClassVar = ("2406.12303",)
    formula: ClassVar = "eps dealt out by least sum of |x - eps| among a class in the batch"


@dataclass(frozen=True)
class Nearest(Coupling):
    """Each image takes the nearest of k noises of its own: immiscible diffusion without a batch (arXiv 2505.18521)."""

    k: int = 4
    papers: ClassVar = ("2505.18521",)
    formula: ClassVar = "the nearest to x of k independent draws of eps"

    def __post_init__(self) -> None:
        if self.k < 2:
            raise ValueError(f"k = {self.k} must be at least 2: one draw leaves nothing to choose")

    def pair(self, x: "Tensor", labels: "Tensor", eps: "Tensor", fresh: Fresh) -> "Tensor":
        import torch

        draws = torch.cat([eps[None], fresh((self.k - 1, *eps.shape))])
        nearest = (draws - x).flatten(2).square().sum(2).argmin(0)
        return draws[nearest, torch.arange(len(x), device=x.device)]
