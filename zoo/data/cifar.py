"""`cifar10`: 32 x 32 colour images in ten classes, 50,000 for training and 10,000 for tests (Krizhevsky, 2009).

The published binary version: records of a label and 3 x 1,024 bytes, red, green, blue. Its other versions are pickles,
which are never read here. It lies on the server that torchvision downloads from.
"""

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.base.errors import ZooError
from zoo.data import archives
from zoo.data.spec import COLOUR, Arrays, Source, Spec

SIDE = 32
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = ("test_batch.bin",)


@dataclass(frozen=True)
class Cifar10(Source):
    """blanks: black and white images as two further classes."""

    blanks: bool = False
    archives = "cifar10"
    fixed = True
    flips = True

    @property
    def spec(self) -> Spec:
        names = "airplane automobile bird cat deer dog frog horse ship truck"
        return Spec((COLOUR, SIDE, SIDE), tuple(names.split()), self.blanks)

    def read(self, data_dir: Path, mirror: str | None) -> Arrays:
        folder = archives.ensure(self.archives, data_dir, mirror)
        (name,) = archives.SHA256[self.archives]
        try:
            with tarfile.open(folder / name) as archive:
                found = {Path(member.name).name: archive.extractfile(member) for member in archive if member.isfile()}
                parts = {file: stream.read() for file, stream in found.items() if stream and file in (*TRAIN, *TEST)}
            train, test = (records(b"".join(parts[file] for file in files)) for files in (TRAIN, TEST))
        except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as error:
            raise ZooError(f"{folder / name} cannot be read: {error!r}") from None
        return Arrays(*train, *test)


def records(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(images uint8 [N, 32, 32, 3], labels [N]) of a binary batch. Raises ValueError for another length."""
    rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + COLOUR * SIDE * SIDE)
    images = rows[:, 1:].reshape(-1, COLOUR, SIDE, SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), rows[:, 0].copy()
