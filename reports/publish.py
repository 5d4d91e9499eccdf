"""Put a run's results under reports/reference, and write what all of them say: python -m reports.publish runs/default

The run's folder gives report.md with its figures, results.csv, results.json.gz (results.json, compressed tenfold),
cells.tar.gz (the JSON of all cells, see reports/read/archive.py) and weights.txt (SHA-256 of each cell's weights);
report.html too, with --html. README.md there is then made from the studies' cells.tar.gz alone, and notes.md, what no
study can say, stands at its end; without a run, nothing else is done.
"""

import gzip
import re
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from reports.page import build
from reports.read import archive
from reports.read.load import load
from reports.render import markdown
from reports.words import findings
from zoo.base.errors import ZooError, run_main
from zoo.base.files import write_atomic
from zoo.base.limits import require_writable
from zoo.base.names import slug
from zoo.base.options import WHERE, option
from zoo.cli import parse

PLACE = Path(__file__).parent / "reference"
NOTES = "notes.md"
COPIED = ("report.md", "results.csv")


@dataclass
class Options:
    """Publish a run's results."""

    run: str = option("", "a run's folder; none: only write README.md again", positional=True)
    name: str | None = option(None, "the study's name (default: data set and grid)", WHERE)
    place: str = option(str(PLACE), "the folder of all studies", WHERE, metavar="DIR")
    html: bool = option(False, "copy report.html too")


def publish(folder: Path, place: Path, name: str | None = None, html: bool = False) -> Path:
    """Copy a run's results into a folder of `place`, which replaces an older one of that name; returns it.

    name: None for the data sets' and the grid's name. Raises ZooError for a folder that holds no finished cell.
    """
    run = load(folder)
    if not run.done:
        raise ZooError(f"{folder} holds no finished cell: there is nothing to publish")
    build(folder)
    study = place / slug(name or "-".join([*run.datasets, str(run.grid.get("name"))]))
    require_writable(study / archive.NAME, "--place")
    shutil.rmtree(study, ignore_errors=True)
    for file in (*COPIED, *(["report.html"] if html else [])):
        write_atomic(study / file, (folder / file).read_bytes())
    values = (folder / "results.json").read_bytes()
    write_atomic(study / "results.json.gz", gzip.compress(values, mtime=0))  # the same values give the same bytes
    for figure in sorted((folder / "figures").glob("*.png")):
        write_atomic(study / "figures" / figure.name, figure.read_bytes())
    write_atomic(study / archive.NAME, archive.pack(run))
    hashes = "".join(f"{sha}  {cell}\n" for cell, sha in archive.weights(run).items())
    write_atomic(study / "weights.txt", hashes.encode())
    return study


def readme(place: Path) -> str:
    """What README.md of a folder of studies says, from their cells.tar.gz and notes.md alone."""
    with ExitStack() as stack:
        studies = {
            path.parent.name: stack.enter_context(archive.unpacked(path))
            for path in sorted(place.glob(f"*/{archive.NAME}"))
        }
        path = place / NOTES
        notes = path.read_text(encoding="utf-8") if path.is_file() else ""
        found = markdown.render(findings.page(studies), re.findall(r"^## (.+)$", notes, re.MULTILINE))
    return f"{found}\n{notes}" if notes else found


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m reports.publish", __doc__)
    place = Path(options.place)
    require_writable(place / "README.md", "--place")
    if options.run:
        print(publish(Path(options.run), place, options.name, options.html))
    path = place / "README.md"
    write_atomic(path, readme(place).encode())
    print(path)


if __name__ == "__main__":
    run_main(main)
