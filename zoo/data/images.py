"""Sets of images that others made: a folder of image files, or an .npz file.

What a file means is said in `imagefile.py` and `npz.py`. Nothing of a folder is left out without a word: image files
that are not read, and images in folders below it, are refused by name. Hidden files and what is no image do not count.
"""

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.data.filenames import LOSSY, SUFFIXES, is_image, natural, some
from zoo.data.imagefile import read_image
from zoo.data.npz import read_npz
from zoo.data.spec import Spec

LOOKED = 10_000  # entries of a folder within the folder that are searched for images: the path may be a whole disk
DIM = 128  # half of white: a set whose brightest pixel is below was hardly scaled to 255


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images uint8 [N, C, H, W], labels int64 [N] if the form has them, and what a reader should know."""

    images: Tensor
    labels: Tensor | None
    notes: list[str] = field(default_factory=list)


def read_images(path: Path, spec: Spec) -> ImageSet:
    """The images in an .npz file or a folder of image files, in the order of the array or of the names.

    spec: of the data set that they are compared with. Raises ZooError, naming the file, for what is damaged, of another
    size, or cannot be kept.
    """
    if path.is_file():
        images, labels, others = read_npz(path, spec)
        notes = [f"arrays that are not read: {', '.join(others)}"] if others else []
    else:
        images, notes = _read_folder(path, spec.image_shape)
        labels = None
    ordered = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return ImageSet(torch.from_numpy(np.ascontiguousarray(ordered)), labels, notes)


def doubts(images: Tensor, real: Tensor) -> list[str]:
    """What makes images [N, C, H, W] look as if their pixels meant something else than those of real ones, uint8."""
    values = images.unique()
    found = []
    if int(values.max()) < DIM:
        found.append(f"no pixel is above {int(values.max())} of 255: they look scaled wrong; white should be 255")
    elif values.tolist() == [0, 1, 255]:
        found.append("pixels are 0, 1 and 255 alone: they look like [-1, 1] cast to bytes; scale to 0 .. 255 first")
    elif int(values.min()) >= DIM:
        found.append(f"no pixel is below {int(values.min())} of 255: they look scaled wrong; black should be 0")
    else:
        ours, theirs = images.double().mean().item(), real.double().mean().item()
        if abs(255 - ours - theirs) < abs(ours - theirs) / 2:
            found.append(f"their mean pixel is {ours:.0f}, real ones' {theirs:.0f}: they look like negatives")
    return found


def _read_folder(path: Path, image_shape: tuple[int, int, int]) -> tuple[np.ndarray, list[str]]:
    files, others, below = [], [], []
    for entry in sorted(path.iterdir(), key=natural):
        if entry.name.startswith("."):  # .DS_Store, and ._0001.png, which is no image
            continue
        suffix = entry.suffix.lower()
        if entry.is_dir():
            below += [entry] if any(is_image(file) for file in islice(entry.rglob("*"), LOOKED)) else []
        elif suffix in SUFFIXES:
            files.append(entry)
        elif is_image(entry):
            others.append(entry)
    if below:
        raise ZooError(
            f"{path} holds images in {some(below, 'folder')} below it, which would be left out: "
            "put the images of a set into one folder"
        )
    if others:
        raise ZooError(
            f"{path} holds {some(others, 'image file')} of a kind that is not read: convert to PNG, JPEG, WebP or "
            "TIFF, or move them elsewhere"
        )
    if not files:
        raise ZooError(
            f"{path} holds no PNG, JPEG, WebP or TIFF: give a folder of them, an .npz file, a run's folder or a "
            "checkpoint"
        )
    images = [_read_file(file, image_shape, files[0]) for file in files]
    lossy = sum(file.suffix.lower() in LOSSY for file in files)
    notes = (
        [f"{lossy} of {counted(len(files), 'file is', 'files are')} JPEG, whose losses count in the scores"]
        if lossy
        else []
    )
    return np.stack(images), notes


def _read_file(file: Path, image_shape: tuple[int, int, int], first: Path) -> np.ndarray:
    image = read_image(file, image_shape[0])
    if image.shape[:2] != tuple(image_shape[1:]):
        held, wanted = (f"{shape[0]} x {shape[1]}" for shape in (image.shape[:2], image_shape[1:]))
        other = "" if file == first else f", of another size than {first.name}"
        raise ZooError(f"{file} is an image of {held} pixels{other}, and the data set's are {wanted}. Choose --dataset")
    return image
