"""One process at a time at a file or in a run's folder.

A lock is the kernel's (flock), which ends with its holder, however that ends. Some network and user-space file systems
have none: there a lock file is made, exclusively, that names its holder, and that of a process that is no more on this
machine is taken over.
"""

import errno
import fcntl
import math
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from zoo.base.errors import Busy
from zoo.base.files import remove, write_error

POLL_SECONDS = 0.05
EMPTY_SECONDS = 60.0  # after which a lock file without a holder's name is one of a process killed while it made it
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}  # of flock
HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_told = False


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a folder, making it first, after waiting for up to `patience` seconds for another process to let it go.

    Raises Busy if another process holds it then, ZooError if it cannot be written.
    """
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(exclusive(folder / ".lock", patience))
        except Busy:
            raise Busy(f"another process is at work in {folder}; wait for it, or choose another --out") from None
        except OSError as error:
            raise write_error(folder, 0, error) from None
        for torn in folder.glob(".*.tmp"):  # what a process left that was killed while it wrote
            remove(torn)
        yield


@contextmanager
def exclusive(path: Path, patience: float = math.inf) -> Iterator[None]:
    """Hold the lock at a path, whose folder is there, after waiting for up to `patience` seconds.

    Raises Busy if another process, or thread, holds it then, OSError if the file cannot be made.
    """
    handle = _opened(path)

    def by_kernel() -> bool:
        nonlocal handle
        try:
            return _by_kernel(handle)
        except OSError as error:
            if error.errno != errno.ESTALE:  # a network file system lost the file behind the handle: the name has it
                raise
        os.close(handle)
        handle = _opened(path)
        return _by_kernel(handle)

    holder = path.with_name(f"{path.name}.held")
    try:
        try:
            _wait(by_kernel, patience, path)
            by_file = False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _tell(path.parent)
            _wait(lambda: _by_file(holder), patience, path)
            by_file = True
        try:
            yield
        finally:
            if by_file:
                holder.unlink(missing_ok=True)
    finally:
        os.close(handle)  # the kernel's lock ends with it


def _opened(path: Path) -> int:
    """The file, made if it is not there; one of another user is only read, which is enough for the kernel's lock."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        if not path.exists():
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _wait(take: Callable[[], bool], patience: float, path: Path) -> None:
    deadline = time.monotonic() + patience
    while not take():
        if time.monotonic() >= deadline:
            raise Busy(f"another process holds {path}; wait for it")
        time.sleep(POLL_SECONDS)


def _by_kernel(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            return False
        raise
    return True


def _by_file(holder: Path) -> bool:
    """Make the lock file; whether it was free, or of a process that is no more."""
    for _ in range(2):
        try:
            handle = os.open(holder, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            if not _left_behind(holder):
                return False
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}\n")
        return True
    return False


def _left_behind(holder: Path) -> bool:
    """Remove a lock file whose process is no more; whether it was."""
    try:
        text, age = holder.read_text(encoding="utf-8", errors="replace"), time.time() - holder.stat().st_mtime
    except FileNotFoundError:
        return True
    host, pid, started = [*text.split(), "", "", ""][:3]
    if not pid.isdecimal():
        dead = age > EMPTY_SECONDS
    else:
        dead = host == socket.gethostname() and _started(int(pid)) != started
    if not dead:
        return False
    aside = holder.with_name(f"{holder.name}.{os.getpid()}.tmp")
    with suppress(FileNotFoundError):
        holder.rename(aside)  # of several processes that see it dead one gets it
        if aside.read_text(encoding="utf-8", errors="replace") != text:  # another took it over meanwhile: put it back
            os.link(aside, holder)
            aside.unlink()
            return False
        aside.unlink()
    return True


def _started(pid: int) -> str:
    """When a process began, in the kernel's words; `gone` for one that is no more (a number is given out again)."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[19]
        except (OSError, IndexError):
            return "gone"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "alive"


def _tell(folder: Path) -> None:
    """Say once in a process that a lock file is used."""
    global _told
    if not _told:
        _told = True
        print(f"{folder}: the file system has no locks; a lock file (.held) is used instead", file=sys.stderr)
