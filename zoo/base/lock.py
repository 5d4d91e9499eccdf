"""One process at a time in a run's folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.base.errors import Busy
from zoo.base.files import remove, write_error


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a folder, making it first, after waiting for up to `patience` seconds for another process to let it go.

    Raises Busy if another process holds it then, ZooError if it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=patience)
    except Timeout:
        raise Busy(f"another process is at work in {folder}; wait for it, or choose another --out") from None
    except OSError as error:
        raise write_error(folder, 0, error) from None
    for torn in folder.glob(".*.tmp"):  # what a process left that was killed while it wrote
        remove(torn)
    try:
        yield
    finally:
        lock.release()
