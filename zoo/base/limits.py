"""What this machine can hold, asked before work begins: memory, disk space, and files that can be written."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from zoo.base.errors import ZooError

CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory() -> int:
    """Bytes of memory that a process may have here: the machine's, or its container's limit where that is lower."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CGROUPS:
        with suppress(OSError, ValueError):
            found.append(int(path.read_text(encoding="ascii")))
    return min(found)


def require_memory(least: int, what: str, remedy: str) -> None:
    """Raise ZooError where `what` needs more than this machine's memory. least: bytes that it needs, or fewer."""
    if least > (here := memory()):
        raise ZooError(f"{what} needs at least {size(least)} of memory, and this machine has {size(here)}. {remedy}")


def require_disk(path: Path, least: int, what: str, remedy: str) -> None:
    """Raise ZooError where `what` does not fit on the disk that the path is on. least: its bytes."""
    free = shutil.disk_usage(_existing(path)).free
    if least > free:
        raise ZooError(f"{what} needs {size(least)} in {path}, and {size(free)} are free there. {remedy}")


def require_writable(path: Path, flag: str) -> None:
    """Raise ZooError for a file that cannot be written there: a folder of its name, or no right to its folder."""
    try:
        path.stat()  # is_dir() says False instead of why, from Python 3.14 on
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # such as a name that is too long
        raise ZooError(f"{flag} {str(path)[:60]!r} cannot be written: {error.strerror}. Choose another name") from None
    if path.is_dir():
        raise ZooError(f"{flag} {path} is a folder. Give the name of a file")
    place = _existing(path)
    if not place.is_dir():
        raise ZooError(f"{flag} {path} cannot be written: {place} is a file. Choose another folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ZooError(f"{flag} {path} cannot be written: no right to write into {place}. Choose another folder")


def size(count: int) -> str:
    """Bytes as 1.5 GB; 1 GB is 10^9."""
    for unit, power in (("kB", 3), ("MB", 6), ("GB", 9), ("TB", 12)):
        if count < 10 ** (power + 3) or unit == "TB":
            return f"{count / 10**power:,.1f} {unit}"
    raise AssertionError


def _existing(path: Path) -> Path:
    """The nearest folder above the path, or file in the way, that exists."""
    return next(place for place in path.absolute().parents if place.exists())
