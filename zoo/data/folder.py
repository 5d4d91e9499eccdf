"""`folder:PATH`: your own images, a folder for each class, which is its name.

    PATH/CLASS/*.png                 every fifth file of a class, in the order of names, is a test image
    PATH/train/CLASS/*.png, PATH/test/CLASS/*.png                    the split is yours

PNG, JPEG, WebP and TIFF are read, as `imagefile.py` says. An image of another size is scaled so that it covers the
wanted one, and its middle is kept; transparent pixels lie on black; colours become grey where `channels=1`. Each of
these is told, with its number. Nothing is left out without a word: what cannot be read is refused by name, and hidden
files and files of other kinds are counted.
"""

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.limits import require_memory
from zoo.data.filenames import SUFFIXES, is_image, natural
from zoo.data.imagefile import read_picture
from zoo.data.small import every_fifth
from zoo.data.spec import COLOUR, GREY, Arrays, Source, Spec

SIDES = (4, 1024)  # pixels that a side may have
LEAST = 5  # images of a class, of which every fifth is a test image
PARTS = ("train", "test")
FITTED = "of another size, scaled until it covers the wanted one, its middle kept"
HIDDEN, OTHERS = "hidden", "no images"  # what is left out
LEFT_OUT = {HIDDEN: ("hidden file", "hidden files"), OTHERS: ("file that is no image", "files that are no images")}
Files = dict[str, list[Path]]  # the image files of each class, by its name


@dataclass(frozen=True)
class Folder(Source):
    """size: pixels of a side, or height and width; channels: 1 (grey) or 3 (colour); flips: whether a mirrored image is
    still one of its class; blanks: black and white images as two further classes."""

    path: str
    size: int = 32
    height: int = 0
    width: int = 0
    channels: int = COLOUR
    flips: bool = False
    blanks: bool = False

    def __post_init__(self) -> None:
        if not self.path.strip() or "\0" in self.path:
            raise ValueError("which folder? Write folder:PATH")
        if bool(self.height) != bool(self.width):
            raise ValueError("give both height and width, or size alone")
        if not all(SIDES[0] <= side <= SIDES[1] for side in self.shape):
            raise ValueError(f"{self.shape[0]} x {self.shape[1]} pixels: a side has {SIDES[0]} to {SIDES[1]}")
        if self.channels not in (GREY, COLOUR):
            raise ValueError(f"channels={self.channels} is neither 1 (grey) nor 3 (colour)")
        object.__setattr__(self, "path", self.path.rstrip("/") or "/")

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return (self.height, self.width) if self.height else (self.size, self.size)

    @property
    def parted(self) -> bool:
        """Whether the folder itself says which images are for tests."""
        return all((self.root / part).is_dir() for part in PARTS)

    @property
    def root(self) -> Path:
        """The folder. Raises ZooError for the home of a user that is not there."""
        try:
            return Path(self.path).expanduser()
        except RuntimeError:
            raise ZooError(f"folder:{self.path}: there is no such user, so no home. Give the path from /") from None

    @property
    def spec(self) -> Spec:
        names = class_folders(self.root / PARTS[0] if self.parted else self.root)[0]
        return Spec((self.channels, *self.shape), tuple(names), self.blanks)

    def read(self, data_dir: Path, mirror: str | None) -> Arrays:
        told: Counter[str] = Counter()
        if not self.parted:
            files = class_files(self.root, told)
            few = [f"{name} ({len(own)})" for name, own in files.items() if len(own) < LEAST]
            if few:
                raise ZooError(
                    f"{self.root}: too few images of class {', '.join(few)}: every class needs {LEAST}, one of them "
                    "for tests. Add images, remove the class, or make folders train/ and test/"
                )
            images, labels = self._images(files, told)
            test = every_fifth(labels)
            return Arrays(images[~test], labels[~test], images[test], labels[test], True, notes(told, len(images)))
        extra = [path.name for path in sorted(self.root.iterdir()) if path.is_dir() and _counts(path, told)]
        if others := sorted(set(extra) - set(PARTS)):
            raise ZooError(
                f"{self.root} holds {', '.join(others)} beside train and test, which would be left out: move it "
                "elsewhere, or put its classes into train or test"
            )
        train, test_files = (class_files(self.root / part, told) for part in PARTS)
        if missing := sorted(train.keys() ^ test_files.keys()):
            raise ZooError(f"{self.root}: class {', '.join(missing)} is in only one of train and test: both need it")
        images, labels = self._images(train, told)
        test_images, test_labels = self._images(test_files, told)
        count = len(images) + len(test_images)
        return Arrays(images, labels, test_images, test_labels, notes=notes(told, count))

    def _images(self, files: Files, told: Counter[str]) -> tuple[np.ndarray, np.ndarray]:
        """(uint8 [N, H, W] or [N, H, W, 3], labels int64 [N]); what was done to them is counted in `told`."""
        count = sum(map(len, files.values()))
        shape = (*self.shape, *([COLOUR] if self.channels == COLOUR else []))
        require_memory(
            count * int(np.prod(shape)), f"{counted(count, 'image')} of {self.path}", "Choose a smaller size"
        )
        images, place = np.empty((count, *shape), np.uint8), 0
        for own in files.values():
            for file in own:
                picture, done = read_picture(file, self.channels)
                told.update(done)
                if picture.shape[:2] != self.shape:
                    told[FITTED] += 1
                    picture = fitted(picture, self.shape)
                images[place] = picture
                place += 1
        return images, np.repeat(np.arange(len(files)), [len(own) for own in files.values()])


