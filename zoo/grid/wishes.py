"""What run_all's options wish for: a budget in images, in a share of the grid's images or in time, and cells at once.

    --budget 20000      images that each cell sees
    --budget 0.4x       that share of what the grid gives each backbone
    --budget 45min      a time: the machine is measured for some seconds, and the share follows (eval/pace.py)

torch is not imported here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.base.environment import has_gpu
from zoo.base.errors import ZooError
from zoo.config.changes import Changes, read
from zoo.grid.files import Grid

SHARE = re.compile(r"(\d+\.?\d*|\.\d+)x")
TIME = re.compile(r"(\d+\.?\d*)\s*(s|sec|min|h)")
MOST, DIGITS = 1e6, 16  # a share, and the digits of a number of images, beyond which they are mistakes
SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}
ALLOWED = (
    "auto, cpu, gpu, a number of images seen by each cell, a share of the grid's as in 0.5x, or a time as in 45min"
)


@dataclass(frozen=True)
class Wish:
    """Which budget of the grid, `cpu` or `gpu`; images of a cell, if given; else the share of the grid's."""

    kind: str
    images: int | None = None
    share: float = 1.0


def seconds_of(text: str) -> float | None:
    """The seconds of a budget in time; None for another budget."""
    found = TIME.fullmatch(text)
    return float(found[1]) * SECONDS[found[2]] if found and float(found[1]) > 0 else None


def budget(text: str, device: str) -> Wish:
    """What --budget asks for. Raises ZooError for a text that is none, and for a time, which has to be measured."""
    here = "gpu" if device.startswith("cuda") or (device == "auto" and has_gpu()) else "cpu"
    if text == "auto":
        return Wish(here)
    if text in ("cpu", "gpu"):
        return Wish(text)
    if text.isdecimal() and len(text) < DIGITS and int(text) > 0:
        return Wish(here, images=int(text))
    if (found := SHARE.fullmatch(text)) and 0 < float(found[1]) <= MOST:
        return Wish(here, share=float(found[1]))
    raise ZooError(f"--budget {text!r} is none of {ALLOWED}")


def one_number(budget: str, texts: Sequence[str]) -> None:
    """Raise ZooError where --budget and --set both say how many images a cell sees."""
    if budget not in ("auto", "cpu", "gpu") and "images" in read(texts).get("train", {}):
        raise ZooError(f"--budget {budget} and --set train.images both say how many images a cell sees. Give one")


def changes(texts: Sequence[str], grid: Grid) -> Changes:
    """What --set asks for. Raises ZooError for a field that the grid's variants are about."""
    found = read(texts)
    for variant in grid.variants.values():
        if both := sorted(set(variant.model_fields_set) & set(found.get("train", {}))):
            raise ZooError(f"--set train.{both[0]}: this grid compares variants of it. Choose another grid")
    return found
