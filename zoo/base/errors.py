"""Errors that teach: one sentence each on what was wrong, where, what is allowed, and what to do.

Exit codes of a cell: 0 done, 2 bad input, 3 diverged, 28 disk full, 75 run directory busy, 130 and 143 interrupted.
"""

import difflib
import errno
import sys
from collections.abc import Callable, Iterable, Sequence


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
    """Run a command's `main`, turn a ZooError into one message and its exit status, and exit."""
    try:
        sys.exit(main() or 0)
    except ZooError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `... | head`: the reader has what it wanted
        sys.stderr.close()
        sys.exit(141)
