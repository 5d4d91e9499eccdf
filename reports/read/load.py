"""Reads a run folder: grid.json, and each cell's result.json or failed.json, checked for what it should hold."""

from pathlib import Path

from reports.read.cell import Cell
from reports.read.run import Run
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.grid.held import Holding, holding, read_grid

FIELDS = ("folder", "dataset", "backbone", "objective", "seed", "status", "message", "failure", "result", "variant")
SHOWN = 6  # cells in a sentence


def load(folder: Path) -> Run:
    """Read grid.json and every cell's files: those that it lists, and others that grids before left in the folder.

    Raises ZooError for a folder that is no run, and for scores by different judges.
    """
    if not (folder / "grid.json").is_file():
        raise ZooError(f"{folder} has no grid.json. Give the folder of a run, as in python -m reports runs/default")
    grid = read_grid(folder)
    held = holding(folder, grid)
    cells = tuple(Cell(**{name: getattr(cell, name) for name in FIELDS}) for cell in held.cells)
    run = Run(folder, grid, cells)
    for dataset in run.datasets:
        hashes = sorted({str(cell.facts["judge"].get("sha256")) for cell in run.on(dataset).done})
        if len(hashes) > 1:
            raise ZooError(
                f"{folder} holds scores on {dataset} by {counted(len(hashes), 'judge')} ({', '.join(hashes)}), which "
                "must not share a table. Score the checkpoints again with one judge: python -m eval.fid CELL"
            )
    listed = [*grid.get("datasets", []), *grid.get("backbones", []), *grid.get("objectives", [])]

    def place(cell: Cell) -> tuple[object, ...]:
        parts = (cell.dataset, cell.backbone, cell.objective)
        names = [(listed.index(n) if n in listed else len(listed), n) for n in parts]
        return *names, cell.seed, cell.folder

    return Run(folder, grid, tuple(sorted(run.cells, key=place)), notes=_notes(folder, held))


def _notes(folder: Path, held: Holding) -> tuple[str, ...]:
    """What a reader should know of the folder's cells; the same wherever it lies."""
    found = [problem.replace(f"{folder}/", "") for problem in held.problems]
    if others := [cell.folder for cell in held.besides]:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        found.insert(
            0,
            f"{len(others)} of the cells are not of the last grid that was run here, but of one before it; they are "
            f"compared with the others: {', '.join(others[:SHOWN])}{more}.",
        )
    return tuple(found)
