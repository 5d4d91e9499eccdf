"""The work of cells: python -m eval.worker FOLDER trains and scores the cell in a folder that run_all.py prepared.

With `-` it is one of the driver's workers: cell after cell, as standard input names them, until there are no more or
one fails; each cell's output goes to the log in its folder. With --ranks a cell is done by that many processes.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.base.errors import ZooError, run_main
from zoo.base.options import option
from zoo.cli import Watched, parse


@dataclass
class Options(Watched):
    """Do a cell's work."""

    cell: str = option("", "a cell's folder with its cell.json; -: those that standard input names", positional=True)


def main() -> int:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m eval.worker", __doc__)
    if not options.cell:
        raise ZooError("which cell? python -m eval.worker FOLDER; run_all.py prepares the folders and starts workers")
    from zoo.base import group, ranks
    from zoo.grid.executor import cells_of_driver, die_with_driver

    if options.cell == "-":
        die_with_driver()
    for folder in cells_of_driver() if options.cell == "-" else [Path(options.cell)]:
        if (options.ranks or 1) > 1 and ranks.asked() is None:
            words = [word for word in sys.argv[1:] if word != options.cell]
            if status := group.launch(["-P", "-m", "eval.worker", str(folder.absolute()), *words], options.ranks):
                return status
            continue
        from eval.cell import run_cell  # torch, once the first cell's log is open

        with ranks.joined(options.device, options.ranks) as device:
            run_cell(folder, replace(options, device=device))
    return 0


if __name__ == "__main__":
    run_main(main)
