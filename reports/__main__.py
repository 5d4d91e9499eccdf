"""Write the report of a run again: python -m reports runs/default

python -m reports compare runs/a runs/b                      what changed from one run to another
python -m reports export runs/default --hf-dataset DIR       the study as a data set of the hub
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from reports.page import build
from zoo.base.errors import ZooError, nearest, run_main
from zoo.base.files import write_atomic
from zoo.base.helptext import terminal_columns
from zoo.base.limits import require_writable
from zoo.base.options import WHERE, option
from zoo.cli import parse

ROWS = 40  # of a table in a terminal
HELP = "a run's folder, which holds grid.json: runs/default"
COMMAND = "python -m reports"


@dataclass
class Options:
    """Write a run's report again."""

    run: str = option("", HELP, positional=True)


@dataclass
class Compare:
    """Say what changed between two runs."""

    a: str = option("", HELP, positional=True)
    b: str = option("", "another one; differences are B minus A", positional=True)
    out: str | None = option(None, "write all of it to FILE.md or FILE.csv instead", WHERE, metavar="FILE")


@dataclass
class Export:
    """Write a run's results for other programs."""

    run: str = option("", HELP, positional=True)
    hf_dataset: str | None = option(
        None, "a folder, new or empty: one row a cell, setting and seed, with a data card", WHERE, metavar="DIR"
    )
    license: str | None = option(None, "what the card names as the data's licence, as in cc-by-4.0", metavar="NAME")


def main() -> None:
    """Parse the folders; print where the page went, or what changed."""
    words = sys.argv[1:]
    if words[:1] == ["compare"]:
        print(_compare(parse(Compare, f"{COMMAND} compare", "Say what changed between two runs.", words[1:])))
        return
    if words[:1] == ["export"]:
        print(_export(parse(Export, f"{COMMAND} export", "Write a run's results for other programs.", words[1:])))
        return
    if words and not Path(words[0]).exists() and (near := nearest(words[0], ("compare", "export"))):
        raise ZooError(f"{words[0]!r} is neither a run's folder nor a command.{near}")
    options = parse(Options, COMMAND, __doc__)
    if not options.run:
        raise ZooError(f"which run? {COMMAND} RUN; a folder that holds grid.json, as in runs/default")
    print(build(Path(options.run)).with_suffix(".html"))


def _export(given: Export) -> str:
    """Where the data set went."""
    from reports import dataset
    from reports.read.load import load

    if not (given.run and given.hf_dataset):
        raise ZooError(f"which run, and where to? {COMMAND} export RUN --hf-dataset DIR")
    folder = Path(given.hf_dataset)
    names = dataset.write(load(Path(given.run)), folder, given.license)
    return f"{folder}: {', '.join(names)}; send it with: hf upload --repo-type dataset USER/NAME {folder}"


def _compare(given: Compare) -> str:
    """What changed, or where it was written."""
    from reports import changes, changetables
    from reports.render import markdown, terminal

    if not (given.a and given.b):
        raise ZooError(f"which runs? {COMMAND} compare A B; folders that hold grid.json, as in runs/default")
    writers = {
        ".md": lambda found: markdown.render(changetables.blocks(found)).encode(),
        ".csv": changes.csv_bytes,
    }
    out = Path(given.out) if given.out else None
    if out and out.suffix not in writers:
        raise ZooError(f"--out {out}: the name has to end in {' or '.join(writers)}, which says what is written")
    if out:
        require_writable(out, "--out")
    found = changes.compare(Path(given.a), Path(given.b))
    if out is None:
        return terminal.render(changetables.blocks(found, ROWS), terminal_columns()).rstrip()
    write_atomic(out, writers[out.suffix](found))
    return f"{changetables.summary(found)}\n{out}"


if __name__ == "__main__":
    run_main(main)
