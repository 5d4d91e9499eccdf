"""An objective = path x target x density x weight.

    t = quantile(u),  x_t = alpha x + sigma eps,  y = a x + b eps
    loss = factor(logsnr) mean |net(x_t / sqrt(alpha^2 + sigma^2), time, labels) - y|^2

The network's input has unit variance for standardised data, and its time is the angle (2 / pi) atan2(sigma, alpha)
in [0, 1]: at equal logsnr every objective shows its network the same input. Both are constants of the benchmark.

A scheme replaces the regression: it trains a *map* from x_t to the same image at a lower noise level, which the network
may be told as a second time, `until`. A map is a denoiser for one step: from the (x_hat, eps_hat) that it gives at t
for until r, the image at r is alpha_r x_hat + sigma_r eps_hat. So samplers need no second protocol.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.objectives.auxiliary import Aid, Auxiliary, Network, Plain, Prediction
from zoo.objectives.coupling import Coupling, Independent
from zoo.objectives.density import Atoms, Density, Uniform
from zoo.objectives.path import Path
from zoo.objectives.target import Target
from zoo.objectives.weight import Flat, Weight

if TYPE_CHECKING:
    from torch import Tensor

# Uniform numbers are kept this far from 0 and 1 (half a float32 step), where quantile functions are infinite.
EDGE = 2.0**-25
INNER = 1e-6  # how far inside a path's span, in logsnr, densities of levels at its ends are taken


@dataclass(frozen=True)
class Objective:
    """What is trained: the four axes, what goes beyond them, and the name they were parsed from."""

    path: Path
    target: Target
    density: Density = Uniform()
    weight: Weight = Flat()
    coupling: Coupling = Independent()
    auxiliary: Auxiliary = Plain()
    scheme: "Scheme | None" = None
    name: str = ""

    @property
    def papers(self) -> tuple[str, ...]:
        """arXiv ids of the parts, and of an objective whose weight is taken, in order, each once."""
        like: Objective | None = getattr(self.weight, "like", None)
        own = [paper for part in self.parts for paper in part.papers]
        return tuple(dict.fromkeys([*own, *(like.papers if like else ())]))

    @property
    def parts(self) -> tuple[Any, ...]:
        """Everything the objective is made of; of a path or density made from another one, that one first."""
        axes = (self.path, self.target, self.density, self.weight, self.coupling, self.auxiliary)
        taught = (self.scheme,) if self.scheme else ()
        return (*taught, *(part for axis in axes for part in unwrap(axis)))

    @property
    def two_times(self) -> bool:
        """Whether its network is told a second time."""
        return self.scheme is not None and self.scheme.two_times

    @property
    def time_scale(self) -> float:
        """What the network's time is multiplied by: 1, unless a scheme differentiates by it."""
        return self.scheme.time_scale if self.scheme else 1.0

    def time(self, u: "Tensor") -> "Tensor":
        """The times that uniform numbers u draw; any shape, float64."""
        return self.density.quantile(u.double().clamp(EDGE, 1 - EDGE), self.path)

    def loss(self, net: Network, x: "Tensor", labels: "Tensor", u: "Tensor", eps: "Tensor") -> "Tensor":
        """The training loss of each example, [B] float32.

        x, eps: [B, C, H, W], images and the noise paired with them; labels: [B] int64; u: [B] in [0, 1]. No randomness
        here.
        """
        return self.auxiliary.loss(self.predict(net, x, labels, u, eps), None)

    def predict(
        self, net: Network, x: "Tensor", labels: "Tensor", u: "Tensor", eps: "Tensor", aid: "Aid | None" = None
    ) -> Prediction:
        """What the loss is made of, for `auxiliary.loss`; arguments as for `loss`. aid: what a scheme needs besides."""
        if self.scheme and aid:
            return self.scheme.predict(self, net, x, labels, u, eps, aid)
        return self.predict_at(net, x, labels, eps, self.path.logsnr(self.time(u)))

    def predict_at(self, net: Network, x: "Tensor", labels: "Tensor", eps: "Tensor", logsnr: "Tensor") -> Prediction:
        """The same at levels of noise logsnr [B], float64, of the path."""
        alpha, sigma = self.path.coefficients(logsnr)
        x_t = per_image(alpha, x) * x + per_image(sigma, x) * eps
        return self.judged(self.call(net, x_t, alpha, sigma, labels), x, eps, logsnr)

    def judged(self, y_hat: "Tensor", x: "Tensor", eps: "Tensor", logsnr: "Tensor") -> Prediction:
        """The prediction that the network's output y_hat at these levels is."""
        a, b = self.target.row(*self.path.coefficients(logsnr))
        y = per_image(a, x) * x + per_image(b, x) * eps
        error = (y_hat - y).square().mean(dim=(1, 2, 3))
        return Prediction(y_hat, x, eps, a, b, error, self.factor_at(logsnr).to(x), logsnr)

    def denoise(
        self, net: Network, x_t: "Tensor", t: "Tensor", labels: "Tensor", until: "Tensor | None" = None
    ) -> "tuple[Tensor, Tensor]":
        """(x_hat, eps_hat), each [B, C, H, W]: all that a sampler ever sees.

        t, until: [B] or scalar, float64, the path's times; t is no time where the target is singular. Until when the
        step goes is told to a network of two times; without it, or without two times, it is a denoiser's step.
        """
        alpha, sigma = self.path.at(t.expand(len(x_t)))
        told = None if until is None else self.angle(until.expand(len(x_t)))
        y_hat = self.call(net, x_t, alpha, sigma, labels, told)
        return self.target.solve(x_t, y_hat, per_image(alpha, x_t), per_image(sigma, x_t))

    def factor(self, t: "Tensor") -> "Tensor":
        """The weight at time t in the target's own units, what multiplies |y_hat - y|^2; float64."""
        return self.factor_at(self.path.logsnr(t))

    def factor_at(self, logsnr: "Tensor") -> "Tensor":
        """The same at a logsnr of the path."""
        alpha, sigma = self.path.coefficients(logsnr)
        log_x0_error = 2 * (sigma.log() - self.target.determinant(alpha, sigma).abs().log())
        return self.weight.log_factor(logsnr, log_x0_error, lambda: self.log_density(logsnr)).exp()

    def eps_error(self, prediction: Prediction) -> "Tensor":
        """The squared error of eps_hat behind a prediction, [B] float64: one scale for all; NaN where there is none."""
        if prediction.plain is not None:
            return prediction.plain
        alpha, sigma = self.path.coefficients(prediction.logsnr)
        unit = alpha / self.target.determinant(alpha, sigma)
        return prediction.error.to(unit) * unit.square()

    def scalings(self, logsnr: "Tensor") -> "tuple[Tensor, Tensor, Tensor]":
        """EDM's (c_skip, c_out, c_in) that the target implies (arXiv 2206.00364, equation 7), at r = sigma / alpha.

        x_hat = c_skip z + c_out net(c_in z, ..), where z = x_t / alpha = x + r eps. logsnr: any shape, finite.
        """
        alpha, sigma = self.path.coefficients(logsnr.double())
        _, b = self.target.row(alpha, sigma)
        determinant = self.target.determinant(alpha, sigma)
        return alpha * b / determinant, -sigma / determinant, alpha / alpha.hypot(sigma)

    def effective_weight(self, logsnr: "Tensor") -> "Tensor":
        """The objective's fingerprint: density of logsnr x weight on the error of eps_hat, 1 at logsnr = 0.

        w(l) = p(l) factor(l) (D / alpha)^2. Two objectives with the same curve minimise the same thing in expectation
        (arXiv 2107.00630, 2303.00848). logsnr: any shape; 0 outside the path's span.
        """
        at = logsnr.double()
        return (self.log_effective(at) - self.log_effective(at.new_zeros(()))).exp()

    def log_effective(self, logsnr: "Tensor") -> "Tensor":
        """log of the effective weight as it is, not over its value at 0; float64, -inf outside the path's span."""
        alpha, sigma = self.path.coefficients(logsnr)
        log_eps_error = 2 * (self.target.determinant(alpha, sigma).abs().log() - alpha.log())
        log_x0_error = 2 * (sigma.log() - self.target.determinant(alpha, sigma).abs().log())
        law = self.log_density(logsnr)
        found = law + self.weight.log_factor(logsnr, log_x0_error, lambda: law) + log_eps_error
        return found.where(law > -math.inf, -math.inf)  # not inf - inf, where a weight divides by the density

    def log_density(self, logsnr: "Tensor") -> "Tensor":
        """log p(logsnr) = log |du / dlogsnr| of the levels drawn; -inf outside the path's span. Float64.

        Of discrete steps it is the continuous law, averaged over half a step to either side: at a step's own level the
        two slopes of a table that is interpolated between steps differ.
        """
        import torch

        low, high = self.path.span()
        inside = (logsnr >= low) & (logsnr <= high)
        at = logsnr.clamp(low + INNER, high - INNER)  # at the very ends a path's inverse has no slope
        if isinstance(self.density, Atoms):
            t, half = self.path.time(at), 0.5 / (self.density.steps - 1)
            first, last = (t - half).clamp(min=0), (t + half).clamp(max=1)
            rise = self.density.share(last, self.path) - self.density.share(first, self.path)
            slope = rise / (self.path.logsnr(first) - self.path.logsnr(last))
        else:
            with torch.enable_grad():
                leaf = at.detach().requires_grad_()
                (slope,) = torch.autograd.grad(self.density.share(self.path.time(leaf), self.path).sum(), leaf)
        return slope.abs().log().where(inside, -math.inf)

    def angle(self, t: "Tensor") -> "Tensor":
        """The network's time at the path's time t: (2 / pi) atan2(sigma, alpha) in its scale, float64."""
        alpha, sigma = self.path.at(t)
        return sigma.atan2(alpha) * (2 / math.pi * self.time_scale)

    def call(
        self,
        net: Network,
        x_t: "Tensor",
        alpha: "Tensor",
        sigma: "Tensor",
        labels: "Tensor",
        until: "Tensor | None" = None,
    ) -> "Tensor":
        """The network's output. until: the network's time until which the step goes (its own, if None), [B]."""
        scale = (alpha.square() + sigma.square()).rsqrt()
        time = sigma.atan2(alpha) * (2 / math.pi * self.time_scale)
        told = ((time if until is None else until).to(x_t),) if self.two_times else ()
        return net(per_image(scale, x_t) * x_t, time.to(x_t), labels, *told).to(x_t.dtype)


