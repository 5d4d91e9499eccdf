"""Standard streams that never end a command: closed, full, without a reader, or of an encoding without our characters.

What cannot be written is dropped, and remembered, so that the command does its work and its exit status tells.
"""

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from typing import Any

NAMES = ("stdin", "stdout", "stderr")
PLAIN = {"±": "+-", "×": "x", "·": ".", "…": "..", "–": "-", "—": "-", "−": "-", "≤": "<=", "≥": ">=", "→": "->"}
GONE = (errno.EPIPE, errno.EIO, errno.EBADF)  # the reader or the terminal went away: nobody misses the rest


class Sink(io.RawIOBase):
    """Writes to a file descriptor; after the first error, kept in `error`, everything is dropped."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return os.isatty(self.descriptor)

    def write(self, data: Any) -> int:
        """Bytes written, or dropped."""
        while self.error is None:
            try:
                return os.write(self.descriptor, data)
            except BlockingIOError:  # a pipe that its other users set to non-blocking
                select.select([], [self.descriptor], [])
            except OSError as error:
                self.error = error
        return len(data)


def ready() -> None:
    """Make the process's standard streams safe to write to; called once, before any file is opened.

    A missing stream becomes the null device: else the next file that is opened would take its number. Streams that a
    caller has put in their place (a notebook's, a test's) stay.
    """
    for number, name in enumerate(NAMES):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None and number == 0:
            sys.stdin = open(0, closefd=False)  # noqa: SIM115 (open as long as the process)
    codecs.register_error("plain", _plain)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None or (stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper)):
            setattr(sys, name, _wrapped(stream, number))


def lost() -> OSError | None:
    """Why output of this process was dropped, if that was no reader's choice; standard output first."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
        raw = getattr(getattr(stream, "buffer", None), "raw", None)
        if name == "stdout" and isinstance(raw, Sink) and raw.error and raw.error.errno not in GONE:
            return raw.error
    return None


def _wrapped(stream: io.TextIOWrapper | None, number: int) -> io.TextIOWrapper:
    encoding = "utf-8"
    if stream is not None:
        encoding = stream.encoding
        with contextlib.suppress(OSError):
            stream.flush()
    through = number == 2 or bool(os.environ.get("PYTHONUNBUFFERED"))
    buffered = io.BufferedWriter(Sink(number))
    lines = stream is not None and (stream.line_buffering or os.isatty(number))
    return io.TextIOWrapper(
        buffered, encoding, errors="plain", line_buffering=lines or number == 2, write_through=through
    )


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """An encoding's error handler: a character in ASCII that reads alike, else its number as \\u00b1."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(c) or ascii(c)[1:-1] for c in error.object[error.start : error.end]), error.end
