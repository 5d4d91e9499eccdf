"""The error on held-out images: of y_hat and eps_hat at eight noise levels, and of x_hat at nine with the noisiest.

The eight levels are the middles of eight equal parts of the share of noise sigma / (alpha + sigma), rectified flow's
time (as in arXiv 2403.03206, section 5.1). They stop at logsnr -5.4 and 5.4, and the clean ones dominate the mean of
eps_hat's error. Sampling begins at logsnr -10, where an error of eps counts 148 times in x_hat. So the error of x_hat,
clipped as in sampling, is measured too, at logsnr -10, -8, .. 6, as a share of that of predicting the class's mean
image: 1 is a network that knows the class and no more. A level beyond a path's end is its end. The images, their noise
and labels are the same for every objective, and so are the units of the errors of eps_hat and x_hat.
"""

import math
from collections.abc import Callable
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from eval.scores.measure import fixed_choice
from zoo.base import ranks
from zoo.base.environment import exact_device
from zoo.config.control import Sampling
from zoo.data.dataset import Dataset
from zoo.objectives.core import per_image
from zoo.sampling.model import Model
from zoo.training import noise

LEVELS = 8
X0_LEVELS = tuple(range(-10, 7, 2))
X0_HIGH = 4  # of them are noisy: logsnr -10 to -4


@torch.no_grad()
def validation(model: Model, weights: str, data: Dataset, n: int) -> dict[str, Any]:
    """Mean squared errors of y_hat, eps_hat and x_hat over at most n test images, by level and on average."""
    model.use(weights)
    x, labels, count = _held_out(model, data, n)
    return {"n": count, **_by_eps(model, x, labels, count), **_by_x(model, x, labels, data, count)}


@torch.no_grad()
def stratified_loss(model: Model, weights: str, data: Dataset, n: int) -> float:
    """`val_target` alone: the mean squared error of y_hat over the eight levels, 8 network evaluations an image."""
    model.use(weights)
    return float(_by_eps(model, *_held_out(model, data, n))["val_target"])


def _held_out(model: Model, data: Dataset, n: int) -> tuple[Tensor, Tensor, int]:
    """(images on the device, labels, how many of them count): at most n test images, repeated to fill batches."""
    count = min(n, len(data.test))
    whole = model.whole(count)
    chosen = fixed_choice(len(data.test), count).repeat(-(-whole // count))[:whole]
    return model.space.x(data.test[chosen]).to(model.device), data.test_labels[chosen], count


def _by_eps(model: Model, x: Tensor, labels: Tensor, count: int) -> dict[str, Any]:
    target: list[float] = []
    eps_units: list[float] = []
    levels: list[float] = []
    for level in range(LEVELS):
        share = (level + 0.5) / LEVELS
        logsnr = _on_path(model, 2 * math.log(1 / share - 1))

        def predict(x: Tensor, labels: Tensor, eps: Tensor, logsnr: Tensor = logsnr) -> Tensor:
            found = model.objective.predict_at(model.net, x, labels, eps, logsnr.expand(len(x)))
            return torch.stack([found.error.to(logsnr), model.objective.eps_error(found)])

        errors = _over(model, x, labels, ("validation", level), predict)[:, :count].mean(1)
        for kept, value in zip((target, eps_units, levels), (*errors, logsnr), strict=True):
            kept.append(float(value))
    means = {"val_target": fmean(target), "val_eps": fmean(eps_units)}
    return {**means, "logsnr": levels, "target": target, "eps": eps_units}


def _by_x(model: Model, x: Tensor, labels: Tensor, data: Dataset, count: int) -> dict[str, Any]:
    path, denoiser = model.objective.path, model.denoiser(Sampling())
    means = model.space.class_means(data).to(model.device)[labels.to(model.device)]
    known = float((x - means).to(exact_device(model.device)).double().square()[:count].mean())
    shares, levels = [], []
    for level, wanted in enumerate(X0_LEVELS):
        logsnr = _on_path(model, wanted)

        def miss(x: Tensor, labels: Tensor, eps: Tensor, logsnr: Tensor = logsnr) -> Tensor:
            alpha, sigma = path.coefficients(logsnr.expand(1))
            x_hat, _ = denoiser(per_image(alpha, x) * x + per_image(sigma, x) * eps, path.time(logsnr), labels)
            return (x_hat - x).to(logsnr).square().mean(dim=(1, 2, 3))[None]

        errors = _over(model, x, labels, ("validation-x", level), miss)[0, :count]
        shares.append(float(errors.mean()) / known)
        levels.append(float(logsnr))
    return {"x0_logsnr": levels, "x0_share": shares, "x0_high": fmean(shares[:X0_HIGH])}


def _on_path(model: Model, logsnr: float) -> Tensor:
    low, high = model.objective.path.span()
    return torch.tensor(min(max(logsnr, low), high), dtype=torch.float64, device=exact_device(model.device))


def _over(model: Model, x: Tensor, labels: Tensor, stream: tuple[str, int], errors: Callable[..., Tensor]) -> Tensor:
    """`errors` of (x, labels, eps) in batches, each [kinds, B], side by side; eps is the stream's, for every run."""
    eps = torch.randn(x.shape, generator=noise.generator(0, *stream)).to(model.device)
    parts = [*zip(*(each.split(model.batch) for each in (x, labels.to(model.device), eps)), strict=True)]
    return torch.cat(ranks.spread(len(parts), lambda i: errors(*parts[i]), model.together), dim=1)