class Scheme(ABC):
    """Trains something else than the regression of the target on x_t; the axes say where it is trained.

    base, density: the names of the axes it takes; a name may give another density. two_times: whether the network is
    told `until`. renoises: whether it maps to the data alone, so that further steps begin at fresh noise. from_pairs:
    whether its images and noise are pairs (noise, what the teacher makes of it). auxiliary: how its errors become a
    loss. drawn, weighed: whether the levels that are drawn, and the effective weight, are those of the axes, at least
    where r = t. time_scale: what the network's time is multiplied by; below 1 its features change slowly, and so does
    the output by time. taught: what is trained, in words.
    """

    papers: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[str] = ""
    taught: ClassVar[str] = ""
    base: ClassVar[str] = "rf"
    density: ClassVar[str] = ""
    two_times: ClassVar[bool] = False
    renoises: ClassVar[bool] = False
    from_pairs: ClassVar[bool] = False
    auxiliary: ClassVar[Auxiliary] = Plain()
    drawn: ClassVar[bool] = True
    time_scale: ClassVar[float] = 1.0
    weighed: ClassVar[bool] = False

    @property
    def teacher(self) -> str | None:
        """The name of the objective whose run teaches this one, and at whose weights it begins, or None."""
        return None

    @abstractmethod
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
        """What the loss is made of; arguments as for `Objective.predict`. No randomness here."""


def unwrap(part: object) -> tuple[Any, ...]:
    """A part, behind the one that it is made from, if any."""
    base = getattr(part, "base", None)
    return (part,) if base is None else (*unwrap(base), part)


def per_image(value: "Tensor", like: "Tensor") -> "Tensor":
    """A [B] float64 coefficient as [B, 1, 1, 1] in the images' dtype, on their device."""
    return value.to(like).view(-1, 1, 1, 1)
