"""What cells brought back: on the disk before the driver hears of the end, and seats wait for a disk that is slow."""

import threading
from concurrent.futures import wait

import pytest

from zoo.base.errors import DiskFull
from zoo.grid import landing, parcel
from zoo.grid.landing import Landing
from zoo.grid.seat import Outcome


@pytest.fixture
def landed():
    made = Landing()
    yield made
    made.close()


def test_a_cell_ends_when_all_of_it_is_there(landed, tmp_path):
    landed.add(tmp_path / "a", Outcome(0, {"result.json": b"{}", "samples/x.png": b"png"}, ""))
    assert landed.done(60) == [(tmp_path / "a", 0)]
    assert (tmp_path / "a" / "samples" / "x.png").read_bytes() == b"png"
    assert landed.done(0) == []


def test_seats_wait_for_a_disk_that_cannot_keep_up(landed, tmp_path, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(parcel, "unpack", lambda made, folder: go.wait(60))
    for i in range(landing.MOST):
        assert not landed.full
        landed.add(tmp_path / str(i), Outcome(0, {}, ""))
    assert landed.full
    assert landed.patience(5.0) < 1.0
    assert landed.done(0) == []
    go.set()
    wait([future for *_, future in landed.waiting])
    assert landed.done(0) == [(tmp_path / str(i), 0) for i in range(landing.MOST)]
    assert not landed.full and landed.patience(5.0) == 5.0


def test_a_full_disk_ends_the_run(landed, tmp_path, monkeypatch):
    def full(made, folder):
        raise DiskFull("no space")

    monkeypatch.setattr(parcel, "unpack", full)
    landed.add(tmp_path, Outcome(0, {}, ""))
    with pytest.raises(DiskFull, match="no space"):
        landed.done(60)


def test_the_reason_of_a_failure_on_a_node_is_the_last_line_of_the_log(landed, tmp_path):
    landed.add(tmp_path, Outcome(28, {"log.txt": b"step 3\n"}, "node7: no space to save x"))
    assert landed.done(60) == [(tmp_path, 28)]
    assert (tmp_path / "log.txt").read_text() == "step 3\nerror: node7: no space to save x\n"
