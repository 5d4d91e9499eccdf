"""The learning rate over a run, as a share of the recipe's: warm-up, then one of SCHEDULES.

    linear      (S - k) / (S - W)                                   to 0 behind the last step
    cosine      (1 + cos(pi (k - W) / (S - W))) / 2                 SGDR without restarts (arXiv 1608.03983)
    constant    1
    onecycle    half cosines from 1/25 up to 1 at step W - 1, then down to 1/250,000 at the last
                (arXiv 1708.07120, as torch's OneCycleLR; the moments' decays stay as they are)

k is the step from 0, S their number, W the length of the warm-up, in which the first three rise as (k + 1) / W. A run
that is not longer than its warm-up ends within it.
"""

import math
from collections.abc import Callable

from zoo.config.cell import TrainConfig

FIRST, LAST = 25.0, 1e4  # onecycle: the highest rate over the first one, and the first one over the last

Schedule = Callable[[int, int, int], float]  # (k, W, S) -> share of the rate


def linear(k: int, warmup: int, steps: int) -> float:
    """Down to 0 in a straight line."""
    return min((k + 1) / warmup, (steps - k) / max(1, steps - warmup))


def cosine(k: int, warmup: int, steps: int) -> float:
    """Down to 0 in half a cosine."""
    return min((k + 1) / warmup, _half_cosine(1.0, 0.0, max(0, k - warmup) / max(1, steps - warmup)))


def constant(k: int, warmup: int, steps: int) -> float:
    """No decay."""
    return min((k + 1) / warmup, 1.0)


def onecycle(k: int, warmup: int, steps: int) -> float:
    """Up and down in two half cosines."""
    top = warmup - 1
    if k <= top:
        return _half_cosine(1 / FIRST, 1.0, k / top if top else 1.0)
    return _half_cosine(1.0, 1 / FIRST / LAST, (k - top) / (steps - 1 - top))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


SCHEDULES: dict[str, Schedule] = {"linear": linear, "cosine": cosine, "constant": constant, "onecycle": onecycle}


def warm_up(config: TrainConfig) -> int:
    """The length of a run's warm-up in steps, at least 1."""
    return config.warmup_steps or max(1, round(config.warmup * config.steps))
