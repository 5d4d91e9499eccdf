"""The best case of each objective: its lowest FID over a small grid of ways to sample.

The way is chosen on some of the samples and scored on others, so that choosing is not rewarded.
"""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from eval.ranks.ranking import ranking
from eval.ranks.sensitivity import agreement
from eval.ranks.table import Entry, scores_of
from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.document import Block, Code, Heading, Mark, Paragraph, Table, Text, grouped
from reports.words.forms import NONE, names, number

ABOUT = (
    "Each objective at its own best: of {count} ways to sample ({fields}) the one of the lowest FID was chosen on some "
    "samples and scored on others, the same for all objectives. Sorted by this FID; places gained: the place in the "
    "comparison's order by FID less the place here."
)
FIELDS = {
    "sampler": ("sampler", "{}"), "step_grid": ("step grid", "{}"), "steps": ("steps", "{}"),
    "start": ("start", "{:g}"), "guidance": ("guidance", "{:g}"), "rescale": ("rescale", "{:g}"),
}  # fmt: skip


def best_case(run: Run, where: str = "") -> list[Block]:
    """The section of one data set; [] where no run was scored so. where: the end of its heading."""
    found = {b: {o: cells for o in run.ranked if (cells := _scored(run, b, o))} for b in run.backbones}
    if not any(found.values()):
        return []
    every = [cell for rows in found.values() for cells in rows.values() for cell in cells]
    varied = [key for key in FIELDS if len({c.get(key) for cell in every for c in _best(cell)["candidates"]}) > 1]
    count = max(len(_best(cell)["candidates"]) for cell in every)
    words = ", ".join(FIELDS[key][0] for key in varied) or "all alike"
    blocks: list[Block] = [Heading(f"Best case{where}"), Paragraph(ABOUT.format(count=count, fields=words))]
    return [*blocks, _table(run, found, varied)]


def at_best(run: Run, ground: Sequence[Entry], objectives: Sequence[str], level: dict[str, float]) -> Text | None:
    """What the order becomes where each objective is sampled in its own best way; None where no run was scored so.

    ground: the runs that are compared, level: objective -> its FID over all control settings, both as in the answer.
    """
    compared = {(e.dataset, e.backbone, e.objective, e.seed) for e in ground}
    entries = [
        Entry(c.dataset, c.backbone, c.objective, c.seed, c.status, [row] if (row := _score(c)) else [], c.ceiling)
        for c in run.cells
        if (c.dataset, c.backbone, c.objective, c.seed) in compared
    ]
    if len(objectives) < 2 or not any(entry.rows for entry in entries):
        return None
    scores = scores_of(entries, ("n",), objectives)
    found = ranking(scores, expected=int(scores.seeds.max(initial=0)))
    known = [i for i in found.order if np.isfinite(found.level[i])]
    if not known:
        return None
    lead, usual = scores.objectives[known[0]], min(level, key=level.__getitem__)
    same = agreement([found.level[i] for i in known], [level.get(scores.objectives[i]) for i in known])
    text: list[Mark] = ["With each objective at its own best sampler setting, ", Code(lead), " has the lowest FID"]
    text += [", as in the ranks above"] if lead == usual else [" instead of ", Code(usual)]
    text += [f"; Kendall's tau of the two orders is {same['tau']:.2f}"] if same else []
    alike = [scores.objectives[j] for j in found.alike(known[0])]
    text += [". There it cannot be distinguished from ", *names(alike), "."] if alike else ["."]
    return tuple(text)


def _score(cell: Cell) -> dict[str, Any]:
    """The score of the chosen way to sample, on samples that were not used for choosing; {} without one."""
    found: dict[str, Any] = _best(cell).get("score") or {}
    return found


def _best(cell: Cell) -> dict[str, Any]:
    found: dict[str, Any] = cell.facts.get("best") or {}
    return found


def _scored(run: Run, backbone: str, objective: str) -> list[Cell]:
    return [cell for cell in run.group(backbone, objective) if _score(cell)]


def _table(run: Run, found: dict[str, dict[str, list[Cell]]], varied: Sequence[str]) -> Table:
    header = ["objective", "fid", "accuracy", *(FIELDS[key][0] for key in varied), "places gained"]
    groups = []
    for backbone, rows in found.items():
        fids = {o: [_score(cell)["fid"] for cell in cells] for o, cells in rows.items()}
        usual = [o for o in run.by_fid(backbone) if o in fids]
        order = sorted(fids, key=lambda o: fmean(fids[o]))
        lines = []
        for place, o in enumerate(order):
            accs = [_score(cell)["acc"] for cell in rows[o]]
            gained = f"{usual.index(o) - place:+d}" if o in usual else NONE
            chosen = [_chosen(rows[o], key) for key in varied]
            lines.append([o, _fid(rows[o], fids[o]), f"{100 * fmean(accs):.1f}%", *chosen, gained.replace("+0", "0")])
        groups.append((backbone, lines))
    return grouped(header, groups)


def _fid(cells: Sequence[Cell], fids: Sequence[float]) -> Text:
    """`5.80 ± 0.30` for one seed, `5.80 (5.20..6.10)` for more."""
    if len(fids) == 1:
        error = _score(cells[0]).get("fid_se") or 0.0
        return f"{number(fids[0], error)} ± {number(error, error)}" if error else number(fids[0])
    error = stdev(fids) / len(fids) ** 0.5
    return f"{number(fmean(fids), error)} ({number(min(fids), error)}..{number(max(fids), error)})"


def _chosen(cells: Sequence[Cell], key: str) -> str:
    """What was chosen, over the seeds."""
    values = [_best(cell)["candidates"][_best(cell)["chosen"]].get(key) for cell in cells]
    return ", ".join(dict.fromkeys(FIELDS[key][1].format(value) for value in values if value is not None)) or NONE
