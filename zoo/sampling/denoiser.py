"""Denoisers: functions (x_t [B, C, H, W], t scalar, labels [B]) -> (x_hat, eps_hat), and what wraps one.

Every objective's network becomes a denoiser; guidance and clipping are wrappers that change x_hat and keep
x_t = alpha x_hat + sigma eps_hat, the same for every objective.
"""

from typing import TYPE_CHECKING

from zoo.config.control import Sampling
from zoo.objectives.auxiliary import Network
from zoo.objectives.core import Objective
from zoo.objectives.path import Path
from zoo.solvers.sampler import SAMPLERS, Denoiser, Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.spaces.space import Bound


def denoiser_of(objective: Objective, net: Network) -> Denoiser:
    """A network seen through its objective's head."""
    return lambda x_t, t, labels, until=None: objective.denoise(net, x_t, t, labels, until)


def sampler_of(objective: Objective, name: str) -> Sampler:
    """The sampler of this name. `map` is the objective's own: a step of its map, x_hat and fresh noise where it maps to
    the data alone, and Euler's step, which is a denoiser's, where it has none."""
    if name != "map" or objective.two_times:
        return SAMPLERS[name]
    return SAMPLERS["renoise" if objective.scheme and objective.scheme.renoises else "euler"]


def from_x_hat(path: Path, x_t: "Tensor", t: "Tensor", x_hat: "Tensor") -> "tuple[Tensor, Tensor]":
    """(x_hat, eps_hat), the noise being what x_t leaves beside x_hat."""
    alpha, sigma = (c.to(x_t.dtype) for c in path.at(t))
    return x_hat, (x_t - alpha * x_hat) / sigma


def guided(
    denoiser: Denoiser,
    path: Path,
    scale: float,
    none_label: int,
    interval: tuple[float, float] = (0.0, 1.0),
    rescale: float = 0.0,
) -> Denoiser:
    """Classifier-free guidance (arXiv 2207.12598): x_hat = none + scale (class - none); two calls unless scale is 1.

    interval: shares of noise sigma / (alpha + sigma) within which it is applied, once the class alone outside
    (arXiv 2404.07724). rescale: how far the standard deviation of each image's x_hat is brought back to that of the
    class's (arXiv 2305.08891, equations 14 to 16).
    """
    if scale == 1:
        return denoiser
    low, high = interval
    everywhere = interval == (0.0, 1.0)  # then a GPU need not be asked at every step

    def wrapped(x_t: "Tensor", t: "Tensor", labels: "Tensor", *until: "Tensor") -> "tuple[Tensor, Tensor]":
        if not everywhere:
            alpha, sigma = path.at(t)
            if not low <= float(sigma / (alpha + sigma)) <= high:
                return denoiser(x_t, t, labels, *until)
        with_class, _ = denoiser(x_t, t, labels, *until)
        without, _ = denoiser(x_t, t, labels.new_full(labels.shape, none_label), *until)
        x_hat = without + scale * (with_class - without)
        if rescale:
            spread = [each.std(dim=(1, 2, 3), keepdim=True) for each in (with_class, x_hat)]
            x_hat = x_hat * (1 - rescale + rescale * spread[0] / spread[1].clamp(min=1e-12))
        return from_x_hat(path, x_t, t, x_hat)

    return wrapped


def clipped(denoiser: Denoiser, path: Path, low: "Bound", high: "Bound") -> Denoiser:
    """x_hat clamped to the data's range, eps_hat to match: one policy for every objective.

    But for a map's step to a level in between: the x_hat behind it is no image, only where its line would end.
    """

    def wrapped(x_t: "Tensor", t: "Tensor", labels: "Tensor", *until: "Tensor") -> "tuple[Tensor, Tensor]":
        x_hat, eps_hat = denoiser(x_t, t, labels, *until)
        if until and float(until[0]) > 0:
            return x_hat, eps_hat
        return from_x_hat(path, x_t, t, x_hat.clamp(low, high))  # type: ignore[arg-type]  # two of one kind

    return wrapped


def wrap(denoiser: Denoiser, path: Path, sampling: Sampling, none_label: int, low: "Bound", high: "Bound") -> Denoiser:
    """A denoiser as a control setting asks for it: guided, then clipped to [low, high]."""
    denoiser = guided(denoiser, path, sampling.guidance, none_label, sampling.interval, sampling.rescale)
    return clipped(denoiser, path, low, high) if sampling.clip else denoiser
