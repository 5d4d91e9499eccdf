"""Write the report of a run again: python -m reports runs/default

python -m reports compare runs/a runs/b        what changed from one run to another
"""

import argparse
import sys
from pathlib import Path

from reports.page import build
from zoo.base.errors import ZooError, run_main
from zoo.base.files import write_atomic

ROWS = 40  # of a table in a terminal
HELP = "a run's folder, which holds grid.json: runs/default"


def main() -> None:
    """Parse the folders; print where the page went, or what changed."""
    words = sys.argv[1:]
    if words[:1] == ["compare"]:
        print(_compare(words[1:]))
        return
    parser = argparse.ArgumentParser(
        prog="python -m reports",
        description="Write a run's report",
        epilog="python -m reports compare A B says what changed between two runs (./compare is a folder of that name)",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help=HELP)
    print(build(parser.parse_args(words).run).with_suffix(".html"))


def _compare(words: list[str]) -> str:
    """What changed, or where it was written."""
    from reports import changes, changetables
    from reports.render import markdown, terminal

    parser = argparse.ArgumentParser(prog="python -m reports compare", description="Say what changed between two runs")
    parser.add_argument("a", type=Path, metavar="A", help=HELP)
    parser.add_argument("b", type=Path, metavar="B", help="another one; differences are B minus A")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all of it to FILE.md or FILE.csv instead")
    given = parser.parse_args(words)
    writers = {
        ".md": lambda found: markdown.render(changetables.blocks(found)).encode(),
        ".csv": changes.csv_bytes,
    }
    if given.out and given.out.suffix not in writers:
        raise ZooError(f"--out {given.out}: the name has to end in {' or '.join(writers)}, which says what is written")
    found = changes.compare(given.a, given.b)
    if not given.out:
        return terminal.render(changetables.blocks(found, ROWS)).rstrip()
    write_atomic(given.out, writers[given.out.suffix](found))
    return f"{changetables.summary(found)}\n{given.out}"


if __name__ == "__main__":
    run_main(main)
