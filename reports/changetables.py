"""What changed between two runs as a page: a summary, what is not the same, the changes of scores, and of time."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from eval.ranks.effects import student
from reports.changes import Change, Comparison, different, missing
from reports.read.cell import Cell
from reports.words.document import Block, Bullets, Code, Heading, Paragraph, Table
from reports.words.pairs import METRICS, difference_text
from zoo.base.counts import counted

T = TypeVar("T")

NONE = "-"
TIMES = {"training s": ("seconds", "train"), "all s": ("seconds", "total"), "images/s": ("train", "images_per_s")}


def blocks(found: Comparison, limit: int | None = None) -> list[Block]:
    """The comparison as a page. limit: how many rows of a table are shown, those that hold first; None for all."""
    a, b = found.a, found.b
    page: list[Block] = [
        Heading(("Changes from ", Code(a.folder.resolve().name), " to ", Code(b.folder.resolve().name)), 1)
    ]
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
    "Differences are the second run minus the first: FID below 0 and accuracy above 0 are better. In square brackets "
    "95% intervals of the error of sampling alone, which tell whether two trained networks differ; in round brackets "
    "over seeds, by an additive model, which tell whether the change would be there again. Marked * is what holds "
    "after Holm's correction."
)


def summary(found: Comparison) -> str:
    """How many scores differ beyond noise."""
    number = f"{counted(len(found.matched), 'cell is', 'cells are')} done in both"
    if found.identical:
        return f"Identical: {number}, with the same scores to the last digit."
    held = [held for change in found.cells for held in change.holds]
    differ = counted(len(held), "score differs", "scores differ")
    text = f"{number}. Cell by cell, {sum(held)} of {differ} by more than the error of sampling"
    if found.seeds:
        held = [held for change in found.seeds for held in change.holds]
        text += f"; as means over seeds, {sum(held)} of {len(held)} differ by more than seeds do"
    else:
        text += "; with one seed of each, nothing is known of what training again would change"
    return f"{text} (after Holm's correction, at 5%)."


def _table(found: Comparison, changes: Sequence[Change], limit: int | None) -> list[Block]:
    several = len({change.dataset for change in changes}) > 1
    header = [*(["data set"] if several else []), "backbone", "objective", "seed", "setting"]
    names = len(header)
    header += ["FID", "FID, change", "accuracy", "accuracy, points"]
    shown, note = _first(
        changes,
        limit,
        lambda change: (not any(change.holds), -abs(change.found[0].mean)),
        "what holds and is largest first",
    )
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


def _first(items: Sequence[T], limit: int | None, order: Callable[[T], Any], which: str) -> tuple[list[T], list[Block]]:
    """The first of many, and a note that says which; in the given order if there are few."""
    if limit is None or len(items) <= limit:
        return list(items), []
    number = counted(len(items), "row")
    text = f"{limit} of {number}, {which}; --out FILE.md or FILE.csv writes all."
    return sorted(items, key=order)[:limit], [Paragraph(text, "note")]


def _times(matched: Sequence[tuple[Cell, Cell]], limit: int | None) -> list[Block]:
    """Seconds and rates of every cell, and their ratio by backbone."""
    rows: list[tuple[str, ...]] = []
    ratios: dict[tuple[str, str], list[float]] = {}
    for x, y in matched:
        fields = []
        for name, (section, key) in TIMES.items():
            old, new = (((cell.facts.get(section) or {}).get(key)) for cell in (x, y))
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
    shown, note = _first(rows, limit, lambda row: row, "by name")
    header = ("data set", "backbone", "objective", "seed", *TIMES)
    return [Paragraph(how), Bullets(tuple(means)), *note, Table(header, tuple(shown), 4)]


def _ratio(logs: Sequence[float]) -> str:
    found = student(logs)
    span = (
        "" if found.low is None or found.high is None else f" ({math.exp(found.low):.2f}..{math.exp(found.high):.2f})"
    )
    return f"{math.exp(found.mean):.2f}{span}"
