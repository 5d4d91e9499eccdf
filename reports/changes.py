"""What changed between two runs, cell by cell: python -m reports compare runs/a runs/b

Cells are matched by data set, backbone, objective and seed, and their scores by control setting and number of samples.
A difference is the second run minus the first. Cell by cell its interval is that of sampling alone: whether the two
trained networks differ. Where a pairing has several seeds, their differences also have a mean, with an interval over
seeds: whether the change would be there again. Both families of tests are corrected by Holm's method.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from eval.ranks.change import changes
from eval.ranks.effects import Difference, holm
from eval.ranks.paired import sampled
from eval.ranks.scale import Arcsine, Asinh
from reports.read.cell import Cell
from reports.read.load import load
from reports.read.results import field
from reports.read.run import CELL, Run
from reports.read.setting import SETTING, Setting
from reports.words.document import Code, Text
from reports.words.pairs import ALPHA, METRICS
from zoo.base.counts import counted
from zoo.base.errors import ZooError

HARDWARE = ("device", "threads", "precision", "compiled")
GRID = ("name", "budget", "notice", "git")
MOST = 6  # values or names told in a row


@dataclass(frozen=True)
class Change:
    """One pairing under one control setting: scores before, after, and b minus a; seed None: means over seeds."""

    dataset: str
    backbone: str
    objective: str
    seed: int | None
    setting: Setting
    before: tuple[float, float]
    after: tuple[float, float]
    found: tuple[Difference, Difference]
    holds: tuple[bool, bool] = (False, False)


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side: matched cells that are done in both, and the changes of their scores."""

    a: Run
    b: Run
    matched: tuple[tuple[Cell, Cell], ...]
    cells: tuple[Change, ...]
    seeds: tuple[Change, ...]

    @property
    def identical(self) -> bool:
        """Whether the same cells have the same scores, to the last digit (timings apart)."""
        same = all(_scores(x) == _scores(y) for x, y in self.matched)
        return same and len(self.matched) == len(self.a.done) == len(self.b.done)


def compare(a: Path, b: Path) -> Comparison:
    """Read two runs and compare them.

    Raises ZooError for folders that are no runs, for runs that share no cell that is done, and for scores by different
    judges.
    """
    first, second = load(Path(a)), load(Path(b))
    ours, theirs = ({_key(cell): cell for cell in run.cells} for run in (first, second))
    shared = [key for key in ours if key in theirs]
    if not shared:
        raise ZooError(
            f"{a} and {b} share no cell. Cells are matched by data set, backbone, objective and seed; "
            f"{_unshared(first, second)}"
        )
    matched = [(ours[key], theirs[key]) for key in shared if ours[key].result and theirs[key].result]
    if not matched:
        raise ZooError(f"no cell is done in both {a} and {b}, which share {len(shared)}: finish them, then compare")
    for dataset in dict.fromkeys(x.dataset for x, _ in matched):
        judges = [_judge(next(pair[i] for pair in matched if pair[i].dataset == dataset)) for i in (0, 1)]
        if judges[0][1] != judges[1][1]:
            told = [f"{name} (SHA-256 {sha[:12]}) in {at}" for (name, sha), at in zip(judges, (a, b), strict=True)]
            raise ZooError(
                f"scores on {dataset} are by two judges, {' and '.join(told)}: they cannot be compared, for the judge "
                "is a part of the score. Score the checkpoints of both with one judge, python -m eval.fid CELL, or "
                "make one of the runs again with the program of the other"
            )
    cells = _corrected([change for pair in matched for change in _by_cell(*pair)])
    if not cells:
        raise ZooError(
            f"{a} and {b} share {counted(len(matched), 'cell')} and no control setting: {_settings(first)} against "
            f"{_settings(second)}. Score one run again under the settings of the other"
        )
    return Comparison(first, second, tuple(matched), tuple(cells), tuple(_corrected(_over_seeds(cells))))


def _key(cell: Cell) -> tuple[object, ...]:
    return tuple(getattr(cell, name) for name in CELL)


def _judge(cell: Cell) -> tuple[str, str]:
    judge = cell.facts["judge"]
    return str(judge.get("name")), str(judge.get("sha256"))


def _unshared(a: Run, b: Run) -> str:
    """Which part of the cells' names has nothing in common."""
    for name in CELL:
        ours, theirs = ({str(getattr(cell, name)) for cell in run.cells} for run in (a, b))
        if not ours & theirs:
            return f"the {name}s are {_some(sorted(ours))} in the first, {_some(sorted(theirs))} in the second"
    return "each of these occurs in both, but in no cell together"


def _settings(run: Run) -> str:
    """Each setting with every field that can make it another one."""
    words = []
    for s in run.settings:
        rest = [f"within {s.interval[0]:g} to {s.interval[1]:g} of noise"] * (s.interval != (0.0, 1.0))
        rest += [f"rescaled {s.rescale:g}"] * bool(s.rescale) + ["unclipped"] * (not s.clip)
        how = f"{s.weights} {s.sampler} {s.step_grid} {counted(s.steps, 'step')}, start {s.start:g}"
        words.append(", ".join([how, f"guidance {s.guidance:g}", *rest, f"n {s.n}"]))
    return _some(words, "; ")


def _some(values: Sequence[str], joint: str = ", ") -> str:
    more = f"{joint}and {len(values) - MOST} more" if len(values) > MOST else ""
    return f"{joint.join(values[:MOST])}{more}" or "none"


def _scores(cell: Cell) -> list[dict[str, Any]]:
    timings = ("seconds", "measure_seconds", "images_per_s")
    return [{name: value for name, value in score.items() if name not in timings} for score in cell.scores]


