"""The README's picture: python -m reports.front runs/default --out reports/reference/front.png

Digits drawn by each objective, in the order of their ranks, beside the FID of its training runs under the same control
setting. It is drawn from a finished run, because a folder of reference results keeps no samples.
"""

from dataclasses import dataclass
from pathlib import Path

from zoo.base.errors import ZooError, run_main
from zoo.base.files import write_atomic
from zoo.base.limits import require_writable
from zoo.base.options import WHERE, option
from zoo.cli import parse


@dataclass
class Options:
    """Draw the README's picture of a run."""

    folder: str = option("", "a run's folder, which holds grid.json: runs/default", positional=True, metavar="DIR")
    out: str = option("front.png", "the picture", WHERE, metavar="FILE.png")


def draw(folder: Path) -> bytes:
    """The picture as PNG. Raises ZooError for a folder that holds no run, or a run without samples."""
    from reports.figures.front import front
    from reports.read.load import load
    from zoo.base.figure import png, style

    run = load(folder)
    with style():
        figure = front(run)
        if figure is None:
            raise ZooError(f"{folder} holds no samples yet. Give the folder of a run with cells that are done")
        return png(figure)


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m reports.front", __doc__)
    if not options.folder:
        raise ZooError("which run? python -m reports.front DIR; a folder that holds grid.json, as in runs/default")
    require_writable(Path(options.out), "--out")
    write_atomic(Path(options.out), draw(Path(options.folder)))
    print(options.out)


if __name__ == "__main__":
    run_main(main)
