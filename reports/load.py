"""Reads a run folder: grid.json, and each cell's result.json or failed.json, checked for what it should hold."""

from pathlib import Path, PurePosixPath

from eval.result import SCHEMA_VERSION
from reports.run import BLANKS, CELL, SCORE, Cell, Run, share
from zoo.errors import ZooError
from zoo.files import read_json


def load(folder: Path) -> Run:
    """Read grid.json and every cell's files.

    Raises ZooError for a folder that is no run, and for scores by different judges.
    """
    if not (folder / "grid.json").is_file():
        raise ZooError(f"{folder} has no grid.json. Give the folder of a run, as in python -m reports runs/default")
    grid = read_json(folder / "grid.json")
    if grid.get("schema_version") != SCHEMA_VERSION:
        found = grid.get("schema_version")
        raise ZooError(f"{folder}/grid.json has schema_version {found}; this program reads {SCHEMA_VERSION}")
    run = Run(folder, grid, tuple(_read(folder, entry) for entry in grid["cells"]))
    for dataset in run.datasets:
        hashes = sorted({str(cell.result["judge"].get("sha256")) for cell in run.on(dataset).done})
        if len(hashes) > 1:
            raise ZooError(
                f"{folder} holds scores on {dataset} by {len(hashes)} judges ({', '.join(hashes)}), which must not "
                "share a table. Score the checkpoints again with one judge: python -m eval.fid CELL"
            )
    listed = [*grid.get("datasets", []), *grid.get("backbones", []), *grid.get("objectives", [])]

    def place(cell: Cell) -> tuple:
        parts = (cell.dataset, cell.backbone, cell.objective)
        names = [(listed.index(n) if n in listed else len(listed), n) for n in parts]
        return *names, cell.seed, cell.folder

    return Run(folder, grid, tuple(sorted(run.cells, key=place)))


def _read(folder: Path, entry: dict) -> Cell:
    where = PurePosixPath(entry["dir"])
    if where.is_absolute() or ".." in where.parts:
        raise ZooError(f"{folder}/grid.json names the folder {entry['dir']!r}, which is outside the run")
    known = {"folder": entry["dir"], **{key: entry[key] for key in CELL}}
    try:
        if (folder / where / "result.json").is_file():
            result = read_json(folder / where / "result.json")
            return Cell(**known, status="done", message=_check(result, entry), result=result)
        if (folder / where / "failed.json").is_file():
            failure = read_json(folder / where / "failed.json")
            status, message = str(failure.get("status", "failed")), str(failure.get("message", ""))
            return Cell(**known, status=status, message=message, failure=failure)
    except ZooError as error:  # the page says the same wherever the run's folder lies
        return Cell(**known, status="unreadable", message=str(error).replace(f"{folder / where}/", ""))
    return Cell(**known, status="missing", message="no result yet")


def _check(result: dict, entry: dict) -> str:
    """What does not add up in a result, "" if nothing; raises ZooError for one that cannot be shown."""
    if result.get("schema_version") != SCHEMA_VERSION:
        raise ZooError(
            f"result.json has schema_version {result.get('schema_version')}; this program reads {SCHEMA_VERSION}"
        )
    scores = result.get("scores")
    if not isinstance(scores, list) or any(not isinstance(s, dict) or set(SCORE) - s.keys() for s in scores):
        raise ZooError(f"result.json should hold a list of scores, each with {', '.join(SCORE)}")
    if not all(isinstance(result.get(key), dict) for key in ("train", "judge")):
        raise ZooError("result.json should hold the objects train and judge")
    config = result.get("cell") or {}
    for key in CELL:
        found = (config.get("train") or config).get(key)
        if isinstance(found, type(entry[key])) and found != entry[key]:
            raise ZooError(f"result.json belongs to another cell: its {key} is {found!r}, not {entry[key]!r}")
    edited = [s for s in scores if not _adds_up(s)]
    return f"acc of {len(edited)} settings differs from its own classes: edited by hand?" if edited else ""


def _adds_up(score: dict) -> bool:
    digits = [entry for entry in score["classes"] if entry["label"] not in BLANKS]
    if score["acc"] is None or not sum(entry["n"] for entry in digits):
        return True
    return any(abs(score["acc"] - share(classes)) < 1e-3 for classes in (digits, score["classes"]))
