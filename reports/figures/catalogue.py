"""The figures: draw(run) -> {file name: PNG}, from one table of what there is, how it is drawn and where it belongs."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from reports.figures import curves, effort, epochs, forest, fronts, losses, resolution, scores, sheets, strip, study
from reports.figures.each import Each, backbones, families, headline, once
from reports.read.run import Run
from reports.words.fewsteps import CAPTION
from zoo.base.figure import PALETTE, png, style
from zoo.data import sets

GREYS = 16  # of pictures of samples: their noise is most of a page's bytes
BEST = "eight of the best rank"


@dataclass(frozen=True)
class Plot:
    """A figure, or several of a kind: the page's section, what is said below, how it is drawn, and how often.

    whole: it is about all data sets together. eight: which of more than eight objectives have colours. greys:
    how many levels of grey are enough.
    """

    section: str
    caption: str
    draw: Callable[..., Figure | None]
    each: Callable[[Run], Each] = once
    whole: bool = False
    eight: str = ""
    greys: int | None = None


# By the beginning of the file's name, in the order of the page.
PLOTS = {
    "strip": Plot(
        "Opening",
        "One sample of each class under the highest guidance, on the backbone that draws best; real test images "
        "first, then the objectives, the best first. Same noise and labels for all.",
        strip.strip,
        whole=True,
        greys=GREYS,
    ),
    "ranks": Plot(
        "Ranks",
        "The objectives' places under every control setting, by Pareto front and within a front by FID: dark blue is "
        "first. Beside the names FID over all settings, by which they are ranked.",
        lambda run: fronts.places(run) if run.ranks_objectives else None,
        whole=True,
    ),
    "fid": Plot("Comparison", "FID of every objective; bars are {spread}.", scores.fid),
    "accuracy-fid": Plot(
        "Comparison",
        "Accuracy against FID, the better towards the upper left; a line joins the settings of one objective. Bars: "
        "{bars}.",
        scores.accuracy_against_fid,
        eight=BEST,
    ),
    "pareto": Plot(
        "Fronts",
        "The Pareto fronts of every control setting, from which the mean front comes: means over seeds; no objective "
        "is better in both than one on the first front (blue). Later fronts are grey, the later the fainter.",
        fronts.pareto,
        backbones,
    ),
    "fid-seconds": Plot(
        "Comparison",
        "FID of the final scores, means over seeds, against seconds of training, with teachers' runs, the median over "
        "seeds; bars are {spread} in FID.",
        effort.seconds,
        eight=BEST,
    ),
    "forest": Plot(
        "Pairs",
        "Each row is one change: the change of FID that it makes, with its interval, as in the tables below.",
        forest.forest,
    ),
    "guidance": Plot(
        "Comparison",
        "FID against guidance, a line for each objective; where several samplers or starts were tried, the lowest FID "
        "of each, at the most steps. Lines that cross: which objective is better depends on guidance.",
        effort.guidance,
        eight=BEST,
    ),
    "evaluations": Plot(
        "Settings",
        "FID against network evaluations, guidance included; means over seeds.",
        effort.evaluations,
        eight=BEST,
    ),
    "few-steps": Plot("Few steps", CAPTION, effort.few_steps, eight="eight best at any few evaluations"),
    "samplers": Plot(
        "Settings",
        "FID under every sampler and step grid, a line for each objective; means over seeds.",
        effort.samplers,
        eight=BEST,
    ),
    "study": Plot(
        "Parameters",
        "What the numbers of a density or weight do: FID, and for families of two numbers the mean rank over all "
        "settings of the backbone, among all objectives. The lighter the better, the best framed; bars are {spread}.",
        study.study,
        families,
    ),
    "samples": Plot(
        "Samples",
        "Samples by class, a row an objective, real test images above. Same noise and labels in every row.",
        sheets.samples,
        headline,
        greys=GREYS,
    ),
    "paths": Plot(
        "Samples",
        "How one image comes about, from the same noise and label for every objective: what the network sees (x_t, "
        "at unit variance) above what it makes of it (x_hat); of many objectives only that.",
        sheets.paths,
        backbones,
        greys=GREYS,
    ),
    "copies": Plot(
        "Samples",
        "The samples of each backbone's first objective that are nearest to a training image for how far the second "
        "nearest is, above those images.",
        sheets.copies,
        greys=GREYS,
    ),
    "classes": Plot(
        "Classes", "Accuracy per class; the colours begin below the lowest share on the page.", scores.classes
    ),
    "confusion": Plot(
        "Classes",
        "What the judge saw under the highest guidance in the samples of the objectives of the lowest and the highest "
        "FID there, % of those asked for; all seeds together.",
        scores.confusion,
    ),
    "ema-raw": Plot(
        "EMA and raw weights",
        "The same noise and labels drawn from both kinds of weights, the objectives of the lowest FID first.",
        sheets.ema_beside_raw,
        backbones,
        greys=GREYS,
    ),
    "epochs": Plot(
        "Epochs",
        "One sample of each class after some epochs of training, by the averaged weights and by the raw ones; the same "
        "noise in every row. The run's folder epochs/ holds a picture of every epoch.",
        epochs.epochs,
        backbones,
        greys=GREYS,
    ),
    "snapshots": Plot(
        "Training",
        "FID against training images seen; means over seeds. Where lines cross, the order depends on the length.",
        effort.snapshots,
        eight=BEST,
    ),
    "x-hat-error": Plot(
        "Training",
        "Error of x_hat (the clean image that the prediction stands for, clipped as in sampling) on test images by "
        "noise level, over that of the class's mean image, from which above 1 is worse. Sampling begins at the right.",
        curves.x_hat_error,
        eight=BEST,
    ),
    "validation-loss": Plot(
        "Training",
        "Validation loss of the EMA weights against training images seen; means over seeds. Only lines of one target "
        "and one scale of pixels have the same unit.",
        losses.curve,
        eight=BEST,
    ),
    "scaling": Plot(
        "Scaling",
        "Validation loss, and FID, against the compute of training; a line for each size of the backbone, means over "
        "seeds.",
        losses.scaling,
    ),
    "resolution": Plot(
        "Resolution",
        "Error of x_hat on test images by noise level at both resolutions, means over seeds, of the first objective. "
        "On the right the larger one's noise level is shifted by the fitted k. Dotted: the heights at which it is "
        "fitted.",
        resolution.resolution,
        whole=True,
    ),
    "weights": Plot(
        "Training",
        "What each objective lays weight on: density of logsnr in training x weight on the error of the predicted "
        "noise, over its value at logsnr 0. Objectives with the same curve (marked =) minimise the same thing in "
        "expectation.",
        curves.weights,
        eight=BEST,
    ),
    "loss": Plot(
        "Training",
        "Training loss of the lowest seed. Every objective has its own units: only shapes can be compared.",
        curves.loss,
        eight=BEST,
    ),
    "eps-error": Plot(
        "Training",
        "Squared error of the predicted noise by noise level, mean over the last quarter of the lowest seed's "
        "training: the same units for all; no students of a teacher. On the right over the lowest in the bin.",
        curves.eps_error,
        eight=BEST,
    ),
}


def draw(run: Run) -> dict[str, bytes]:
    """Every figure that the run's files can fill, by file name; of several data sets, each with its name in front."""
    with style():
        drawn = {f"{stem}{end}.png": figure for stem, end, figure in _figures(run, whole=True)}
        for dataset in run.datasets:
            prefix = f"{sets.short(dataset)}-" if len(run.datasets) > 1 else ""
            part = _figures(run.on(dataset), whole=False)
            drawn |= {f"{prefix}{stem}{end}.png": figure for stem, end, figure in part}
    return drawn