def fitted(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A picture uint8 [h, w] or [h, w, 3] at another (height, width): scaled to cover it (bicubic), its middle kept."""
    height, width = picture.shape[:2]
    scale = max(shape[0] / height, shape[1] / width)
    kept_high, kept_wide = min(height, shape[0] / scale), min(width, shape[1] / scale)  # rounding may exceed the edge
    top, left = (height - kept_high) / 2, (width - kept_wide) / 2
    box = (left, top, min(width, left + kept_wide), min(height, top + kept_high))
    return np.asarray(Image.fromarray(picture).resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box))


def notes(told: Counter[str], count: int) -> tuple[str, ...]:
    """`12 of 600 images: painted on black`, and what was left out."""
    return tuple(
        f"{counted(number, *LEFT_OUT[what])}, left out" if what in LEFT_OUT else
        f"{number:,} of {counted(count, 'image')}: {what}"
        for what, number in sorted(told.items())
    )  # fmt: skip


def class_folders(root: Path) -> tuple[dict[str, Path], Counter[str]]:
    """(the class folders by name, in natural order; what else lies there, counted). Raises ZooError, with the reason,
    where these are no classes."""
    found: dict[str, Path] = {}
    told: Counter[str] = Counter()
    for entry in _entries(root):
        if not _counts(entry, told):
            continue
        if entry.is_dir():
            _check_link(entry)
            name = unicodedata.normalize("NFC", entry.name)
            if name in found:
                raise ZooError(f"{root} holds two folders that are both called {name!r}: rename one")
            found[name] = entry
        elif is_image(entry):
            raise ZooError(f"{entry} is an image beside the class folders: put it into the folder of its class")
        else:
            told[OTHERS] += 1
    lonely = [part for part in PARTS if part in found]
    if lonely:
        raise ZooError(f"{root} has {lonely[0]}/ without {'test' if lonely[0] == 'train' else 'train'}/: make both")
    if len(found) < 2:
        what = f"one class, {next(iter(found))}" if found else "no folders"
        raise ZooError(f"{root} holds {what}: a data set needs at least two classes, each a folder of its images")
    return dict(sorted(found.items(), key=lambda one: natural(Path(one[0])))), told  # as spelled in NFC, in every part


def class_files(root: Path, told: Counter[str]) -> Files:
    """The image files of each class in natural order. Raises ZooError for an empty class and for what would be left out
    without a word."""
    folders, others = class_folders(root)
    told.update(others)
    found: Files = {}
    for name, folder in folders.items():
        own: list[Path] = []
        for entry in _entries(folder):
            if not _counts(entry, told):
                continue
            if entry.is_dir():
                raise ZooError(f"{entry} is a folder within class {name}: put the images of a class into one folder")
            if entry.suffix.lower() in SUFFIXES:
                own.append(entry)
            elif is_image(entry):
                raise ZooError(
                    f"{entry} is an image of a kind that is not read: convert it to PNG, JPEG, WebP or TIFF, or move "
                    "it elsewhere"
                )
            else:
                told[OTHERS] += 1
        if not own:
            raise ZooError(f"{folder} holds no PNG, JPEG, WebP or TIFF: fill the class, or remove its folder")
        found[name] = own
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=natural)
    except NotADirectoryError:
        raise ZooError(f"{folder} is a file: give a folder that holds a folder of images for each class") from None
    except OSError as error:
        raise ZooError(f"{folder} cannot be read: {error.strerror}. Give a folder of class folders") from None


def _counts(entry: Path, told: Counter[str]) -> bool:
    """Whether something in a folder is looked at; hidden things are counted instead. Raises ZooError for a name or a
    link that nobody can follow."""
    try:
        entry.name.encode("utf-8")
    except UnicodeEncodeError:
        raise ZooError(f"{os.fsencode(entry)!r} has a name that is not UTF-8: rename it") from None
    if entry.name.startswith("."):  # .DS_Store, and ._0001.png, which is no image
        told[HIDDEN] += 1
        return False
    if entry.is_symlink() and not entry.exists():
        raise ZooError(f"{entry} is a link that leads nowhere, or in a circle: remove it")
    return True


def _check_link(entry: Path) -> None:
    if entry.is_symlink() and entry.resolve() in (entry.parent.resolve(), *entry.parent.resolve().parents):
        raise ZooError(f"{entry} is a link to a folder above it, a circle: remove it")
