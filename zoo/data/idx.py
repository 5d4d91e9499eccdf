"""MNIST and Fashion-MNIST: 28 x 28 grey images in ten classes, 60,000 for training and 10,000 for tests.

`size` may be a divisor of 28: then each pixel is the rounded mean of a block of pixels.
"""

import gzip
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.base.errors import ZooError
from zoo.data import archives
from zoo.data.spec import GREY, Arrays, Source, Spec

SIDE = 28  # pixels of a published image's side
SMALLEST = 7
PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


@dataclass(frozen=True)
class Idx(Source):
    """Images in IDX files. size: pixels of a side; blanks: black and white images as two further classes."""

    size: int = SIDE
    blanks: bool = True
    fixed = True

    def __post_init__(self) -> None:
        if not SMALLEST <= self.size <= SIDE or SIDE % self.size:
            allowed = ", ".join(str(n) for n in range(SIDE, SMALLEST - 1, -1) if SIDE % n == 0)
            raise ValueError(f"size={self.size} is none of {allowed}, the divisors of the published {SIDE}")

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """The classes' names."""

    @property
    def spec(self) -> Spec:
        return Spec((GREY, self.size, self.size), self.classes, self.blanks)

    def read(self, data_dir: Path, mirror: str | None) -> Arrays:
        folder = archives.ensure(self.archives, data_dir, mirror)
        train, train_labels, test, test_labels = (read_idx(folder / f"{part}-ubyte.gz") for part in PARTS)
        return Arrays(smaller(train, self.size), train_labels, smaller(test, self.size), test_labels)


@dataclass(frozen=True)
class Mnist(Idx):
    """Handwritten digits."""

    archives = "mnist"

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple("0123456789")


@dataclass(frozen=True)
class Fashion(Idx):
    """Clothes (arXiv 1708.07747)."""

    archives = "fashion"

    @property
    def classes(self) -> tuple[str, ...]:
        return (
            "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
        )  # fmt: skip


def smaller(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 [N, S, S] as [N, size, size]: the rounded means of blocks; the images themselves where S is `size`."""
    count, side, _ = images.shape
    if side <= size:
        return images
    block = side // size
    means: np.ndarray = images.reshape(count, size, block, size, block).mean(axis=(2, 4))
    return np.round(means).astype(np.uint8)


def read_idx(path: Path) -> np.ndarray:
    """The array in a gzipped IDX file of bytes: magic number 0 0 8 d, then d big-endian sizes, then the data."""
    try:
        data = gzip.decompress(path.read_bytes())
        if data[:3] != b"\0\0\x08":
            raise ValueError("no IDX file of unsigned bytes")
        shape = np.frombuffer(data, ">u4", count=data[3], offset=4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape).copy()
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise ZooError(f"{path} cannot be read: {error}") from None
