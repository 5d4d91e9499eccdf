"""Consistency models: the network's x_hat at any noise level is where the flow through x_t ends, the image itself.

    f(x_t, t) = alpha x_t - sigma F(x_t, t) on the circle, so that f(x, 0) = x        F is what v is for a denoiser

    ect    f(x_t, t) drawn to f(x_r, r), r < t on the same noise, ever nearer to t (arXiv 2406.14548)
    scm    the limit r -> t: the derivative of f along the flow drawn to 0 (arXiv 2410.11081)

Both are trained from scratch here, on the circle in units of the data's deviation; the papers' sigma_data is 0.5. The
network is told one time. A step to a level in between begins at fresh noise (arXiv 2303.01469, algorithm 1).
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.objectives.auxiliary import Aid, Auxiliary, Learned, Network, Prediction
from zoo.objectives.core import Objective, Scheme, per_image
from zoo.objectives.flowmap import along

if TYPE_CHECKING:
    from torch import Tensor

SIGMA_DATA = 0.5  # of the papers' images: their noise levels are in these units


@dataclass(frozen=True)
class ECT(Scheme):
    """Easy consistency tuning (arXiv 2406.14548), from scratch, in `stages` stages of equal length.

    In stage i, from 0, r = t (1 - (1 + 8 sigmoid(-t)) / q^(i + 1)), t the paper's noise level sigma; where that is
    below 0, r = 0 and f(x_r, r) = x. The loss is a pseudo-Huber distance over t - r, in units of the data's deviation.
    The authors' code weighs by 1 / t^2 + 1 instead, which from scratch leaves all but the lowest levels untrained; the
    paper begins at a trained diffusion model, and goes on to finer stages in longer runs.
    """

    q: float = 2.0
    stages: int = 4
    base: ClassVar = "v/trig"
    density: ClassVar = "edm(-0.406853,2)"  # the paper's N(-1.1, 2^2), in units of the data's deviation
    renoises: ClassVar = True
    papers: ClassVar = ("2406.14548",)
    formula: ClassVar = "|f(x_t, t) - f(x_r, r)| / (t - r), f = x_hat, r = t (1 - (1 + 8 sigmoid(-t)) / q^(stage + 1))"
    taught: ClassVar = "x_hat drawn to x_hat at a lower level of the same noise"

    def __post_init__(self) -> None:
        if not self.q > 1 or self.stages < 1:
            raise ValueError(f"q = {self.q:g} must be above 1, and stages = {self.stages} at least 1")

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

        logsnr = chosen.path.logsnr(chosen.time(u))
        lower = self.lower(logsnr, aid.progress)
        found = chosen.predict_at(net, x, labels, eps, logsnr)
        with torch.no_grad():
            near = self._image(chosen, net, x, labels, eps, lower.clamp(max=-2 * math.log(1e-4)))
            goal = torch.where((lower == math.inf).view(-1, 1, 1, 1), x, near)
        alpha, sigma = (per_image(c, x) for c in chosen.path.coefficients(logsnr))
        x_hat, _ = chosen.target.solve(alpha * x + sigma * eps, found.y_hat, alpha, sigma)
        corner = 0.00054 / SIGMA_DATA * math.sqrt(x[0].numel())  # the paper's c, in units of the data's deviation
        distance = ((x_hat - goal).square().sum(dim=(1, 2, 3)) + corner**2).sqrt() - corner
        apart = (-logsnr / 2).exp() - (-lower / 2).exp()
        factor = (1 / apart).to(x.dtype) / math.sqrt(x[0].numel())
        return found._replace(error=distance, factor=factor, plain=chosen.eps_error(found).detach())

    def lower(self, logsnr: "Tensor", progress: "float | Tensor") -> "Tensor":
        """The level r of a level t, as logsnr; infinite where r = 0."""
        import torch

        stage = (torch.as_tensor(progress, device=logsnr.device) * self.stages).floor().clamp(max=self.stages - 1)
        level = SIGMA_DATA * (-logsnr / 2).exp()
        kept = 1 - (1 + 8 * (-level).sigmoid()) / self.q ** (stage + 1)
        return logsnr - 2 * kept.clamp(min=0).log()

    def _image(
        self, chosen: Objective, net: Network, x: "Tensor", labels: "Tensor", eps: "Tensor", logsnr: "Tensor"
    ) -> "Tensor":
        alpha, sigma = chosen.path.coefficients(logsnr)
        x_r = per_image(alpha, x) * x + per_image(sigma, x) * eps
        y_hat = chosen.call(net, x_r, alpha, sigma, labels)
        return chosen.target.solve(x_r, y_hat, per_image(alpha, x), per_image(sigma, x))[0]


@dataclass(frozen=True)
class SCM(Scheme):
    """Continuous-time consistency training, sCT (arXiv 2410.11081, algorithm 1), with its learned weight.

    g = -cos^2(t) (F - dx_t/dt) - r cos(t) sin(t) (x_t + dF/dt), over its root mean square + `steady`, is what f's
    derivative asks of F. dx_t/dt is that of the image's own noise, so the size of g varies where pixels are few, and
    then the mean of g over its size is not 0 where that of g is: a large `steady` all but leaves the division out. The
    paper begins at a trained diffusion model: so does this, after the share `diffusion` of the run, in which F is drawn
    to dx_t/dt. From then on r rises from 0 to 1 until the end.

    dF/dt passes through the features of time, and where these are fast it grows without bound: the network is told
    the paper's time, the angle itself, of which the fastest feature is one cosine. dF/dt is that of the averaged
    network, as of the targets in arXiv 2303.01469; by the network itself, training on few images diverges.
    """

    diffusion: float = 0.75
    steady: float = 0.1
    base: ClassVar = "v/trig"
    density: ClassVar = "edm(-0.306853,1.4)"  # the paper's N(-1, 1.4^2), in units of the data's deviation
    renoises: ClassVar = True
    time_scale: ClassVar = math.pi / 2 / 1000  # times the 1,000 of time embeddings the angle, in radians
    auxiliary: ClassVar[Auxiliary] = Learned()
    papers: ClassVar = ("2410.11081",)
    formula: ClassVar = (
        "first F drawn to dx_t; then to F + g / (|g| + steady), g = -alpha^2 (F - dx_t) - r alpha sigma (x_t + dF), "
        "both along the flow"
    )
    taught: ClassVar = "the derivative of x_hat along the flow drawn to 0"

    def __post_init__(self) -> None:
        if not 0 <= self.diffusion < 1:
            raise ValueError(f"diffusion = {self.diffusion:g} is a share of the run: from 0, and below 1")

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
        one = torch.ones_like(found.error)
        if isinstance(aid.progress, float) and aid.progress < self.diffusion:  # a recorded step has both parts
            return found._replace(factor=one)
        alpha, sigma = chosen.path.coefficients(found.logsnr)
        cos, sin, mixed = (per_image(c, x) for c in (alpha, sigma, alpha * sigma))
        x_t, slope = cos * x + sin * eps, cos * eps - sin * x
        with torch.no_grad():
            # the path's time is 2 / pi of the angle along which the derivative is meant
            along_flow = mixed * slope, alpha * sigma * (2 / math.pi)
            net_of_rate = aid.eager_average or aid.eager
            rate = along(chosen, net_of_rate, x_t, chosen.path.time(found.logsnr), labels, None, *along_flow)
            done = torch.as_tensor(aid.progress, device=x.device).to(x.dtype)
            rise = ((done - self.diffusion) / (1 - self.diffusion)).clamp(0, 1)
            g = -cos.square() * (found.y_hat - slope) - rise * (mixed * x_t + rate)
            size = g.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
            goal = torch.where(done < self.diffusion, slope, found.y_hat + g / (size + self.steady))
        error = (found.y_hat - goal).square().mean(dim=(1, 2, 3))
        return found._replace(error=error, factor=one, plain=chosen.eps_error(found).detach())
