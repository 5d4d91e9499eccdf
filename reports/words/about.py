"""What a page says of the run itself: what failed, what was asked for, with which software, by which papers."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.bibtex import of
from reports.words.document import Block, Link, Listing, Mark, Paragraph, Table, table
from reports.words.forms import NONE

MESSAGE_LIMIT = 400  # characters of an error that the page shows; the log has the rest


def unequal(run: Run) -> str | None:
    """A warning if cells of one recipe were trained in different precisions, as machines of two kinds do, or on latents
    of different auto-encoders, as machines without a shared data folder do; else None."""
    texts = []
    if parts := _mixed(run, lambda cell: str(cell.facts["train"].get("precision", NONE))):
        texts.append(
            f"Not only the objective differs: cells were trained in different precisions, {parts}; the tables of costs "
            "say which. To compare like with like, name a precision in the grid's recipe and train them again."
        )
    if parts := _mixed(run, lambda cell: (cell.facts.get("latents") or {"sha256": "pixels"})["sha256"][:12]):
        texts.append(
            f"Not only the objective differs: cells were trained on latents of different auto-encoders, {parts}. To "
            "compare like with like, name one with its hash (python -m zoo.latents list) and train them again."
        )
    return " ".join(texts) or None


def _mixed(run: Run, of: Callable[[Cell], str]) -> str:
    """`of mnist, dit 3 in float32 and 2 in bfloat16` for cells that should be alike in this and are not, or ""."""
    groups: dict[tuple[str, str, str], Counter[str]] = {}
    for cell in run.done:
        groups.setdefault((cell.dataset, cell.backbone, cell.variant), Counter())[of(cell)] += 1
    return "; ".join(
        f"of {', '.join(filter(None, group))} "
        + " and ".join(f"{count} in {name}" for name, count in sorted(counts.items()))
        for group, counts in groups.items()
        if len(counts) > 1
    )


def failures(run: Run, running: bool = False) -> Table | None:
    """Every cell that is not done, and every setting of the others without a score; None if there is none.

    running: what has no file yet is still to come.
    """
    rows = []
    for cell in run.cells:
        if not (cell.result or (running and cell.status == "missing")):
            failure = cell.failure or {}
            facts = [str(failure.get(key, NONE)) for key in ("exit_status", "attempts", "log")]
            rows.append([cell.folder, cell.status, *facts[:2], _cut(cell.message), facts[2]])
        for one in cell.unscored:
            place = f"{cell.folder}, {one['setting']}"
            rows.append([place, "not scored", NONE, NONE, _cut(one["reason"]), f"{cell.folder}/log.txt"])
    return table(["cell", "status", "exit status", "attempts", "message", "log"], rows, names=6) if rows else None


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_LIMIT else f"{text[:MESSAGE_LIMIT]}…"


def configuration(run: Run) -> Table:
    """What was asked for: the grid's fields, and each data set's settings."""
    elsewhere = {"schema_version", "cells", "versions", "judges", "notice", "cause", "sizes_note"}
    elsewhere |= {"command", "settings", "digest", "claims", *([] if run.grid.get("study") else ["study"])}
    fields = {key: value for key, value in run.grid.items() if key not in elsewhere}
    parts, several = run.grid.get("settings") or {}, len(run.datasets) > 1
    for name in run.datasets:
        fields |= {f"{name}: {key}" if several else key: value for key, value in (parts.get(name) or {}).items()}
    return _pairs(fields, "setting")


def versions(run: Run) -> Table:
    """The software, and the judges behind the numbers."""
    shown = dict(sorted((run.grid.get("versions") or {}).items()))
    for part in (run.on(dataset) for dataset in run.datasets):
        at = f"{part.datasets[0]}: " if len(run.datasets) > 1 else ""
        shown |= {f"{at}judge: {key}": part.judge[key] for key in ("name", "sha256", "accuracy") if key in part.judge}
        hashes = sorted({cell.facts["data"]["sha256"] for cell in part.done if "data" in cell.facts})
        shown |= {f"{at}images and labels: sha256": ", ".join(hashes)} if hashes else {}
    return _pairs(shown, "what")


def papers(run: Run) -> Table:
    """The papers behind each objective; none for a name that is not in the registry."""
    rows = []
    for name in run.objectives:
        links: list[Mark] = [part for i in of(name) for part in (", ", Link(i, f"https://arxiv.org/abs/{i}"))]
        rows.append([name, tuple(links[1:]) or NONE])
    return table(["objective", "arXiv"], rows, names=2)


def commands(run: Run) -> list[Block]:
    """How to make it all again."""
    first = (run.done or run.cells)[0].folder if run.cells else "CELL"
    git = run.grid.get("git")
    found = [
        ("The whole run" + (f", at commit {git}" if git else "") + ":", run.grid.get("command") or ""),
        ("Score one checkpoint again, with RUN for the folder of this page:", f"python -m eval.fid RUN/{first}"),
        ("Write this page again:", "python -m reports RUN"),
    ]
    return [
        block
        for text, command in found
        if command
        for block in (Paragraph(text), Listing(" ".join(str(command).split())))
    ]


def _pairs(values: dict[str, Any], name: str) -> Table:
    rows = tuple((key, _plain(value)) for key, value in values.items())
    return Table((name, "value"), rows, names=2, long=False)


def _plain(value: object) -> str:
    """A JSON value without JSON's marks."""
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(part)}" for key, part in value.items())
    return value if isinstance(value, str) else NONE if value is None else json.dumps(value)
