"""Starts the ranks of a group on this machine, and watches them: no torchrun is needed.

A group that lost a rank is started again as a whole, and goes on from the newest checkpoint: what the others computed
since is lost, which is less than what waiting for a rank to rejoin can cost. Ctrl-C is passed on to all ranks.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from zoo.base.progress import say
from zoo.base.ranks import LAUNCHER, MEETING
from zoo.base.threads import cores

ATTEMPTS = 3
SETTLE_SECONDS = 10.0  # for the others to end by themselves once one has failed
TAIL = 4000  # bytes of what a failed rank said
ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def launch(words: Sequence[str], ranks: int) -> int:
    """Run `python WORDS ..` as so many ranks, and return its exit status: the one that tells most of theirs."""
    for attempt in range(1, ATTEMPTS + 1):
        status = _Group(words, ranks).run()
        if status >= 0 or attempt == ATTEMPTS:
            break
        say(
            f"a rank was lost ({signal.Signals(-status).name}): all {ranks} start again from the newest checkpoint "
            f"({attempt + 1} of {ATTEMPTS} attempts)"
        )
    return status if status >= 0 else 128 - status


class _Group:
    """The processes of one attempt."""

    def __init__(self, words: Sequence[str], ranks: int):
        self.words, self.ranks, self.heard = words, ranks, 0

    def run(self) -> int:
        """Until all have ended; 0, or the status that tells most."""
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        with tempfile.TemporaryDirectory(prefix="zoo-ranks-") as folder:
            self.said = [Path(folder) / f"rank{i}" for i in range(self.ranks)]
            self.processes: list[subprocess.Popen[bytes]] = []
            try:
                for i in range(self.ranks):
                    self.processes.append(self._start(i, Path(folder) / "meeting"))
                return self._watch()
            finally:
                self._end()
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _start(self, i: int, meeting: Path) -> "subprocess.Popen[bytes]":
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {
            "OMP_NUM_THREADS": str(max(1, cores() // self.ranks)),
            "GLOO_SOCKET_IFNAME": "lo" if sys.platform.startswith("linux") else "lo0",
            **os.environ,
            "RANK": str(i),
            "LOCAL_RANK": str(i),
            "WORLD_SIZE": str(self.ranks),
            "PYTHONPATH": paths,
            MEETING: str(meeting),
            LAUNCHER: str(os.getpid()),
        }
        output: IO[bytes] | None = None if i == 0 else self.said[i].open("wb")  # the first one speaks
        try:
            return subprocess.Popen(  # noqa: S603 (our own interpreter)
                [sys.executable, *self.words],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if output:
                output.close()

    def _watch(self) -> int:
        until: float | None = None
        while any(process.poll() is None for process in self.processes):
            if until is None and any(process.poll() for process in self.processes):
                until = time.monotonic() + SETTLE_SECONDS
            if until is not None and time.monotonic() > until:
                break
            time.sleep(0.02)
        ended = [process.poll() for process in self.processes]
        failed = [(i, status) for i, status in enumerate(ended) if status]
        if not failed:
            return 0
        # a rank that was killed explains what the others ran into, and so does a status of its own meaning
        order: list[Callable[[int], bool]] = [
            lambda s: s < 0,
            lambda s: s not in (1, 2),
            lambda s: s == 2,
            lambda s: True,
        ]
        i, status = next(one for rule in order for one in failed if rule(one[1]))
        if i and status > 0 and self.said[i].is_file():
            sys.stderr.write(self.said[i].read_bytes()[-TAIL:].decode(errors="replace"))
        return status

    def _hear(self, number: int, frame: object) -> None:
        """Pass the first signal on; a second one ends all at once."""
        if self.heard:
            self._end()
        self.heard = number
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(number)

    def _end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
