"""The controlled pairs: what each asks, and what theory says before the data do.

A question takes the pairs of objectives that it is about, each as (plain, changed): the effect is that of the change. A
pair that no question takes, but that differs in one axis only, belongs to that axis.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from zoo.objectives.core import Objective
from zoo.objectives.coupling import Independent
from zoo.objectives.density import natural
from zoo.objectives.target import EDM, Eps, FlowTarget, V
from zoo.objectives.theory import apart, same, same_curve, same_law
from zoo.objectives.weight import Flat, MinSNR

Pair = tuple[Objective, Objective]


@dataclass(frozen=True)
class Question:
    """What is asked, what theory says, and which pairs (plain, changed) are about it."""

    text: str
    theory: str
    takes: Callable[[Objective, Objective], bool]


def _names(plain: str, changed: str) -> Callable[[Objective, Objective], bool]:
    return lambda a, b: (a.name, b.name) == (plain, changed)


QUESTIONS = (
    Question(
        "How much do two names for one objective differ?",
        "The noise levels, the weights and what the network puts out are the same: an exact null. Any difference is "
        "that of rounding, and shows how much training again can move a result.",
        same,
    ),
    Question(
        "Does min-SNR weighting help?",
        "Path, target and noise levels are the same. Only the weight of the errors differs.",
        lambda a, b: apart(a, b) == ("weight",) and a.weight == Flat() and isinstance(b.weight, MinSNR),
    ),
    Question(
        "What does Stable Diffusion 3's log-normal density change for rectified flow?",
        "Path, target and loss at a level are the same. The middle levels are drawn more often, and so count for more.",
        _names("rf", "rf/lognorm(0,1)"),
    ),
    Question(
        "Does predicting v beat predicting eps?",
        "The noise levels are the same. The target differs, and with it the weight: plain errors of v count the noisy "
        "levels for more.",
        lambda a, b: apart(a, b) == ("target",) and a.weight == Flat() and (a.target, b.target) == (Eps(), V()),
    ),
    Question(
        "Does the target matter once the loss is the same?",
        "The effective weight and the noise levels are the same, so that both have the same expected loss over all "
        "denoisers: a null, but for what the network has to put out.",
        lambda a, b: same_curve(a, b) and same_law(a, b) and b.target != Eps(),
    ),
    Question(
        "Are rf and v/trig the same?",
        "The effective weight is the same, exp(-logsnr / 2), so that both have the same expected loss over all "
        "denoisers. The levels drawn and the network's output differ: a null for the loss, not for its noise.",
        _names("rf", "v/trig"),
    ),
    Question(
        "Does it matter which levels are drawn, once the loss is the same?",
        "The target and the effective weight are the same, so that both have the same expected loss over all "
        "denoisers. The levels drawn differ: a null for the loss, not for its noise.",
        lambda a, b: a.target == b.target and same_curve(a, b) and not same_law(a, b),
    ),
    Question(
        "Are rf/cosmap and v/trig the same?",
        "They draw the same noise levels, and their weights differ by a factor of two at most: little difference is "
        "expected.",
        _names("v/trig", "rf/cosmap"),
    ),
    Question(
        "Does the path matter to v?",
        "The target is the same. The path changes which noise levels are drawn, and with them the effective weight.",
        _names("v/linear", "v/trig"),
    ),
    Question(
        "Does EDM's target change anything beyond its noise levels?",
        "Both draw the same noise levels. The target differs, and the weight that it implies.",
        lambda a, b: (
            same_law(a, b)
            and a.weight == b.weight == Flat()
            and a.target == FlowTarget()
            and isinstance(b.target, EDM)
        ),
    ),
)  # fmt: skip

AXES = {  # what a pair that differs in one axis only shows
    "target": "Only the target differs, and the weight that it implies.",
    "path": "Only the path differs, and with it the noise levels that are drawn.",
    "density": "Only the density differs: which noise levels are drawn, and so how much each counts.",
    "weight": "Only the weight of the errors at each noise level differs.",
    "coupling": "Only the coupling differs: which noise each image is trained with.",
    "auxiliary": "Only the auxiliary term differs.",
    "scheme": "Only the scheme differs: whether the regression is trained, a map, or a student.",
}


def asked(objectives: Sequence[Objective]) -> tuple[list[tuple[Question, list[Pair]]], dict[str, list[Pair]]]:
    """(the questions that these objectives can answer, with their pairs; the other pairs by the axis of AXES)."""
    found: dict[Question, list[Pair]] = {question: [] for question in QUESTIONS}
    rest: dict[str, list[Pair]] = {axis: [] for axis in AXES}
    for pair in combinations(objectives, 2):
        if (choice := _question(pair)) is not None:
            found[choice[0]].append(choice[1])
        elif len(axes := apart(*pair)) == 1:
            plain, changed = sorted(pair, key=_changes)
            rest[axes[0]].append((plain, changed))
    return [(q, pairs) for q, pairs in found.items() if pairs], {axis: pairs for axis, pairs in rest.items() if pairs}


def _question(pair: Pair) -> tuple[Question, Pair] | None:
    ways: Iterable[Pair] = (pair, pair[::-1])
    return next(((q, way) for q in QUESTIONS for way in ways if q.takes(*way)), None)


def _changes(one: Objective) -> int:
    """How many axes are not at their plain value: of a pair, the plainer one comes first."""
    plain = one.density == natural(one.path), one.weight == Flat(), one.coupling == Independent()
    return 5 - sum((*plain, one.auxiliary.formula.startswith("weight"), one.scheme is None))
