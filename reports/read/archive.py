"""A study as one small file: the JSON of all cells, from which every number and test can be computed again.

`cells.tar.gz` holds grid.json and each cell's cell.json, its result.json or failed.json, and what its last checkpoint
was (step-N.json, with the weights' SHA-256); no weights, no pictures. The same run gives the same bytes. Unpacked, it
is a run's folder for `python -m eval.compare`.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from reports.read.load import load
from reports.read.run import Run
from zoo.base.errors import ZooError

NAME = "cells.tar.gz"
FILES = ("cell.json", "result.json", "failed.json")


def pack(run: Run) -> bytes:
    """The archive of a run's JSON files."""
    held = io.BytesIO()
    with gzip.GzipFile(fileobj=held, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for path in _files(run):
            data = path.read_bytes()
            entry = tarfile.TarInfo(path.relative_to(run.folder).as_posix())
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return held.getvalue()


def weights(run: Run) -> dict[str, str]:
    """Cell's folder -> SHA-256 of its last checkpoint's weights, of the cells that have one."""
    found = {}
    for cell in run.cells:
        if path := _last(run.folder / cell.folder):
            found[cell.folder] = str(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    return found


@contextmanager
def unpacked(archive: Path) -> Iterator[Run]:
    """The run in an archive, for as long as the context lasts. Raises ZooError for a file that is none."""
    with TemporaryDirectory() as place:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(place, filter="data")
        except (OSError, tarfile.TarError, EOFError) as error:
            raise ZooError(f"{archive} cannot be unpacked ({error}). Publish the study again") from None
        yield load(Path(place))


def _files(run: Run) -> list[Path]:
    paths = [run.folder / "grid.json"]
    for cell in run.cells:
        folder = run.folder / cell.folder
        paths += [folder / name for name in FILES if (folder / name).is_file()]
        paths += [path] if (path := _last(folder)) else []
    return sorted(paths)


def _last(folder: Path) -> Path | None:
    """What a cell's last checkpoint was; its name ends in its step, written with as many digits as all others."""
    return max(folder.glob("step-*.json"), default=None)
