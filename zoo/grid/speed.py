"""How fast this machine is beside the estimates of the grid files: what finished cells took of theirs.

It is kept in DATA_DIR/cache/speed.json, by kind of device, so that `--list` knows it before the first cell of another
grid. torch is not imported here.
"""

import heapq
import math
import statistics
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from zoo.base.environment import versions
from zoo.base.errors import ZooError
from zoo.base.files import read_json, write_json
from zoo.grid.cell import Cell
from zoo.grid.plan import Plan

FILE = Path("cache") / "speed.json"
LIMITS = (0.01, 100.0)  # beyond them a file is no measurement


def until_the_last(cells: Iterable[float], workers: Iterable[float]) -> float:
    """Seconds until all cells have ended, each begun by the first worker that is free, in their order.

    cells: seconds of each that waits. workers: seconds until each is free; 0 for one without work.
    """
    free = list(workers)
    heapq.heapify(free)
    for seconds in cells:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def of_cells(plan: Plan) -> float | None:
    """Seconds that the plan's finished cells took, over their estimates; None where none is finished.

    Of an objective on a backbone the cell that ended last counts: what else the machine had to do during the others
    says nothing of now. Of several that ended at one time, as copied files have it, it is the median. Cells that were
    not done here say nothing.
    """
    ended = dict[str, dict[float, list[tuple[float, float]]]]()  # by all but the seed, and by time
    for cell in plan.chosen:
        if (result := plan.result(cell)) and done_here(plan, cell, result):
            when = (plan.folder(cell) / "result.json").stat().st_mtime
            group = ended.setdefault(cell.folder.rpartition("/")[0], {})
            group.setdefault(when, []).append((result["seconds"]["total"], cell.seconds))
    last = [tuple(map(statistics.median, zip(*group[max(group)], strict=True))) for group in ended.values()]
    estimated = sum(estimate for _, estimate in last)
    return sum(took for took, _ in last) / estimated if estimated else None


def done_here(plan: Plan, cell: Cell, result: dict[str, Any]) -> bool:
    """Whether a finished cell was, for all that is known, done on this machine.

    Not so: a result of other versions or another system, and a file of the time 0, as an unpacked cells.tar.gz has it.
    """
    path = plan.folder(cell) / "result.json"
    packed = path.is_file() and path.stat().st_mtime == 0
    return not packed and result.get("versions", _versions()) == _versions()


@cache
def _versions() -> dict[str, str]:
    return versions()


def kept(data_dir: Path, kind: str) -> float | None:
    """What is known of earlier grids on such a device; None where nothing usable is."""
    try:
        value = read_json(data_dir / FILE).get(kind)
    except ZooError:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if LIMITS[0] <= value <= LIMITS[1] else None


def keep(plan: Plan, data_dir: Path) -> None:
    """Remember what the plan's finished cells took; in a folder that cannot be written, do not."""
    if (found := of_cells(plan)) is None:
        return
    try:
        before = read_json(data_dir / FILE) if (data_dir / FILE).is_file() else {}
        write_json(data_dir / FILE, {**before, plan.kind: round(found, 4)})
    except ZooError:
        return


def scaled(plan: Plan, data_dir: Path) -> Plan:
    """The plan with its estimates scaled by this machine's speed, once that is known."""
    return replace(plan, pace=of_cells(plan) or kept(data_dir, plan.kind))
