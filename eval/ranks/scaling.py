"""How loss falls with the size of a network and the images it sees: a power law, with intervals of its exponents.

    L(N, D) = E + A (N / N0)^-alpha + B (D / D0)^-beta        N parameters, D images seen

(arXiv 2203.15556, equation 2), by nonlinear least squares (scipy). N0 and D0 are the geometric means, so that A and B
are losses. A and B are kept positive as exponentials, E by a bound: as an exponential near 0 its derivative vanished,
and the intervals of the exponents depended on rounding. Intervals are Student's, from the curvature at the optimum;
seeds count as runs of their own. Where the data do not fix the five numbers the errors are large or infinite, and no
law is reported.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from eval.ranks.critical import LEVEL

WIDEST = 2.0  # half an interval of an exponent, beyond which nothing is known of it


@dataclass(frozen=True)
class Law:
    """The exponents with their 95% intervals (low, high), and the loss that is left at infinite size and data.

    residual: the standard deviation of what the law leaves, as a share of the mean loss.
    """

    alpha: float
    alpha_ends: tuple[float, float]
    beta: float
    beta_ends: tuple[float, float]
    floor: float
    floor_error: float  # half the 95% interval of floor
    residual: float


def law(parameters: Sequence[float], images: Sequence[float], loss: Sequence[float]) -> Law | None:
    """The power law of some runs, one value each; None where it cannot be fitted.

    At least six runs, two sizes and two numbers of images are needed.
    """
    n, d, y = (np.asarray(each, float) for each in (parameters, images, loss))
    if len(y) < 6 or min(len(set(n)), len(set(d))) < 2 or not (np.isfinite(y).all() and (y > 0).all()):
        return None
    n, d = (each / np.exp(np.log(each).mean()) for each in (n, d))
    scale = y.mean()

    def model(at: np.ndarray, floor: float, a: float, b: float, alpha: float, beta: float) -> np.ndarray:
        with np.errstate(over="ignore"):
            found: np.ndarray = floor + np.exp(a) * at[0] ** -alpha + np.exp(b) * at[1] ** -beta
        return found

    start = (0.8, np.log(0.1), np.log(0.1), 0.5, 0.5)
    bounds = ([0, -20, -20, 0, 0], [5, 5, 5, 5, 5])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optimize.OptimizeWarning)  # an infinite covariance is looked at below
            best, covariance = optimize.curve_fit(
                model, np.stack([n, d]), y / scale, start, bounds=bounds, max_nfev=20_000
            )
    except RuntimeError:  # no optimum was reached
        return None
    freedom = len(y) - len(best)
    half = np.sqrt(np.diag(covariance)) * stats.t.ppf((1 + LEVEL) / 2, freedom)
    if not (half[3:] < WIDEST).all():
        return None
    left = y / scale - model(np.stack([n, d]), *best)
    ends = [(float(best[i] - half[i]), float(best[i] + half[i])) for i in (3, 4)]
    residual = float(np.sqrt((left**2).sum() / freedom))
    floor, floor_error = float(best[0] * scale), float(half[0] * scale)
    return Law(float(best[3]), ends[0], float(best[4]), ends[1], floor, floor_error, residual)
