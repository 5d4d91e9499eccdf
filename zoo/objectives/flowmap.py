"""Maps between any two times of the straight path: the network is told t and r, and gives the mean slope between them.

    x_r = x_t - (t - r) u(x_t, t, r),    u(x_t, t, t) = v(x_t, t), the flow itself

    meanflow    u = v - (t - r) du/dt along (v, 1, 0): the derivative of (t - r) u = integral of v (arXiv 2505.13447)
    imeanflow   the same, with the network's own v in the derivative (arXiv 2512.02012)
    shortcut    u over a span = the mean of u over its two halves (arXiv 2410.12557)

In a share of each batch r < t; in the rest r = t, where the loss is rectified flow's. The derivative is taken
for that share alone.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.objectives.auxiliary import Aid, Network, Prediction
from zoo.objectives.core import Objective, Scheme, per_image

if TYPE_CHECKING:
    from torch import Tensor

STEADY = 1e-3  # added to a mean squared error that a loss is divided by (arXiv 2505.13447, section 4.3)


class MeanVelocity(Scheme):
    """u regressed on v - (t - r) du/dt, each loss divided by its own size.

    t and r are the larger and the smaller of two draws of the density for every `every`-th image.
    """

    every: int
    power: float
    density: ClassVar = "lognorm(-0.4,1)"
    two_times: ClassVar = True

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

        one, other = chosen.time(u), chosen.time(aid.more)
        part = slice(None, None, self.every)
        apart = torch.arange(len(x), device=x.device) % self.every == 0
        t, r = torch.where(apart, one.maximum(other), one), torch.where(apart, one.minimum(other), one)
        alpha, sigma = chosen.path.at(t)
        x_t, v = per_image(alpha, x) * x + per_image(sigma, x) * eps, eps - x
        until, length = chosen.angle(r), per_image(t - r, x)
        y_hat = chosen.call(net, x_t, alpha, sigma, labels, until)
        with torch.no_grad():
            given = x_t[part], t[part], labels[part]
            tangent = self.tangent(chosen, net, *given, v[part])
            rate = along(chosen, aid.eager, *given, until[part], tangent)
            y = v.clone()
            y[part] -= length[part] * rate
        error = (y_hat - y).square().mean(dim=(1, 2, 3))
        factor = (error.detach() + STEADY).pow(-self.power)
        plain = (alpha.square() * error.detach().double()).masked_fill(t > r, torch.nan)
        return Prediction(y_hat, x, eps, alpha * 0 - 1, alpha * 0 + 1, error, factor, chosen.path.logsnr(t), plain)

    @abstractmethod
    def tangent(
        self, chosen: Objective, net: Network, x_t: "Tensor", t: "Tensor", labels: "Tensor", v: "Tensor"
    ) -> "Tensor":
        """dx_t/dt, along which u is differentiated; v = eps - x is its value for this image's own noise."""


def along(
    chosen: Objective,
    net: Network,
    x_t: "Tensor",
    t: "Tensor",
    labels: "Tensor",
    until: "Tensor | None",
    tangent: "Tensor",
    pace: "Tensor | None" = None,
) -> "Tensor":
    """dy_hat along dx_t = tangent, dt = pace (1), dr = 0, [B, C, H, W].

    x_t, tangent: [B, C, H, W]; t, pace: [B] float64; until: the network's time, [B]. By differentiating a gradient in
    its own direction, which is linear there: on a CPU that takes half as long as torch's forward mode, for the same
    number.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # a GPU's fused attention has no second derivative
        x_t, t = x_t.detach().requires_grad_(), t.detach().requires_grad_()
        y_hat = chosen.call(net, x_t, *chosen.path.at(t), labels, until)
        direction = torch.zeros_like(y_hat, requires_grad=True)
        gradients = torch.autograd.grad(y_hat, (x_t, t), direction, create_graph=True)
        paces = tangent, torch.ones_like(t) if pace is None else pace
        (rate,) = torch.autograd.grad(gradients, direction, paces)
    return rate


@dataclass(frozen=True)
class MeanFlow(MeanVelocity):
    """MeanFlow (arXiv 2505.13447): dx_t/dt is eps - x, each image's own; a quarter of the batch has r < t."""

    every: int = 4
    power: float = 1.0
    papers: ClassVar = ("2505.13447",)
    formula: ClassVar = "u(x_t, t, r) = v - (t - r) du/dt along (v, 1, 0), v = eps - x; error / (error + .001)^power"
    taught: ClassVar = "the mean velocity between two times, from its own derivative along each image's velocity"

    def __post_init__(self) -> None:
        share(self.every)

    def tangent(
        self, chosen: Objective, net: Network, x_t: "Tensor", t: "Tensor", labels: "Tensor", v: "Tensor"
    ) -> "Tensor":
        return v


