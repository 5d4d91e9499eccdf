"""What changed between two runs, cell by cell: python -m reports compare runs/a runs/b

Cells are matched by data set, backbone, objective and seed, and their scores by control setting and number of samples.
A difference is the second run minus the first. Cell by cell its interval is that of sampling alone: whether the two
trained networks differ. Where a pairing has several seeds, their differences also have a mean, with an interval over
seeds: whether the change would be there again. Both families of tests are corrected by Holm's method.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from eval.effects import Difference, holm, sampled, student
from reports.document import Block, Bullets, Code, Heading, Paragraph, Table, Text
from reports.load import load
from reports.pairs import ALPHA, METRICS, difference_text
from reports.results import field
from reports.run import CELL, SETTING, Cell, Run, Setting
from zoo.errors import ZooError

NONE = "-"
TIMES = {"training s": ("seconds", "train"), "all s": ("seconds", "total"), "images/s": ("train", "images_per_s")}
HARDWARE = ("device", "threads", "precision", "compiled")
GRID = ("name", "budget", "notice", "git")
MOST = 6  # values or names told in a row


@dataclass(frozen=True)
class Change:
    """One pairing under one control setting: means before and after, b minus a; seed is None for the mean over seeds."""

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
            f"{a} and {b} share no cell. Cells are matched by data set, backbone, objective and seed; {_unshared(first, second)}"
        )
    matched = [(ours[key], theirs[key]) for key in shared if ours[key].result and theirs[key].result]
    if not matched:
        raise ZooError(f"no cell is done in both {a} and {b}, which share {len(shared)}: finish them, then compare again")
    for dataset in dict.fromkeys(x.dataset for x, _ in matched):
        judges = [_judge(next(pair[i] for pair in matched if pair[i].dataset == dataset)) for i in (0, 1)]
        if judges[0][1] != judges[1][1]:
            told = " and ".join(f"{name} (SHA-256 {sha[:12]}) in {at}" for (name, sha), at in zip(judges, (a, b), strict=True))
            raise ZooError(
                f"scores on {dataset} are by two judges, {told}: they cannot be compared, for the judge is a part of the "
                f"score. Score the checkpoints of one run again with the program and the judge of the other: "
                f"python -m eval.fid CELL, or run_all.py into a new folder"
            )
    cells = _corrected([change for pair in matched for change in _by_cell(*pair)])
    if not cells:
        raise ZooError(
            f"{a} and {b} share {len(matched)} cells and no control setting: {_settings(first)} against {_settings(second)}. "
            "Score one run again under the settings of the other"
        )
    return Comparison(first, second, tuple(matched), tuple(cells), tuple(_corrected(_over_seeds(cells))))


def _key(cell: Cell) -> tuple:
    return tuple(getattr(cell, name) for name in CELL)


def _judge(cell: Cell) -> tuple[str, str]:
    judge = cell.result["judge"]
    return str(judge.get("name")), str(judge.get("sha256"))


def _unshared(a: Run, b: Run) -> str:
    """Which part of the cells' names has nothing in common."""
    for name in CELL:
        ours, theirs = ({str(getattr(cell, name)) for cell in run.cells} for run in (a, b))
        if not ours & theirs:
            return f"the {name}s are {_some(sorted(ours))} in the first, {_some(sorted(theirs))} in the second"
    return "each of these occurs in both, but in no cell together"


def _settings(run: Run) -> str:
    return _some([f"{s.weights} {s.sampler} {s.steps} steps, guidance {s.guidance:g}, n {s.n}" for s in run.settings], "; ")


def _some(values: Sequence[str], joint: str = ", ") -> str:
    more = f"{joint}and {len(values) - MOST} more" if len(values) > MOST else ""
    return f"{joint.join(values[:MOST])}{more}" or "none"


def _scores(cell: Cell) -> list[dict]:
    timings = ("seconds", "measure_seconds", "images_per_s")
    return [{name: value for name, value in score.items() if name not in timings} for score in cell.scores]


