"""One process at a time in a folder."""

import threading

import pytest
from filelock import FileLock

from zoo.base.errors import Busy
from zoo.base.lock import locked


def test_a_held_folder_is_busy(tmp_path):
    with locked(tmp_path), pytest.raises(Busy, match="another process is at work"), locked(tmp_path):
        pass
    with locked(tmp_path):  # free again
        pass


def test_what_a_killed_process_was_writing_is_cleared_away(tmp_path):
    torn, whole = tmp_path / ".step-000001.json.ab.tmp", tmp_path / "step-000001.json"
    torn.write_text("{")
    whole.write_text("{}")
    with locked(tmp_path):
        assert not torn.exists()
        assert whole.exists()


def test_a_folder_that_is_let_go_is_waited_for(tmp_path):
    """As by the cell of a driver that was killed, which saves its state before it ends."""
    held = FileLock(tmp_path / ".lock", thread_local=False)
    held.acquire()
    threading.Timer(0.3, held.release).start()
    with locked(tmp_path, patience=60):
        assert not held.is_locked
