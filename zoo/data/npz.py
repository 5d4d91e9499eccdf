"""The .npz of ADM's evaluation suite: arr_0, images uint8 [N, H, W, C], and arr_1, their labels, integers [N].

(arXiv 2105.05233's sampling script.) It is written in shards, so that the images need not fit into memory at once.
Read, it is checked whole: every checksum of the archive, types, shapes and the range of the labels. torch's order
[N, C, H, W] is known from the size of the data set's images, and turned round; grey images may be [N, H, W]. Nothing is
converted.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.files import replacing
from zoo.data.spec import COLOUR, GREY, Spec

CHANNELS = COLOUR  # in a file: grey thrice, which is what the suite's network reads
ENDING = ".npz"


def write_npz(path: Path, labels: Tensor, image_shape: tuple[int, int, int], shards: Iterator[Tensor]) -> None:
    """Write images that come in shards, uint8 [n, C, H, W] each, and their labels [N], into one .npz file."""
    shape = (len(labels), *image_shape[1:], CHANNELS)
    with replacing(path, int(np.prod(shape))) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        with archive.open("arr_0.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array_header_1_0(entry, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for shard in shards:
                whole = shard.permute(0, 2, 3, 1).expand(-1, -1, -1, CHANNELS)
                entry.write(whole.cpu().contiguous().numpy().tobytes())
        with archive.open("arr_1.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array(entry, labels.cpu().numpy(), allow_pickle=False)


def is_npz(path: Path) -> bool:
    """Whether a file is meant as .npz: by its name, in letters of either case, or by the arrays in it."""
    if path.suffix.lower() == ENDING:
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def read_npz(path: Path, spec: Spec) -> tuple[np.ndarray, Tensor | None, list[str]]:
    """(images uint8 [N, H, W], or [N, H, W, 3], labels int64 [N] or None, names of other arrays in the file).

    spec: of the data set that they are compared with. Raises ZooError, naming the file and what is
    wrong, for everything else.
    """
    arrays = _arrays(path)
    if "arr_0" not in arrays:
        held = ", ".join(arrays) or "nothing"
        raise ZooError(
            f"{path} holds {held}; images should be its arr_0: np.savez(FILE, images, labels) saves them so, and "
            "their labels, if there are any, as arr_1"
        )
    images = _images(path, arrays.pop("arr_0"), spec.image_shape)
    labels = arrays.pop("arr_1", None)
    return images, None if labels is None else _labels(path, labels, len(images), spec.num_classes), sorted(arrays)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of the archive by name, its checksum compared."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names):
                raise ZooError(f"{path} cannot be read as .npz: it holds two arrays of one name")
            wrong = [name for name in names if not name.endswith(".npy")]
            if wrong:
                raise ZooError(f"{path} cannot be read as .npz: it holds {wrong[0]!r}, which is no array (.npy)")
            return {name.removesuffix(".npy"): _array(archive.read(name)) for name in names}
    except ZooError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise some fifteen kinds on damaged bytes
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            single = file.read(6) == b"\x93NUMPY"
        hint = " (it is one array, .npy, renamed; save it with numpy.savez)" if single else ""
        raise ZooError(f"{path} cannot be read as .npz: {reason}{hint}") from None


def _array(data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    found = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):
        raise ValueError("an array is followed by bytes that belong to none")
    return found


def _images(path: Path, images: np.ndarray, image_shape: tuple[int, int, int]) -> np.ndarray:
    channels, *size = image_shape
    allowed = (GREY, COLOUR) if channels == GREY else (COLOUR,)  # grey may be three equal channels
    shape = list(images.shape)
    if without_channels := images.ndim == 3 and channels == GREY:
        images = images[..., None]
    if images.ndim != 4 or not images.size:
        known = "[N, H, W, C] or [N, H, W]" if channels == GREY else "[N, H, W, C]"
        raise ZooError(f"{path} should hold images {known} as arr_0, not {shape}")
    if images.dtype != np.uint8:
        bad = np.issubdtype(images.dtype, np.floating) and not np.isfinite(images).all()
        found = "holds NaN or infinite pixels" if bad else f"holds {images.dtype}"
        raise ZooError(f"{path} {found}; it should hold uint8: clamp to [0, 1], multiply by 255, round, convert")
    if shape[1:3] != size and shape[2:] == size:  # torch's order
        images = images.transpose(0, 2, 3, 1)
    if list(images.shape[1:3]) != size:
        first = not without_channels and shape[1] in (GREY, COLOUR) and shape[3] not in (GREY, COLOUR)
        order = "[N, H, W]" if without_channels else "[N, C, H, W]" if first else "[N, H, W, C]"
        found_size = shape[2:] if order == "[N, C, H, W]" else shape[1:3]
        held, wanted = (" x ".join(map(str, each)) for each in (found_size, size))
        raise ZooError(
            f"{path} holds images of {held} pixels, and the data set's are {wanted} (arr_0 is {shape}, read as {order})"
            ". Choose --dataset"
        )
    if images.shape[3] not in allowed:
        wanted = "1 (grey), or 3 equal ones" if channels == GREY else "3 (red, green, blue)"
        raise ZooError(f"{path} holds images of {counted(images.shape[3], 'channel')}; give {wanted}, as uint8")
    if channels == COLOUR:
        return images
    if (images != images[..., :1]).any():
        raise ZooError(f"{path} holds colours, and the data are grey: all channels should be equal")
    return images[..., 0]


def _labels(path: Path, labels: np.ndarray, count: int, classes: int) -> Tensor:
    if labels.shape != (count,):
        raise ZooError(
            f"{path}: arr_1 should be one label for each of the {counted(count, 'image')}, not {list(labels.shape)}"
        )
    if labels.dtype.kind not in "iu":
        raise ZooError(f"{path}: arr_1 should hold labels as integers, 0 to {classes - 1}, not {labels.dtype}")
    low, high = int(labels.min()), int(labels.max())
    if not 0 <= low <= high < classes:
        raise ZooError(f"{path}: arr_1 holds classes {low} to {high}, not 0 to {classes - 1}")
    return torch.from_numpy(labels.astype(np.int64))
