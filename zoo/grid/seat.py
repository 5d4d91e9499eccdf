"""A seat for one cell on a node of a Ray cluster: an actor that has cells done by a worker process, one after another.

The actor is Ray's, and holds the seat's CPUs and GPUs. The worker is the same process as on one machine; the kernel
ends it when the actor's process is gone, however that came about. torch is not imported here.
"""

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

from zoo.base.environment import versions
from zoo.base.errors import ZooError
from zoo.base.files import sha256, write_atomic
from zoo.base.lock import exclusive, locked
from zoo.grid import parcel
from zoo.grid.executor import LOG, ROOT, Worker, last_line

SPIN_SECONDS = 0.02  # between two looks at a process that has said goodbye and not ended yet
WATCH_SECONDS = 1.0
PATIENCE_SECONDS = 30.0  # for the cell of a driver that was killed just now to save its state and end


class Order(NamedTuple):
    """What a seat is for; the same for all seats of a run.

    run: its folder's name on a node. command: that of a worker, without this machine's interpreter. shared: the run's
    own folder, if the nodes see it. data_dir: the data folder, if every node has it; None: the driver fills one there.
    """

    run: str
    command: list[str]
    environment: dict[str, str]
    timeout: float
    fresh: bool
    plugin: tuple[str, bytes] | None
    shared: str | None
    data_dir: str | None


class Outcome(NamedTuple):
    """How a cell ended: its exit status, what comes back, and a sentence on what does not."""

    status: int
    made: parcel.Parcel
    note: str


class Seat:
    """On a node: a worker, and the folders of the cells that it does."""

    def __init__(self, order: Order, node: str):
        self.order, self.home = order, _home()
        self.data = Path(order.data_dir or self.home / "data")
        self.run = self.home / f"{order.run}-{node[:12]}"
        command = [sys.executable, *order.command]
        if order.plugin:
            name, text = order.plugin
            write_atomic(self.run / "plugin" / name, text)
            command += ["--plugin", str(self.run / "plugin" / name)]
        self.worker = Worker([*command, "--data-dir", str(self.data)], None, order.environment)
        self.folder: Path | None = None
        self.delivered: Path | None = None

    def facts(self, sign: str | None) -> dict[str, Any]:
        """Where this is, and which versions are here. sign: a file in the shared folder that must be seen."""
        return {
            "host": socket.gethostname(),
            "sees": sign is None or Path(sign).is_file(),
            "code": parcel.code_digest(ROOT),
            **versions(),
        }

    def lacks(self, wanted: dict[str, str]) -> list[str]:
        """Which files {name: SHA-256} of the data folder are not here, or damaged."""
        return [name for name, digest in wanted.items() if not _is(self.data / name, digest)]

    def take(self, files: dict[str, bytes], wanted: dict[str, str]) -> None:
        """Write files of the data folder. Raises ZooError if one is not what its SHA-256 says."""
        self.data.mkdir(parents=True, exist_ok=True)
        with exclusive(self.data / ".lock"):
            for name, data in files.items():
                write_atomic(self.data / name, data)
                if not _is(self.data / name, wanted[name]):
                    raise ZooError(f"{name} arrived damaged on {socket.gethostname()}")

    def work(self, place: str, sent: parcel.Parcel, kinds: list[str]) -> Outcome:
        """Have a cell done. place: its folder below the run's; sent: what the driver has of it."""
        self._forget()
        shared = self.order.shared
        folder = Path(shared) / place if shared else self.run / place
        try:
            if not shared:
                self._receive(folder, sent)
            self.folder = folder
            status = self._done(folder)
        except ZooError as error:  # such as a full disk here
            return Outcome(error.exit_code, {}, f"{socket.gethostname()}: {error}")
        finally:
            self.folder = None
        if self.order.fresh and self.worker.alive:
            self.worker.dismiss()
        if shared:
            return Outcome(status, {}, "")
        made, note = parcel.fitting(parcel.pack(folder, status == 0, kinds))
        self.delivered = None if note else folder
        return Outcome(status, made, note)

    def line(self) -> str:
        """The last line of its cell's log."""
        return last_line(self.folder / LOG) if self.folder else ""

    def stop(self) -> None:
        """Ask the cell to save and end; `work` returns then."""
        if self.folder and self.worker.alive:
            self.worker.process.send_signal(signal.SIGINT)

    def leave(self) -> None:
        """End the worker, and remove what was delivered."""
        self._forget()
        if self.worker.alive:
            self.worker.dismiss()
        with suppress(OSError):  # others are at work there, or a cell's state is kept
            self.run.rmdir()

    def _receive(self, folder: Path, sent: parcel.Parcel) -> None:
        """Take what the driver sent, unless a later state of the same cell was left here by a driver that was killed.

        That driver's cell may be saving still. Raises Busy where it does not end.
        """
        with locked(folder, PATIENCE_SECONDS):
            steps = [int(match[1]) for name in sent if (match := parcel.MANIFEST.fullmatch(name))]
            later = (folder / parcel.RESULT).is_file() or parcel.step(folder) > max(steps, default=-1)
            if later and _holds(folder / parcel.CELL, sent[parcel.CELL]):
                sent = {parcel.CELL: sent[parcel.CELL]}
            else:
                shutil.rmtree(folder)
            parcel.unpack(sent, folder)

    def _done(self, folder: Path) -> int:
        self.worker.begin(folder)
        watched, told = time.monotonic(), False
        while (status := self.worker.status()) is None:
            if told:
                time.sleep(SPIN_SECONDS)
            told = bool(wait([self.worker.channel], WATCH_SECONDS))
            if time.monotonic() - watched > WATCH_SECONDS:
                watched = time.monotonic()
                self.worker.watch(self.order.timeout)
        return status

    def _forget(self) -> None:
        """Remove a cell that was delivered: whoever asks for more has it."""
        folder, self.delivered = self.delivered, None
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
            for above in folder.parents:
                if above == self.run.parent:
                    break
                with suppress(OSError):
                    above.rmdir()


def _home() -> Path:
    """This user's folder for all runs on this node. Raises ZooError for one that is another user's."""
    folder = Path(tempfile.gettempdir()) / f"objective-zoo-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or folder.is_symlink() or found.st_mode & 0o022:
        raise ZooError(f"{folder} belongs to another user, or others may write there: remove it, or set TMPDIR")
    return folder


def _holds(file: Path, data: bytes) -> bool:
    return file.is_file() and file.read_bytes() == data


def _is(file: Path, digest: str) -> bool:
    return file.is_file() and sha256(file) == digest
