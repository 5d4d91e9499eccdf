"""Carries out a plan: an executor has the cells done; failures are recorded here, retried, and the grid goes on."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.base.counts import counted
from zoo.base.errors import Busy, Diverged
from zoo.base.progress import bar, in_notebook, say, watched
from zoo.base.sealed import read_sealed, write_sealed
from zoo.config.control import score_words
from zoo.grid import before, executors, record, speed, trained
from zoo.grid import plan as plans
from zoo.grid.cell import Cell
from zoo.grid.executor import ATTEMPTS, LOG, describe_status, last_error, worth_retrying
from zoo.grid.listing import clock
from zoo.grid.local import Executor
from zoo.grid.notice import tell
from zoo.grid.plan import Plan, skipped

POLL_SECONDS = 0.5
PLAIN_SECONDS = 30.0  # between two lines about a running cell where nobody watches
MOST_LINES = 16  # of running cells below the bar


def run(plan: Plan, command: list[str], options: Any, finished: Callable[[], None] = lambda: None) -> list[str]:
    """Do all that is left of the plan, and return one line for each chosen cell that is not done in the end.

    command: what starts a worker, before its options. KeyboardInterrupt passes through, after the running cells have
    saved their states. finished: called when work begins, and when a cell has ended and others have not.
    """
    plans.check(plan)
    before.check(plan, options)
    if options.weights:
        trained.take(plan, Path(options.weights))
    plans.prepare(plan)
    record.write_grid(plan, options)
    if plan.notice:
        tell(plan.notice, plan.cause, plan.out, options.verbose)
    waiting = _to_do(plan, retry=options.retry == "failed")
    running: dict[Path, Job] = {}
    executor = executors.make(plan, command, options, len(waiting))
    watch = Watch(plan, executor)
    tries: dict[str, int] = {}
    if waiting:
        finished()
    try:
        while waiting or running:
            while waiting and executor.room() and (cell := _ready(waiting, list(running.values()))):
                waiting.remove(cell)
                job = Job(plan, cell)
                tries[job.head] = tries.get(job.head, 0) + 1
                running[job.folder] = job
                executor.begin(job.folder)
                say(f"{job.head}: begins; about {clock(watch.left(running, waiting))} to go")
            for folder, status in executor.ended(POLL_SECONDS):
                job = running.pop(folder)
                again = worth_retrying(status) and tries[job.head] < ATTEMPTS
                say(job.finish(status, 0 if again else tries[job.head]))
                if again:
                    say(f"{job.head}: is tried again ({tries[job.head] + 1} of {ATTEMPTS} attempts)")
                    waiting.append(job.cell)
                if waiting or running:
                    finished()
            watch.tick(running, waiting)
    except KeyboardInterrupt:
        executor.stop()
        raise
    finally:
        watch.close()
        executor.close()
        record.write_grid(plan, options)
        speed.keep(plan, Path(options.data_dir))
    return list(_not_done(plan))


def _to_do(plan: Plan, retry: bool) -> list[Cell]:
    cells = []
    for cell in plan.chosen:
        status = plan.status(cell)
        if skipped(status, retry):
            remedy = {"done": "", plans.UNREADABLE: " (delete the file that is named above)"}
            say(f"{plan.head(cell)}: {status}, skipped{remedy.get(status, ' (--retry failed tries again)')}")
        else:
            cells.append(cell)
    return cells


def _ready(waiting: Sequence[Cell], running: "Sequence[Job]") -> Cell | None:
    """The first cell whose teacher, if it has one, is neither waiting nor at work."""
    busy = {cell.folder for cell in (*waiting, *(job.cell for job in running))}
    return next((cell for cell in waiting if cell.teacher is None or cell.teacher.folder not in busy), None)


class Job:
    """A cell that is being done, and what becomes of it."""

    def __init__(self, plan: Plan, cell: Cell):
        self.cell, self.folder, self.head, self.began = cell, plan.folder(cell), plan.head(cell), time.monotonic()
        self.seconds = plan.left(cell)

    def finish(self, status: int, tries: int = 1) -> str:
        """One line about the cell's end. status: what the executor told.

        A failure is recorded in failed.json, unless `tries` is 0: then the cell is tried again, and a driver that ends
        before leaves it to do.
        """
        failed, log = self.folder / "failed.json", self.folder / LOG
        if status == 0:
            failed.unlink(missing_ok=True)
            result = read_sealed(self.folder / "result.json")
            score, missing = result["scores"][0], len(result.get("unscored") or [])
            took = clock(time.monotonic() - self.began)
            more = f"; {counted(missing, 'setting')} could not be scored" if missing else ""
            return f"{self.head}: {score_words(score)}, in {took}{more}"
        if status == Busy.exit_code:
            return f"{self.head}: another process is at work on it"
        if status in (130, 143):
            return f"{self.head}: interrupted; its state is saved"
        found = {
            "status": "diverged" if status == Diverged.exit_code else "failed",
            "exit_status": status,
            "message": f"{describe_status(status)}: {last_error(log)}",
            "log": f"{self.cell.folder}/{LOG}",
            "attempts": (read_sealed(failed)["attempts"] if failed.is_file() else 0) + tries,
        }
        if tries:
            write_sealed(failed, found)
        return f"{self.head}: {found['status']}: {found['message']}\n  its log: {log}"


def _not_done(plan: Plan) -> Iterable[str]:
    for cell in plan.chosen:
        if (status := plan.status(cell)) == "done":
            continue
        failed = plan.folder(cell) / "failed.json"
        why = f": {plan.problem(cell)}" if status == plans.UNREADABLE else ""
        if not why and failed.is_file():
            why = f": {read_sealed(failed)['message']}"
        yield f"{cell.name}: {status}{why} ({plan.folder(cell) / LOG})"


class Watch:
    """Shows how a grid stands: on a terminal a bar and a line for each running cell, elsewhere lines now and then."""

    def __init__(self, plan: Plan, executor: Executor):
        self.plan, self.executor, self.last = plan, executor, time.monotonic()
        self.done: set[str] = set()
        self.ahead: dict[str, float] = {}  # estimates of the cells that wait, by folder
        self.took, self.estimated = 0.0, 0.0
        self.bars = []
        if watched():
            form = "{desc} |{bar}| {n_fmt}/{total_fmt} cells in {elapsed}{postfix}"
            total = len(plan.chosen)
            self.bars = [bar(desc=plan.name, total=total, bar_format=form, leave=False, dynamic_ncols=True)]
            lines = 0 if in_notebook() else min(executor.slots, MOST_LINES)  # a notebook has no cursor to move between
            for place in range(1, lines + 1):
                self.bars.append(bar(position=place, bar_format="{desc}", leave=False, dynamic_ncols=True))

    def tick(self, running: Mapping[Path, Job], waiting: Sequence[Cell]) -> None:
        """Show the count, the time left, and the last line of every running cell's log."""
        if not self.bars and time.monotonic() - self.last < PLAIN_SECONDS:
            return
        self.last = time.monotonic()
        gone = len(self.plan.chosen) - len(running) - len(waiting)
        seconds = self.left(running, waiting)
        left = f"about {clock(seconds)} to go" if seconds >= 1 else "the last ones take longer than estimated"
        told = [*running.values()][: len(self.bars) - 1 if self.bars else None]
        lines = [f"  {job.head}: {self.executor.line(job.folder)}" for job in told]
        if not self.bars:
            say(
                "\n".join(
                    [f"  {gone} of {counted(len(self.plan.chosen), 'cell has', 'cells have')} ended, {left}", *lines]
                )
            )
            return
        grid, *cells = self.bars
        columns = grid.format_dict["ncols"] or 80  # a longer line would break those above it
        grid.n = gone
        grid.set_postfix_str(left)
        for place, line in enumerate(cells):
            line.set_description_str(lines[place][: columns - 1] if place < len(lines) else "")

    def left(self, running: Mapping[Path, Job], waiting: Sequence[Cell]) -> float:
        """Seconds to go: the estimates, scaled by what this grid's finished cells took of theirs."""
        ahead = {cell.folder for cell in (*waiting, *(job.cell for job in running.values()))}
        for cell in self.plan.chosen:
            if cell.folder not in ahead | self.done and (result := self.plan.result(cell)):
                self.done.add(cell.folder)
                if speed.done_here(self.plan, cell, result):
                    self.took += result["seconds"]["total"]
                    self.estimated += cell.seconds
        pace, now = self.took / self.estimated if self.estimated else self.plan.pace or 1.0, time.monotonic()
        rest = [max(0.0, pace * job.seconds - (now - job.began)) for job in running.values()]
        idle = max(self.executor.slots - len(rest), 0 if rest else 1)
        for cell in waiting:
            if cell.folder not in self.ahead:
                self.ahead[cell.folder] = self.plan.left(cell)
        return speed.until_the_last((pace * self.ahead[cell.folder] for cell in waiting), [*rest, *[0.0] * idle])

    def close(self) -> None:
        """Remove the lines."""
        for shown in reversed(self.bars):
            shown.close()
