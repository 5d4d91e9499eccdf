"""What an objective is, in text: equation, references, noise levels, effective weight; and the zoo as a table."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from zoo.base.counts import counted
from zoo.base.texttable import paragraph, table
from zoo.objectives.core import Objective, unwrap
from zoo.objectives.families import SD3
from zoo.objectives.fingerprint import quantiles, require_numbers
from zoo.objectives.match import Match
from zoo.objectives.sentences import sentences

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
LEVELS = (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0)
ZERO = 1e-9  # what is nearer to 0 is rounding
NOTE = "effective weight: density of logsnr x weight on the error of eps_hat, over its value at logsnr 0"


def describe(chosen: Objective, width: int | None = None) -> str:
    """Equation, references, quantiles of logsnr drawn, effective weight and EDM's scalings.

    width: of the terminal in columns; None: lines are as long as they are.
    """
    require_numbers(chosen)
    published = SD3.get(chosen.name)
    lines = [chosen.name]
    if published:
        rank = f", rank {published.rank:g} over all settings" if published.rank else ""
        lines.append(paragraph(f"SD3's study calls it {published.name}{rank}", width))
    lines += ["", *equation(chosen, width), "", *_told(chosen, width), *_taught(chosen, width), *_levels(chosen, width)]
    lines += ["", paragraph(NOTE, width)] if chosen.scheme is None or chosen.scheme.weighed else []
    return "\n".join(lines)


def _told(chosen: Objective, width: int | None) -> list[str]:
    """The five sentences, each from a line of its own on; none for an objective that is more than a regression."""
    if chosen.scheme is not None:
        return []
    return [*(paragraph(text, width) for text in sentences(chosen)), ""]


def _taught(chosen: Objective, width: int | None) -> list[str]:
    """What a scheme trains, and how far the numbers below describe it; nothing for an objective without one."""
    scheme = chosen.scheme
    if scheme is None:
        return []
    where = "where r = t" if scheme.two_times else "as for the regression that it is made of"
    told = [f"trains {scheme.taught}"]
    told += [f"the network starts at the weights of {scheme.teacher}, which teaches it"] if scheme.teacher else []
    if scheme.drawn:
        told.append(f"levels drawn{' and effective weight' if scheme.weighed else ''}: {where}")
    told += [] if scheme.weighed else ["no effective weight: its loss is no weighted error of eps_hat"]
    return [*(paragraph(text, width) for text in told), ""]


def equation(chosen: Objective, width: int | None = None) -> list[str]:
    """The objective as formulas, one line for each part, with its argument values and its paper.

    Where a terminal of `width` columns is too narrow, the values and the paper follow on lines of their own.
    """
    shown: list[tuple[str, Any]] = [
        ("x_t = alpha x + sigma eps", chosen.path),
        ("", chosen.density),
        ("y =", chosen.target),
    ]
    shown += [("weight =", chosen.weight), ("noise:", chosen.coupling), ("loss =", chosen.auxiliary)]
    shown += [("scheme:", chosen.scheme)] if chosen.scheme else []
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
    lines = aligned(rows)
    if width is None or max(map(len, lines)) <= width:
        return lines
    return [
        paragraph(f"{'  ' if place else ''}{text}", width, rest="    ")
        for head, formula, *more in rows
        for place, text in enumerate((_joined(head, formula), *more))
        if text
    ]


def _joined(head: str, formula: str) -> str:
    """`weight = ..`, or `x_t = alpha x + sigma eps, alpha = ..`"""
    return f"{head}{'' if not head else ' ' if head.endswith(('=', ':')) else ', '}{formula}"


def _formula(part: object) -> str:
    """A part's own formula; of one that has none, such as a plug-in's, its docstring's first line, or its name."""
    own, doc = vars(type(part)).get("formula"), (type(part).__doc__ or "").strip()
    generated = doc.startswith(f"{type(part).__name__}(")  # a dataclass without a docstring has its signature there
    return own or ("" if generated or not doc else doc.splitlines()[0].rstrip(".")) or type(part).__name__


