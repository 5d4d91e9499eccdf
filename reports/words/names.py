"""What an objective's name means, in words: `rf/lognorm(0,1)` and its like."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from reports.words.document import Block, Code, Fold, Paragraph, Text, table
from zoo.base.errors import ZooError
from zoo.objectives.auxiliary import Plain
from zoo.objectives.core import Objective
from zoo.objectives.coupling import Independent
from zoo.objectives.density import natural
from zoo.objectives.match import Match
from zoo.objectives.weight import Flat
from zoo.registry import TARGETS, objective

HOW = (
    "A name says what the network predicts (the target), along which path from data to noise, and after + what else is "
    "changed. "
)
TARGET = {
    "eps": "predicts the noise",
    "x0": "predicts the clean image",
    "v": "predicts v, noise and image mixed so that every noise level counts",
    "flow": "predicts the velocity from image to noise",
    "edm": "predicts EDM's mix of image and noise",
}
PATH = {
    "Flow": "a straight line from image to noise",
    "Trig": "a quarter circle from image to noise",
    "Sigmoid": "the sigmoid schedule",
    "Linear": "DDPM's linear noise schedule",
    "Cosine": "the cosine noise schedule",
    "LDM": "latent diffusion's noise schedule",
    "ZeroTerminal": "a schedule that ends in pure noise",
    "Shift": "a schedule that is shifted towards more noise or less",
}
PARTS = {  # by the class of a density, weight, coupling or auxiliary term; braces hold its numbers
    "LogitNormal": "training draws noise levels from a bell-shaped density (logit-normal, mean {mean:g}, standard "
    "deviation {std:g}), not all alike",
    "Mode": "training visits some noise levels more often (mode density, s = {s:g})",
    "CosMap": "noise levels are drawn so that they match the cosine schedule",
    "EDMLogNormal": "noise levels are drawn from EDM's log-normal density (mean {mean:g}, standard deviation {std:g})",
    "Laplace": "noise levels are drawn from a Laplace density (centre {mu:g}, scale {b:g})",
    "MinSNR": "errors at little noise count less (min-SNR, cut at {gamma:g})",
    "SoftMinSNR": "errors at little noise count less (soft min-SNR, around {gamma:g})",
    "Match": "errors at each noise level count as much as with {like}",
    "FlowLoss": "errors of the image are weighted as those of the velocity (noise share at least {clamp:g})",
    "OT": "each image is trained with a noise that lies near it in the batch (optimal transport)",
    "ClassOT": "each image is trained with a noise that lies near it among its class (optimal transport)",
    "Immiscible": "each image is trained with a noise that lies near it in the batch",
    "ClassImmiscible": "each image is trained with a noise that lies near it among its class",
    "Nearest": "each image is trained with the nearest of {k} noises",
    "Offset": "the noise has a part that is the same over the whole image",
    "Contrast": "predictions that fit another image are penalised",
    "Learned": "the weight of each noise level is learned",
}
SPECIAL = {"rf": "rectified flow: "}


def names(objectives: Sequence[str]) -> list[Block]:
    """A sentence about how names are read, with an example, and the meaning of all of them folded; [] without any."""
    told = {name: text for name in objectives if (text := meaning(name))}
    if not told:
        return []
    example = max(told, key=lambda name: (name.startswith("rf/"), "+" in name, -objectives.index(name)))
    head: Text = ("Names. ", HOW, Code(example), f": {told[example]}.")
    rows = table(["objective", "what it means"], list(told.items()), names=2)
    return [Paragraph(head), Fold("What each name means", (rows,))]


def meaning(name: str) -> str | None:
    """`predicts the noise along the cosine noise schedule; ..`; None for a name that the registry does not know."""
    try:
        found = objective(name.partition(" [")[0])
    except ZooError:
        return None
    words = (word for word, made in TARGETS.items() if type(found.target) is made)
    target = TARGET.get(next(words, ""))
    target = target or f"predicts {found.target.formula}"
    path = PATH.get(type(found.path).__name__, found.path.formula)
    plain = f"{SPECIAL.get(name.split('/')[0].split('+')[0], '')}{target}, along {path}"
    taught = [f"what is trained: {found.scheme.taught}"] if found.scheme else []
    return "; ".join([*taught, plain, *map(_part, _changed(found))])


def _changed(found: Objective) -> list[object]:
    """The axes that are not at their plain value."""
    axes: list[object] = []
    axes += [found.density] if found.density != natural(found.path) else []
    axes += [found.weight] if found.weight != Flat() else []
    axes += [found.coupling] if found.coupling != Independent() else []
    axes += [found.auxiliary] if found.auxiliary != Plain() else []
    return axes


def _part(axis: Any) -> str:
    numbers = {f.name: value for f in fields(axis) if isinstance(value := getattr(axis, f.name), int | float)}
    if form := PARTS.get(type(axis).__name__):
        return form.format(**numbers, **({"like": axis.like.name} if isinstance(axis, Match) else {}))
    values = ", ".join(f"{name} = {value:g}" for name, value in numbers.items())
    kind = "weight" if "error" in getattr(axis, "formula", "") else type(axis).__name__
    return f"{kind}: {getattr(axis, 'formula', '')}{f' ({values})' if values else ''}"