@dataclass(frozen=True)
class ImprovedMeanFlow(MeanVelocity):
    """Improved MeanFlow (arXiv 2512.02012): dx_t/dt is u(x_t, t, t), the network's own velocity.

    u + (t - r) du/dt is regressed on eps - x, which depends on no network. The share with r < t is a quarter, as for
    MeanFlow; the paper has a half, a second output for v, and guidance inside the target, which this benchmark applies
    in sampling.
    """

    every: int = 4
    power: float = 1.0
    papers: ClassVar = ("2512.02012",)
    formula: ClassVar = (
        "u + (t - r) du/dt = eps - x, du/dt along (u(x_t, t, t), 1, 0), constant; error / (error + .001)^power"
    )
    taught: ClassVar = "the mean velocity between two times, from its derivative along the network's own velocity"

    def __post_init__(self) -> None:
        share(self.every)

    def tangent(
        self, chosen: Objective, net: Network, x_t: "Tensor", t: "Tensor", labels: "Tensor", v: "Tensor"
    ) -> "Tensor":
        return chosen.call(net, x_t, *chosen.path.at(t), labels)


def share(every: int) -> None:
    """Raise ValueError unless one of `every` images is a share."""
    if every < 1:
        raise ValueError(f"every = {every}: one of so many images has r < t, so it is at least 1")


@dataclass(frozen=True)
class Shortcut(Scheme):
    """Shortcut models (arXiv 2410.12557): one step over a span equals two over its halves, in the averaged network.

    steps: of the finest grid, a power of 2; spans are 1, 1/2, .., 2/steps, and t a multiple of its span. A span of
    1/steps counts as none, so that its step is the flow's. One of `every` images, an eighth as in the authors' code.
    """

    steps: int
    every: int = 8
    weighed: ClassVar = True
    two_times: ClassVar = True
    papers: ClassVar = ("2410.12557",)
    formula: ClassVar = "u(x_t, t, t - 2d) = (u(x_t, t, t - d) + u(x_t-d, t - d, t - 2d)) / 2, u(x_t, t, t) = eps - x"
    taught: ClassVar = "steps of doubling length, each from two of half its length"

    def __post_init__(self) -> None:
        share(self.every)
        if self.steps < 2 or self.steps & (self.steps - 1):
            raise ValueError(f"steps = {self.steps} must be a power of 2, and at least 2")

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

        part = slice(None, None, self.every)
        levels = self.steps.bit_length() - 1
        span = torch.exp2(-(aid.more[part] * levels).floor().clamp(max=levels - 1))
        t, r = (chosen.time(u).clone() for _ in range(2))
        t[part] = ((u[part].double() / span).floor() + 1).clamp(max=1 / span) * span
        r[part] = t[part] - span
        alpha, sigma = chosen.path.at(t)
        x_t, y = per_image(alpha, x) * x + per_image(sigma, x) * eps, eps - x
        y_hat = chosen.call(net, x_t, alpha, sigma, labels, chosen.angle(r))
        with torch.no_grad():
            y[part] = self.halves(chosen, aid.average, x_t[part], t[part], span / 2, labels[part])
        error = (y_hat - y).square().mean(dim=(1, 2, 3))
        plain = (alpha.square() * error.detach().double()).masked_fill(t > r, torch.nan)
        one = torch.ones_like(error)
        return Prediction(y_hat, x, eps, alpha * 0 - 1, alpha * 0 + 1, error, one, chosen.path.logsnr(t), plain)

    def halves(
        self, chosen: Objective, net: Network, x_t: "Tensor", t: "Tensor", half: "Tensor", labels: "Tensor"
    ) -> "Tensor":
        """The mean of u over two steps of length `half` [B] from t [B]: what one over both should give."""
        found, at = [], x_t
        for time in (t, t - half):
            until = time - half.where(half * self.steps > 1.5, 0.0)  # the shortest step is the flow's
            found.append(chosen.call(net, at, *chosen.path.at(time), labels, chosen.angle(until)))
            at = at - per_image(half, at) * found[-1]
        return (found[0] + found[1]) / 2
