"""Which cells a folder holds, and how each of them stands: one answer for plans, pages, tables and ranks.

They are the cells that its grid.json lists and, whatever grid wrote them, all others with a cell.json below it; links
are followed, and a cell that can be reached twice counts once. Of two cells of one data set, backbone, objective and
seed the listed one counts, or else the first by name. What is damaged is named, with what to do, and the rest is read.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.sealed import read_sealed

CELL = ("dataset", "backbone", "objective", "seed")
WORK = {
    "samples",
    "copies",
    "paths",
    "snapshots",
    "epochs",
    "tracked",
    "figures",
}  # folders of a cell or a page, without cells


@dataclass(frozen=True)
class Held:
    """A cell and what its files say; `result` is None unless it is done.

    objective: its name, and in brackets the variant of the recipe, if it has one. listed: whether grid.json names it.
    """

    folder: str
    dataset: str
    backbone: str
    objective: str
    seed: int
    status: str  # done, failed, diverged, unreadable or missing
    message: str = ""
    failure: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    variant: str = ""
    listed: bool = True


@dataclass(frozen=True)
class Holding:
    """The cells of a folder, those of its grid.json first, and a sentence for each file that could not be used."""

    cells: list[Held] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def besides(self) -> list[Held]:
        """Cells that the last grid written there does not list."""
        return [cell for cell in self.cells if not cell.listed]


def read_grid(folder: Path) -> dict[str, Any]:
    """grid.json of a run's folder. Raises ZooError, with what to do, for a damaged one."""
    try:
        return read_sealed(folder / "grid.json")
    except ZooError as error:
        raise ZooError(
            f"{error}. Run run_all.py again with the grid that is in {folder}, and --out {folder}: finished cells are "
            "kept, and grid.json is written again"
        ) from None


def holding(folder: Path, grid: dict[str, Any] | None) -> Holding:
    """What a folder holds. grid: its grid.json, None if it has none that can be used.

    Raises ZooError for a grid.json that names a folder outside.
    """
    found, seen, names = Holding(), set(), set()
    for entry in (grid or {}).get("cells", ()):
        where = PurePosixPath(entry["dir"])
        if where.is_absolute() or ".." in where.parts:
            raise ZooError(f"{folder}/grid.json names the folder {entry['dir']!r}, which is outside the run")
        cell = _read(folder, entry, listed=True)
        found.cells.append(cell)
        seen.add(os.path.realpath(folder / where))
        names.add(_name(cell))
    for path in _cell_files(folder, runs=grid is None):
        real, place = os.path.realpath(path.parent), path.parent.relative_to(folder).as_posix()
        if real in seen:
            continue
        seen.add(real)
        try:
            entry = _entry(path, place)
        except ZooError as error:
            found.problems.append(f"{error}. The cell is left out; delete the file, and run its grid again")
            continue
        cell = _read(folder, entry, listed=False)
        if _name(cell) in names:
            found.problems.append(
                f"{path.parent} holds {' '.join(map(str, _name(cell)))} a second time and is left out: "
                "move one of the two out of the folder"
            )
            continue
        names.add(_name(cell))
        found.cells.append(cell)
    for cell in found.cells:
        if cell.status == "unreadable":
            found.problems.append(
                f"{folder / cell.folder}: {cell.message}. The cell counts as missing; delete the file, and run its "
                "grid again"
            )
    return found


def _name(cell: Held) -> tuple[object, ...]:
    return tuple(getattr(cell, key) for key in CELL)


def _cell_files(folder: Path, runs: bool) -> Iterator[Path]:
    """Every cell.json below a folder, in the order of names; links are followed, but in no circle.

    runs: whether those of runs below it, which have a grid.json of their own, count too.
    """
    walked = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in walked or (not runs and Path(place) != folder and "grid.json" in files):
            folders.clear()
            continue
        walked.add(real)
        folders[:] = sorted(set(folders) - WORK)
        if "cell.json" in files:
            yield Path(place) / "cell.json"


def _entry(path: Path, where: str) -> dict[str, Any]:
    """A cell as grid.json would list it, from its cell.json."""
    cell = read_sealed(path)
    config = (cell.get("config") or {}).get("train") or {}
    try:
        return {"dir": where, "variant": cell.get("variant") or "", **{key: config[key] for key in CELL}}
    except KeyError as error:
        raise ZooError(f"{path} holds no cell: its config.train lacks {error}") from None


def _read(folder: Path, entry: dict[str, Any], listed: bool) -> Held:
    where = folder / entry["dir"]
    variant = entry.get("variant", "")
    known = {"folder": entry["dir"], **{key: entry[key] for key in CELL}, "variant": variant, "listed": listed}
    known["objective"] += f" [{variant}]" if variant else ""
    try:
        if (where / "result.json").is_file():
            result = read_sealed(where / "result.json")
            _check(result, entry)
            return Held(**known, status="done", result=result)
        if (where / "failed.json").is_file():
            failure = read_sealed(where / "failed.json")
            return Held(**known, status=failure["status"], message=failure.get("message", ""), failure=failure)
    except ZooError as error:  # a page says the same wherever the run's folder lies
        return Held(**known, status="unreadable", message=str(error).replace(f"{where}/", ""))
    return Held(**known, status="missing", message="no result yet")


def _check(result: dict[str, Any], entry: dict[str, Any]) -> None:
    """Raise ZooError for a result that is another cell's."""
    config = (result.get("cell") or {}).get("train") or {}
    for key in CELL:
        if config.get(key, entry[key]) != entry[key]:
            raise ZooError(f"result.json belongs to another cell: its {key} is {config[key]!r}, not {entry[key]!r}")
