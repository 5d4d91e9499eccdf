"""Make a data set of the letters of fonts: python -m zoo.letters --out letters

It writes PNG files, 32 x 32, white on black, in 26 class folders below train/ and test/, of the TrueType fonts that
matplotlib ships and those of the system; whole families of fonts are for tests. Then: --dataset
"folder:letters(channels=1)"
"""

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from zoo.base.counts import counted
from zoo.base.errors import ZooError, run_main
from zoo.base.files import write_atomic
from zoo.base.limits import require_writable
from zoo.base.options import MUCH, WHERE, option
from zoo.cli import parse

MOST = 1000  # images of a letter from one font


@dataclass
class Options:
    """Write the letters of fonts as a folder of images."""

    out: str = option("letters", "a folder that does not exist yet, or is empty", WHERE, metavar="DIR")
    variants: int = option(8, "images of each letter from each font: sizes, angles and places", MUCH)
    seed: int = option(0, "seed of these", MUCH)

    def check(self) -> None:
        """Raise ZooError for values that make no sense, and for a folder that holds something."""
        if not 1 <= self.variants <= MOST:
            raise ZooError(f"--variants {self.variants:,} must be at least 1, and at most {MOST:,}")
        require_writable(Path(self.out) / "x", "--out")
        if Path(self.out).is_dir() and any(Path(self.out).iterdir()):
            raise ZooError(f"--out {self.out} is not empty: choose another folder, or remove it")


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m zoo.letters", __doc__)
    options.check()
    from PIL import Image

    from zoo.data import fonts

    files = fonts.font_files()
    usable = [file for file in files if fonts.has_letters(file)]
    if len({fonts.family(file) for file in usable}) < fonts.TEST_EVERY:
        raise ZooError(f"{counted(len(usable), 'font')} with letters: too few: install more TrueType fonts")
    counts: Counter[str] = Counter()
    for one in fonts.letters(usable, options.variants, options.seed):
        data = io.BytesIO()
        Image.fromarray(one.image).save(data, "PNG")
        write_atomic(Path(options.out) / one.part / one.letter / one.name, data.getvalue())
        counts[one.part] += 1
    print(
        f"{options.out}: {counts['train']:,} training and {counted(counts['test'], 'test image')} of 26 letters, from "
        f"{counted(len(usable), 'font')}; {counted(len(files) - len(usable), 'font')} without letters left out"
    )
    print(f'train on it with: python -m zoo.train --dataset "folder:{options.out}(channels=1)"')


if __name__ == "__main__":
    run_main(main)
