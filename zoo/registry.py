"""Names -> objectives and backbones. This is the one place to touch to add either; data sets are in `data/sets.py`.

A new combination is one line in `families.py`. A new idea on one axis is one final class in that axis' file and one
line in its table here. Everything else (command line, tests, report rows, references) iterates over these tables.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.backbones.sizes import Backbone, DiTSize, UNetSize
from zoo.base.errors import ZooError, choose
from zoo.base.names import ADDED, Term, parse_term, spelled, split
from zoo.data.sets import SETS
from zoo.objectives import weight
from zoo.objectives.auxiliary import Auxiliary, Contrast, Learned, Plain, PseudoHuber
from zoo.objectives.compose import arguments, canonical, refuse_senseless
from zoo.objectives.consistency import ECT, SCM
from zoo.objectives.core import Objective, Scheme
from zoo.objectives.coupling import OT, ClassImmiscible, ClassOT, Coupling, Immiscible, Independent, Nearest, Offset
from zoo.objectives.density import CosMap, Density, EDMLogNormal, Laplace, LogitNormal, Mode, Uniform, UShape, natural
from zoo.objectives.families import ANATOMY, BEYOND, DEFAULT, FEWSTEPS, NINE, SD3, SD3_PRINTED
from zoo.objectives.flowmap import ImprovedMeanFlow, MeanFlow, Shortcut
from zoo.objectives.guided import Guided
from zoo.objectives.match import Match
from zoo.objectives.path import LDM, Cosine, Flow, Linear, Path, Shift, Sigmoid, Trig, ZeroTerminal
from zoo.objectives.stages import Progressive, Reflow
from zoo.objectives.target import EDM, X0, Eps, FlowTarget, Target, V

if TYPE_CHECKING:
    from torch import nn

TARGETS: dict[str, Callable[..., Target]] = {"eps": Eps, "x0": X0, "v": V, "flow": FlowTarget, "edm": EDM}
PATHS: dict[str, Callable[..., Path]] = {
    "flow": Flow, "trig": Trig, "linear": Linear, "cosine": Cosine, "ldm": LDM, "sigmoid": Sigmoid,
}  # fmt: skip
# What may follow a +, at most one of each kind, in the order in which a canonical name gives them.
ENDS: dict[str, Callable[..., Path]] = {"ztsnr": ZeroTerminal}
SHIFTS: dict[str, Callable[..., Path]] = {"shift": Shift}
DENSITIES: dict[str, Callable[..., Density]] = {
    "uniform": Uniform, "lognorm": LogitNormal, "mode": Mode, "cosmap": CosMap, "edm": EDMLogNormal,
    "laplace": Laplace, "ushape": UShape,
}  # fmt: skip
WEIGHTS: dict[str, Callable[..., weight.Weight]] = {
    "minsnr": weight.MinSNR, "softminsnr": weight.SoftMinSNR, "p2": weight.P2, "snr": weight.SNR,
    "truncsnr": weight.TruncSNR, "sigmoid": weight.SigmoidWeight, "flowloss": weight.FlowLoss, "xloss": weight.XLoss,
    "epsloss": weight.EpsLoss, "vloss": weight.VLoss, "match": Match,
}  # fmt: skip
# Ways to train a map, for few steps; each a word at the head of a name, which a density and a coupling may follow.
SCHEMES: dict[str, Callable[..., Scheme]] = {
    "meanflow": MeanFlow, "imeanflow": ImprovedMeanFlow, "shortcut": Shortcut, "ect": ECT, "scm": SCM,
    "reflow": Reflow, "progressive": Progressive, "guided": Guided,
}  # fmt: skip
OF_OBJECTIVE = ("match", "reflow", "progressive", "guided")  # words whose first argument is an objective's name
COUPLINGS: dict[str, Callable[..., Coupling]] = {
    "offset": Offset, "ot": OT, "ot_class": ClassOT, "immiscible": Immiscible, "immiscible_class": ClassImmiscible,
    "nearest": Nearest,
}  # fmt: skip
AUXILIARIES: dict[str, Callable[..., Auxiliary]] = {"contrast": Contrast, "learned": Learned, "huber": PseudoHuber}
MODIFIERS: dict[str, dict[str, Callable[..., Any]]] = {
    "end": ENDS,
    "shift": SHIFTS,
    "density": DENSITIES,
    "weight": WEIGHTS,
    "coupling": COUPLINGS,
    "auxiliary": AUXILIARIES,
}
BACKBONES: dict[str, Callable[..., Backbone]] = {"dit": DiTSize, "unet": UNetSize}
TABLES: dict[str, dict[str, Callable[..., Any]]] = {
    "target": TARGETS,
    "path": PATHS,
    **MODIFIERS,
    "scheme": SCHEMES,
    "backbone": BACKBONES,
    "dataset": SETS,
}

FAMILIES: dict[str, tuple[str, ...]] = {
    "default": DEFAULT, "sd3": tuple(SD3), "sd3-printed": SD3_PRINTED, "beyond": BEYOND, "anatomy": ANATOMY,
    "fewsteps": FEWSTEPS, "nine": NINE,
}  # fmt: skip
Made = TypeVar("Made", bound=type)
# The zoo: the names that the tests, the list of objectives and the README's table go through; those of a scheme apart.
EVERY: tuple[str, ...] = tuple(dict.fromkeys(name for family in FAMILIES.values() for name in family))
TAUGHT: tuple[str, ...] = tuple(name for name in EVERY if name.partition("(")[0].partition("+")[0] in SCHEMES)
ZOO: tuple[str, ...] = tuple(name for name in EVERY if name not in TAUGHT)


def register(kind: str, word: str) -> Callable[[Made], Made]:
    """Class decorator: adds a class to the table of this kind under a word, for names to use.

    kind: target, path, density, weight, coupling, auxiliary, scheme, backbone or dataset. Raises ZooError for another
    kind, and for a word that is taken.
    """
    if kind not in TABLES or kind in ("end", "shift"):
        raise choose("kind of part", kind, TABLES.keys() - {"end", "shift"})
    if not re.fullmatch(r"[a-z][a-z0-9_]*", word):
        raise ZooError(f"{word!r} cannot be a {kind}'s name: write a-z, then a-z, 0-9 and _")
    tables = MODIFIERS.values() if kind in MODIFIERS else [TABLES[kind]]
    taken = next((table[word] for table in tables if word in table), None) or (word == "rf" and Objective)
    if taken:
        raise ZooError(f"the {kind} {word!r} is taken, by {taken.__module__}.{taken.__qualname__}: choose another word")

    def add(made: Made) -> Made:
        TABLES[kind][word] = made
        ADDED.append(word)
        return made

    return add


@lru_cache
def objective(name: str) -> Objective:
    """The objective of this name: TARGET/PATH, rf (short for flow/flow), rf/DENSITY or edm(mean,std), any +MODIFIERs;
    or a scheme, such as meanflow or reflow(OBJECTIVE).

    Raises ZooError, with the nearest name, for a name that the tables do not hold, and with the reason for one that
    makes no sense.
    """
    head, *modifiers = split(name, "+")
    if re.split(r"[(\s]", head.strip())[0] in SCHEMES:
        return _taught(name, parse_term(head, "objective", OF_OBJECTIVE), modifiers)
    target, path, extras = _head(name, head)
    extras += [parse_term(part, "modifier", OF_OBJECTIVE) for part in modifiers]
    found: dict[str, tuple[Term, Any]] = {}
    path_made = path.call("path", PATHS)
    for term in extras:
        kind = next((kind for kind, table in MODIFIERS.items() if term.word in table), None)
        if kind is None:
            raise _unknown(name, {f"{head}+{word}" for table in MODIFIERS.values() for word in table})
        if kind in found:
            raise ZooError(f"objective {name!r} names two of one kind ({kind}): {found[kind][0]} and {term}. Give one")
        found[kind] = term, None if kind in ("end", "shift") else term.call(kind, MODIFIERS[kind], **_inner(name, term))
    for kind in ("end", "shift"):  # a path made from another one
        if kind in found:
            term = found[kind][0]
            path_made = term.call(f"objective {name!r}:", MODIFIERS[kind], base=path_made)
            found[kind] = term, path_made
    if "density" in found and found["density"][1] == natural(path_made):  # rf/uniform is rf
        del found["density"]
    kinds = [kind for kind in MODIFIERS if kind in found]
    parts = {kind: found[kind][1] for kind in kinds}
    made = Objective(
        path=path_made,
        target=target.call("target", TARGETS),
        density=parts.get("density", natural(path_made)),
        weight=parts.get("weight", weight.Flat()),
        coupling=parts.get("coupling", Independent()),
        auxiliary=parts.get("auxiliary", Plain()),
        name="",
    )
    spelling = {kind: found[kind][0].word + arguments(parts[kind]) for kind in kinds}
    made = replace(made, name=canonical(target, made.target, path, spelling))
    refuse_senseless(made, parts)
    return made


def _taught(name: str, term: Term, modifiers: list[str]) -> Objective:
    """The objective of a scheme: the axes of what it is made of, or its own with another density or a coupling."""
    scheme = term.call("scheme", SCHEMES, **_inner(name, term))
    if of := getattr(scheme, "of", None):
        if modifiers:
            raise ZooError(f"objective {name!r}: a stage has its teacher's parts: write them within {term.word}(..)")
        taught: Objective = replace(of, scheme=scheme, auxiliary=scheme.auxiliary, name=spelled(term.word, scheme))
        return taught
    found: dict[str, str] = {}
    for extra in (parse_term(part, "modifier") for part in modifiers):
        kind = next((kind for kind in ("density", "coupling") if extra.word in MODIFIERS[kind]), None)
        if kind is None or kind in found:
            raise ZooError(
                f"objective {name!r}: {term.word} may be followed by one density and one coupling, no {extra}"
            )
        found[kind] = extra.word + arguments(extra.call(kind, MODIFIERS[kind]))
    own = {"density": scheme.density} if scheme.density else {}
    axes = objective("+".join([scheme.base, *(own | found).values()]))
    more = [found[kind] for kind in ("density", "coupling") if kind in found and found[kind] != own.get(kind)]
    named = "+".join([spelled(term.word, scheme), *more])
    return replace(axes, scheme=scheme, auxiliary=scheme.auxiliary, name=named)


def _inner(name: str, term: Term) -> dict[str, Objective]:
    """The argument of a term that takes an objective, by the parameter's name; {} for any other term."""
    if term.word not in OF_OBJECTIVE:
        return {}
    if not term.name:
        raise ZooError(f"objective {name!r}: {term.word} takes an objective, as in {term.word}(rf/lognorm(0,1))")
    if term.word in SCHEMES:
        return {"of": objective(term.name)}
    if "match(" in term.name:
        raise ZooError(f"objective {name!r} has match within match: name the innermost objective alone")
    return {"like": objective(term.name)}