def _figures(run: Run, whole: bool) -> Iterator[tuple[str, str, bytes]]:
    for stem, plot in PLOTS.items():
        for end, further in plot.each(run).items() if plot.whole == whole else ():
            if figure := plot.draw(run, *further):
                yield stem, end, png(figure, plot.greys)


def of_section(section: str, names: list[str], prefix: str = "") -> list[str]:
    """Those of the figures' names that belong to a section of the page, less the data set's prefix, in order."""
    found = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    return [name for name in found if (stem := _stem(name)) and PLOTS[stem].section == section]


def caption(run: Run, name: str) -> str:
    """What is said below a figure, which tells what bars are and which objectives are named; plain text."""
    plot = PLOTS[_stem(name) or name]
    one = max(len(run.group(b, o)) for b in run.backbones for o in run.objectives) == 1
    spread = "± one standard error" if one else "min and max over seeds"
    bars = f"{spread} for FID, 95% intervals for accuracy" if one else spread
    text = plot.caption.format(spread=spread, bars=bars)
    if plot.eight and len(run.objectives) > len(PALETTE):
        text += f" Named: the {plot.eight}; the others are grey."
    if plot.draw is curves.x_hat_error and any(name in run.objectives for name in ("ect", "scm")):
        text += " The x_hat of ect and scm is no mean but the end of the flow, so that its error is larger."
    return text


def arguments(run: Run, name: str) -> tuple[str, tuple[Any, ...]]:
    """(the row of the table behind a figure's name, what it was drawn with besides the run)."""
    stem = _stem(name) or ""
    return stem, PLOTS[stem].each(run).get(name.removeprefix(stem).removesuffix(".png"), ())


def _stem(name: str) -> str | None:
    """The row of the table behind a file's name (without a data set's prefix): the longest that it begins with."""
    return max((stem for stem in PLOTS if re.match(rf"{re.escape(stem)}[-.]", name)), key=len, default=None)
