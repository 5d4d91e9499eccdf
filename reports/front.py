"""The README's picture: python -m reports.front reports/reference/mnist-cpu --out reports/reference/front.png

Samples by objective, as the committed figure shows them, beside each objective's FID under the same control setting:
the mean over training runs, the lowest and the highest. Numbers come from results.csv, which lies beside the figures.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.base.errors import ZooError, run_main
from zoo.base.files import write_atomic
from zoo.base.options import option
from zoo.cli import parse

HEAD, TAIL = 0.62, 0.1  # inches of a figure of samples above and below its rows (reports/figures/sheets.py)


@dataclass
class Options:
    """Draw the README's picture from a folder of results."""

    folder: str = option("", "a run's folder, or one of reports/reference", positional=True)
    out: str = option("front.png", "the picture", metavar="FILE.png")


def numbers(folder: Path, backbone: str, guidance: float) -> dict[str, np.ndarray]:
    """FID of each objective's runs on a backbone, EMA weights, in the order of results.csv."""
    import pandas as pd

    try:
        table = pd.read_csv(folder / "results.csv")
    except (OSError, ValueError) as error:
        raise ZooError(f"{folder / 'results.csv'} cannot be read: {error}. Give a run's folder") from None
    slugs = table["backbone"].map(lambda name: name.replace("(", "-").replace(")", "").replace(",", "-"))
    kept = table[
        (slugs.str.replace("=", "-") == backbone) & (table["weights"] == "ema") & (table["guidance"] == guidance)
    ]
    return {str(name): rows["fid"].to_numpy() for name, rows in kept.groupby("objective", sort=False)}


def draw(folder: Path) -> bytes:
    """The picture as PNG. Raises ZooError for a folder without samples at guidance 2."""
    from matplotlib.image import imread

    from zoo.base.figure import DPI, PALETTE, panels, png, style

    found = sorted((folder / "figures").glob("samples-unet*-g2.png"))
    if not found:
        raise ZooError(f"{folder / 'figures'} holds no samples of a U-Net at guidance 2 (samples-unet..-g2.png)")
    picture = imread(found[0])
    fids = numbers(folder, found[0].stem.removeprefix("samples-").removesuffix("-g2"), 2.0)
    if not fids:
        raise ZooError(f"{folder / 'results.csv'} has no row of that backbone at guidance 2")
    high, wide = picture.shape[0] / DPI, picture.shape[1] / DPI
    with style():
        width = 3.6
        figure, ((ax,),) = panels(1, 1, width, high - HEAD - TAIL, margins=(wide + 0.25, 0.7, TAIL, HEAD))
        figure.figimage(picture, 0, 0, origin="upper", zorder=-1)
        rows = np.arange(1, len(fids) + 1)  # the first row is that of real images
        means = np.array([values.mean() for values in fids.values()])
        for row, values in zip(rows, fids.values(), strict=True):
            ax.plot([values.min(), values.max()], [row, row], color=PALETTE[0], linewidth=2, alpha=0.5)
        ax.scatter(means, rows, color=PALETTE[0], s=28, zorder=3)
        for row, mean in zip(rows, means, strict=True):
            ax.annotate(f"{mean:.1f}", (1.03, row), xycoords=("axes fraction", "data"), va="center", fontsize=9)
        ax.set_xscale("log")
        ax.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
        ax.minorticks_off()
        ax.set_ylim(len(fids) + 0.5, -0.5)
        ax.set_yticks([])
        ax.xaxis.tick_top()
        ax.set_title("FID at guidance 2, lower is better", pad=18)
        return png(figure)


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m reports.front", __doc__)
    if not options.folder:
        raise ZooError("which results? python -m reports.front FOLDER, as in reports/reference/mnist-cpu")
    write_atomic(Path(options.out), draw(Path(options.folder)))
    print(options.out)


if __name__ == "__main__":
    run_main(main)
