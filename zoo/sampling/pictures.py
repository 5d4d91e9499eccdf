"""Pictures of many images: grids as PNG, denoising paths as GIF."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

WIDTH = 1000  # pixels that an enlarged picture may have from left to right


def sheet(images: Tensor, columns: int) -> np.ndarray:
    """uint8 [N, C, H, W] as one picture, row by row, with a grey line between them: uint8 [rows (H + 1) - 1, ..], in
    colour [.., 3]."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    colours = () if channels == 1 else (channels,)
    picture = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, *colours), 128, np.uint8)
    for i, image in enumerate(channels_last(images).cpu().numpy()):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        picture[top : top + height, left : left + width] = image
    return picture


def channels_last(images: Tensor) -> Tensor:
    """[.., C, H, W] as [.., H, W] where they are grey, and as [.., H, W, 3] in colour: as pictures are."""
    return images.squeeze(-3) if images.shape[-3] == 1 else images.movedim(-3, -1)


def png(picture: np.ndarray) -> bytes:
    """A picture, grey or in colour, as PNG, enlarged by a whole factor to be seen."""
    out = io.BytesIO()
    _enlarged(picture).save(out, "PNG")
    return out.getvalue()


def gif(pictures: Sequence[np.ndarray], milliseconds: int = 120) -> bytes:
    """Pictures as a GIF that repeats, the last one shown for two seconds."""
    out, (first, *others) = io.BytesIO(), map(_enlarged, pictures)
    durations = [*[milliseconds] * len(others), 2000]
    first.save(out, "GIF", save_all=True, append_images=others, loop=0, duration=durations)
    return out.getvalue()


def _enlarged(picture: np.ndarray) -> Image.Image:
    scale = max(1, min(8, WIDTH // picture.shape[1]))
    return Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1))
