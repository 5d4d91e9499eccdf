"""The leader board as text: for a terminal, and its cells for tables."""

from collections.abc import Sequence
from typing import Any

from eval.ranks.sensitivity import advice
from zoo.base.counts import counted
from zoo.base.texttable import paragraph, table


def page(found: dict[str, Any], width: int | None = None) -> str:
    """The board as text for a terminal of so many columns; None: its table is as wide as it is."""
    lead = f"{counted(len(found['rows']), 'objective')}, {counted(found['settings'], 'control setting')} on "
    lead += ", ".join(found["datasets"])
    if not found["settings"]:
        lead = f"{counted(len(found['rows']), 'objective')}, of which none has a score: run the grid again"
    families = found["families"] if len(found["families"]) > 1 else []
    steps = found["steps"] if len(found["steps"]) > 1 else []
    header = [
        "objective",
        "rank",
        "95% confidence set",
        "P(first)",
        "FID",
        "mean front",
        *families,
        *(counted(n, "step") for n in steps),
        "runs",
        "cannot be distinguished from",
    ]
    rows = []
    for row in found["rows"]:
        rows.append([
            row["objective"], rank_text(row), interval_text(row), text(row["first"]),
            text(row["fid"]), text(row["front"]),
            *(place(row["families"][name]) for name in families), *(place(row["steps"][str(n)]) for n in steps),
            runs_text(row), alike_text(row["alike"]),
        ])  # fmt: skip
    said = [paragraph(note, width) for note in notes(found)]
    return "\n\n".join([paragraph(lead, width), table(header, rows, width), *said])


def text(value: float | None) -> str:
    """A number with two decimals, - for none."""
    return "-" if value is None else f"{value:.2f}"


def place(value: float | None) -> str:
    """A rank, - for none."""
    return "-" if value is None else f"{value:.0f}"


def rank_text(row: dict[str, Any]) -> str:
    """A rank, and whether runs are missing behind it."""
    return f"{place(row['rank'])}{' (incomplete)' if row['incomplete'] else ''}"


def interval_text(row: dict[str, Any]) -> str:
    """A rank's confidence set, - for one seed."""
    if row["low"] is None:
        return "-"
    return f"{row['low']:.0f}" if row["low"] == row["high"] else f"{row['low']:.0f} to {row['high']:.0f}"


def runs_text(row: dict[str, Any]) -> str:
    """`5/6, 1 diverged`"""
    diverged = f", {row['diverged']} diverged" if row["diverged"] else ""
    return f"{row['done']}/{row['runs']}{diverged}"


def alike_text(names: Sequence[str], most: int = 3) -> str:
    """The names of those that cannot be distinguished, not too many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}" or "-"


def notes(found: dict[str, Any]) -> list[str]:
    """What a reader has to know of the ranks: seeds, missing runs, agreement with SD3, sensitivity."""
    said = []
    if found["ended"] < 2:
        said.append("One seed: a sketch. There is no confidence set: what training again would change is not known.")
    elif found["ended"] < 3:
        said.append(f"{counted(found['ended'], 'seed is', 'seeds are')} too few to claim an order.")
    lacking = [row["objective"] for row in found["rows"] if row["incomplete"]]
    if lacking:
        said.append(
            f"Incomplete: runs of {len(lacking)} of {counted(len(found['rows']), 'objective')} are missing "
            f"({alike_text(lacking, 8)}); ranks are among what there is."
        )
    if (a := found["agreement"]) is not None:
        said.append(
            f"Agreement of mean fronts with Stable Diffusion 3's published ones, over {counted(a['n'], 'objective')}: "
            f"Kendall's tau {a['tau']:.2f} (p = {a['tau_p']:.2g}), Spearman's rho {a['rho']:.2f} (p = "
            f"{a['rho_p']:.2g})."
        )
    if (count := found["settings"]) > 1 and found["in_effect"] is not None:
        said.append(
            f"The {counted(count, 'control setting')} count as {found['in_effect']:.1f}: objectives score alike under "
            "some of them."
        )
    taus = {name: value for name, value in found["sensitivity"].items() if "_" not in name and value is not None}
    if taus:
        each = ", ".join(f"{name} {value:.2f}" for name, value in taus.items())
        said.append(f"Kendall's tau of this order with that of another choice: {each}.")
    spread, error = (found["sensitivity"].get(key) for key in ("run_spread", "sampling_error"))
    if spread is not None and error is not None:
        said.append(
            f"FID's median standard deviation over seeds is {spread:.2f}, its median standard error of sampling "
            f"{error:.2f}."
        )
    if (share := found["sensitivity"].get("sampling_share")) is not None:
        said.append(advice(share))
    return said
