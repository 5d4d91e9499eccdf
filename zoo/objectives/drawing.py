"""The picture of one objective: the density of logsnr that it draws, and its effective weight."""

import torch
from matplotlib.ticker import FuncFormatter, NullLocator

from zoo.base.figure import GREY, PALETTE, panels, png, short, style, vector
from zoo.objectives.core import Objective
from zoo.objectives.fingerprint import SPAN


def draw(chosen: Objective, reference: Objective | None = None, kind: str = "png") -> bytes:
    """A picture, png, svg or pdf: noise at the left, data at the right; the reference in grey, for comparison."""
    logsnr = torch.linspace(-SPAN, SPAN, 481, dtype=torch.float64)
    with style():
        figure, axes = panels(1, 2, 4.2, 2.8, gaps=(0.8, 0.6), margins=(0.7, 0.3, 0.6, 0.45))
        density, weight = axes[0]
        shown = [(reference, GREY, 1.0)] if reference and chosen.name != reference.name else []
        for one, colour, width in [*shown, (chosen, PALETTE[0], 1.8)]:
            if one.scheme is None or one.scheme.drawn:
                density.plot(
                    logsnr, one.log_density(logsnr).exp(), color=colour, linewidth=width, label=short(one.name)
                )
            if one.scheme is None or one.scheme.weighed:
                w = one.effective_weight(logsnr)
                weight.plot(logsnr[w > 0], w[w > 0], color=colour, linewidth=width)
        density.set_title("density of logsnr in training")
        density.set_ylim(bottom=0)
        weight.set_title("effective weight, 1 at logsnr 0")
        weight.set_yscale("log")
        weight.set_ylim(1e-4, 1e4)
        weight.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        weight.yaxis.set_minor_locator(NullLocator())
        for ax in axes[0]:
            ax.set_xlim(-SPAN, SPAN)
            ax.set_xlabel("logsnr  (noise at the left, data at the right)")
        density.legend(frameon=False, loc="upper left")
        return png(figure) if kind == "png" else vector(figure, kind)
