"""Cells of one run that were done with different versions, as nodes of a cluster or an update in between make them."""

from dataclasses import replace

from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.document import Block, Fold, Heading, Paragraph, Table, table
from reports.words.forms import NONE, fid_text
from zoo.base.counts import counted

TITLE = "Groups of versions"
COMMIT = "commit"  # of this project
SAID = (
    "Each group holds the cells that were done with the same versions; only what differs is shown. The tables above "
    "take all cells together. An objective with scores in several groups shows how much of a difference versions make."
)
Versions = tuple[tuple[str, str], ...]


def groups(run: Run) -> dict[Versions, list[Cell]]:
    """The finished cells by their versions, the largest group first; one group where all are the same."""
    found: dict[Versions, list[Cell]] = {}
    for cell in run.done:
        known = {**cell.facts.get("versions", {}), COMMIT: cell.facts.get("git") or NONE}
        found.setdefault(tuple(sorted(known.items())), []).append(cell)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _differing(found: dict[Versions, list[Cell]]) -> list[str]:
    """The packages whose version is not the same in all groups."""
    names = sorted({name for versions in found for name, _ in versions})
    return [name for name in names if len({dict(versions).get(name, NONE) for versions in found}) > 1]


def warning(run: Run) -> str | None:
    """A sentence if not all cells were done with the same versions of other packages; else None. Commits of this
    project may differ where a study goes on after an update: its cells' keys hold what decides a number."""
    found = groups(run)
    differing = [name for name in _differing(found) if name != COMMIT]
    if not differing:
        return None
    parts = []
    for name in differing:
        counts: dict[str, int] = {}
        for versions, cells in found.items():
            version = dict(versions).get(name, NONE)
            counts[version] = counts.get(version, 0) + len(cells)
        each = [f"{version} ({counted(count, 'cell')})" for version, count in counts.items()]
        parts.append(f"{name} {', '.join(each)}")
    return f"Not only the objective differs: cells were done with different versions, {'; '.join(parts)}; see {TITLE}."


def grouped(run: Run) -> list[Block]:
    """The groups, each objective's FID in every group, and which cell belongs where; [] where there is one group."""
    found = groups(run)
    if len(found) < 2:
        return []
    names = [f"group {number}" for number in range(1, len(found) + 1)]
    differing = _differing(found)
    rows = [
        [name, *(dict(versions).get(key, NONE) for key in differing), str(len(cells))]
        for name, (versions, cells) in zip(names, found.items(), strict=True)
    ]
    blocks: list[Block] = [Heading(TITLE), Paragraph(SAID)]
    blocks.append(table(["group", *differing, "cells"], rows, names=1 + len(differing)))
    blocks += [
        _scores(part, names, list(found.values()), part.datasets[0])
        for part in (run.on(dataset) for dataset in run.datasets)
        if part.headline
    ]
    where = {cell.folder: name for name, cells in zip(names, found.values(), strict=True) for cell in cells}
    listed = [[cell.folder, where[cell.folder]] for cell in run.done]
    return [*blocks, Fold("Cells by group", (table(["cell", "group"], listed, names=2),))]


def _scores(run: Run, names: list[str], parts: list[list[Cell]], dataset: str) -> Table:
    """Every objective's FID under the first setting, by group."""
    rows, setting = [], run.headline[0]
    within = [replace(run, cells=tuple(cell for cell in cells if cell.dataset == dataset)) for cells in parts]
    for backbone in run.backbones:
        for objective in run.ranked:
            stats = [part.stat(backbone, objective, setting, "fid") for part in within]
            if any(stats):
                rows.append([dataset, backbone, objective, *map(fid_text, stats)])
    return table(["data set", "backbone", "objective", *(f"{run.fid_name}, {name}" for name in names)], rows, names=3)
