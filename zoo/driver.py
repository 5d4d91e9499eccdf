"""Carries out a plan: cells as processes, one or a few at once; failures are recorded and the grid goes on."""

import sys
import time
from collections.abc import Iterable

from tabulate import tabulate
from tqdm import tqdm

from zoo import plan as plans
from zoo import record
from zoo.errors import Busy, Diverged
from zoo.executor import (
    ATTEMPTS,
    CellProcess,
    cores,
    describe_status,
    last_error,
    last_line,
    stop,
    worth_retrying,
)
from zoo.families import SD3
from zoo.grid import Cell
from zoo.plan import Plan
from zoo.progress import say
from zoo.sealed import read_sealed, write_sealed

POLL_SECONDS = 0.5
PLAIN_SECONDS = 30.0  # between two lines about a running cell where nobody watches


def show(plan: Plan) -> None:
    """Print the cells, how they stand and how long they take."""
    study, several = plan.name == "sd3", len(plan.budgets) > 1  # SD3's own grid shows the names printed there
    rows = []
    for cell in plan.chosen:
        train = cell.config.train
        printed = [SD3[train.objective].name] if study and train.objective in SD3 else []
        times = [plan.status(cell), clock(plan.seconds(cell))]
        rows.append(
            [*([train.dataset] if several else []), train.backbone, train.objective, *printed, train.seed, *times]
        )
    header = [
        *(["data set"] if several else []),
        "backbone",
        "objective",
        *(["in SD3's study"] if study else []),
        "seed",
        "status",
        "time",
    ]
    left = sum(plan.seconds(cell) for cell in plan.chosen if plan.status(cell) != "done")
    print(tabulate(rows, header, disable_numparse=True))
    print(
        f"\ngrid {plan.name}: {plan.grid.description}\n{len(plan.chosen)} cells on {' and '.join(plan.budgets)}, budget"
        f" {plan.kind}, in {plan.out}; about {clock(left / plan.jobs)} to go with {plan.jobs} at once (estimated)"
    )


def dry_run(plan: Plan, retry: bool) -> None:
    """Print what a run would do, and check that nothing stands in its way, without writing."""
    plans.check(plan)
    for cell in plan.chosen:
        status = plan.status(cell)
        verb = "skip" if status == "done" or (status in ("failed", "diverged") and not retry) else "run"
        train = cell.config.train
        print(f"{verb:4}  {plan.folder(cell)}  ({status}; {train.images:,} images, batch {train.batch})")


def run(plan: Plan, command: list[str], options) -> list[str]:
    """Do all that is left of the plan, and return one line for each chosen cell that is not done in the end.

    command: what starts a cell's process, before `--cell FOLDER`. KeyboardInterrupt passes through, after the running
    cells have saved their states.
    """
    plans.prepare(plan)
    record.write_grid(plan, options)
    if plan.notice:
        say(f"\n{'!' * 100}\n{plan.notice}\n{'!' * 100}\n")
    waiting, running = _to_do(plan, retry=options.retry == "failed"), []
    jobs = min(plan.jobs, max(1, len(waiting)))
    threads = None if plan.kind == "gpu" else max(1, cores() // jobs)
    watch, tries = Watch(), {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                left = sum(cell.seconds for cell in waiting) + sum(job.cell.seconds for job in running)
                job = Job(plan, waiting.pop(0), command, options, threads)
                tries[job.head] = tries.get(job.head, 0) + 1
                running.append(job)
                say(f"{job.head}: begins; about {clock(left / jobs)} to go")
            time.sleep(POLL_SECONDS)
            watch.tick([last_line(job.process.log) for job in running])
            for job in running:
                job.process.watch(options.timeout)
            for job in [job for job in running if job.process.status() is not None]:
                running.remove(job)
                say(job.finish())
                if worth_retrying(job.process.status()) and tries[job.head] < ATTEMPTS:
                    say(f"{job.head}: is tried again ({tries[job.head] + 1} of {ATTEMPTS} attempts)")
                    waiting.append(job.cell)
    except KeyboardInterrupt:
        stop([job.process for job in running])
        raise
    finally:
        watch.close()
        for job in running:
            job.process.kill()
        record.write_grid(plan, options)
    return list(_not_done(plan))


def _to_do(plan: Plan, retry: bool) -> list[Cell]:
    cells = []
    for cell in plan.chosen:
        status = plan.status(cell)
        if status == "done" or (status in ("failed", "diverged") and not retry):
            say(f"{plan.head(cell)}: {status}, skipped" + ("" if status == "done" else " (--retry failed tries again)"))
        else:
            cells.append(cell)
    return cells


class Job:
    """A cell's running process, and what becomes of it."""

    def __init__(self, plan: Plan, cell: Cell, command: list[str], options, threads: int | None):
        self.cell, self.folder, self.head, self.began = cell, plan.folder(cell), plan.head(cell), time.monotonic()
        places = ["--data-dir", options.data_dir, "--device", options.device]
        places += ["--mirror", options.mirror] if options.mirror else []
        places += ["--plugin", options.plugin] if options.plugin else []
        places += ["--track", options.track] if options.track else []
        whole = [*command, "--cell", str(self.folder), *places]
        self.process = CellProcess(whole, self.folder / "log.txt", threads)

    def finish(self) -> str:
        """One line about the end of the process; a failure is recorded in failed.json."""
        status, failed, log = self.process.status(), self.folder / "failed.json", self.folder / "log.txt"
        if status == 0:
            failed.unlink(missing_ok=True)
            score = read_sealed(self.folder / "result.json")["scores"][0]
            took = clock(time.monotonic() - self.began)
            return (
                f"{self.head}: FID {score['fid']:.2f} ± {score['fid_se']:.2f}, accuracy {score['acc']:.1%}, in {took}"
            )
        if status == Busy.exit_code:
            return f"{self.head}: another process is at work on it"
        if status in (130, 143):
            return f"{self.head}: interrupted; its state is saved"
        found = {
            "status": "diverged" if status == Diverged.exit_code else "failed",
            "exit_status": status,
            "message": f"{describe_status(status)}: {last_error(log)}",
            "log": f"{self.cell.folder}/log.txt",
            "attempts": (read_sealed(failed)["attempts"] if failed.is_file() else 0) + 1,
        }
        write_sealed(failed, found)
        return f"{self.head}: {found['status']}: {found['message']}\n  its log: {log}"


def _not_done(plan: Plan) -> Iterable[str]:
    for cell in plan.chosen:
        if (status := plan.status(cell)) == "done":
            continue
        failed = plan.folder(cell) / "failed.json"
        why = f": {read_sealed(failed)['message']}" if failed.is_file() else ""
        yield f"{cell.name}: {status}{why} ({plan.folder(cell) / 'log.txt'})"


def clock(seconds: float) -> str:
    """Seconds as 45 s, 12 min or 1 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


class Watch:
    """Shows the running cells' last lines: in place on a terminal, at intervals elsewhere."""

    def __init__(self):
        self.last = time.monotonic()
        self.bar = tqdm(bar_format="{desc}", leave=False) if sys.stderr.isatty() else None

    def tick(self, lines: list[str]) -> None:
        """The logs' last lines now."""
        text = "  |  ".join(line for line in lines if line)
        if self.bar is not None:
            self.bar.set_description_str(f"  {text[:150]}")
        elif time.monotonic() - self.last >= PLAIN_SECONDS and text:
            self.last = time.monotonic()
            say(f"  {text}")

    def close(self) -> None:
        """Remove the line."""
        if self.bar is not None:
            self.bar.close()
