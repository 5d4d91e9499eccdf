"""The first screen's strip: a sample of each class for each objective, the best by rank first, after real ones."""

import numpy as np
from matplotlib.figure import Figure

from reports.figures.plotting import WIDEST
from reports.figures.sheets import padded, place, tiles_of, tiles_of_real
from reports.read.run import Run
from zoo.base.figure import DPI, panels, short

MOST = 8  # objectives
ACROSS = 5  # images in a line of a block
CLASSES = 10  # in a block, at most
BLOCK = 190  # pixels: about how wide a block is at least
GAP, LABEL = 14, 17  # pixels between blocks, and above them for the name
LINE = 0.5


def strip(run: Run) -> Figure | None:
    """One sample of every class under the highest guidance, on the backbone that draws best; the same noise for all."""
    if not run.headline:
        return None
    part = run.on(run.datasets[0])
    if not part.headline:
        return None
    backbone = best_backbone(part)
    blocks = [("real", _block(real, part.spec.real))] if (real := tiles_of_real(part)) is not None else []
    for o in part.ranked[:MOST]:
        tiles = tiles_of(part, backbone, o, part.highest)
        if tiles is not None:
            blocks.append((o, _block(tiles, part.spec.real)))
    if len(blocks) < 2 or len({block.shape for _, block in blocks}) > 1:
        return None
    high, wide = blocks[0][1].shape[:2]
    scale = max(1, min(6, round(BLOCK / wide)))
    high, wide = scale * high, scale * wide
    columns = max(1, min(len(blocks), int((WIDEST * DPI + GAP) // (wide + GAP))))
    rows = -(-len(blocks) // columns)
    columns = -(-len(blocks) // rows)
    across, down = columns * wide + (columns - 1) * GAP, rows * (high + LABEL) + (rows - 1) * GAP // 2
    figure, ((ax,),) = panels(1, 1, across / DPI, down / DPI, margins=(0, 0, 0, 0))
    ax.set_xlim(0, across)
    ax.set_ylim(0, down)
    ax.axis("off")
    for i, (name, block) in enumerate(blocks):
        x, top = (i % columns) * (wide + GAP), (i // columns) * (high + LABEL + GAP // 2)
        y = down - top - LABEL - high
        place(figure, block.repeat(scale, 0).repeat(scale, 1), x, y)
        ax.text(x, y + high + 4, short(name, int(wide / 6.4)), ha="left", va="bottom", fontsize=8)
    return figure


def best_backbone(run: Run) -> str:
    """The backbone of the highest accuracy under the highest guidance."""
    found = {
        backbone: max(
            (stat.mean for o in run.objectives if (stat := run.stat(backbone, o, run.highest, "acc"))), default=-1.0
        )
        for backbone in run.backbones
    }
    return max(found, key=lambda backbone: found[backbone])


def _block(tiles: np.ndarray, real: int) -> np.ndarray:
    """The first tile of the first CLASSES real classes, [rows, classes, H, W, C], as lines of ACROSS with a grey line
    round each; the last line is filled with grey."""
    shown = tiles[0, : min(real, CLASSES)]
    framed = padded(shown, ((0, -len(shown) % ACROSS), (0, 1), (0, 1)), LINE)
    lines = [np.hstack(list(framed[i : i + ACROSS])) for i in range(0, len(framed), ACROSS)]
    return padded(np.vstack(lines), ((1, 0), (1, 0)), LINE)
