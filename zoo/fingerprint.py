"""What an objective is, in text: python -m zoo.objective NAME [--plot FILE]; without a name, the zoo as a table."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

from tabulate import tabulate
from tyro.conf import Positional

from zoo import registry
from zoo.cli import parse
from zoo.errors import ZooError
from zoo.families import SD3
from zoo.files import write_atomic
from zoo.objective import Objective, unwrap

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
SPAN = 12.0  # of logsnr, to either side, in the curves
POINTS = 97
LEVELS = (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0)
NOTE = "effective weight: density of logsnr x weight on the error of eps_hat, over its value at logsnr 0"


@dataclass
class Options:
    """Print an objective, or list all of the zoo."""

    name: Positional[str] = ""
    """a name such as rf/lognorm(0,1) or eps/cosine+minsnr(5)"""
    plot: str | None = None
    """draw the density of logsnr and the effective weight into this PNG file"""
    plugin: str | None = None
    """a Python file that registers objectives of your own"""


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m zoo.objective", __doc__)
    if not options.name:
        if options.plot:
            raise ZooError("--plot draws one objective: python -m zoo.objective NAME --plot FILE")
        print(listing())
        return
    chosen = registry.objective(options.name)
    print(describe(chosen))
    if options.plot:
        from reports.fingerprint import draw

        write_atomic(Path(options.plot), draw(chosen))
        print(f"\ndrawn in {options.plot}")


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
    lines += ["", *equation(chosen), "", levels, "", NOTE]
    return "\n".join(lines)


def equation(chosen: Objective) -> list[str]:
    """The objective as formulas, one line for each part, with its argument values and its paper."""
    shown = [("x_t = alpha x + sigma eps", chosen.path), ("", chosen.density), ("y =", chosen.target)]
    shown += [("weight =", chosen.weight), ("noise:", chosen.coupling), ("loss =", chosen.auxiliary)]
    rows = []
    for head, axis in shown:
        for part in unwrap(axis) if axis is chosen.path else [axis]:
            numbers = {f.name: value for f in fields(part) if isinstance(value := getattr(part, f.name), (int, float))}
            values = ", ".join(f"{name} = {value:g}" for name, value in numbers.items())
            papers = ", ".join(f"arXiv {paper}" for paper in part.papers)
            rows.append([head, part.formula, values, papers])
            head = ""
    return tabulate(rows, tablefmt="plain", disable_numparse=True).splitlines()


def quantiles(chosen: Objective, shares: tuple[float, ...]) -> list[float]:
    """The levels of logsnr below which these shares of the training draws lie."""
    import torch

    u = torch.tensor(shares, dtype=torch.float64)
    levels = chosen.path.logsnr(chosen.time(torch.stack([u, 1 - u])))
    return levels[int(levels[0, -1] < levels[0, 0])].tolist()  # times may rise or fall with u


def fingerprint(chosen: Objective) -> dict[str, list[float | None]]:
    """{logsnr, density, weight}: the law of logsnr in training and the effective weight, to six digits.

    A number that is not finite is None.
    """
    import torch

    logsnr = torch.linspace(-SPAN, SPAN, POINTS, dtype=torch.float64)
    curves = {"density": chosen.log_density(logsnr).exp(), "weight": chosen.effective_weight(logsnr)}
    found = {name: [_six(value) for value in curve.tolist()] for name, curve in curves.items()}
    return {"logsnr": logsnr.tolist(), **found}


def _six(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


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


def _numbers(values) -> list[str]:
    return [f"{round(value, 12):.3g}" for value in values]


def listing() -> str:
    """The zoo as a table: families, the levels that training draws, and the effective weight at two levels."""
    import torch

    ends, rows = torch.tensor([-4.0, 4.0], dtype=torch.float64), []
    for name in registry.ZOO:
        chosen = registry.objective(name)
        families = ", ".join(family for family, members in registry.FAMILIES.items() if name in members)
        low, middle, high = quantiles(chosen, (0.05, 0.5, 0.95))
        weights = _numbers(chosen.effective_weight(ends).tolist())
        levels = [f"{value:.1f}" for value in (low, middle, high)]
        rows.append([name, families, *levels, *weights, ", ".join(chosen.papers)])
    header = ["objective", "families", "logsnr 5%", "50%", "95%", "w(-4)", "w(4)", "arXiv"]
    table = tabulate(rows, header, disable_numparse=True, colalign=("left", "left", *["right"] * 5, "left"))
    words = "\n".join(f"{kind:9}  {', '.join(table)}" for kind, table in registry.TABLES.items())
    return f"{table}\n\n{NOTE}; w(-4), w(4)\n\nparts of a name (TARGET/PATH, then any +WORD):\n{words}"
