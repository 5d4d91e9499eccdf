"""Errors that teach: one sentence each on what was wrong, where, what is allowed, and what to do.

Exit codes: 0 done, 2 bad input, 3 diverged, 12 out of memory, 28 disk full, 75 run directory busy, 130 and 143
interrupted. `zoo/README.md` has them as a table.
"""

import difflib
import errno
import sys
from collections.abc import Callable, Iterable, Sequence

from zoo.base import streams

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
USERS: dict[str, str] = {}  # files of the user's own code -> what to call them: a mistake there is no bug of ours


class ZooError(Exception):
    """Bad input: printed without a traceback, exit status 2."""

    exit_code = 2


class Diverged(ZooError):
    """Loss or weights stopped being finite."""

    exit_code = 3


class Busy(ZooError):
    """Another process works in this run directory."""

    exit_code = 75


class DiskFull(ZooError):
    """A file could not be saved for want of space."""

    exit_code = errno.ENOSPC


class OutOfMemory(ZooError):
    """The work does not fit into the memory of this machine, or of its GPU."""

    exit_code = errno.ENOMEM


class Interrupted(ZooError):
    """Ctrl-C (130) or SIGTERM (143); the state was saved."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.exit_code = 128 + signal_number


def choose(kind: str, name: str, allowed: Iterable[str]) -> ZooError:
    """The error for an unknown name: the nearest match first, then all that is allowed."""
    allowed = sorted(allowed)
    return ZooError(f"unknown {kind} {name!r}.{nearest(name, allowed)} Allowed: {', '.join(allowed)}")


def nearest(name: str, allowed: Sequence[str]) -> str:
    """` Did you mean 'x'?`, or nothing where no name is near."""
    near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def run_main(main: Callable[[], int | None]) -> None:
    """Run a command's `main` and exit with its status; errors of use, files and memory are one message, no traceback.

    Output that nobody reads, or that cannot be written, ends nothing: it is dropped, and a full disk behind standard
    output is told by the exit status.
    """
    streams.ready()
    status: str | int | None
    try:
        status = main() or 0
    except SystemExit as end:
        status = end.code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except Exception as error:
        if (known := explained(error)) is None:
            raise
        print(f"error: {known}", file=sys.stderr)
        status = known.exit_code
    if (lost := streams.lost()) is not None:
        print(f"error: standard output: {lost.strerror}", file=sys.stderr)
        status = status or (DiskFull.exit_code if lost.errno in FULL else 2)
    sys.exit(status)


def explained(error: Exception) -> ZooError | None:
    """The error as a sentence and an exit status: of a file, of memory, or in a user's code; None for a bug of ours."""
    if isinstance(error, ZooError):
        return error
    if isinstance(error, OSError):
        kind = DiskFull if error.errno in FULL else ZooError
        names = " and ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        return kind(f"{names}: {error.strerror}" if names and error.strerror else str(error))
    lines = str(error).splitlines()
    text = lines[0] if lines else ""
    beyond = ("out of memory", "not enough memory", "t allocate memory", "Unable to allocate")
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(words in text for words in beyond)):
        return OutOfMemory(f"not enough memory ({text or 'none is left'}). Lower the batch, or the backbone's sizes")
    if place := place_in(error):
        return ZooError(f"{place}: {type(error).__name__}{f': {text}' if text else ''}")
    return None


def place_in(error: BaseException) -> str:
    """`--plugin mine.py, line 12`: the innermost line of the user's own code that the error came through, or ""."""
    import traceback  # only where something went wrong

    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in USERS]
    return f"{USERS[lines[-1].filename]}, line {lines[-1].lineno}" if lines else ""