def _head(name: str, head: str) -> tuple[Term, Term, list[Term]]:
    """(target, path, [the density that the head names, if it does]): rf/lognorm(0,1) and edm(-1.2,1.2) name one."""
    first, *rest = (parse_term(part, "objective") for part in head.split("/", maxsplit=1))
    if first == Term("rf"):
        return Term("flow"), Term("flow"), rest
    if first.word == "edm" and not rest and first != Term("edm"):
        return Term("edm"), Term("trig"), [first]
    if rest and first.word in TARGETS and rest[0].word in PATHS:
        return first, rest[0], []
    raise _unknown(name)


def _unknown(name: str, near: Iterable[str] = ()) -> ZooError:
    hint = ", ".join(repr(found) for found in get_close_matches(name, {*EVERY, *near}, n=3, cutoff=0.5))
    return ZooError(
        f"unknown objective {name!r}.{f' Did you mean {hint}?' if hint else ''} Allowed: rf, rf/DENSITY, edm(mean,std) "
        f"or TARGET/PATH with targets {', '.join(TARGETS)} and paths {', '.join(PATHS)}, then any "
        f"{' '.join('+' + word for table in MODIFIERS.values() for word in table)}; or {', '.join(SCHEMES)}. "
        "python -m zoo.objective lists the zoo; --plugin FILE adds to it"
    )


