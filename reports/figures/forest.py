"""A forest plot of the controlled pairs: the effect on FID of one change at a time, with its interval."""

import numpy as np
from matplotlib.figure import Figure

from reports.figures.plotting import MARKERS, fit, legend
from reports.read.run import Run
from reports.words.pairs import common, measured, parsed
from reports.words.questions import asked
from zoo.base.figure import GREY, PALETTE, panels, short

MOST = 16  # pairs


def forest(run: Run) -> Figure | None:
    """The pairs that a question asks for, a row each, the backbones side by side in it; left of zero is better."""
    if any(cell.variant for cell in run.cells) or not run.done:
        return None
    known, _ = parsed(run.objectives)
    questions, axes = asked(known)
    chosen = [pair for _, group in questions for pair in group]
    chosen = (chosen + [pair for group in axes.values() for pair in group])[:MOST]
    found = [effect for effect in measured(run, common(run), chosen) if effect.fid is not None]
    rows = list(dict.fromkeys((effect.plain, effect.changed) for effect in found))
    if not rows:
        return None
    names = [f"{short(changed, 32)} minus {short(plain, 32)}" for plain, changed in rows]
    left = 0.3 + 0.078 * max(map(len, names))
    figure, ((ax,),) = panels(1, 1, min(6.0, fit(1, left, 0.2, 0)), 0.42 * len(rows), margins=(left, 0.2, 0.55, 0.45))
    for i, backbone in enumerate(run.backbones):
        own = [effect for effect in found if effect.backbone == backbone]
        y = [rows.index((e.plain, e.changed)) + (i - (len(run.backbones) - 1) / 2) * 0.26 for e in own]
        means = np.array([e.fid.mean for e in own if e.fid])
        ends = [(e.fid.low, e.fid.high) for e in own if e.fid]
        bars = [
            [m - (m if low is None else low), (m if high is None else high) - m]
            for m, (low, high) in zip(means, ends, strict=True)
        ]
        look = {"color": PALETTE[i % 8], "marker": MARKERS[i % 6], "ms": 5.5, "label": short(backbone)}
        ax.errorbar(means, y, xerr=np.maximum(np.array(bars).T, 0) if bars else None, ls="", elinewidth=1.2, **look)
    ax.axvline(0, color=GREY, lw=1)
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel(f"change of {run.fid_name} (left of 0: the change helps)")
    legend(figure, ax)
    return figure
