"""Letters of TrueType fonts as images: 26 classes, white on black, a font's letters all in training or all in tests.

Fonts are those that matplotlib ships and those of the system. Each letter is drawn as a capital and as a small one,
in several sizes, angles and places, which come from a seed. One that lacks a letter, or draws two alike, is left out.
"""

import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 32
TEST_EVERY = 5  # of so many families of fonts one is for tests
OVER = 4  # pixels drawn for each that is kept, in either direction
TURN, ROOM = 8.0, 2  # degrees and pixels by which a letter is turned and moved, at most
HEIGHTS = (0.55, 0.8)  # of a capital, in shares of the side
FORMS = re.compile(r"(bold|bol|italic|ital|oblique|condensed)+$")
SYMBOLS = ("cmex", "cmsy", "sizonesym", "siztwosym", "sizthreesym", "sizfoursym", "sizfivesym", "nonuni")


@dataclass(frozen=True)
class Letter:
    """An image uint8 [SIDE, SIDE] of a letter, `a` to `z`; part: train or test; name: of its file."""

    letter: str
    part: str
    name: str
    image: np.ndarray


def font_files() -> list[Path]:
    """TrueType files by name: those that matplotlib ships, and those of the system; one of each name."""
    import matplotlib
    from matplotlib import font_manager

    shipped = Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")
    system = (Path(file) for file in font_manager.findSystemFonts(fontext="ttf"))
    found: dict[str, Path] = {}
    for file in (*sorted(shipped), *sorted(system)):
        if file.suffix.lower() in (".ttf", ".otf") and not any(word in file.stem.lower() for word in SYMBOLS):
            found.setdefault(file.stem.lower(), file)
    return [found[name] for name in sorted(found)]


def drawn(file: Path, letter: str, size: float, angle: float = 0.0, move: tuple[float, float] = (0, 0)) -> np.ndarray:
    """A letter of a font, uint8 [SIDE, SIDE]. size: of the font, in pixels; angle: degrees; move: pixels, x and y."""
    side = SIDE * OVER
    image = Image.new("L", (side, side))
    font = ImageFont.truetype(str(file), round(size * OVER))
    place = (side / 2 + move[0] * OVER, side / 2 + move[1] * OVER)
    ImageDraw.Draw(image).text(place, letter, font=font, fill=255, anchor="mm")
    return np.asarray(image.rotate(angle, Image.Resampling.BICUBIC).resize((SIDE, SIDE), Image.Resampling.BOX))


def has_letters(file: Path) -> bool:
    """Whether a font draws every small and capital letter, each another way than the others of its kind."""
    try:
        for kind in (string.ascii_lowercase, string.ascii_uppercase):
            pictures = {drawn(file, letter, SIDE / 2).tobytes() for letter in kind}
            if len(pictures) < len(kind) or bytes(SIDE * SIDE) in pictures:
                return False
    except (OSError, ValueError):  # what FreeType cannot read
        return False
    return True


def letters(files: list[Path], variants: int, seed: int) -> Iterator[Letter]:
    """Every letter of every font, in `variants` sizes, angles and places, small and capital in turn."""
    families = sorted({family(file) for file in files})
    test = set(families[TEST_EVERY - 1 :: TEST_EVERY])
    for file in files:
        part = "test" if family(file) in test else "train"
        for letter in string.ascii_lowercase:
            rng = random.Random(f"{seed} {file.stem} {letter}")  # noqa: S311 (no secret)
            for i in range(variants):
                size = SIDE * rng.uniform(*HEIGHTS) / 0.7  # a capital is about 0.7 of its font's size
                move = rng.uniform(-ROOM, ROOM), rng.uniform(-ROOM, ROOM)
                shown = letter if i % 2 else letter.upper()
                image = drawn(file, shown, size, rng.uniform(-TURN, TURN), move)
                yield Letter(letter, part, f"{file.stem}-{i:02}.png", image)


def family(file: Path) -> str:
    """The part of a file's name that bold, slanted and narrow forms share: `DejaVuSans-Bold` -> `dejavusans`."""
    return FORMS.sub("", file.stem.lower().split("-")[0])