@lru_cache
def backbone_size(name: str) -> Backbone:
    """The sizes behind a backbone's name, `dit` or `dit(width=128)`; torch is not imported.

    Raises ZooError for an unknown word, argument or value.
    """
    return parse_term(name, "backbone").call("backbone", BACKBONES)


def backbone_name(name: str) -> str:
    """The name's one spelling: `dit(patch=2,width=128)` -> `dit(width=128)`."""
    return spelled(parse_term(name, "backbone").word, backbone_size(name))


def sizes_for(name: str, image_shape: tuple[int, int, int]) -> Backbone:
    """The sizes behind a backbone's name. Raises ZooError for an unknown name, and where they do not fit the image."""
    size = backbone_size(name)
    try:
        size.check(image_shape)
    except ValueError as error:
        raise ZooError(f"backbone {name!r}: {error}") from None
    return size


def backbone(name: str, image_shape: tuple[int, int, int], num_classes: int, until: bool = False) -> "nn.Module":
    """A fresh network for images [C, H, W] and labels 0 .. num_classes - 1, where num_classes itself means "none".

    until: whether it is told a second time; its other weights are the same. Raises ZooError for an unknown name, for
    sizes that do not fit the image, and for a backbone that can be told one time only.
    """
    size = sizes_for(name, image_shape)
    if not until:
        return size.build(image_shape, num_classes)
    if not size.tells_until:
        raise ZooError(f"backbone {name} is told one time, and this objective has two: choose another of either")
    return size.build_told(image_shape, num_classes)
