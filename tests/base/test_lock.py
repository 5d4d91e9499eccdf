"""One process at a time in a folder."""

import errno
import os
import socket
import threading

import pytest
from filelock import FileLock

from zoo.base import lock
from zoo.base.errors import Busy, ZooError
from zoo.base.lock import exclusive, locked


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


@pytest.fixture(params=[errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def no_locks(request, monkeypatch):
    """A file system without flock, as some network and user-space ones are."""

    def refuse(*_: object) -> None:
        raise OSError(request.param, "refused")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    monkeypatch.setattr(lock, "_told", False)


def test_without_locks_a_lock_file_does_and_it_is_said_once(no_locks, tmp_path, capsys):
    with locked(tmp_path):
        assert (tmp_path / ".lock.held").read_text().split()[1] == str(os.getpid())
        with pytest.raises(Busy, match="another process is at work"), locked(tmp_path):
            pass
    with locked(tmp_path):  # free again
        pass
    assert not (tmp_path / ".lock.held").exists()
    assert capsys.readouterr().err.count("the file system has no locks") == 1


@pytest.mark.parametrize("left", ["gone", "another process of that number", "killed while it wrote"])
def test_the_lock_file_of_a_process_that_is_no_more_is_taken_over(left, no_locks, tmp_path):
    ended = 2**22 + 1  # a number that no process has
    host, held = socket.gethostname(), tmp_path / ".lock.held"
    held.write_text({"gone": f"{host} {ended} 5\n", "killed while it wrote": ""}.get(left, f"{host} {os.getpid()} 1\n"))
    if left == "killed while it wrote":
        os.utime(held, (0, 0))
    with locked(tmp_path):
        assert str(os.getpid()) in held.read_text()


def test_the_lock_file_of_another_machine_is_left_alone(no_locks, tmp_path):
    (tmp_path / ".lock.held").write_text("elsewhere 1 1\n")
    with pytest.raises(Busy), locked(tmp_path):
        pass


@pytest.mark.parametrize("times", [1, 99])
def test_a_stale_handle_of_a_network_file_system_is_opened_again_once(times, tmp_path, monkeypatch):
    plain, refused, handles = lock.fcntl.flock, [], len(os.listdir("/proc/self/fd"))

    def flock(handle: int, how: int) -> None:
        if len(refused) < times:
            refused.append(handle)
            raise OSError(errno.ESTALE, "Stale file handle")
        plain(handle, how)

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    if times == 1:
        with locked(tmp_path), pytest.raises(Busy), locked(tmp_path):
            pass
    else:
        with pytest.raises(ZooError, match=r"cannot write .*: Stale file handle"), locked(tmp_path):
            pass
    assert len(refused) == min(times, 2)
    assert len(os.listdir("/proc/self/fd")) == handles  # none is left open


def test_the_lock_file_of_another_user_is_enough_if_it_can_be_read(tmp_path, monkeypatch):
    """In a data folder that users share, the first one's umask takes the others' right to write the file."""
    plain = os.open

    def refuse(path, flags: int, *mode: int) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return plain(path, flags, *mode)

    (tmp_path / "theirs").touch()
    monkeypatch.setattr(lock.os, "open", refuse)
    with pytest.raises(PermissionError), exclusive(tmp_path / "none"):
        pass
    with exclusive(tmp_path / "theirs"), pytest.raises(Busy), exclusive(tmp_path / "theirs", 0.0):
        pass