def _by_cell(a: Cell, b: Cell) -> list[Change]:
    found = []
    for setting, before in a.by_setting.items():
        after = b.by_setting.get(setting)
        differences = [sampled([(after, before)], metric) for metric in METRICS] if after else [None]
        if None not in differences:
            values = [tuple(row[metric] for metric in METRICS) for row in (before, after)]
            found.append(Change(a.dataset, a.backbone, a.objective, a.seed, setting, *values, tuple(differences)))
    return found


def _over_seeds(cells: Sequence[Change]) -> list[Change]:
    groups: dict[tuple, list[Change]] = {}
    for change in cells:
        groups.setdefault((change.dataset, change.backbone, change.objective, change.setting), []).append(change)
    return [
        replace(
            group[0],
            seed=None,
            before=tuple(fmean(change.before[i] for change in group) for i in (0, 1)),
            after=tuple(fmean(change.after[i] for change in group) for i in (0, 1)),
            found=tuple(student([change.found[i].mean for change in group]) for i in (0, 1)),
        )
        for group in groups.values()
        if len(group) > 1
    ]


def _corrected(changes: Sequence[Change]) -> list[Change]:
    ps = holm([found.p for change in changes for found in change.found])
    holds = [p is not None and p <= ALPHA for p in ps]
    return [replace(change, holds=(holds[2 * i], holds[2 * i + 1])) for i, change in enumerate(changes)]


def blocks(found: Comparison, limit: int | None = None) -> list[Block]:
    """The comparison as a page. limit: how many rows of a table are shown, those that hold first; None for all."""
    a, b = found.a, found.b
    page: list[Block] = [Heading(("Changes from ", Code(a.folder.name), " to ", Code(b.folder.name)), 1)]
    page += [Paragraph(summary(found)), Paragraph(HOW)]
    told = different(a, b, found.matched)
    page += [Bullets(told)] if told else [Paragraph("Configuration, judges and versions are the same.")]
    if gone := missing(a, b):
        page += [Heading("Cells that are not done in both"), Bullets(gone)]
    if found.seeds and not found.identical:
        page += [Heading("Means over seeds"), *_table(found, found.seeds, limit)]
    if not found.identical:
        page += [Heading("Cell by cell"), *_table(found, found.cells, limit)]
    return [*page, Heading("Time"), *_times(found.matched, limit)]


HOW = (
    "Differences are the second run minus the first: FID below 0 and accuracy above 0 are better. In square brackets 95% "
    "intervals of the error of sampling alone, which tell whether two trained networks differ; in round brackets over "
    "seeds, by Student's t, which tell whether the change would be there again. Marked * is what holds after Holm's "
    "correction."
)


def summary(found: Comparison) -> str:
    """How many scores differ beyond noise."""
    number = f"{len(found.matched)} cell{' is' if len(found.matched) == 1 else 's are'} done in both"
    if found.identical:
        return f"Identical: all {len(found.matched)} cells are done in both, with the same scores to the last digit."
    held = [held for change in found.cells for held in change.holds]
    text = f"{number}. Cell by cell, {sum(held)} of {len(held)} scores differ by more than the error of sampling"
    if found.seeds:
        held = [held for change in found.seeds for held in change.holds]
        text += f"; as means over seeds, {sum(held)} of {len(held)} differ by more than seeds do"
    else:
        text += "; with one seed of each, nothing is known of what training again would change"
    return f"{text} (after Holm's correction, at 5%)."


