"""Files of images: grids as PNG, denoising paths as GIF, and the .npz of ADM's evaluation suite.

The .npz holds `arr_0`, uint8 [N, H, W, C], and `arr_1`, labels int64 [N] (arXiv 2105.05233's sampling script). It is
written in shards, so that the images need not fit into memory at once.
"""

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.base.files import replacing

CHANNELS = 3  # grey thrice: what the suite's network reads
WIDTH = 1000  # pixels that an enlarged picture may have from left to right


def sheet(images: Tensor, columns: int) -> np.ndarray:
    """uint8 [N, 1, H, W] as one picture, row by row, with a grey line between them: uint8 [rows (H + 1) - 1, ..]."""
    count, _, height, width = images.shape
    rows = -(-count // columns)
    picture = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), 128, np.uint8)
    for i, image in enumerate(images[:, 0].cpu().numpy()):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        picture[top : top + height, left : left + width] = image
    return picture


def png(picture: np.ndarray) -> bytes:
    """A grey picture as PNG, enlarged by a whole factor to be seen."""
    out = io.BytesIO()
    _enlarged(picture).save(out, "PNG")
    return out.getvalue()


def gif(pictures: Sequence[np.ndarray], milliseconds: int = 120) -> bytes:
    """Grey pictures as a GIF that repeats, the last one shown for two seconds."""
    out, (first, *others) = io.BytesIO(), map(_enlarged, pictures)
    durations = [*[milliseconds] * len(others), 2000]
    first.save(out, "GIF", save_all=True, append_images=others, loop=0, duration=durations)
    return out.getvalue()


def _enlarged(picture: np.ndarray) -> Image.Image:
    scale = max(1, min(8, WIDTH // picture.shape[1]))
    return Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1))


def write_npz(path: Path, labels: Tensor, image_shape: tuple[int, int, int], shards: Iterator[Tensor]) -> None:
    """Write images that come in shards, uint8 [n, 1, H, W] each, and their labels [N], into one .npz file."""
    shape = (len(labels), *image_shape[1:], CHANNELS)
    with replacing(path, int(np.prod(shape))) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        with archive.open("arr_0.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array_header_1_0(entry, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for shard in shards:
                whole = shard.permute(0, 2, 3, 1).expand(-1, -1, -1, CHANNELS)
                entry.write(whole.cpu().contiguous().numpy().tobytes())
        with archive.open("arr_1.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array(entry, labels.cpu().numpy(), allow_pickle=False)


def read_images(path: Path, image_shape: tuple[int, int, int]) -> tuple[Tensor, Tensor | None]:
    """(uint8 [N, 1, H, W], labels [N] if there are any) of an .npz file or a folder of PNGs.

    Raises ZooError for a file or folder that holds none, and for images of another type or size than `image_shape`.
    """
    images, labels = _read_npz(path) if path.is_file() else (_read_folder(path), None)
    if images.ndim != 4 or not len(images):
        raise ZooError(f"{path} should hold images [N, H, W, C] as arr_0, not {list(images.shape)}")
    if images.dtype != np.uint8:
        bad = np.issubdtype(images.dtype, np.floating) and not np.isfinite(images).all()
        why = "holds NaN or infinite pixels" if bad else f"holds {images.dtype}"
        raise ZooError(f"{path} {why}; it should hold uint8: clamp to [0, 1], multiply by 255, round, convert")
    if (images != images[..., :1]).any():
        raise ZooError(f"{path} holds colours, and the data are grey: all channels should be equal")
    found = torch.from_numpy(np.ascontiguousarray(images[..., 0]))[:, None]
    if tuple(found.shape[1:]) != tuple(image_shape):
        size, wanted = (" x ".join(map(str, shape[1:])) for shape in (found.shape[1:], image_shape))
        raise ZooError(f"{path} holds images of {size} pixels, and the data set's are {wanted}. Choose --dataset")
    return found, None if labels is None else torch.from_numpy(labels.astype(np.int64))


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "arr_0" not in arrays:
                raise ZooError(f"{path} holds {', '.join(arrays) or 'nothing'}; images should be its arr_0")
            images, labels = arrays["arr_0"], arrays.get("arr_1")
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ZooError(f"{path} cannot be read as .npz: {error}") from None
    if labels is not None and labels.shape != (len(images),):
        raise ZooError(f"{path}: arr_1 should be one label for each of the {len(images)} images, not {labels.shape}")
    return images, labels


def _read_folder(path: Path) -> np.ndarray:
    files = sorted(path.glob("*.png"))
    if not files:
        raise ZooError(f"{path} holds no PNG: give a folder of them, an .npz file, a run's folder or a checkpoint")
    images = []
    for file in files:
        try:
            with Image.open(file) as image:
                images.append(np.asarray(image if image.mode == "L" else image.convert("RGB")))
        except (OSError, SyntaxError, ValueError) as error:
            raise ZooError(f"{file} cannot be read: {error}") from None
        if images[-1].shape[:2] != images[0].shape[:2]:
            sizes = " and ".join(f"{image.shape[1]} x {image.shape[0]}" for image in (images[0], images[-1]))
            raise ZooError(f"{file} is of another size than {files[0].name}: {sizes} pixels")
    return np.stack([image if image.ndim == 3 else image[..., None].repeat(3, -1) for image in images])
