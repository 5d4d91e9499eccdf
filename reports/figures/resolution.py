"""The error of x_hat by noise level at two resolutions, as it is and with the larger one's noise level shifted."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.ranks.resolution import HEIGHTS, Curve
from reports.figures.plotting import fit, label_ends, text_width
from reports.read.run import Run
from reports.words.resolution import Pairing, curves, pairings
from zoo.base.figure import GREY, PALETTE, panels, short


def resolution(run: Run) -> Figure | None:
    """Two panels for the first objective on the first pair of resolutions: as measured, and laid on one another."""
    one = next((each for each in pairings(run) if each.found), None)
    if one is None or one.found is None:
        return None
    moves = (("as measured", 0.0), (f"{_name(one, 1)} moved by shift({one.found.k:.2f})", 2 * math.log(one.found.k)))
    names = [_name(one, place) for place in (0, 1)]
    right = text_width(names) + 0.2
    width = fit(2, 0.7, right, right + 0.5)
    figure, axes = panels(1, 2, width, 3.2, margins=(0.7, right, 0.5, 0.4), gaps=(right + 0.5, 0.9))
    for ax, (title, move) in zip(axes[0], moves, strict=True):
        _panel(ax, one, names, title, move)
    return figure


def _panel(ax: Axes, one: Pairing, names: Sequence[str], title: str, move: float) -> None:
    ends = []
    for place, (part, backbone) in enumerate((one.small, one.large)):
        logsnr, share = _mean(list(curves(part, backbone, one.objective).values()))
        x = logsnr + (move if place else 0.0)
        ax.plot(x, share, color=PALETTE[place], marker="o", ms=4)
        ends.append((float(x[0]), float(share[0])))
    for height in HEIGHTS:
        ax.axhline(height, color=GREY, lw=0.5, ls=":")
    ax.set_title(title)
    ax.set_xlabel("logsnr  (data at the left, noise at the right)")
    ax.set_ylabel("error of x_hat / of the class mean")
    ax.invert_xaxis()
    ax.set_ylim(bottom=0)
    label_ends(ax, ends, names, PALETTE[:2])


def _mean(found: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
    """The mean over seeds."""
    return np.asarray(found[0][0], float), np.mean([share for _, share in found], axis=0)


def _name(one: Pairing, place: int) -> str:
    return short((one.small, one.large)[place][0].datasets[0])
