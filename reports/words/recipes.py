"""A grid with variants of the recipe: which of them serves all objectives best, and what the choice changes.

Variants are ranked as objectives are elsewhere, every pairing of objective and backbone being one more control.
"""

import math
from collections import Counter
from statistics import fmean
from typing import Any

from eval.ranks import text as rank_words
from eval.ranks.board import board
from eval.ranks.scale import Asinh
from eval.ranks.table import Entry
from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.document import Block, Bold, Heading, Paragraph, Table, Text, table
from reports.words.forms import NONE, fid_at, fid_text, number
from reports.words.ranktables import ALIKE, FIRST, SET
from zoo.base.counts import counted

ABOUT = (
    "Every pairing was trained with each variant of the recipe. A variant's rank is by its FID, on a logarithmic "
    "scale and averaged over pairings and control settings: the recipe that all objectives share should be the one "
    "that serves all of them, whichever of them it makes look best."
)
ORDER = (
    "Ranks of the objectives among themselves, under each variant: where a column's numbers change places, the answer "
    "to which objective is best depends on how it was tuned."
)


def recipes(run: Run) -> tuple[list[Text], list[Block]]:
    """(the sentences that stand first on the page, the section) about variants; nothing for a grid without them, or one
    that asks for something else."""
    if not any(cell.variant for cell in run.done) or run.grid.get("claims") or run.grid.get("study"):
        return [], []
    variants = list(dict.fromkeys(cell.variant for cell in run.cells))
    cells = [(cell, base(cell)) for cell in run.cells]
    found = board([_entry(cell, f"{cell.backbone} {name}", cell.variant) for cell, name in cells], variants)
    blocks: list[Block] = [
        Heading("Recipes"),
        Paragraph(ABOUT),
        _board(found),
        *map(Paragraph, rank_words.notes(found)),
    ]
    blocks += [Paragraph((Bold("FID"), f", {run.label(run.headline[0])}; lowest of a column in bold.")), _fids(run)]
    names = list(dict.fromkeys(name for _, name in cells))
    ranks = {
        variant: _ranks([_entry(cell, cell.backbone, name) for cell, name in cells if cell.variant == variant], names)
        for variant in variants
    }
    rows = [(variant, *map(rank_words.place, found)) for variant, found in ranks.items()]
    alone = _edge(found, cells)
    each = _each(cells, variants) if len(run.backbones) > 1 else [alone] if alone else []
    return [_lead(found), *each, _order(ranks, names), *_own(run)], [
        *blocks,
        Paragraph(ORDER),
        table(["variant", *names], rows),
    ]


def base(cell: Cell) -> str:
    """The objective's own name."""
    return cell.objective.removesuffix(f" [{cell.variant}]")


def _entry(cell: Cell, backbone: str, name: str) -> Entry:
    return Entry(
        cell.dataset, backbone, name, cell.seed, cell.status, cell.scores, (cell.facts.get("real") or {}).get("acc")
    )


def _board(found: dict[str, Any]) -> Table:
    header = ["variant", "rank", SET, FIRST, "runs", ALIKE]
    rows = [
        (
            row["objective"],
            rank_words.rank_text(row),
            rank_words.interval_text(row),
            rank_words.text(row["first"]),
            rank_words.runs_text(row),
            rank_words.alike_text(row["alike"]),
        )
        for row in found["rows"]
    ]
    return table(header, rows)


def _lead(found: dict[str, Any]) -> Text:
    """`muon 8e-3 serves the objectives best of 8 recipes: its rank is 1 (95% confidence set ..) ..`"""
    row = found["rows"][0]
    if row["rank"] is None:
        return "No recipe can be ranked yet."
    interval = "" if row["low"] is None else f" (95% confidence set of its rank {rank_words.interval_text(row)})"
    alike = f" It cannot be distinguished from {rank_words.alike_text(row['alike'])}." if row["alike"] else ""
    sketch = " From one seed: a sketch." if found["ended"] < 2 else ""
    places = counted(found["settings"], "pairing and control setting", "pairings and control settings")
    text = f" serves the objectives best of {counted(len(found['rows']), 'recipe')}: its rank is {row['rank']:.0f}"
    text += f"{interval} "
    return (
        Bold(row["objective"]),
        f"{text}over {places}.{alike}{sketch}",
    )


def _each(cells: list[tuple[Cell, str]], variants: list[str]) -> list[Text]:
    """For each backbone the recipe that serves its objectives best, and whether its rate is inside what was tried."""
    told: list[Text] = []
    for backbone in dict.fromkeys(cell.backbone for cell, _ in cells):
        own = [(cell, name) for cell, name in cells if cell.backbone == backbone]
        found = board([_entry(cell, name, cell.variant) for cell, name in own], variants)
        row = found["rows"][0]
        if row["rank"] is not None:
            alike = f", and cannot be distinguished from {rank_words.alike_text(row['alike'])}" if row["alike"] else ""
            edge = _edge(found, own)
            told.append((f"On {backbone} ", Bold(row["objective"]), f" serves them best{alike}.", edge and f" {edge}"))
    return told


