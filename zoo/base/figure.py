"""One plotting style: sizes in inches, colours that colour-blind readers can distinguish.

Figures are drawn without pyplot and without the reader's own matplotlibrc, so the same files give the same bytes.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import FigureImage
from PIL import Image, PngImagePlugin

# Okabe and Ito's palette without its yellow, which is lost on white, and with a brown
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#8C5A2B")
GREY = "#8A8A8A"
DPI = 110
COLOURS = 128  # of a PNG's palette: a third of the bytes of full colour
PHOTOS = "photographs"  # a PNG's text: the boxes of pixels that a dark page shows as they are
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "lines.linewidth": 1.5,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "text.parse_math": False,  # a name may hold a dollar sign
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's defaults and STYLE, whatever is set outside."""
    with matplotlib.style.context(STYLE, after_reset=True):
        yield


def panels(
    rows: int,
    columns: int,
    width: float,
    height: float,
    *,
    margins: tuple[float, float, float, float] = (0.7, 0.2, 0.5, 0.4),
    gaps: tuple[float, float] = (0.6, 0.7),
    **options: Any,
) -> tuple[Figure, np.ndarray]:
    """A figure and its [rows, columns] axes, each of exactly width x height.

    margins: left, right, bottom, top; gaps: between columns, between rows; all in inches.
    """
    left, right, bottom, top = margins
    wide = left + columns * width + (columns - 1) * gaps[0] + right
    high = bottom + rows * height + (rows - 1) * gaps[1] + top
    figure = Figure(figsize=(wide, high), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    figure.subplots_adjust(
        left=left / wide, right=1 - right / wide, bottom=bottom / high, top=1 - top / high,
        wspace=gaps[0] / width, hspace=gaps[1] / height,
    )  # fmt: skip
    return figure, axes


def png(figure: Figure, greys: int | None = None) -> bytes:
    """The figure as PNG with a palette, without the software's name and version.

    greys: levels of a figure without colours. Where pictures were placed on it (figimage), their boxes (left, top,
    width, height in pixels) are written into the file's text, under PHOTOS.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image, out = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"), io.BytesIO()
    about = PngImagePlugin.PngInfo()
    placed = [one for one in figure.images if isinstance(one, FigureImage)]
    if placed:
        about.add_text(PHOTOS, " ".join(",".join(map(str, _box(one, image.height))) for one in placed))
    if any(
        np.ndim(np.asarray(one.get_array())) == 3 for one in placed
    ):  # photographs in colour want more than a palette
        image.save(out, "PNG", optimize=True, pnginfo=about)
        return out.getvalue()
    if greys:
        colours = np.linspace(0, 255, greys).round().astype(np.uint8)[:, None].repeat(3, axis=1)
        places = (np.asarray(image.convert("L")) * ((greys - 1) / 255)).round().astype(np.uint8)
    else:
        colours, places = _reduced(image)
    paletted = Image.fromarray(places, "P")
    paletted.putpalette(colours.tobytes())
    paletted.save(out, "PNG", optimize=True, bits=4 if len(colours) <= 16 else 8, pnginfo=about)
    return out.getvalue()


def vector(figure: Figure, kind: str) -> bytes:
    """The figure as svg or pdf, without a date."""
    out = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "zoo"}):
        figure.savefig(out, format=kind, metadata={"Date": None} if kind == "svg" else {"CreationDate": None})
    return out.getvalue()


def photographs(data: bytes) -> list[tuple[int, int, int, int]]:
    """The boxes (left, top, width, height) of a PNG by `png` that hold pictures, not paper and ink."""
    image: Any = Image.open(io.BytesIO(data))  # of a PNG, which has `text`
    text = image.text.get(PHOTOS, "")
    return [(a, b, c, d) for a, b, c, d in (map(int, box.split(",")) for box in text.split())]


def _box(placed: FigureImage, height: int) -> tuple[int, int, int, int]:
    rows, columns = placed.get_size()
    return int(placed.ox), int(height - placed.oy - rows), columns, rows


def _reduced(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """(COLOURS colours, [N, 3]; the place of each pixel's among them, [H, W]), all uint8.

    The most frequent colours stay as they are (paper, grid, text, lines), some stand for all that is between them.
    """
    counts: list[Any] = image.getcolors(image.width * image.height) or []
    counts.sort(key=lambda pair: (-pair[0], pair[1]))
    found, few = np.array([colour for _, colour in counts], np.uint8), COLOURS // 4
    colours = found[:COLOURS]
    if len(found) > COLOURS:
        between = (image.quantize(few, Image.Quantize.MAXCOVERAGE).getpalette() or [])[: 3 * few]
        colours = np.concatenate([found[: COLOURS - few], np.array(between, np.uint8).reshape(-1, 3)])
    nearest = [
        ((part[:, None].astype(int) - colours) ** 2).sum(2).argmin(1)
        for part in np.split(found, range(999, len(found), 999))
    ]
    table = np.zeros(1 << 24, np.uint8)
    table[_code(found)] = np.concatenate(nearest)
    return colours, table[_code(np.asarray(image))]


def _code(colours: np.ndarray) -> np.ndarray:
    """Colours [.., 3] as one number each."""
    return colours.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)


def short(name: object, limit: int = 40) -> str:
    """A name fit for a figure: one line, printable, not endless. Both ends are kept, as names differ there."""
    text = "".join(c if c.isprintable() else " " for c in str(name))
    last = limit // 2
    return text if len(text) <= limit else f"{text[: limit - 1 - last]}…{text[len(text) - last :]}"
