"""Small pieces of sentences: names in a row, shares, counts."""

from collections.abc import Sequence

from reports.words.document import Code, Mark

MOST, FEW = 5, 3  # names in a row; below so many seeds no order is claimed


def names(found: Sequence[str]) -> tuple[Mark, ...]:
    """`a`, `b` and `c`; of many the first."""
    ends: list[Mark] = [Code(name) for name in found[:MOST]]
    ends += [f"{len(found) - MOST} more"] if len(found) > MOST else []
    joints = ["", *[", "] * (len(ends) - 2), " and "] if len(ends) > 1 else [""]
    return tuple(part for pair in zip(joints, ends, strict=True) for part in pair if part)


def percent(share: float) -> str:
    """A share in per cent, not more exact than a few hundred resamples are."""
    return "more than 99%" if share > 0.99 else "less than 1%" if share < 0.01 else f"{100 * share:.0f}%"


def counted(number: int, noun: str) -> str:
    """`1 cell`, `8 cells`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
