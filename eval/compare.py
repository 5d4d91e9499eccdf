"""Rank whatever lies in a run's folder: python -m eval.compare runs/default

Reads every cell below it (cell.json, result.json or failed.json), and ranks the objectives over all control settings
that were scored, as eval/ranking.py says. Scores by different judges are never ranked together.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate
from tyro.conf import Positional

from eval.ranking import REPLICATES, Entry, mean_ranks, ranking, scores_of
from eval.sensitivity import agreement, sensitivity
from zoo.cli import parse
from zoo.control import Setting
from zoo.errors import ZooError, run_main
from zoo.families import SD3, Published
from zoo.sealed import read_sealed

KEYS = tuple(Setting.model_fields)  # what makes two rows of scores rows of one control setting


@dataclass
class Options:
    """Rank the cells of a folder."""

    folder: Positional[str] = ""
    """a run's folder, or any folder that holds cells"""
    replicates: int = REPLICATES
    """how often the runs are drawn anew for the intervals"""
    json: bool = False
    """print JSON instead of tables"""


def read(folder: Path) -> list[Entry]:
    """Every cell below a folder. Raises ZooError if there is none, or if two judges scored one data set."""
    entries, judges = [], {}
    for path in sorted(folder.rglob("cell.json")):
        cell = read_sealed(path)
        config = (cell.get("config") or {}).get("train") or {}
        status, rows = "missing", []
        if (path.parent / "result.json").is_file():
            result = read_sealed(path.parent / "result.json")
            status, rows = result["status"], result["scores"]
            judges.setdefault(config["dataset"], {})[result["judge"]["sha256"]] = path.parent
        elif (path.parent / "failed.json").is_file():
            status = read_sealed(path.parent / "failed.json")["status"]
        try:
            names = [config[key] for key in ("dataset", "backbone", "objective", "seed")]
        except KeyError as error:
            raise ZooError(f"{path} holds no cell: its config.train lacks {error}") from None
        if variant := cell.get("variant"):
            names[2] += f" [{variant}]"
        entries.append(Entry(*names, status, rows))
    if not entries:
        raise ZooError(f"{folder} holds no cell (cell.json). Give the folder of a run, as in runs/default")
    for dataset, hashes in judges.items():
        if len(hashes) > 1:
            places = "; ".join(f"{sha[:12]} in {place}" for sha, place in hashes.items())
            raise ZooError(f"{len(hashes)} judges scored {dataset}, which cannot be ranked together: {places}")
    return entries


