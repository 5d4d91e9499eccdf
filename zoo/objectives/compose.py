"""The one spelling of an objective's name, and the combinations of parts that make no sense."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.names import Term, spelled
from zoo.objectives.core import Objective
from zoo.objectives.target import Eps


def arguments(part: Any) -> str:
    """All arguments of a part but the one it is made from, as a name gives them: `(0,1)`, or "" if there are none."""
    values = [getattr(part, f.name) for f in fields(part) if f.name != "base"]
    texts = [value.name if isinstance(value, Objective) else f"{value:.6g}" for value in values]
    return f"({','.join(texts)})" if texts else ""


def canonical(target: Term, made: Any, path: Term, modifiers: Mapping[str, str]) -> str:
    """One spelling for one objective: rf and edm(mean,std) for what they stand for, as in SD3's table.

    made: the target; modifiers: by kind, in the order in which a name gives them.
    """
    head = f"{spelled(target.word, made)}/{path}"
    density = modifiers.get("density", "")
    if head == "flow/flow":
        head = f"rf/{density}".rstrip("/")
    elif head == "edm/trig" and density.startswith("edm("):
        head = density
    else:
        return "+".join([head, *modifiers.values()])
    return "+".join([head, *(text for kind, text in modifiers.items() if kind != "density")])


def refuse_senseless(made: Objective, parts: Mapping[str, object]) -> None:
    """Raise ZooError for a combination that is defined and yet means nothing."""
    if "end" in parts and isinstance(made.target, Eps):
        raise ZooError(
            f"objective {made.name!r} makes no sense: with zero terminal SNR the last x_t is all noise, and predicting "
            "eps there says nothing about the image (x_hat = 0 / 0). Choose v, x0 or flow (arXiv 2305.08891)"
        )
    if "shift" in parts and made.density.of_logsnr:
        raise ZooError(
            f"objective {made.name!r} makes no sense: its density is a law of logsnr, which a shift of time does not "
            "change. Leave the shift out, and choose the density's own mean"
        )
