"""The error on held-out images at eight noise levels, in the target's units and in those of eps.

The levels are the middles of eight equal parts of the share of noise sigma / (alpha + sigma), rectified flow's time (as
in arXiv 2403.03206, section 5.1), or the path's own end where that is nearer. The images, their noise and labels are
the same for every objective, and so are the units of eps_hat's error.
"""

import math
from statistics import fmean
from typing import Any

import torch

from eval.scores.measure import fixed_choice
from zoo.data.dataset import Dataset, standardise
from zoo.sampling.model import Model
from zoo.training import noise

LEVELS = 8


@torch.no_grad()
def validation(model: Model, weights: str, data: Dataset, n: int) -> dict[str, Any]:
    """Mean squared errors of y_hat and eps_hat over at most n test images, by level and on average."""
    model.use(weights)
    path, device = model.objective.path, model.device
    low, high = path.span()
    count = min(n, len(data.test))
    whole = model.whole(count)
    chosen = fixed_choice(len(data.test), count).repeat(-(-whole // count))[:whole]
    x, labels = standardise(data.test[chosen], model.standard).to(device), data.test_labels[chosen].to(device)
    target, eps_units, levels = [], [], []
    for level in range(LEVELS):
        share = (level + 0.5) / LEVELS
        logsnr = torch.tensor(min(max(2 * math.log(1 / share - 1), low), high), dtype=torch.float64, device=device)
        eps = torch.randn(x.shape, generator=noise.generator(0, "validation", level))
        eps = eps.to(device)
        parts = zip(x.split(model.batch), labels.split(model.batch), eps.split(model.batch), strict=True)
        found = [model.objective.predict_at(model.net, *part, logsnr.expand(len(part[0]))) for part in parts]
        target.append(float(torch.cat([each.error.double() for each in found])[:count].mean()))
        eps_units.append(float(torch.cat([model.objective.eps_error(each) for each in found])[:count].mean()))
        levels.append(float(logsnr))
    means = {"val_target": fmean(target), "val_eps": fmean(eps_units)}
    return {**means, "n": count, "logsnr": levels, "target": target, "eps": eps_units}
