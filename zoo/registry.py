"""Names -> objectives and backbones. This is the one place to touch to add either.

A new combination is one line in ZOO. A new idea on one axis is one final class in that axis' file and one line in its
table here. Everything else (command line, tests, report rows, references) iterates over these tables.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import astuple, fields
from functools import lru_cache
from typing import TYPE_CHECKING

from zoo.backbones.sizes import Backbone, DiTSize, UNetSize
from zoo.density import Atoms, Density, LogitNormal, Uniform
from zoo.errors import ZooError, choose
from zoo.names import Term, parse_term
from zoo.objective import Objective
from zoo.path import Cosine, Flow, Linear, Path, Table, Trig
from zoo.target import Eps, FlowTarget, Target, V
from zoo.weight import Flat, MinSNR, Weight

if TYPE_CHECKING:
    from torch import nn

TARGETS: Mapping[str, Callable[..., Target]] = {"eps": Eps, "v": V, "flow": FlowTarget}
PATHS: Mapping[str, Callable[..., Path]] = {"flow": Flow, "trig": Trig, "linear": Linear, "cosine": Cosine}
DENSITIES: Mapping[str, Callable[..., Density]] = {"uniform": Uniform, "lognorm": LogitNormal}
WEIGHTS: Mapping[str, Callable[..., Weight]] = {"minsnr": MinSNR}
MODIFIERS = {"density": DENSITIES, "weight": WEIGHTS}  # what may follow a +, at most one of each kind
BACKBONES: Mapping[str, Callable[..., Backbone]] = {"dit": DiTSize, "unet": UNetSize}

# The zoo: the names that the tests, the list of objectives and the README's table go through.
ZOO: tuple[str, ...] = (
    "rf",
    "rf/lognorm(0,1)",
    "v/cosine",
    "eps/linear",
    "eps/cosine",
    "eps/linear+minsnr(5)",
    "eps/cosine+minsnr(5)",
    "v/cosine+minsnr(5)",
)


@lru_cache
def objective(name: str) -> Objective:
    """The objective of this name: TARGET/PATH, rf (short for flow/flow) or rf/DENSITY, then any +MODIFIERs.

    Raises ZooError, with the nearest name, for a name that the tables do not hold.
    """
    head, *modifiers = re.split(r"\+(?![^(]*\))", name)  # at each + outside of parentheses
    first, *rest = (parse_term(part, "objective") for part in head.split("/", maxsplit=1))
    extras = [parse_term(part, "modifier") for part in modifiers]
    if first == Term("rf"):
        target, path, extras = Term("flow"), Term("flow"), rest + extras
    elif rest and first.word in TARGETS and rest[0].word in PATHS:
        target, path = first, rest[0]
    else:
        raise choose("objective", name, ZOO)
    found: dict[str, tuple[Term, object]] = {}
    for term in extras:
        kind = next((kind for kind, table in MODIFIERS.items() if term.word in table), None)
        if kind is None:
            raise choose(
                "objective", name, {*ZOO, *(f"{head}+{word}" for table in MODIFIERS.values() for word in table)}
            )
        if kind in found:
            raise ZooError(f"objective {name!r} names two of one kind ({kind}): {found[kind][0]} and {term}. Give one")
        found[kind] = term, term.call(kind, MODIFIERS[kind])
    path_made = path.call("path", PATHS)
    # DDPM-like paths are trained on their 1000 integer steps (arXiv 2006.11239), the continuous ones on all of [0, 1]
    natural = Atoms() if isinstance(path_made, Table) else Uniform()
    if "density" in found and found["density"][1] == natural:  # rf/uniform is rf
        del found["density"]
    parts = {kind: made for kind, (_, made) in found.items()}
    modifiers = [f"{found[kind][0].word}{_arguments(parts[kind])}" for kind in MODIFIERS if kind in found]
    return Objective(
        path=path_made,
        target=target.call("target", TARGETS),
        density=parts.get("density", natural),
        weight=parts.get("weight", Flat()),
        name=_canonical(target.word, path.word, modifiers, has_density="density" in found),
    )


def _arguments(part: object) -> str:
    return f"({','.join(f'{value:.6g}' for value in astuple(part))})" if fields(part) else ""


def _canonical(target: str, path: str, modifiers: list[str], has_density: bool) -> str:
    """One spelling for one objective: rf for flow/flow, its density behind a slash, as in SD3's table."""
    if (target, path) != ("flow", "flow"):
        return "+".join([f"{target}/{path}", *modifiers])
    if not has_density:
        return "+".join(["rf", *modifiers])
    return "+".join([f"rf/{modifiers[0]}", *modifiers[1:]])


@lru_cache
def backbone_size(name: str) -> Backbone:
    """The sizes behind a backbone's name, `dit` or `dit(width=128)`; torch is not imported.

    Raises ZooError for an unknown word, argument or value.
    """
    return parse_term(name, "backbone").call("backbone", BACKBONES)


def backbone_name(name: str) -> str:
    """The name's one spelling: `dit(patch=2,width=128)` -> `dit(width=128)`."""
    size = backbone_size(name)
    given = [f"{f.name}={getattr(size, f.name)}" for f in fields(size) if getattr(size, f.name) != f.default]
    word = parse_term(name, "backbone").word
    return f"{word}({','.join(given)})" if given else word


def backbone(name: str, image_shape: tuple[int, int, int], num_classes: int) -> "nn.Module":
    """A fresh network for images [C, H, W] and labels 0 .. num_classes - 1, where num_classes itself means "none".

    Raises ZooError for an unknown name and for sizes that do not fit the image.
    """
    size = backbone_size(name)
    try:
        size.check(image_shape)
    except ValueError as error:
        raise ZooError(f"backbone {name!r}: {error}") from None
    return size.build(image_shape, num_classes)
