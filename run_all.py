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
from zoo.cli import Watched, parse


@dataclass
class Options(Watched):
    """Run a grid."""

    grid: str = "default"
    """default, sd3, beyond, samplers, recipe, smoke, or a TOML file"""
    list: bool = False
    """show the cells, how they stand and how long they take, and stop"""
    dry_run: bool = False
    """show what would be done, without doing it"""
    only: str | None = None
    """only cells whose name contains this; * and ? stand for any text, any letter"""
    backbone: str | None = None
    """only this one of the grid's backbones; unlike --only, the others are no part of the grid then"""
    seeds: int | None = None
    """runs of each pairing, seeds 0 to N - 1 (default: the grid's)"""
    dataset: str | None = None
    """auto (MNIST if it can be had, else digits), mnist, fashion, digits, or several as in mnist,digits"""
    budget: str = "auto"
    """auto, cpu, gpu, or the number of images that each cell sees"""
    out: str | None = None
    """folder of the results (default: runs/GRID)"""
    retry: Literal["failed"] | None = None
    """failed: try failed cells again"""
    jobs: int | None = None
    """cells at once (default: 1 on a GPU, else what fills up to 4 cores with OMP_NUM_THREADS (or 1) threads each)"""
    timeout: float = 1800.0
    """seconds that a cell may be silent before it is stopped and tried again"""
    cell: str | None = None
    """work on this one cell's folder only, in this process; -: on those that standard input names, in their logs"""


def main() -> int:
    """The command line; see the module's first line."""
    options = parse(Options, "python run_all.py", __doc__)
    if options.cell == "-":
        return worker(options)
    if options.cell:
        from eval.cell import run_cell

        run_cell(Path(options.cell), options)
        return 0
    from zoo.grid import driver, plan

    made = plan.make(options, fetch=not (options.list or options.dry_run))
    if options.list:
        driver.show(made)
        return 0
    if options.dry_run:
        driver.dry_run(made, retry=options.retry == "failed")
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
    """Write the report; returns where the time went, and the page's path."""
    from reports.page import build
    from reports.read.load import load
    from reports.words.tables import time_table

    began = time.perf_counter()
    page = build(folder).with_suffix(".html")
    return f"\n{time_table(load(folder), report=time.perf_counter() - began)}\n\n{page}"


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
