"""Train, score and compare: python run_all.py --grid default

Every cell (objective x backbone x seed) of the grid is trained and scored by a worker process; the comparison is
written to runs/GRID/report.html (and report.md), and kept up to date meanwhile. Finished cells are skipped: the same
command again goes on where the last one stopped.
"""

import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.base.counts import counted
from zoo.base.errors import run_main
from zoo.base.options import EXPERT, MUCH, WHERE, option
from zoo.cli import Watched, parse


@dataclass
class Options(Watched):
    """Run a grid."""

    grid: str = option(
        "default",
        "anatomy, beyond, claims, clipping, default, fewsteps, nine, practice, qknorm, recipe, resolution, samplers, "
        "scaling, sd3, sd3-printed, smoke, switches, or a TOML file",
        metavar="GRID",
    )
    only: str | None = option(
        None, "only cells whose name contains this; * and ? stand for any text, any letter", metavar="TEXT"
    )
    backbone: str | None = option(
        None, "only this one of the grid's backbones; unlike --only, the others are no part of the grid then",
        metavar="NAME",
    )  # fmt: skip
    dataset: str | None = option(
        None, "auto (MNIST if available, else digits), a data set as in zoo/data/README.md, or several: mnist,digits",
        metavar="NAMES",
    )  # fmt: skip
    list: bool = option(False, "show the cells, their status and how long they take, and stop")
    dry_run: bool = option(False, "show what would be done, without doing it")
    retry: Literal["failed"] | None = option(None, "failed: try failed cells again")
    seeds: int | None = option(None, "runs of each pairing, seeds 0 to N - 1 (default: the grid's)", MUCH)
    budget: str = option(
        "auto", "auto, cpu, gpu, images that each cell sees, a share of the grid's (0.5x), or a time for all (45min)",
        MUCH, metavar="BUDGET",
    )  # fmt: skip
    set: tuple[str, ...] = option(
        (), "change any field of the cells' configuration, as in train.learning_rate=1e-3 score.n=1000", EXPERT,
        metavar="FIELD=VALUE ..",
    )  # fmt: skip
    out: str | None = option(None, "folder of the results (default: runs/GRID)", WHERE, metavar="DIR")
    weights: str | None = option(
        None, "another run's folder: cells that were trained alike there are only scored here", WHERE, metavar="DIR"
    )
    executor: Literal["local", "ray"] = option(
        "local", "local: processes of this machine; ray: the nodes of a Ray cluster", WHERE
    )
    ray_address: str | None = option(
        None, "the Ray cluster's head; without it Ray runs on this machine alone", WHERE, metavar="HOST:PORT"
    )
    shared_out: bool = option(
        False, "every node sees --out under the same path: nothing is sent, and a cell may go on elsewhere", WHERE
    )
    allow_mixed: bool = option(False, "also use nodes with another version of torch or of this project", WHERE)
    cpus_per_cell: float = option(1.0, "CPUs that a cell takes of a node of the cluster", EXPERT)
    gpus_per_cell: float | None = option(
        None, "GPUs that a cell takes: 4 trains it on four together, 0.25 puts four cells on each", EXPERT
    )
    verbose: bool = option(False, "tell the cause, too, where MNIST is not available", EXPERT)
    jobs: int | None = option(
        None, "cells at once (default: one a GPU, else as many as fill up to 4 cores; all that a cluster holds)", EXPERT
    )
    timeout: float = option(
        1800.0, "seconds without output after which a cell is stopped and tried again", EXPERT, metavar="SECONDS"
    )
    open: bool = option(False, "open the page in a browser at the end", WHERE)
    completion: Literal["bash", "zsh", "tcsh"] | None = option(
        None, "print the shell's completion of objective-zoo's options, and stop", WHERE
    )
    budget_asked: str | None = option(None, "the time that --budget gave", hidden=True)


def main() -> int:
    """The command line; see the module's first line."""
    options = parse(Options, "python run_all.py", __doc__)
    if options.completion:
        from zoo.base.completion import script

        print(script(Options, "objective-zoo", options.completion))
        return 0
    from reports import api
    from zoo.grid import listing, trained

    made = api.plan_of(options, fetch=not (options.list or options.dry_run), device=not options.list)
    if options.weights and (options.list or options.dry_run):
        made = trained.foreseen(made, Path(options.weights))
    if options.list:
        listing.show(made)
        return 0
    if options.dry_run:
        listing.dry_run(made, retry=options.retry == "failed")
        return 0
    try:
        found = api.run(made, options)
    except KeyboardInterrupt:
        print("\ninterrupted; the state is saved, and the same command continues from here", file=sys.stderr)
        return 130
    print(api.ending(found))
    if options.open:
        webbrowser.open(found.page.absolute().as_uri())
    if lines := found.not_done:
        print(
            "\n".join([f"{len(lines)} of {counted(len(made.chosen), 'cell is', 'cells are')} not done:", *lines]),
            file=sys.stderr,
        )
    return 1 if lines else 0


def command() -> None:
    """The console script `objective-zoo`."""
    run_main(main)


if __name__ == "__main__":
    command()
