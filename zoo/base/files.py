"""Files that are either whole or absent: atomic writes and checksums.

A write goes to a temporary file in the same folder, is flushed to the disk, renamed over the target, and the folder is
flushed too. A crash at any moment leaves the old file or the new one.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from zoo.base import ranks
from zoo.base.errors import DiskFull, ZooError

CHUNK = 1 << 20


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file by `data`, creating its folders. Errors as `replacing`."""
    with replacing(path, len(data)) as file:
        file.write(data)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Replace many files, in this order, creating their folders: each is whole or absent, and all are on the disk.

    Their contents are flushed one after the other before the first file appears, and each folder once: on a disk where
    a flush takes milliseconds that is some times faster than `write_atomic` for each. Errors as `replacing`.
    """
    made: dict[Path, Path] = {}
    try:
        for path, data in files.items():
            with _explained(path, len(data)):
                made[path], file = _beside(path)
                with file:
                    file.write(data)
        for path, temporary in made.items():
            with _explained(path, len(files[path])):
                _flush(temporary)
                temporary.chmod(0o666 & ~current_umask())
        for path, temporary in made.items():
            with _explained(path, len(files[path])):
                temporary.replace(path)
    finally:
        for temporary in made.values():
            temporary.unlink(missing_ok=True)
    for folder in dict.fromkeys(path.parent for path in files):
        sync_folder(folder)


@contextlib.contextmanager
def replacing(path: Path, size: int) -> Iterator[BinaryIO]:
    """A new file of about `size` bytes to write to, which replaces the old one once it is whole and on the disk.

    Of ranks that work together the first alone writes; what the others write goes nowhere. Raises DiskFull with the
    bytes needed and free, and ZooError where the folder cannot be written.
    """
    if not ranks.leads():
        with open(os.devnull, "w+b") as nowhere:
            yield nowhere
        return
    with _explained(path, size):
        temporary, file = _beside(path)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~current_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def _beside(path: Path) -> tuple[Path, BinaryIO]:
    """A new temporary file in a file's folder, which is made first, opened for writing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    return Path(name), os.fdopen(handle, "w+b")


@contextlib.contextmanager
def _explained(path: Path, size: int) -> Iterator[None]:
    """Failed writes of `size` bytes in their teaching form."""
    try:
        yield
    except OSError as error:
        raise write_error(path, size, error) from error


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON; NaN and infinity are refused, since JSON has none."""
    write_atomic(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ZooError, naming the file, if it is none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ZooError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise ZooError(f"{path} should hold a JSON object, not {type(value).__name__}")
    return value


def read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """(the objects in a file of one JSON object a line, how many other lines it has); a missing file has none.

    A crash leaves a torn last line, a damaged disk others; what is whole counts.
    """
    rows, others = [], 0
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        rows += [row] if isinstance(row, dict) else []
        others += not isinstance(row, dict)
    return rows, others


def remove(path: Path) -> None:
    """Delete a file, if it is there. Raises ZooError for one that cannot be."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ZooError(f"cannot delete {path}: {error.strerror}") from error


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename outlives a power cut; a no-op where folders cannot be opened."""
    with contextlib.suppress(PermissionError):
        _flush(folder)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def current_umask() -> int:
    """The process's umask, which can only be read by setting it."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


def write_error(path: Path, size: int, error: OSError) -> ZooError:
    """The teaching form of a failed write of `size` bytes."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = shutil.disk_usage(next(p for p in path.absolute().parents if p.exists())).free
        return DiskFull(f"no space to save {path}: {size:,} bytes needed, {free:,} free. Make room and run again")
    reason = error.strerror or str(error)
    return ZooError(f"cannot write {path}: {reason}. Choose another folder, which can be written")
