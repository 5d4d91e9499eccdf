"""Numbers as a page writes them, no more decimals than their error allows, and small pieces of sentences."""

import math
from collections.abc import Sequence

from eval.ranks.table import FULL
from reports.read.run import Stat
from reports.read.setting import Setting
from reports.words.document import Code, Mark

NONE = "-"
MOST = 2  # decimals of FID
NAMES, FEW = 5, 3  # names in a row; below so many seeds no order is claimed


def fid_at(setting: Setting) -> str:
    """The FID column's name: a smaller sample is another column, never mixed with the full one."""
    return "fid" if setting.n >= FULL else f"fid@{setting.n}"


def decimals(error: float, most: int = MOST) -> int:
    """Decimals of a number with this standard error: the last one is a tenth of the error or more.

    error: nan or 0 where none is known; then `most`.
    """
    if not error > 0 or not math.isfinite(error):
        return most
    return min(most, max(0, 1 - math.floor(math.log10(error))))


def number(value: float, error: float = math.nan, most: int = MOST) -> str:
    """A number with the decimals that its error allows; no minus before a zero."""
    return f"{round(value, places := decimals(error, most)) + 0.0:.{places}f}"


def fid_text(stat: Stat | None) -> str:
    """`5.80 ± 0.30` for one seed, `5.80 (5.20..6.10)` for more, `48.9 ± 2.0` where the error is above 1."""
    if stat is None:
        return NONE
    mean, low, high = (number(value, stat.se) for value in (stat.mean, stat.low, stat.high))
    return f"{mean} ± {number(stat.se, stat.se)}" if stat.seeds == 1 else f"{mean} ({low}..{high})"


def fid_mean(stat: Stat | None) -> str:
    """`48.9`: the mean alone."""
    return NONE if stat is None else number(stat.mean, stat.se)


def acc_text(stat: Stat | None) -> str:
    """`81.0%` for one seed, `81.0% (79.0..83.0)` for more, `66%` where the error is above a point."""
    if stat is None:
        return NONE
    low, high = (_points(stat, value) for value in (stat.low, stat.high))
    return f"{acc_mean(stat)} ({low}..{high})" if stat.seeds > 1 else acc_mean(stat)


def acc_mean(stat: Stat | None) -> str:
    """`66%`: the mean alone."""
    return NONE if stat is None else f"{_points(stat, stat.mean)}%"


def _points(stat: Stat, value: float) -> str:
    """A share in points; of one seed the 95% interval is known, about four standard errors wide."""
    error = stat.se if stat.seeds > 1 else (stat.high - stat.low) / 4
    return f"{100 * value:.{0 if error > 0.01 else 1}f}"


def names(found: Sequence[str]) -> tuple[Mark, ...]:
    """`a`, `b` and `c`; of many the first."""
    ends: list[Mark] = [Code(name) for name in found[:NAMES]]
    ends += [f"{len(found) - NAMES} more"] if len(found) > NAMES else []
    joints = ["", *[", "] * (len(ends) - 2), " and "] if len(ends) > 1 else [""]
    return tuple(part for pair in zip(joints, ends, strict=True) for part in pair if part)


def percent(share: float) -> str:
    """A share in per cent, not more exact than a few hundred resamples are."""
    return "more than 99%" if share > 0.99 else "less than 1%" if share < 0.01 else f"{100 * share:.0f}%"
