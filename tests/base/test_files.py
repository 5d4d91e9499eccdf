"""Many files written together: whole or absent, in order, and nothing is left of those that could not be written."""

import errno
import os
from pathlib import Path

import pytest

from zoo.base import files
from zoo.base.errors import DiskFull, ZooError


def test_all_files_are_there_with_the_usual_mode(tmp_path):
    wanted = {tmp_path / "a" / f"{i}.bin": bytes([i]) * i for i in range(50)}
    files.write_together(wanted)
    assert {path: path.read_bytes() for path in (tmp_path / "a").iterdir()} == wanted
    umask = files.current_umask()
    assert all(path.stat().st_mode & 0o777 == 0o666 & ~umask for path in wanted)


def test_contents_are_on_the_disk_before_the_first_file_appears_and_files_appear_in_order(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle):
        events.append("sync")
        fsync(handle)

    def replaced(self, target):
        events.append(target.name)
        replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    files.write_together({tmp_path / name: b"x" for name in ("weights", "manifest", "z")})
    assert events == ["sync"] * 3 + ["weights", "manifest", "z"] + ["sync"]  # the last is the folder's


@pytest.mark.parametrize("at", range(3))
def test_a_full_disk_leaves_the_old_files_and_nothing_else(tmp_path, monkeypatch, at):
    wanted = {tmp_path / str(i): b"new" for i in range(3)}
    for path in wanted:
        path.write_bytes(b"old")
    fsync, count = os.fsync, iter(range(100))

    def full(handle):
        if next(count) == at:
            raise OSError(errno.ENOSPC, "full")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match=f"no space to save {tmp_path / str(at)}"):
        files.write_together(wanted)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(wanted, b"old")


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="cannot write"):
        files.write_together({tmp_path / "file" / "x": b""})
