"""Which failures a driver writes down: those that it will not try again itself."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.grid.test_wishes import options
from zoo.base.errors import ZooError
from zoo.grid import before, driver, executors, plan, record
from zoo.grid.executor import LOG, LOST


class Planted:
    """An executor of one slot, whose cells end with the given statuses; after the last one the cluster is gone."""

    slots = 1

    def __init__(self, statuses):
        self.statuses, self.folder = list(statuses), None

    def room(self) -> int:
        return int(self.folder is None)

    def begin(self, folder: Path) -> None:
        (folder / LOG).write_text("error: what the cell said\n")
        self.folder = folder

    def ended(self, seconds: float) -> list[tuple[Path, int]]:
        if not self.statuses:
            raise ZooError("the cluster does not answer any more")
        folder, self.folder = self.folder, None
        return [(folder, self.statuses.pop(0))]

    def line(self, folder: Path) -> str:
        return ""

    def stop(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("statuses", "lost", "recorded"),
    [
        ([LOST], True, {}),
        ([LOST, LOST], True, {}),
        ([LOST, -9, LOST], False, {"status": "failed", "exit_status": LOST, "attempts": 3}),
        ([1], False, {"status": "failed", "exit_status": 1, "attempts": 1}),
        ([LOST, 1], False, {"status": "failed", "exit_status": 1, "attempts": 2}),
    ],
)
def test_a_cell_that_would_be_tried_again_is_left_to_do(monkeypatch, tmp_path, statuses, lost, recorded):
    monkeypatch.setattr(executors, "make", lambda *_: Planted(statuses))
    words = options(out=str(tmp_path / "out"), only="dit*rf", data_dir=str(tmp_path), accumulate=1)
    monkeypatch.setattr(before, "check", lambda plan, options: None)
    monkeypatch.setattr(record, "write_grid", lambda plan, options: None)
    made = plan.make(words, fetch=False)
    (cell,) = made.chosen
    with pytest.raises(ZooError, match="does not answer") if lost else nullcontext():
        driver.run(made, ["worker"], words)
    failed = made.folder(cell) / "failed.json"
    assert made.status(cell) == (recorded.get("status", "to do"))
    if recorded:
        found = json.loads(failed.read_text())
        assert {key: found[key] for key in recorded} == recorded
    else:
        assert not failed.exists()
