"""Data sets: `mnist`, `fashion` (28 x 28) and `digits` (8 x 8), whole in memory as uint8.

Training sees twelve classes: the ten real ones, and blank images, all black (10) and all white (11), 1,000 of each per
60,000. Pixels are standardised by the mean and deviation of that augmented training set.
"""

import gzip
import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.base.errors import ZooError
from zoo.data import archives
from zoo.data.sets import BLANK_SHARE, BLANKS, REAL_CLASSES, check_name

HALVES = 0.5, 0.5  # as mean and deviation they map [0, 1] to [-1, 1]


@dataclass(frozen=True)
class Dataset:
    """Real images, uint8 [N, 1, H, W] with labels int64 [N] in 0 .. 9, and the hash of all of them."""

    name: str
    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    sha256: str

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(1, H, W)."""
        _, channels, height, width = self.train.shape
        return channels, height, width

    @property
    def stratified(self) -> bool:
        """Whether the test images of each class were chosen to be a fixed share of it."""
        return self.name == "digits"

    @cached_property
    def augmented(self) -> tuple[Tensor, Tensor]:
        """(images, labels) of the training set with the blank images as classes 10 and 11."""
        count = round(len(self.train) * BLANK_SHARE)
        images, labels = [self.train], [self.train_labels]
        for label, value in BLANKS.items():
            images.append(self.train.new_full((count, *self.image_shape), value))
            labels.append(self.train_labels.new_full((count,), label))
        return torch.cat(images), torch.cat(labels)

    @cached_property
    def standard(self) -> tuple[float, float]:
        """(mean, deviation) of the augmented training set's pixels on the scale [0, 1]."""
        counts = self.augmented[0].flatten().bincount(minlength=256).double()
        value = torch.arange(256, dtype=torch.float64) / 255
        mean = (counts @ value / counts.sum()).item()
        return mean, math.sqrt((counts @ (value - mean) ** 2 / counts.sum()).item())


def scale_of(data: Dataset, standardised: bool) -> tuple[float, float]:
    """(mean, deviation) by which a run sees a data set: its own, or HALVES for a run that does not standardise."""
    return data.standard if standardised else HALVES


def standardise(images: Tensor, standard: tuple[float, float]) -> Tensor:
    """uint8 images, or floats in [0, 1], to zero mean and unit variance, float32."""
    mean, deviation = standard
    scale = 255.0 if images.dtype == torch.uint8 else 1.0
    return (images.float() / scale - mean) / deviation


def to_uint8(x: Tensor, standard: tuple[float, float]) -> Tensor:
    """The inverse of `standardise`: clamp to [0, 1], times 255, round."""
    mean, deviation = standard
    return (x.float() * deviation + mean).clamp(0, 1).mul(255).round().to(torch.uint8)


def affine(images: Tensor, generator: torch.Generator) -> Tensor:
    """Small random affine maps: 10 degrees, 10% in size, 2 pixels of 28 in place, shear 0.15; zero outside.

    images: [B, 1, H, W] float in [0, 1].
    """
    count, device = len(images), images.device
    r = torch.rand(6, count, generator=generator, device=generator.device).to(device) * 2 - 1
    angle, scale, shear = r[0] * math.radians(10), 1 + 0.1 * r[1], 0.15 * r[2]
    cos, sin = angle.cos() / scale, angle.sin() / scale
    shift = 2 * 2 / 28  # in units of half the image, as affine_grid counts
    top = torch.stack([cos, cos * shear - sin, shift * r[3]], dim=1)
    bottom = torch.stack([sin, sin * shear + cos, shift * r[4]], dim=1)
    grid = F.affine_grid(torch.stack([top, bottom], dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def load(name: str, data_dir: Path, mirror: str | None = None) -> Dataset:
    """A data set by its name, fetched into `data_dir` if it is not there (`digits` needs no file).

    Raises ZooError for an unknown name, a damaged file, or one that is not available.
    """
    check_name(name)
    arrays = _digits() if name == "digits" else _published(archives.ensure(name, data_dir, mirror))
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    images, labels, test, test_labels = (torch.from_numpy(np.ascontiguousarray(a)) for a in arrays)
    return Dataset(name, images[:, None], labels.long(), test[:, None], test_labels.long(), digest.hexdigest())


def _published(folder: Path) -> tuple[np.ndarray, ...]:
    parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(read_idx(folder / f"{part}-ubyte.gz") for part in parts)


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


def _digits() -> tuple[np.ndarray, ...]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    labels = bunch.target.astype(np.uint8)
    test = np.zeros(len(labels), bool)
    for label in range(REAL_CLASSES):  # every fifth image of each class: a stratified fifth
        test[np.flatnonzero(labels == label)[4::5]] = True
    return images[~test], labels[~test], images[test], labels[test]
