"""What cells brought back is written to the driver's disk by a thread, while their seats do the next ones.

One cell at a time, in the order they ended; a cell has ended for the driver when all of it is on the disk.
"""

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from time import sleep

from zoo.base.progress import say
from zoo.grid import parcel
from zoo.grid.executor import LOG
from zoo.grid.seat import Outcome

MOST = 4  # cells in memory; seats wait for a disk that cannot keep up
LOOK_SECONDS = 0.02  # between two looks, while a cell is written


class Landing:
    """Cells that have ended, on their way to the disk."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        self.waiting: list[tuple[Path, Outcome, Future[None]]] = []

    @property
    def full(self) -> bool:
        """Whether no more cells should be begun until the disk has caught up."""
        return len(self.waiting) >= MOST

    def patience(self, seconds: float) -> float:
        """How long of these seconds a driver may wait for something else."""
        return min(seconds, LOOK_SECONDS) if self.waiting else seconds

    def add(self, folder: Path, outcome: Outcome) -> None:
        """Begin to write what a cell brought back."""
        self.waiting.append((folder, outcome, self.thread.submit(_write, folder, outcome)))

    def done(self, seconds: float) -> list[tuple[Path, int]]:
        """(folder, exit status) of cells that are whole on the disk since the last call; waits up to `seconds` for the
        first. Raises what writing raised, such as DiskFull."""
        if not self.waiting:
            sleep(seconds)
        wait([future for *_, future in self.waiting], seconds, FIRST_COMPLETED)
        ended = [entry for entry in self.waiting if entry[2].done()]
        self.waiting = [entry for entry in self.waiting if entry not in ended]
        for folder, outcome, future in ended:
            future.result()
            if outcome.note and not outcome.status:
                say(f"{folder}: {outcome.note}")
        return [(folder, outcome.status) for folder, outcome, _ in ended]

    def close(self) -> None:
        """Wait until all is written."""
        self.thread.shutdown()


def _write(folder: Path, outcome: Outcome) -> None:
    parcel.unpack(outcome.made, folder)
    if outcome.note and outcome.status:
        with (folder / LOG).open("a", encoding="utf-8") as log:
            log.write(f"error: {outcome.note}\n")
