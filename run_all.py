"""Train, score and compare: python run_all.py --grid default

Every cell (objective x backbone x seed) of the grid is trained and scored by a worker process; the comparison is
written to runs/GRID/report.html (and report.md), and kept up to date meanwhile. Finished cells are skipped: the same
command again goes on where the last one stopped.
"""

import contextlib
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.base.errors import ZooError, run_main
from zoo.base.options import EXPERT, MUCH, WHERE, option
from zoo.cli import Watched, parse


@dataclass
class Options(Watched):
    """Run a grid."""

    grid: str = option("default", "default, sd3, beyond, samplers, recipe, smoke, or a TOML file", metavar="GRID")
    only: str | None = option(
        None, "only cells whose name contains this; * and ? stand for any text, any letter", metavar="TEXT"
    )
    backbone: str | None = option(
        None, "only this one of the grid's backbones; unlike --only, the others are no part of the grid then",
        metavar="NAME",
    )  # fmt: skip
    dataset: str | None = option(
        None, "auto (MNIST if it is available, else digits), mnist, fashion, digits, or several as in mnist,digits",
        metavar="NAMES",
    )  # fmt: skip
    list: bool = option(False, "show the cells, their status and how long they take, and stop")
    dry_run: bool = option(False, "show what would be done, without doing it")
    retry: Literal["failed"] | None = option(None, "failed: try failed cells again")
    seeds: int | None = option(None, "runs of each pairing, seeds 0 to N - 1 (default: the grid's)", MUCH)
    budget: str = option("auto", "auto, cpu, gpu, or the number of images that each cell sees", MUCH, metavar="BUDGET")
    out: str | None = option(None, "folder of the results (default: runs/GRID)", WHERE, metavar="DIR")
    verbose: bool = option(False, "tell the cause, too, where MNIST is not available", EXPERT)
    jobs: int | None = option(None, "cells at once (default: 1 on a GPU, else as many as fill up to 4 cores)", EXPERT)
    timeout: float = option(
        1800.0, "seconds without output after which a cell is stopped and tried again", EXPERT, metavar="SECONDS"
    )
    cell: str | None = option(None, "a worker's folder; -: those that standard input names", EXPERT, hidden=True)


def main() -> int:
    """The command line; see the module's first line."""
    options = parse(Options, "python run_all.py", __doc__)
    if options.cell == "-":
        return worker(options)
    if options.cell:
        from eval.cell import run_cell

        run_cell(Path(options.cell), options)
        return 0
    from zoo.grid import driver, listing, plan

    made = plan.make(options, fetch=not (options.list or options.dry_run))
    if options.list:
        listing.show(made)
        return 0
    if options.dry_run:
        listing.dry_run(made, retry=options.retry == "failed")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same as Ctrl-C: the running cell saves first
    from reports.live import LivePage

    try:
        with LivePage(made.out) as page:
            command = [sys.executable, str(Path(__file__).resolve())]
            not_done = driver.run(made, command, options, finished=page.refresh)
    except KeyboardInterrupt:
        print("\ninterrupted; the state is saved, and the same command goes on from here", file=sys.stderr)
        with contextlib.suppress(ZooError):  # the page is no longer that of a grid at work
            final_page(made.out)
        return 130
    print(final_page(made.out))
    if not_done:
        print("\n".join([f"{len(not_done)} of {len(made.chosen)} cells are not done:", *not_done]), file=sys.stderr)
    return 1 if not_done else 0


def final_page(folder: Path) -> str:
    """Write the report; returns where the time went, the rank table, the verdict, and the page's path."""
    from reports.page import build
    from reports.read.load import load
    from reports.render import terminal
    from reports.words.ending import ending
    from reports.words.tables import time_table
    from zoo.base.helptext import terminal_columns

    began = time.perf_counter()
    page, run = build(folder).with_suffix(".html"), load(folder)
    times = time_table(run, report=time.perf_counter() - began)
    return f"\n{times}\n\n{terminal.render(ending(run, page), terminal_columns()).rstrip()}"


def worker(options: Options) -> int:
    """What the driver's workers run: cell after cell, until there are no more, or one fails."""
    from zoo.grid.executor import cells_of_driver, die_with_driver

    die_with_driver()
    for folder in cells_of_driver():
        from eval.cell import run_cell

        run_cell(folder, options)
    return 0


if __name__ == "__main__":
    run_main(main)
