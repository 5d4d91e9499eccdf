"""The leader board: the cells of a folder, ranked over all control settings that were scored."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.ranks.ranking import ranking
from eval.ranks.sensitivity import agreement, sensitivity
from eval.ranks.settings import effective_settings
from eval.ranks.table import Entry, Scores, average, scores_of
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.config.control import Setting
from zoo.grid.held import holding, read_grid
from zoo.objectives.families import SD3, Published

KEYS = tuple(Setting.model_fields)  # what makes two rows of scores rows of one control setting


def read(folder: Path, say: Callable[[str], None] = lambda text: None) -> list[Entry]:
    """Every cell that a folder holds (zoo/grid/held.py); what could not be used is named through `say`.

    Raises ZooError if there is none, or if two judges scored one data set.
    """
    grid = None
    try:
        grid = read_grid(folder) if (folder / "grid.json").is_file() else None
    except ZooError as error:
        say(str(error))
    held = holding(folder, grid)
    for problem in held.problems:
        say(problem)
    entries: list[Entry] = []
    judges: dict[str, dict[str, Path]] = {}
    for cell in held.cells:
        rows, ceiling = [], None
        if cell.result:
            rows, ceiling = cell.result["scores"], (cell.result.get("real") or {}).get("acc")
            judges.setdefault(cell.dataset, {})[cell.result["judge"]["sha256"]] = folder / cell.folder
        entries.append(Entry(cell.dataset, cell.backbone, cell.objective, cell.seed, cell.status, rows, ceiling))
    if not entries:
        raise ZooError(f"{folder} holds no cell (cell.json). Give the folder of a run, as in runs/default")
    for dataset, hashes in judges.items():
        if len(hashes) > 1:
            places = "; ".join(f"{sha[:12]} in {place}" for sha, place in hashes.items())
            raise ZooError(
                f"{counted(len(hashes), 'judge')} scored {dataset}, which cannot be ranked together: {places}"
            )
    return entries


def board(entries: Sequence[Entry], objectives: Sequence[str] = ()) -> dict[str, Any]:
    """The leader board: {rows, settings, in_effect, datasets, families, steps, seeds, ended, agreement, sensitivity}.

    Plain values only (None for what there is not), rows by rank and FID. A row's rank has its 95% confidence set (low,
    high) and chance of being first; fid is the FID at its level, front its mean Pareto front, and families and steps
    hold its ranks among parts of the control settings. seeds: how many an objective should have; ended: the most that
    one has scores of. objectives: all that should be in it, in their order.
    """
    scores = scores_of(entries, KEYS, objectives)
    runs: dict[tuple[str, str, str], set[int]] = {}
    for entry in entries:
        runs.setdefault((entry.dataset, entry.backbone, entry.objective), set()).add(entry.seed)
    expected = max(map(len, runs.values()), default=0)
    found = ranking(scores, expected)
    families = list(dict.fromkeys(scores.families[control.backbone] for control in scores.controls))
    steps = sorted({control.steps for control in scores.controls})

    def of_family(family: str) -> Scores:
        return scores.part(lambda control: scores.families[control.backbone] == family)

    def of_steps(count: int) -> Scores:
        return scores.part(lambda control: control.steps == count)

    parts = {family: of_family(family) for family in families}
    parts |= {str(count): of_steps(count) for count in steps}
    ranks = {name: ranking(part, expected).rank for name, part in parts.items()}
    rows: list[dict[str, Any]] = []
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
            "first": _number(found.chance[i]),
            "fid": _number(found.fid[i]),
            "front": _number(found.front[i]),
            "incomplete": bool(found.incomplete[i]) or done + diverged < len(own),
            "done": done,
            "diverged": diverged,
            "runs": max(len(own), expected * len({control.place for control in scores.controls})),
            "alike": [scores.objectives[j] for j in found.alike(i)],
            "families": {family: _number(ranks[family][i]) for family in families},
            "steps": {str(count): _number(ranks[str(count)][i]) for count in steps},
            "published": published.rank,
        })  # fmt: skip
    return {
        "rows": rows,
        "settings": len(scores.controls),
        "in_effect": _number(effective_settings(average(scores.values["level"]))) if scores.controls else None,
        "datasets": list(dict.fromkeys(control.dataset for control in scores.controls)),
        "families": families,
        "steps": steps,
        "seeds": expected,
        "ended": int(scores.seeds.max(initial=0)),
        "agreement": _published(rows),
        "sensitivity": sensitivity(scores) if scores.controls else {},
    }


def _published(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """How the mean fronts agree with SD3's, which are the same kind of rank."""
    fronts = [np.nan if row["front"] is None else row["front"] for row in rows]
    return agreement(fronts, [row["published"] for row in rows])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