def _levels(chosen: Objective, width: int | None) -> list[str]:
    """Quantiles of the levels drawn, then weight and scalings by level; columns are rows on a narrow terminal."""
    import torch

    logsnr = torch.tensor(LEVELS, dtype=torch.float64)
    weight, scheme = chosen.effective_weight(logsnr), chosen.scheme
    skip, out, into = chosen.scalings(logsnr)
    x0_weight = chosen.factor_at(logsnr) / out.square()
    weighed = scheme is None or scheme.weighed
    draws = [
        ["share of the training draws", *(f"{100 * share:g}%" for share in SHARES)],
        ["  have logsnr below", *_numbers(quantiles(chosen, SHARES))],
    ]
    draws = draws if scheme is None or scheme.drawn else []
    levels = [["at logsnr", *_numbers(LEVELS)]]
    levels += [["effective weight", *_numbers(weight.tolist())]] if weighed else []
    levels += [
        ["c_skip", *_numbers(skip.tolist())],
        ["c_out", *_numbers(out.tolist())],
        ["c_in", *_numbers(into.tolist())],
    ]
    levels += [["weight on |x_hat - x|^2", *_numbers(x0_weight.tolist())]] if weighed else []
    lines = aligned([*draws, *([[]] if draws else []), *levels], right=True)
    if width is None or max(map(len, lines)) <= width:
        return lines
    rows = {row[0]: row[1:] for row in levels}

    def columns(*names: str) -> list[tuple[str, ...]]:
        return list(zip(*(rows[name] for name in names), strict=True))

    parts = []
    if draws:
        parts.append(table(["share of draws", "logsnr below"], list(zip(*(row[1:] for row in draws), strict=True))))
    if weighed:
        header = ["logsnr", "effective\nweight", "weight on\n|x_hat - x|^2"]
        parts.append(table(header, columns("at logsnr", "effective weight", "weight on |x_hat - x|^2")))
    parts.append(table(["logsnr", "c_skip", "c_out", "c_in"], columns("at logsnr", "c_skip", "c_out", "c_in")))
    return "\n\n".join(parts).splitlines()


def aligned(rows: Sequence[Sequence[str]], right: bool = False) -> list[str]:
    """Rows as lines, in columns two spaces apart. right: all columns but the first are aligned on the right."""
    count = max(map(len, rows))
    whole = [[*row, *(count - len(row)) * [""]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    return [
        "  ".join(
            text.rjust(width) if right and place else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in whole
    ]


def _numbers(values: Iterable[float]) -> list[str]:
    return [f"{value if abs(value) > ZERO else 0:.3g}" for value in values]


def summary(families: Mapping[str, Sequence[str]], width: int = 80, most: int = 5) -> str:
    """The zoo in short: each family, how many objectives it has, and the first of them."""
    lines = []
    for family, members in families.items():
        more = f", and {len(members) - most} more" if len(members) > most else ""
        head = f"{family} ({counted(len(members), 'objective')})"
        names = f"{', '.join(members[:most])}{more}"
        lines += [head, *textwrap.wrap(names, width, initial_indent="  ", subsequent_indent="  ",
                                       break_on_hyphens=False), ""]  # fmt: skip
    return "\n".join(lines).rstrip()


def listing(objectives: Iterable[Objective], families: Mapping[str, Sequence[str]], width: int | None = None) -> str:
    """The zoo as a table: families, the levels that training draws, and the effective weight at two levels.

    width: of the terminal in columns; None: the table is as wide as it is.
    """
    import torch

    several = list(objectives)
    ends, rows = torch.tensor([-4.0, 4.0], dtype=torch.float64), []
    for chosen in several:
        name = chosen.name
        own = ", ".join(family for family, members in families.items() if name in members)
        low, middle, high = quantiles(chosen, (0.05, 0.5, 0.95))
        weights, scheme = _numbers(chosen.effective_weight(ends).tolist()), chosen.scheme
        weights = weights if scheme is None or scheme.weighed else ["", ""]
        levels = [f"{round(value, 1) + 0.0:.1f}" for value in (low, middle, high)]
        levels = levels if scheme is None or scheme.drawn else ["", "", ""]
        rows.append([name, own, *levels, *weights, ", ".join(chosen.papers)])
    header = ["objective", "families", "logsnr 5%", "50%", "95%", "w(-4)", "w(4)", "arXiv"]
    whole = table(header, rows, width, sides=("left", "left", *["right"] * 5, "left"))
    taught = {one.scheme.taught: one.name for one in reversed(several) if one.scheme}
    lines = [paragraph(f"{name} trains {words}", width) for words, name in reversed(taught.items())]
    return "\n".join([f"{whole}\n\n{paragraph(f'{NOTE}; w(-4), w(4): at logsnr -4 and 4', width)}", *lines])