def different(a: Run, b: Run, matched: Sequence[tuple[Cell, Cell]]) -> tuple[Text, ...]:
    """What is not the same: the grids' fields, cells' configurations, data, judges, machines and versions."""
    facts: dict[str, tuple[set[str], set[str]]] = {}

    def note(form: str, ours: dict, theirs: dict, names: Sequence[str] = ()) -> None:
        for name in names or sorted(ours.keys() | theirs.keys()):
            if (x := ours.get(name)) != (y := theirs.get(name)):
                sides = facts.setdefault(form.format(name), (set(), set()))
                sides[0].add(_plain(x))
                sides[1].add(_plain(y))

    note("grid: {}", a.grid, b.grid, GRID)
    for x, y in ((x.result, y.result) for x, y in matched):
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
            groups.setdefault(f"{states[0]} in the first, {states[1]} in the second", []).append("/".join(map(str, key)))
    return tuple((f"{state} ({len(names)}): ", Code(_some(names, "; "))) for state, names in groups.items())


def _table(found: Comparison, changes: Sequence[Change], limit: int | None) -> list[Block]:
    several = len({change.dataset for change in changes}) > 1
    header = [*(["data set"] if several else []), "backbone", "objective", "seed", "setting"]
    names = len(header)
    header += ["FID", "FID, change", "accuracy", "accuracy, points"]
    shown, note = _first(changes, limit, lambda change: (not any(change.holds), -abs(change.found[0].mean)))
    rows = []
    for change in shown:
        where = [*([change.dataset] if several else []), change.backbone, change.objective]
        seed = f"mean of {change.found[0].seeds}" if change.seed is None else str(change.seed)
        label = f"{change.setting.kind}, {found.a.label(change.setting)}"
        (fid, acc), (new_fid, new_acc) = change.before, change.after
        values = f"{fid:.2f} → {new_fid:.2f}", f"{100 * acc:.1f}% → {100 * new_acc:.1f}%"
        texts = [difference_text(d, unit) for d, unit in zip(change.found, METRICS.values(), strict=True)]
        marks = [f"{text} *" if held else text for text, held in zip(texts, change.holds, strict=True)]
        rows.append((*where, seed, label, values[0], marks[0], values[1], marks[1]))
    return [*note, Table(tuple(header), tuple(rows), names)]


def _first(items: Sequence, limit: int | None, order: Callable) -> tuple[list, list[Block]]:
    """The first of many, and a note that says so; in the given order if there are few."""
    if limit is None or len(items) <= limit:
        return list(items), []
    text = f"The first {limit} of {len(items)} rows, what holds and is largest first; --out FILE.md or FILE.csv writes all."
    return sorted(items, key=order)[:limit], [Paragraph(text, "note")]


def _times(matched: Sequence[tuple[Cell, Cell]], limit: int | None) -> list[Block]:
    """Seconds and rates of every cell, and their ratio by backbone."""
    rows, ratios = [], {}
    for x, y in matched:
        fields = []
        for name, (section, key) in TIMES.items():
            old, new = (((cell.result.get(section) or {}).get(key)) for cell in (x, y))
            if not old or not new:
                fields.append(NONE)
                continue
            fields.append(f"{old:,.0f} → {new:,.0f} (x {new / old:.2f})")
            ratios.setdefault((x.backbone, name), []).append(math.log(new / old))
        rows.append((x.dataset, x.backbone, x.objective, str(x.seed), *fields))
    means = []
    for backbone in dict.fromkeys(x.backbone for x, _ in matched):
        said = [f"{name} x {_ratio(ratios[backbone, name])}" for name in TIMES if (backbone, name) in ratios]
        means.append((Code(backbone), f": {', '.join(said)}"))
    how = "Ratios, second to first, as geometric means over cells, in brackets 95% intervals by Student's t:"
    shown, note = _first(rows, limit, lambda row: row)
    header = ("data set", "backbone", "objective", "seed", *TIMES)
    return [Paragraph(how), Bullets(tuple(means)), *note, Table(header, tuple(shown), 4)]


def _ratio(logs: Sequence[float]) -> str:
    found = student(logs)
    span = "" if found.low is None else f" ({math.exp(found.low):.2f}..{math.exp(found.high):.2f})"
    return f"{math.exp(found.mean):.2f}{span}"


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
