"""Rank whatever lies in a run's folder: python -m eval.compare runs/default

Reads every cell that it holds (cell.json, result.json or failed.json), as the page does, and ranks the objectives over
all control settings that were scored, as eval/ranks/ranking.py says. Scores by different judges are never ranked
together.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from eval.ranks.board import board, read
from eval.ranks.text import page
from zoo.base.errors import ZooError, run_main
from zoo.base.helptext import terminal_columns
from zoo.base.options import option
from zoo.cli import parse


@dataclass
class Options:
    """Rank the cells of a folder."""

    folder: str = option("", "a run's folder, or any folder that holds cells", positional=True, metavar="DIR")
    json: bool = option(False, "print JSON instead of tables")


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m eval.compare", __doc__)
    if not options.folder:
        raise ZooError("which runs? python -m eval.compare DIR; the folder of a run, as in runs/default")
    if not Path(options.folder).is_dir():
        raise ZooError(f"{options.folder} is no folder. Give that of a run, as in runs/default")
    entries = read(Path(options.folder), lambda text: print(f"note: {text}", file=sys.stderr))
    found = board(entries)
    print(json.dumps(found, indent=1, allow_nan=False) if options.json else page(found, terminal_columns()))


if __name__ == "__main__":
    run_main(main)