def _edge(found: dict[str, Any], cells: list[tuple[Cell, str]]) -> str:
    """Whether the best recipe's rate is inside of those that were tried with its optimiser; "" for one rate."""
    tried: dict[str, set[float]] = {}
    of: dict[str, tuple[str, float]] = {}
    for cell, _ in cells:
        train = (cell.facts.get("cell") or {}).get("train") or {}
        if "optimizer" in train and "learning_rate" in train:
            tried.setdefault(train["optimizer"], set()).add(train["learning_rate"])
            of[cell.variant] = train["optimizer"], train["learning_rate"]
    optimizer, rate = of.get(found["rows"][0]["objective"], ("", 0.0))
    rates = sorted(tried.get(optimizer, ()))
    if len(rates) < 2:
        return ""
    if rates[0] < rate < rates[-1]:
        return f"Its learning rate lies inside those tried with {optimizer}, {rates[0]:g} to {rates[-1]:g}."
    end, other = ("lowest", "lower") if rate == rates[0] else ("highest", "higher")
    return f"Its learning rate is the {end} tried with {optimizer}: a {other} one may serve them better."


def _order(ranks: dict[str, list[float | None]], names: list[str]) -> Text:
    """How often each objective ranks first among them, over the recipes under which all of them have a rank."""
    whole = [full for found in ranks.values() if len(full := [r for r in found if r is not None]) == len(found)]
    if not whole or len(names) < 2:
        return "The objectives cannot be ranked among themselves yet."
    leaders = [[name for name, rank in zip(names, found, strict=True) if rank == min(found)] for found in whole]
    alone = {name: sum(first == [name] for first in leaders) for name in names}
    parts = [f"{name} under {count}" for name, count in sorted(alone.items(), key=lambda one: -one[1]) if count]
    ties = Counter(tuple(first) for first in leaders if len(first) > 1)
    parts += [f"a tie of {' and '.join(first)} under {count}" for first, count in ties.most_common()]
    return f"Among the objectives ranks first, of {counted(len(whole), 'recipe')}: {', '.join(parts)}."


def _own(run: Run) -> list[Text]:
    """For each backbone every objective's FID with the recipe that serves it best, over all compared settings: what the
    order would be if each were tuned by itself."""
    told: list[Text] = []
    for backbone in run.backbones:
        best: dict[str, tuple[float, str]] = {}
        for name, variant, label in dict.fromkeys((base(c), c.variant, c.objective) for c in run.cells):
            stats = [run.stat(backbone, label, setting, "fid") for setting in run.headline]
            if all(stats) and all(math.isfinite(stat.mean) for stat in stats if stat):
                scale = Asinh.of(run.headline[0].n)
                mean = float(scale.back(fmean(float(scale.forward(stat.mean)) for stat in stats if stat)))
                best[name] = min(best.get(name, (mean, variant)), (mean, variant))
        if len(best) > 1:
            order = sorted((fid, variant, name) for name, (fid, variant) in best.items())
            parts = ", ".join(f"{name} {number(fid)} ({variant})" for fid, variant, name in order)
            how = "by FID over all settings, chosen by the same runs"
            told.append(f"Each objective with its own best recipe on {backbone}, {how}: {parts}.")
    return told


def _ranks(entries: list[Entry], names: list[str]) -> list[float | None]:
    ranks = {row["objective"]: row["rank"] for row in board(entries, names)["rows"]}
    return [ranks.get(name) for name in names]


def _fids(run: Run) -> Table:
    """Variant x (backbone, objective): FID under the first of the compared settings."""
    setting, variants = run.headline[0], list(dict.fromkeys(cell.variant for cell in run.cells))
    pairings = list(dict.fromkeys((cell.backbone, base(cell)) for cell in run.cells))
    columns: list[list[Text]] = []
    for backbone, name in pairings:
        stats = [run.stat(backbone, f"{name} [{variant}]", setting, "fid") for variant in variants]
        best = min((stat.mean for stat in stats if stat), default=None)
        texts = [NONE if stat is None else fid_text(stat) for stat in stats]
        bold = [stat is not None and stat.mean == best for stat in stats]
        columns.append([Bold(text) if mark else text for text, mark in zip(texts, bold, strict=True)])
    header = ["variant", *(f"{fid_at(setting)}, {name} on {backbone}" for backbone, name in pairings)]
    return table(header, list(zip(variants, *columns, strict=True)))
