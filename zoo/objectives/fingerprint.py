"""What one objective is in numbers: the noise levels that it draws, and its effective weight."""

import math

from zoo.base.errors import ZooError
from zoo.objectives.core import Objective

SPAN = 12.0  # of logsnr, to either side, in the curves
POINTS = 97


def quantiles(chosen: Objective, shares: tuple[float, ...]) -> list[float]:
    """The levels of logsnr below which these shares of the training draws lie."""
    import torch

    u = torch.tensor(shares, dtype=torch.float64)
    levels = chosen.path.logsnr(chosen.time(torch.stack([u, 1 - u])))
    return levels[int(levels[0, -1] < levels[0, 0])].tolist()  # times may rise or fall with u


def fingerprint(chosen: Objective) -> dict[str, list[float | None]]:
    """{logsnr, density, weight}: the law of logsnr in training and the effective weight, to six digits.

    A number that is not finite is None, and so are those that a scheme has not.
    """
    import torch

    logsnr = torch.linspace(-SPAN, SPAN, POINTS, dtype=torch.float64)
    scheme, none = chosen.scheme, torch.full_like(logsnr, math.nan)
    density = none if scheme and not scheme.drawn else chosen.log_density(logsnr).exp()
    weight = none if scheme and not scheme.weighed else chosen.effective_weight(logsnr)
    curves = {"density": density, "weight": weight}
    found = {name: [_six(value) for value in curve.tolist()] for name, curve in curves.items()}
    return {"logsnr": logsnr.tolist(), **found}


def require_numbers(chosen: Objective) -> None:
    """Raise ZooError where the effective weight is no number at a level that can be drawn, as a user's class may be."""
    import torch

    if chosen.scheme and not chosen.scheme.weighed:
        return
    logsnr = torch.linspace(-SPAN, SPAN, POINTS, dtype=torch.float64)
    bad = logsnr[chosen.effective_weight(logsnr).isnan()]
    if len(bad):
        raise ZooError(
            f"the weight of {chosen.name} is no number at logsnr {float(bad[0]):g}: {type(chosen.weight).__name__} "
            "should give the logarithm of a factor, which is finite, or -inf for a factor of 0"
        )


def _six(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