def _by_cell(a: Cell, b: Cell) -> list[Change]:
    found = []
    for setting, before in a.by_setting.items():
        after = b.by_setting.get(setting)
        fid, acc = (sampled([(after, before)], metric) if after else None for metric in METRICS)
        if after and fid and acc:
            old, new = ((row["fid"], row["acc"]) for row in (before, after))
            found.append(Change(a.dataset, a.backbone, a.objective, a.seed, setting, old, new, (fid, acc)))
    return found


def _over_seeds(cells: Sequence[Change]) -> list[Change]:
    """Means over seeds; those of one data set and control setting share what is known of how much runs vary."""
    groups: dict[tuple[str, Setting], dict[tuple[str, str], list[Change]]] = {}
    for change in cells:
        group = groups.setdefault((change.dataset, change.setting), {})
        group.setdefault((change.backbone, change.objective), []).append(change)
    found = []
    for (_, setting), group in groups.items():
        several = [row for row in group.values() if len(row) > 1]
        if not several:
            continue
        fids = changes(*_before_after(several, 0), Asinh.of(setting.n))
        accs = changes(*_before_after(several, 1), Arcsine())
        for row, fid, acc in zip(several, fids, accs, strict=True):
            before = fmean(change.before[0] for change in row), fmean(change.before[1] for change in row)
            after = fmean(change.after[0] for change in row), fmean(change.after[1] for change in row)
            found.append(replace(row[0], seed=None, before=before, after=after, found=(fid, acc)))
    return found


def _before_after(rows: Sequence[Sequence[Change]], metric: int) -> tuple[np.ndarray, np.ndarray]:
    """[rows, seeds] a metric before and after, nan where a seed is missing."""
    seeds = sorted({change.seed or 0 for row in rows for change in row})
    before, after = (np.full((len(rows), len(seeds)), np.nan) for _ in range(2))
    for i, row in enumerate(rows):
        for change in row:
            at = i, seeds.index(change.seed or 0)
            before[at], after[at] = change.before[metric], change.after[metric]
    return before, after


def _corrected(changes: Sequence[Change]) -> list[Change]:
    ps = holm([found.p for change in changes for found in change.found])
    holds = [p is not None and p <= ALPHA for p in ps]
    return [replace(change, holds=(holds[2 * i], holds[2 * i + 1])) for i, change in enumerate(changes)]


def different(a: Run, b: Run, matched: Sequence[tuple[Cell, Cell]]) -> tuple[Text, ...]:
    """What is not the same: the grids' fields, cells' configurations, data, judges, machines and versions."""
    facts: dict[str, tuple[set[str], set[str]]] = {}

    def note(form: str, ours: dict[str, Any], theirs: dict[str, Any], names: Sequence[str] = ()) -> None:
        for name in names or sorted(ours.keys() | theirs.keys()):
            if (x := ours.get(name)) != (y := theirs.get(name)):
                sides = facts.setdefault(form.format(name), (set(), set()))
                sides[0].add(_plain(x))
                sides[1].add(_plain(y))

    note("grid: {}", a.grid, b.grid, GRID)
    for x, y in ((x.facts, y.facts) for x, y in matched):
        note("training: {}", x["cell"]["train"], y["cell"]["train"])
        note("scoring: {}", x["cell"].get("score") or {}, y["cell"].get("score") or {})
        note("ran with {}", x["train"], y["train"], HARDWARE)
        note("version of {}", x.get("versions") or {}, y.get("versions") or {})
        note("data: {}", x.get("data") or {}, y.get("data") or {})
        note("judge: {}", x["judge"], y["judge"])
    return tuple(
        (f"{name}: ", Code(_some(sorted(ours))), " became ", Code(_some(sorted(theirs))))
        for name, (ours, theirs) in facts.items()
    )


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def missing(a: Run, b: Run) -> tuple[Text, ...]:
    """Cells that only one run has, and those that are not done in one."""
    ours, theirs = ({_key(cell): cell for cell in run.cells} for run in (a, b))
    groups: dict[str, list[str]] = {}
    for key in dict.fromkeys([*ours, *theirs]):
        states = [cells[key].status if key in cells else "not planned" for cells in (ours, theirs)]
        if states != ["done", "done"]:
            text = f"{states[0]} in the first, {states[1]} in the second"
            groups.setdefault(text, []).append("/".join(map(str, key)))
    return tuple((f"{state} ({len(names)}): ", Code(_some(names, "; "))) for state, names in groups.items())


COLUMNS = (
    *CELL, *SETTING, "seeds", "fid_a", "fid_b", "fid_change", "fid_low", "fid_high", "fid_p", "fid_holds",
    "acc_a", "acc_b", "acc_change", "acc_low", "acc_high", "acc_p", "acc_holds",
)  # fmt: skip


def csv_bytes(found: Comparison) -> bytes:
    """One row per cell and control setting, then one per mean over seeds (seed empty); p is not corrected, holds is.

    Shares are from 0 to 1, changes b minus a; low and high are the ends of the 95% interval.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for change in (*found.cells, *found.seeds):
        cell = [change.dataset, change.backbone, change.objective, change.seed]
        setting = [list(v) if isinstance(v := getattr(change.setting, name), tuple) else v for name in SETTING]
        scores = [
            value
            for i, d in enumerate(change.found)
            for value in (change.before[i], change.after[i], d.mean, d.low, d.high, d.p, change.holds[i])
        ]
        writer.writerow([field(value) for value in (*cell, *setting, change.found[0].seeds, *scores)])
    return out.getvalue().encode()
