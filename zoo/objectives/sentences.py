"""An objective in five plain sentences, generated from its parts, and the plainer one that it is compared with.

what the network predicts, along which path
which noise levels training draws
at which of them an error of the predicted noise counts for most
what that changes against the plainer objective
what the noisiest level is, at which sampling begins
"""

import math
from dataclasses import replace

from zoo.objectives.auxiliary import Plain
from zoo.objectives.core import Objective, unwrap
from zoo.objectives.coupling import Independent
from zoo.objectives.density import natural
from zoo.objectives.fingerprint import quantiles
from zoo.objectives.target import Eps
from zoo.objectives.weight import Flat

ENDS = -4.0, 4.0  # of logsnr: noisy and clean, where effective weights are compared
GRID = [i / 4 for i in range(-40, 41)]  # of logsnr
ALIKE = 1.02  # a ratio of weights that is none
START = -10.0  # logsnr at which sampling begins unless the path ends before


def plainer(chosen: Objective) -> Objective | None:
    """The objective without what its name adds to target and path; of one that adds nothing the one that predicts eps
    on the same path; None for that, and for one that is no regression."""
    if chosen.scheme is not None:
        return None
    path = unwrap(chosen.path)[0]
    bare = Objective(path, chosen.target, natural(path), Flat(), Independent(), Plain())
    if replace(chosen, name="") == bare:
        if isinstance(chosen.target, Eps):
            return None
        return replace(bare, target=Eps(), name=_named(path, "eps"))
    return replace(bare, name=chosen.name.split("+")[0] if not _short(chosen) else _short(chosen))


def _named(path: object, target: str) -> str:
    return f"{target}/{type(path).__name__.lower()}"


def _short(chosen: Objective) -> str:
    """`rf` and the like, whose density is part of the name's head: what is left without it."""
    head = chosen.name.split("+")[0]
    if head.startswith("rf/"):
        return "rf"
    return "edm/trig" if head.startswith("edm(") and "/" not in head else ""


def sentences(chosen: Objective) -> list[str]:
    """The five, in order."""
    return [_predicts(chosen), _draws(chosen), _weighs(chosen), _changes(chosen), _begins(chosen)]


def _predicts(chosen: Objective) -> str:
    path = "; ".join(part.formula for part in unwrap(chosen.path))
    return f"The network sees x_t = alpha x + sigma eps ({path}) and predicts y = {chosen.target.formula}."


def _draws(chosen: Objective) -> str:
    low, middle, high = quantiles(chosen, (0.25, 0.5, 0.75))
    return (
        f"Half of the training draws lie between logsnr {_number(low)} and {_number(high)}, their median is "
        f"{_number(middle)}: there x_t is {_share(middle)} image by amplitude."
    )


def _share(logsnr: float) -> str:
    return f"{100 / (1 + math.exp(-logsnr / 2)):.0f}%"


def _weighs(chosen: Objective) -> str:
    import torch

    at = torch.tensor(GRID, dtype=torch.float64)
    weight = chosen.effective_weight(at)
    top = float(weight.nan_to_num(0.0).argmax())
    noisy, clean = chosen.effective_weight(torch.tensor(ENDS, dtype=torch.float64)).tolist()
    peak = GRID[int(top)]
    edge = " or beyond" if peak in (GRID[0], GRID[-1]) else ""
    return (
        f"In expectation an error of the predicted noise counts for most at logsnr {_number(peak)}{edge}; beside "
        f"logsnr 0 it counts {_times(noisy)} at {_number(ENDS[0])} (noisy) and {_times(clean)} at {_number(ENDS[1])} "
        "(clean)."
    )


def _changes(chosen: Objective) -> str:
    import torch

    plain = plainer(chosen)
    if plain is None:
        return "It is the plain objective of its path: nothing is added to predicting the noise."
    at = torch.tensor(ENDS, dtype=torch.float64)
    noisy, clean = (chosen.effective_weight(at) / plain.effective_weight(at)).tolist()
    what = _what(chosen, plain)
    if all(1 / ALIKE < ratio < ALIKE for ratio in (noisy, clean)):
        return f"Against {plain.name} it changes {what}, and the weight of the noise levels hardly."
    return (
        f"Against {plain.name} it changes {what}: beside logsnr 0, noisy levels (logsnr {_number(ENDS[0])}) count "
        f"{_times(noisy)} and clean ones (logsnr {_number(ENDS[1])}) {_times(clean)}."
    )


def _what(chosen: Objective, plain: Objective) -> str:
    """`the weight (min(snr, gamma) on the error of x_hat)`: the parts that differ, with their formulas."""
    words = {
        "path": "the end or the place of the path",
        "target": "what is predicted",
        "density": "which levels are drawn",
        "weight": "the weight",
        "coupling": "which noise an image is paired with",
        "auxiliary": "the terms of the loss",
    }
    found = []
    for axis, word in words.items():
        mine, theirs = getattr(chosen, axis), getattr(plain, axis)
        if axis == "density" and mine == natural(chosen.path) and theirs == natural(plain.path):
            continue
        if mine != theirs:
            formula = unwrap(mine)[-1].formula
            found.append(f"{word} ({formula})" if formula else word)
    return " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else found[0]


def _begins(chosen: Objective) -> str:
    import torch

    low, _ = chosen.path.span()
    if low == -math.inf:
        begin = START
        head = "The path ends in pure noise"
    else:
        begin = max(START, low)
        head = f"The path ends at logsnr {_number(low)}, where {_small(_alpha(chosen, low))} of the image is left"
    alpha, sigma = chosen.path.coefficients(torch.tensor(begin, dtype=torch.float64))
    determinant = float(chosen.target.determinant(alpha, sigma))
    factor = abs(float(sigma) / determinant)
    return (
        f"{head}; sampling begins at logsnr {_number(begin)}, where an error of the prediction counts {_times(factor)} "
        "in the image."
    )


def _alpha(chosen: Objective, logsnr: float) -> float:
    import torch

    return float(chosen.path.coefficients(torch.tensor(logsnr, dtype=torch.float64))[0])


def _small(share: float) -> str:
    return f"{100 * share:.2g}%"


def _times(ratio: float) -> str:
    """`1.5 times`, `the same` for about 1, `not at all` for 0."""
    if 1 / ALIKE < ratio < ALIKE:
        return "the same"
    return "not at all" if ratio <= 1e-9 else f"{ratio:.3g} times"


def _number(value: float) -> str:
    return f"{round(value, 1) + 0.0:g}"
