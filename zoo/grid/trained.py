"""Cells that another run has trained: its weights are taken, so that they are only scored, in other ways than there.

    python run_all.py --grid default --set score.n=2000 --weights runs/default --out runs/more

torch is not imported here.
"""

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.progress import say
from zoo.base.sealed import read_sealed
from zoo.grid.cell import Cell
from zoo.grid.plan import Plan

LOG = "metrics.jsonl"  # the curves of training
SELECTED = "selected"  # the folder of the step that was scored, where it is not the last


def check(plan: Plan, source: Path) -> None:
    """Raise ZooError if `source` is no run's folder, or is where the plan writes."""
    if not (source / "grid.json").is_file():
        raise ZooError(f"--weights {source} is no run of a grid: it holds no grid.json")
    if source.resolve() == plan.out.resolve():
        raise ZooError(f"--weights {source} is where this run writes: choose another --out")


def take(plan: Plan, source: Path) -> None:
    """Give the plan's cells that are to do the weights of `source`, another run's folder; say of how many, and why not.

    A cell is taken from the folder of its name there, if it was trained by the same configuration to its end. Another
    one is trained. Errors as `check`.
    """
    check(plan, source)
    waiting = [cell for cell in plan.chosen if plan.status(cell) == "to do"]
    why = Counter(_take(cell, source / cell.folder, plan.folder(cell)) for cell in waiting)
    if taken := why.pop("", 0):
        say(f"{counted(taken, 'cell')} of {len(waiting)} trained in {source}: only scored here")
    for reason, count in why.items():
        say(f"{counted(count, 'cell is', 'cells are')} trained here: {reason}")


def foreseen(plan: Plan, source: Path) -> Plan:
    """The plan with the cells known that `take` would give weights to; nothing is written. Errors as `check`."""
    check(plan, source)
    waiting = [cell for cell in plan.chosen if plan.status(cell) == "to do"]
    return replace(plan, taken=frozenset(cell.folder for cell in waiting if not _last(cell, source / cell.folder)[1]))


def _take(cell: Cell, there: Path, here: Path) -> str:
    """Link a cell's newest checkpoint into its folder here, and the selected one; the reason why not, or ""."""
    found, why = _last(cell, there)
    if found and not why:
        chosen = sorted((there / SELECTED).glob("step-*"), reverse=True)
        for file in (*chosen, there / LOG, found.with_suffix(".safetensors"), found):  # manifests last: they count
            if file.is_file():
                _copy(file, here / file.relative_to(there), link=file.name != LOG)
    return why


def _last(cell: Cell, there: Path) -> tuple[Path | None, str]:
    """A cell's newest checkpoint in another run's folder, its manifest; and the reason why not to take it, or ""."""
    whole = (path for path in there.glob("step-*.json") if _has_weights(path))  # a published run has manifests alone
    found = max(whole, key=lambda path: (len(path.name), path.name), default=None)
    if found is None:
        return None, "there are no weights there"
    try:
        config, manifest = read_sealed(there / "cell.json").get("config") or {}, read_sealed(found)
    except ZooError as error:
        return found, str(error)
    if config.get("train") != cell.config.train.model_dump(mode="json"):
        return found, "it is trained otherwise there"
    if manifest.get("step", 0) < cell.config.train.steps:
        return found, "it is not trained to its end there"
    if cell.config.score.select != (config.get("score") or {}).get("select", "last"):
        return found, "another step is scored there, and those before the last are kept no longer"
    if not all(map(_has_weights, (there / SELECTED).glob("step-*.json"))):
        return found, "there are no weights there of the step that was scored"
    return found, ""


def _has_weights(manifest: Path) -> bool:
    return manifest.with_suffix(".safetensors").is_file()


def _copy(file: Path, to: Path, link: bool) -> None:
    """Atomically; a file that nobody changes may be one file under two names."""
    to.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=to.parent, prefix=".taken-"))
    try:
        if link:
            with contextlib.suppress(OSError):  # another disk, or one without links
                (folder / file.name).hardlink_to(file)
        if not (folder / file.name).exists():
            shutil.copyfile(file, folder / file.name)
        os.replace(folder / file.name, to)
    finally:
        shutil.rmtree(folder)
