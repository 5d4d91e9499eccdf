"""Reads a run folder: grid.json, and each cell's result.json or failed.json, checked for what it should hold."""

from pathlib import Path, PurePosixPath
from typing import Any

from reports.read.run import CELL, Cell, Run
from zoo.base.errors import ZooError
from zoo.base.sealed import read_sealed


def load(folder: Path) -> Run:
    """Read grid.json and every cell's files.

    Raises ZooError for a folder that is no run, and for scores by different judges.
    """
    if not (folder / "grid.json").is_file():
        raise ZooError(f"{folder} has no grid.json. Give the folder of a run, as in python -m reports runs/default")
    grid = read_sealed(folder / "grid.json")
    run = Run(folder, grid, tuple(_read(folder, entry) for entry in grid["cells"]))
    for dataset in run.datasets:
        hashes = sorted({str(cell.facts["judge"].get("sha256")) for cell in run.on(dataset).done})
        if len(hashes) > 1:
            raise ZooError(
                f"{folder} holds scores on {dataset} by {len(hashes)} judges ({', '.join(hashes)}), which must not "
                "share a table. Score the checkpoints again with one judge: python -m eval.fid CELL"
            )
    listed = [*grid.get("datasets", []), *grid.get("backbones", []), *grid.get("objectives", [])]

    def place(cell: Cell) -> tuple[object, ...]:
        parts = (cell.dataset, cell.backbone, cell.objective)
        names = [(listed.index(n) if n in listed else len(listed), n) for n in parts]
        return *names, cell.seed, cell.folder

    return Run(folder, grid, tuple(sorted(run.cells, key=place)))


def _read(folder: Path, entry: dict[str, Any]) -> Cell:
    where = PurePosixPath(entry["dir"])
    if where.is_absolute() or ".." in where.parts:
        raise ZooError(f"{folder}/grid.json names the folder {entry['dir']!r}, which is outside the run")
    known = {"folder": entry["dir"], **{key: entry[key] for key in CELL}, "variant": entry.get("variant", "")}
    known["objective"] += f" [{known['variant']}]" if known["variant"] else ""
    try:
        if (folder / where / "result.json").is_file():
            result = read_sealed(folder / where / "result.json")
            _check(result, entry)
            return Cell(**known, status="done", result=result)
        if (folder / where / "failed.json").is_file():
            failure = read_sealed(folder / where / "failed.json")
            return Cell(**known, status=failure["status"], message=failure["message"], failure=failure)
    except ZooError as error:  # the page says the same wherever the run's folder lies
        return Cell(**known, status="unreadable", message=str(error).replace(f"{folder / where}/", ""))
    return Cell(**known, status="missing", message="no result yet")


def _check(result: dict[str, Any], entry: dict[str, Any]) -> None:
    """Raise ZooError for a result that is another cell's."""
    config = result["cell"]["train"]
    for key in CELL:
        if config[key] != entry[key]:
            raise ZooError(f"result.json belongs to another cell: its {key} is {config[key]!r}, not {entry[key]!r}")
