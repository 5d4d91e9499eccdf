"""What is seen of a grid at work: bars on a terminal, lines elsewhere, and a page that is kept up to date."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import threading
import time
from types import SimpleNamespace

import pytest

from reports import live, page
from zoo.base import progress
from zoo.base.errors import ZooError
from zoo.grid import driver
from zoo.grid.driver import Watch
from zoo.grid.local import Local


class Plan:
    """Six cells, each estimated at 100 s; those that are done took twice that."""

    name, pace = "smoke", None

    def __init__(self, folder):
        self.chosen = [SimpleNamespace(folder=f"c{i}", seconds=100.0) for i in range(6)]
        self.out, self.finished = folder, set()

    def folder(self, cell):
        return self.out / cell.folder

    def result(self, cell):
        return {"seconds": {"total": 200.0}} if cell.folder in self.finished else None

    def left(self, cell):
        return cell.seconds

    def head(self, cell):
        return cell.folder

    def job(self, place: int, words: str, gone: float = 0):
        """A running cell that began `gone` seconds ago."""
        cell = self.chosen[place]
        (self.out / cell.folder).mkdir(exist_ok=True)
        (self.out / cell.folder / "log.txt").write_text(f"older\n{words}\n")
        head = f"[{place + 1}/6] rf"
        began = time.monotonic() - gone
        return SimpleNamespace(cell=cell, seconds=cell.seconds, head=head, folder=self.out / cell.folder, began=began)


def at_work(*jobs):
    return {job.folder: job for job in jobs}


def slots(count: int) -> Local:
    return Local(["true"], [{}] * count, threads=1, timeout=1, fresh=False)


@pytest.fixture
def plan(tmp_path):
    return Plan(tmp_path)


def test_the_time_left_follows_what_finished_cells_took(plan):
    watch = Watch(plan, slots(2))
    assert watch.left({}, plan.chosen) == pytest.approx(300)  # nothing is known but the estimates
    running = at_work(plan.job(2, "a", gone=50), plan.job(3, "b", gone=150))
    plan.finished = {"c0", "c1"}
    # one worker is free in 50 s, the other in 150 s, and each has then a cell of 200 s
    assert watch.left(running, plan.chosen[4:]) == pytest.approx(150 + 200, abs=1)
    assert watch.left(at_work(plan.job(5, "c", gone=20)), []) == pytest.approx(
        180, abs=1
    )  # one cell is no faster in two jobs
    assert watch.left(at_work(plan.job(5, "c", gone=500)), []) == 0


def test_the_time_left_is_that_of_what_is_left_of_each_cell(plan, monkeypatch):
    """Cells whose training is done already take 25 s of their 100."""
    monkeypatch.setattr(plan, "left", lambda cell: 25.0)
    assert Watch(plan, slots(2)).left({}, plan.chosen) == pytest.approx(75)
    job = plan.job(0, "a", gone=10)
    job.seconds = 25.0
    assert Watch(plan, slots(1)).left(at_work(job), []) == pytest.approx(15, abs=1)
    real = driver.Job(plan, plan.chosen[0])
    assert real.seconds == 25.0


def test_plain_lines_come_no_more_often_than_every_half_minute(plan, monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr(driver.time, "monotonic", lambda: now[0])
    watch = Watch(plan, slots(1))
    running = at_work(plan.job(0, "step 10/100  loss 0.5"))
    for _ in range(100):
        now[0] += 0.5
        watch.tick(running, plan.chosen[1:])
    said = capsys.readouterr().out.splitlines()
    assert said == ["  0 of 6 cells have ended, about 10 min to go", "  [1/6] rf: step 10/100  loss 0.5"]


def on_terminal(plan, monkeypatch, columns: int) -> str:
    """What a terminal of so many columns gets of one look at two running cells."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        watch = Watch(plan, slots(2))
        watch.tick(at_work(plan.job(2, "step 7/100"), plan.job(3, "step 9/100 " + 300 * "x")), plan.chosen[4:])
        watch.close()
        shown = b""
        while select.select([ours], [], [], 0.2)[0]:
            shown += os.read(ours, 1 << 16)
    os.close(ours)
    return shown.decode()


def test_a_terminal_shows_a_bar_for_the_grid_and_a_line_for_each_cell(plan, monkeypatch):
    plan.finished = {"c0", "c1"}
    shown = on_terminal(plan, monkeypatch, columns=120)
    assert "smoke |" in shown and "| 2/6 cells in" in shown and "about 7 min to go" in shown
    assert "[3/6] rf: step 7/100" in shown and "[4/6] rf: step 9/100" in shown
    assert 120 * "x" not in shown  # a long line is cut, or it would break the lines above it


def test_a_terminal_shows_nothing_that_nobody_asked_for(plan, monkeypatch):
    with progress.progress_shown(False):
        assert on_terminal(plan, monkeypatch, columns=120) == ""


def test_a_terminal_that_is_gone_ends_nothing(plan, monkeypatch):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    terminal = os.fdopen(theirs, "w")
    monkeypatch.setattr(sys, "stderr", terminal)
    watch = Watch(plan, slots(1))
    assert watch.bars
    os.close(ours)
    watch.tick(at_work(plan.job(2, "step 7/100")), plan.chosen[3:])
    watch.close()
    with contextlib.suppress(OSError):  # of what it still holds
        terminal.close()


def test_a_terminal_without_a_size_gets_plain_lines(plan, monkeypatch):
    assert on_terminal(plan, monkeypatch, columns=0) == ""  # within the first half minute


def wait(for_what) -> None:
    deadline = time.monotonic() + 60
    while not for_what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_refresh_returns_at_once_and_the_page_follows(tmp_path, monkeypatch):
    began, go, calls = threading.Event(), threading.Event(), []

    def build(folder, running):
        calls.append((folder, running))
        began.set()
        assert go.wait(60)

    monkeypatch.setattr(page, "build", build)
    monkeypatch.setattr(live, "REST", 0)
    with live.LivePage(tmp_path) as shown:
        shown.refresh()
        assert began.wait(60)
        for _ in range(5):  # while a page is being written
            shown.refresh()
        assert calls == [(tmp_path, True)]
        go.set()
        wait(lambda: len(calls) == 2)
    assert calls == [(tmp_path, True)] * 2
    shown.refresh()
    assert not shown.thread.is_alive()


def test_a_page_that_fails_is_said_once_and_stops_nothing(tmp_path, monkeypatch, capsys):
    calls = []

    def build(folder, running):
        calls.append(running)
        raise ZooError("two judges") if len(calls) == 1 else ValueError("a bug")

    monkeypatch.setattr(page, "build", build)
    monkeypatch.setattr(live, "REST", 0)
    with live.LivePage(tmp_path) as shown:
        for count in (1, 2, 3):
            shown.refresh()
            wait(lambda count=count: len(calls) == count)
    said = capsys.readouterr().out
    assert said == "the page could not be written while the grid is at work: two judges\n"


def test_a_notebook_is_known_by_its_kernel_and_not_by_its_packages(monkeypatch):
    """A terminal of IPython has a shell too, and a script may import ipykernel."""
    terminal, kernel = SimpleNamespace(config={}), SimpleNamespace(config={"IPKernelApp": {}})
    shells = {"no shell": None, "a terminal's": terminal, "a kernel's": kernel}
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    found = {}
    for name, shell in shells.items():
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        found[name] = progress.in_notebook()
    assert found == {"no shell": False, "a terminal's": False, "a kernel's": True}