def board(entries: Sequence[Entry], objectives: Sequence[str] = (), replicates: int = REPLICATES) -> dict:
    """The leader board: {rows, settings, datasets, families, steps, seeds, agreement, sensitivity}.

    Plain values only (None for what there is not), rows by rank. objectives: all that should be in it, in their order.
    """
    scores = scores_of(entries, KEYS, objectives)
    runs = {}
    for entry in entries:
        runs.setdefault((entry.dataset, entry.backbone, entry.objective), set()).add(entry.seed)
    expected = max(map(len, runs.values()), default=0)
    found = ranking(scores, expected, replicates)
    families = list(dict.fromkeys(scores.families[control.backbone] for control in scores.controls))
    steps = sorted({control.steps for control in scores.controls})
    parts = {family: scores.part(lambda c, f=family: scores.families[c.backbone] == f) for family in families}
    parts |= {str(count): scores.part(lambda c, s=count: c.steps == s) for count in steps}
    ranks = {name: mean_ranks(part) for name, part in parts.items()}
    rows = []
    for i in found.order:
        name = scores.objectives[i]
        published = SD3.get(name, Published(name))
        own = [entry for entry in entries if entry.objective == name]
        done, diverged = (sum(entry.status == status for entry in own) for status in ("done", "diverged"))
        rows.append({
            "objective": name,
            "rank": _number(found.rank[i]),
            "low": _number(found.low[i]),
            "high": _number(found.high[i]),
            "first": _number(found.first[i]),
            "incomplete": bool(found.incomplete[i]) or done + diverged < len(own),
            "done": done,
            "diverged": diverged,
            "runs": max(len(own), expected * len({control.place for control in scores.controls})),
            "alike": [scores.objectives[j] for j in found.alike(i)],
            "families": {family: _number(ranks[family][i]) for family in families},
            "steps": {str(count): _number(ranks[str(count)][i]) for count in steps},
            "published": published.rank,
        })  # fmt: skip
    theirs = [row["published"] for row in rows]
    return {
        "rows": rows,
        "settings": len(scores.controls),
        "datasets": list(dict.fromkeys(control.dataset for control in scores.controls)),
        "families": families,
        "steps": steps,
        "seeds": expected,
        "agreement": agreement([np.nan if row["rank"] is None else row["rank"] for row in rows], theirs),
        "sensitivity": sensitivity(scores) if scores.controls else {},
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def page(found: dict) -> str:
    """The board as text for a terminal."""
    lead = f"{len(found['rows'])} objectives, {found['settings']} control settings on {', '.join(found['datasets'])}"
    families = found["families"] if len(found["families"]) > 1 else []
    steps = found["steps"] if len(found["steps"]) > 1 else []
    header = [
        "objective",
        "rank",
        "95% interval",
        "P(first)",
        *families,
        *(f"{n} steps" for n in steps),
        "runs",
        "not told apart from",
    ]
    rows = []
    for row in found["rows"]:
        rows.append([
            row["objective"], rank_text(row), interval_text(row), text(row["first"]),
            *(text(row["families"][name]) for name in families), *(text(row["steps"][str(n)]) for n in steps),
            runs_text(row), alike_text(row["alike"]),
        ])  # fmt: skip
    blocks = [lead, tabulate(rows, header, disable_numparse=True), *notes(found)]
    return "\n\n".join(blocks)


def text(value: float | None) -> str:
    """A number with two decimals, - for none."""
    return "-" if value is None else f"{value:.2f}"


def rank_text(row: dict) -> str:
    """A rank, and whether runs are missing behind it."""
    return f"{text(row['rank'])}{' (incomplete)' if row['incomplete'] else ''}"


def interval_text(row: dict) -> str:
    """A rank's interval, - for one seed."""
    return "-" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"


def runs_text(row: dict) -> str:
    """`5/6, 1 diverged`"""
    diverged = f", {row['diverged']} diverged" if row["diverged"] else ""
    return f"{row['done']}/{row['runs']}{diverged}"


def alike_text(names: Sequence[str], most: int = 3) -> str:
    """The names of those that cannot be told apart, not too many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}" or "-"


def notes(found: dict) -> list[str]:
    """What a reader has to know of the ranks: seeds, missing runs, agreement with SD3, sensitivity."""
    said = []
    if found["seeds"] < 2:
        said.append("One seed: a sketch. There is no interval, for runs are what has to be drawn anew.")
    elif found["seeds"] < 3:
        said.append(f"{found['seeds']} seeds are too few to claim an order.")
    lacking = [row["objective"] for row in found["rows"] if row["incomplete"]]
    if lacking:
        said.append(
            f"Incomplete: runs of {len(lacking)} of {len(found['rows'])} objectives are missing "
            f"({alike_text(lacking, 8)}); ranks are among what there is."
        )
    if (a := found["agreement"]) is not None:
        said.append(
            f"Agreement with Stable Diffusion 3's published ranks, over {a['n']} objectives: Kendall's tau "
            f"{a['tau']:.2f} (p = {a['tau_p']:.2g}), Spearman's rho {a['rho']:.2f} (p = {a['rho_p']:.2g})."
        )
    taus = {name: value for name, value in found["sensitivity"].items() if "_" not in name and value is not None}
    if taus:
        each = ", ".join(f"{name} {value:.2f}" for name, value in taus.items())
        said.append(f"Kendall's tau of these ranks with those of another choice: {each}.")
    spread, error = (found["sensitivity"].get(key) for key in ("run_spread", "sampling_error"))
    if spread is not None and error is not None:
        said.append(
            f"FID's median standard deviation over seeds is {spread:.2f}, its median standard error of sampling "
            f"{error:.2f}."
        )
    return said


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m eval.compare", __doc__)
    if not options.folder or options.replicates < 1:
        raise ZooError("which runs? python -m eval.compare DIR, with --replicates at least 1")
    if not Path(options.folder).is_dir():
        raise ZooError(f"{options.folder} is no folder. Give that of a run, as in runs/default")
    found = board(read(Path(options.folder)), replicates=options.replicates)
    print(json.dumps(found, indent=1, allow_nan=False) if options.json else page(found))


if __name__ == "__main__":
    run_main(main)
