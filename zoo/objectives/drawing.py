"""The picture of one objective: the density of logsnr that it draws, its effective weight, and what that changes."""

import torch
from matplotlib.ticker import FuncFormatter, NullLocator

from zoo.base.figure import GREY, PALETTE, panels, png, short, style, vector
from zoo.objectives.core import Objective
from zoo.objectives.fingerprint import SPAN


def draw(chosen: Objective, reference: Objective | None = None, kind: str = "png") -> bytes:
    """A picture, png, svg or pdf: noise at the left, data at the right; the reference in grey, for comparison."""
    logsnr = torch.linspace(-SPAN, SPAN, 481, dtype=torch.float64)
    with style():
        other = reference if reference and reference.name != chosen.name else None
        figure, axes = panels(1, 3 if other else 2, 4.2, 2.8, gaps=(0.8, 0.6), margins=(0.7, 0.3, 0.6, 0.45))
        density, weight = axes[0][:2]
        shown = [(other, GREY, 1.0)] if other else []
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
        if other:
            ratio = chosen.effective_weight(logsnr) / other.effective_weight(logsnr)
            known = ratio.isfinite() & (ratio > 0)
            axes[0][2].plot(logsnr[known], ratio[known], color=PALETTE[0], linewidth=1.8)
            axes[0][2].set_title(f"effective weight over that of {short(other.name)}")
        for ax in axes[0][1:]:
            ax.set_yscale("log")
            ax.set_ylim(1e-4, 1e4)
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.yaxis.set_minor_locator(NullLocator())
        for ax in axes[0]:
            ax.set_xlim(-SPAN, SPAN)
            ax.set_xlabel("logsnr  (noise at the left, data at the right)")
        density.legend(frameon=False, loc="upper left")
        return png(figure) if kind == "png" else vector(figure, kind)
