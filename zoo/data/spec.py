"""What is known of a data set before an image is read, and what one has to say: the base of every file in this room.

torch is not imported here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.counts import counted
from zoo.base.errors import ZooError

BLANKS = {"black": 0, "white": 255}  # further classes of a data set with blank images -> the value of all their pixels
BLANK_SHARE = 1 / 60  # blank images of a class per real training image
GREY, COLOUR = 1, 3  # channels that images may have


@dataclass(frozen=True)
class Spec:
    """image_shape: (channels, height, width); classes: the names of the real classes; blanks: whether black and white
    images join them as two further classes, behind the real ones."""

    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    blanks: bool = False

    def __post_init__(self) -> None:
        channels, height, width = self.image_shape
        if channels not in (GREY, COLOUR) or min(height, width) < 1:
            raise ZooError(
                f"images of {counted(channels, 'channel')} and {height} x {width} pixels: 1 or 3 channels are known"
            )
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ZooError(
                f"classes {', '.join(self.classes) or 'none'}: at least two are needed, each of its own name"
            )

    @property
    def real(self) -> int:
        """How many classes are of real images; their labels are 0 .. real - 1."""
        return len(self.classes)

    @property
    def num_classes(self) -> int:
        """How many classes there are in training; as a label, this number stands for "no class"."""
        return self.real + len(self.blank)

    @property
    def blank(self) -> dict[int, int]:
        """Label of each blank class -> the value of all its pixels."""
        return dict(enumerate(BLANKS.values(), self.real)) if self.blanks else {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all classes by label."""
        return (*self.classes, *(BLANKS if self.blanks else ()))

    def plain(self) -> dict[str, Any]:
        """The same for a JSON file."""
        return {"image_shape": list(self.image_shape), "classes": list(self.classes), "blanks": self.blanks}

    @staticmethod
    def of(facts: Mapping[str, Any]) -> "Spec":
        """The inverse of `plain`."""
        channels, height, width = facts["image_shape"]
        return Spec((channels, height, width), tuple(facts["classes"]), bool(facts["blanks"]))


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images uint8 [N, H, W], or [N, H, W, 3] in colour, and labels [N] of real classes.

    stratified: whether the numbers of test images by class were chosen, not drawn. notes: what a reader should know.
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    stratified: bool = False
    notes: tuple[str, ...] = field(default=())


class Source(ABC):
    """A data set, as its name says: a frozen dataclass, whose fields are the arguments that the name may have.

    archives: which published archives it is read from, of `zoo/data/archives.py`; "" for none. fixed: whether the name
    alone says which images these are, on every machine. flips: whether a mirrored image is still one of its class.
    """

    archives: str = ""
    fixed: bool = False
    flips: bool = False

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """Image shape and classes. Raises ZooError where they are not known here, as of a folder that is not there."""

    @abstractmethod
    def read(self, data_dir: Path, mirror: str | None) -> Arrays:
        """All images, fetched into `data_dir` first if need be. Raises ZooError, with what to do."""
