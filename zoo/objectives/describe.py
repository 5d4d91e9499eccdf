"""What an objective is, in text: equation, references, noise levels, effective weight; and the zoo as a table."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from tabulate import tabulate

from zoo.objectives.core import Objective, unwrap
from zoo.objectives.families import SD3
from zoo.objectives.fingerprint import quantiles
from zoo.objectives.match import Match
from zoo.objectives.sentences import sentences

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
LEVELS = (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0)
WIDTH = 100  # columns of running text
ZERO = 1e-9  # what is nearer to 0 is rounding
NOTE = "effective weight: density of logsnr x weight on the error of eps_hat, over its value at logsnr 0"


def describe(chosen: Objective) -> str:
    """Equation, references, quantiles of logsnr drawn, effective weight and EDM's scalings."""
    published = SD3.get(chosen.name)
    lines = [chosen.name]
    if published:
        rank = f", rank {published.rank:g} over all settings" if published.rank else ""
        lines.append(f"SD3's study calls it {published.name}{rank}")
    levels = tabulate(
        _levels(chosen), tablefmt="plain", disable_numparse=True, colalign=["left", *len(LEVELS) * ["right"]]
    )
    lines += ["", *equation(chosen), "", *_wrapped(sentences(chosen)), "", levels, "", NOTE]
    return "\n".join(lines)


def _wrapped(texts: Iterable[str]) -> list[str]:
    """Sentences, each from a line of its own on."""
    return [line for text in texts for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ")]


def equation(chosen: Objective) -> list[str]:
    """The objective as formulas, one line for each part, with its argument values and its paper."""
    shown: list[tuple[str, Any]] = [
        ("x_t = alpha x + sigma eps", chosen.path),
        ("", chosen.density),
        ("y =", chosen.target),
    ]
    shown += [("weight =", chosen.weight), ("noise:", chosen.coupling), ("loss =", chosen.auxiliary)]
    rows = []
    for head, axis in shown:
        for part in unwrap(axis) if axis is chosen.path else [axis]:
            numbers = {f.name: value for f in fields(part) if isinstance(value := getattr(part, f.name), (int, float))}
            values = ", ".join(f"{name} = {value + 0.0:g}" for name, value in numbers.items())
            cited = part.papers
            if isinstance(part, Match):  # made of an objective, which has a name and papers of its own
                values, cited = f"like = {part.like.name}", tuple(dict.fromkeys([*cited, *part.like.papers]))
            papers = ", ".join(f"arXiv {paper}" for paper in cited)
            rows.append([head, _formula(part), values, papers])
            head = ""
    return tabulate(rows, tablefmt="plain", disable_numparse=True).splitlines()


def _formula(part: object) -> str:
    """A part's own formula; of one that has none, such as a plug-in's, its docstring's first line, or its name."""
    own, doc = vars(type(part)).get("formula"), (type(part).__doc__ or "").strip()
    generated = doc.startswith(f"{type(part).__name__}(")  # a dataclass without a docstring has its signature there
    return own or ("" if generated or not doc else doc.splitlines()[0].rstrip(".")) or type(part).__name__


def _levels(chosen: Objective) -> list[list[str]]:
    import torch

    logsnr = torch.tensor(LEVELS, dtype=torch.float64)
    weight = chosen.effective_weight(logsnr)
    skip, out, into = chosen.scalings(logsnr)
    x0_weight = chosen.factor_at(logsnr) / out.square()
    rows = [
        ["share of the training draws", *(f"{100 * share:g}%" for share in SHARES)],
        ["  have logsnr below", *_numbers(quantiles(chosen, SHARES))],
        [],
        ["at logsnr", *_numbers(LEVELS)],
        ["effective weight", *_numbers(weight.tolist())],
        ["c_skip", *_numbers(skip.tolist())],
        ["c_out", *_numbers(out.tolist())],
        ["c_in", *_numbers(into.tolist())],
        ["weight on |x_hat - x|^2", *_numbers(x0_weight.tolist())],
    ]
    return [row + (len(LEVELS) + 1 - len(row)) * [""] for row in rows]


def _numbers(values: Iterable[float]) -> list[str]:
    return [f"{value if abs(value) > ZERO else 0:.3g}" for value in values]


def summary(families: Mapping[str, Sequence[str]], width: int = 80, most: int = 8) -> str:
    """The zoo in short: each family, how many objectives it has, and the first of them."""
    lines = []
    for family, members in families.items():
        more = f", and {len(members) - most} more" if len(members) > most else ""
        head = f"{family} ({len(members)} objectives)"
        names = f"{', '.join(members[:most])}{more}"
        lines += [head, *textwrap.wrap(names, width, initial_indent="  ", subsequent_indent="  ",
                                       break_on_hyphens=False), ""]  # fmt: skip
    return "\n".join(lines).rstrip()


def listing(objectives: Iterable[Objective], families: Mapping[str, Sequence[str]]) -> str:
    """The zoo as a table: families, the levels that training draws, and the effective weight at two levels."""
    import torch

    ends, rows = torch.tensor([-4.0, 4.0], dtype=torch.float64), []
    for chosen in objectives:
        name = chosen.name
        own = ", ".join(family for family, members in families.items() if name in members)
        low, middle, high = quantiles(chosen, (0.05, 0.5, 0.95))
        weights = _numbers(chosen.effective_weight(ends).tolist())
        levels = [f"{round(value, 1) + 0.0:.1f}" for value in (low, middle, high)]
        rows.append([name, own, *levels, *weights, ", ".join(chosen.papers)])
    header = ["objective", "families", "logsnr 5%", "50%", "95%", "w(-4)", "w(4)", "arXiv"]
    table = tabulate(rows, header, disable_numparse=True, colalign=("left", "left", *["right"] * 5, "left"))
    return f"{table}\n\n{NOTE}; w(-4), w(4)"
