"""The page of a grid that is at work: written again as cells finish, in a thread beside the driver."""

import threading
import time
from contextvars import copy_context
from pathlib import Path

from zoo.base.progress import say

REST = 10  # after a page, times as long as it took: at most a tenth of one core goes into pages


class LivePage:
    """Keeps a run's page up to date within a `with` block; afterwards nothing is written any more.

    Nothing that goes wrong with the page reaches the grid; it is said once.
    """

    def __init__(self, folder: Path):
        self.folder, self.failed = folder, False
        self.wanted, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=copy_context().run, args=(self._work,), daemon=True)

    def __enter__(self) -> "LivePage":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.wanted.set()
        self.thread.join()

    def refresh(self) -> None:
        """Ask for the page to be written, soon; asking again meanwhile changes nothing. Returns at once."""
        self.wanted.set()

    def _work(self) -> None:
        while self.wanted.wait() and not self.over.is_set():
            self.wanted.clear()
            began = time.monotonic()
            try:
                from reports.page import build  # here, since it takes a second that a cell would wait for

                build(self.folder, running=True)
            except Exception as error:
                if not self.failed:
                    say(f"the page could not be written while the grid is at work: {error}")
                self.failed = True
            self.over.wait(REST * (time.monotonic() - began))
