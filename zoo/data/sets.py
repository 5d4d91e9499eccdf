"""The data sets by name, with what is known of them before a file is read. torch is not imported here."""

from collections.abc import Sequence
from typing import Literal, get_args

from zoo.base.errors import choose

DataName = Literal["mnist", "fashion", "digits"]
DATASETS = get_args(DataName)
IMAGE_SHAPES = {"mnist": (1, 28, 28), "fashion": (1, 28, 28), "digits": (1, 8, 8)}  # channels, height, width
REAL_CLASSES = 10
BLANKS = {10: 0, 11: 255}  # class -> the value of all its pixels
BLANK_SHARE = 1 / 60  # blank images of a class per real training image
NUM_CLASSES = REAL_CLASSES + len(BLANKS)


def check_name(name: str, more: Sequence[str] = ()) -> str:
    """The name of a data set, or one of `more` names. Raises ZooError, with the nearest, for an unknown one."""
    allowed = (*more, *DATASETS)
    if name not in allowed:
        raise choose("data set", name, allowed)
    return name
