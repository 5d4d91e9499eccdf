"""Which files in a folder are images, by their names, and in which order they are read.

A name decides what is looked at, the content what an image is (`imagefile.py`). Hidden files are no images: macOS
writes `._0001.png` beside `0001.png`. torch is not imported here.
"""

import re
from pathlib import Path

from zoo.base.counts import counted

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff")  # in letters of either case
LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")
SHOWN = 3  # names in a message


def is_image(file: Path) -> bool:
    """Whether a file's name says that it is an image, of any kind that Pillow knows."""
    from PIL import Image

    return not file.name.startswith(".") and Image.registered_extensions().get(file.suffix.lower()) in Image.OPEN


def natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Orders 2.png before 10.png."""
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]
    return parts, path.name


def some(paths: list[Path], kind: str) -> str:
    """`2 image files (a.gif, b.gif)`."""
    names = ", ".join(path.name for path in paths[:SHOWN])
    more = f", and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return f"{counted(len(paths), kind)} ({names}{more})"
