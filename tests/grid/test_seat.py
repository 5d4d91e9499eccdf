"""A seat on a node, without Ray: what an earlier driver left there, and what goes wrong there."""

import threading

import pytest

from zoo.base.errors import Busy, DiskFull
from zoo.base.lock import locked
from zoo.grid import parcel, seat
from zoo.grid.seat import Order, Seat

SENT = {"cell.json": b'{"key": 1}', "step-000004.json": b"4", "step-000004.safetensors": b"four"}
PLACE = "digits/dit/rf/seed0"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A seat whose cells end at once, with the files that they found noted."""
    monkeypatch.setattr(seat.tempfile, "gettempdir", lambda: str(tmp_path))
    made = Seat(Order("run", ["-c", ""], {}, 60.0, False, None, None, None), "node0123456789")
    made.seen = []

    def done(folder):
        made.seen.append({path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")})
        return 1

    monkeypatch.setattr(made, "_done", done)
    return made


def left(made: Seat, **files: bytes) -> None:
    """What a killed driver's cell left on the node."""
    parcel.unpack({name.replace("__", ".").replace("_", "-"): data for name, data in files.items()}, made.run / PLACE)


LATER = {"step_000009__json": b"9", "step_000009__safetensors": b"nine"}
EARLIER = {"step_000002__json": b"2", "step_000002__safetensors": b"two"}


def test_a_later_state_of_the_same_cell_is_gone_on_with(here):
    left(here, cell__json=SENT["cell.json"], **LATER)
    here.work(PLACE, SENT, ["ema"])
    later = {"step-000009.json": b"9", "step-000009.safetensors": b"nine"}
    assert here.seen == [{"cell.json": SENT["cell.json"], **later}]


@pytest.mark.parametrize(
    "found", [{"cell__json": SENT["cell.json"], **EARLIER}, {"cell__json": b'{"key": 2}', **LATER}, LATER, {}],
    ids=["an earlier state", "another cell", "no cell", "nothing"],
)  # fmt: skip
def test_anything_else_gives_way_to_what_was_sent(here, found):
    left(here, **found)
    here.work(PLACE, SENT, ["ema"])
    assert here.seen[0] == SENT


def test_it_waits_for_the_cell_of_a_killed_driver_to_end(here, monkeypatch):
    left(here, cell__json=SENT["cell.json"], **EARLIER)
    held = threading.Event()
    monkeypatch.setattr(seat, "PATIENCE_SECONDS", 0.2)

    def saving():
        with locked(here.run / PLACE):
            held.set()
            release.wait(60)

    release = threading.Event()
    other = threading.Thread(target=saving)
    other.start()
    held.wait(60)
    outcome = here.work(PLACE, SENT, ["ema"])
    assert outcome.status == Busy.exit_code and "another process is at work" in outcome.note
    assert here.seen == []
    release.set()
    other.join()
    here.work(PLACE, SENT, ["ema"])
    assert here.seen == [SENT]


def test_a_full_disk_on_a_node_is_told_as_that(here, monkeypatch):
    def full(made, folder):
        raise DiskFull("no space to save step-000004.json")

    monkeypatch.setattr(parcel, "unpack", full)
    outcome = here.work(PLACE, SENT, ["ema"])
    assert outcome.status == DiskFull.exit_code
    assert "no space to save" in outcome.note


def test_a_data_folder_that_every_node_sees_is_used_as_it_is(here, tmp_path):
    order = here.order._replace(data_dir=str(tmp_path / "data"))
    assert Seat(order, "node").worker.command[-2:] == ["--data-dir", str(tmp_path / "data")]
    assert here.worker.command[-1].startswith(str(here.home))
