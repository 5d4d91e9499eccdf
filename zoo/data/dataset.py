"""A data set in memory: real images as uint8, whole, and what is done to a batch of them.

Where a data set has blank images, training sees two further classes, all black and all white, a sixtieth of the real
images each. Pixels are standardised by the mean and deviation of that training set, over all channels.
"""

import hashlib
import math
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.base.errors import ZooError
from zoo.data import sets
from zoo.data.spec import BLANK_SHARE, Arrays, Spec

ROTATION, SCALING, SHIFT, SHEAR = math.radians(10), 0.1, 1 / 14, 0.15  # of small affine maps; SHIFT of a side
_TOLD: set[str] = set()
SPARE = 2  # training images that a class needs, for its covariance

HALVES = 0.5, 0.5  # as mean and deviation they map [0, 1] to [-1, 1]


@dataclass(frozen=True)
class Dataset:
    """Real images, uint8 [N, C, H, W] with labels int64 [N] in 0 .. spec.real - 1, and the hash of all of them.

    flips: whether a mirrored image is still one of its class; fixed: whether the name alone says which images these
    are; stratified: whether the test images of each class were chosen to be a fixed share of it. home: the data folder,
    where what is made of the images is kept; None for images that were made in memory.
    """

    name: str
    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    sha256: str
    spec: Spec
    flips: bool = False
    fixed: bool = False
    stratified: bool = False
    home: Path | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.spec.image_shape

    @property
    def label(self) -> str:
        """Names what is trained once on these images: `mnist`, or by their hash, `folder-flips-0a1b2c3d4e5f`.

        A folder that is moved or copied keeps it.
        """
        if self.fixed:
            return sets.short(self.name)
        options = ["flips"] * self.flips + ["blanks"] * bool(self.spec.blank)
        return "-".join([sets.word(self.name), *options, self.sha256[:12]])

    @cached_property
    def augmented(self) -> tuple[Tensor, Tensor]:
        """(images, labels) of the training set, the blank images behind it if there are any."""
        count = round(len(self.train) * BLANK_SHARE)
        images, labels = [self.train], [self.train_labels]
        for label, value in self.spec.blank.items():
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


def affine(images: Tensor, generator: torch.Generator, flips: bool = False) -> Tensor:
    """Small random affine maps: 10 degrees, 10% in size, a fourteenth of a side in place, shear 0.15; zero outside.

    images: [B, C, H, W] float in [0, 1]. flips: half of them are mirrored, too.
    """
    count, device = len(images), images.device
    r = torch.rand(6, count, generator=generator, device=generator.device).to(device) * 2 - 1
    if flips:
        mirrored = torch.rand(count, generator=generator, device=generator.device).to(device) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    angle, scale, shear = r[0] * ROTATION, 1 + SCALING * r[1], SHEAR * r[2]
    cos, sin = angle.cos() / scale, angle.sin() / scale
    shift = 2 * SHIFT  # in units of half the image, as affine_grid counts
    top = torch.stack([cos, cos * shear - sin, shift * r[3]], dim=1)
    bottom = torch.stack([sin, sin * shear + cos, shift * r[4]], dim=1)
    grid = F.affine_grid(torch.stack([top, bottom], dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def load(name: str, data_dir: Path, mirror: str | None = None) -> Dataset:
    """A data set by its name, fetched into `data_dir` if it is not there (`digits` needs no file).

    Raises ZooError for an unknown name, for images that cannot be used, and for what is not available.
    """
    name = sets.canonical(name)
    source = sets.source(name)
    spec, arrays = source.spec, source.read(data_dir, mirror)
    check(name, spec, arrays)
    for note in arrays.notes:
        tell(f"{name}: {note}")
    parts = (arrays.train, arrays.train_labels, arrays.test, arrays.test_labels)
    digest = hashlib.sha256()
    for array in parts:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    train, labels, test, test_labels = (torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
    return Dataset(
        name, _channels_first(train), labels.long(), _channels_first(test), test_labels.long(), digest.hexdigest(),
        spec, source.flips, source.fixed, arrays.stratified, data_dir,
    )  # fmt: skip


def tell(note: str) -> None:
    """Say a note on standard error, once in a process."""
    if note not in _TOLD:
        _TOLD.add(note)
        print(note, file=sys.stderr, flush=True)


def _channels_first(images: Tensor) -> Tensor:
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()


def check(name: str, spec: Spec, arrays: Arrays) -> None:
    """Raise ZooError unless the arrays hold what the spec says, with images of every class in both parts."""
    channels, *size = spec.image_shape
    shape = [*size, *([channels] if channels > 1 else [])]
    for part, images, labels, least in (
        ("training", arrays.train, arrays.train_labels, SPARE),
        ("test", arrays.test, arrays.test_labels, 1),
    ):
        if images.dtype != np.uint8 or list(images.shape[1:]) != shape:
            held = f"{images.dtype} {list(images.shape)}"
            raise ZooError(f"data set {name!r}: its {part} images are {held}, and its spec says uint8 [N, *{shape}]")
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
            raise ZooError(
                f"data set {name!r}: its {part} labels are {labels.dtype} {list(labels.shape)}, not integers"
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < spec.real:
            raise ZooError(f"data set {name!r}: its {part} labels are {labels.min()} to {labels.max()}, of {spec.real}")
        counts = np.bincount(labels.astype(np.int64), minlength=spec.real)
        if few := [f"{spec.classes[label]} ({counts[label]})" for label in np.flatnonzero(counts < least)]:
            raise ZooError(f"data set {name!r}: too few {part} images of class {', '.join(few)}: {least} are needed")
