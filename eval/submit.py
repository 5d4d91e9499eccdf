"""Pack finished cells for others to verify: python -m eval.submit CELL_FOLDER.. --out FILE.zip

A folder is a cell's, or a run's, whose finished cells are taken. The archive holds each cell's configuration, result
and the weights that were scored; `python -m eval.verify FILE.zip` scores them again.
"""

from dataclasses import dataclass
from pathlib import Path

from zoo.base.counts import counted
from zoo.base.errors import ZooError, run_main
from zoo.base.limits import require_writable
from zoo.base.options import WHERE, option
from zoo.cli import parse


@dataclass
class Options:
    """Pack cells."""

    folders: tuple[str, ...] = option((), "folders of cells, or of runs", positional=True, metavar="FOLDER..")
    out: str = option("submission.zip", "the file to write", WHERE, metavar="FILE.zip")
    plugin: str | None = option(None, "the Python file that the objectives need; it is packed too", metavar="FILE")


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m eval.submit", __doc__)
    if not options.folders:
        raise ZooError("which cells? python -m eval.submit CELL_FOLDER.. --out FILE.zip")
    out = Path(options.out)
    if out.suffix != ".zip":
        raise ZooError(f"--out {options.out!r} should end in .zip")
    require_writable(out, "--out")
    from eval.packing import pack  # torch, which --help does without

    plugin = Path(options.plugin) if options.plugin else None
    lines, lacking = pack([Path(folder) for folder in options.folders], out, plugin)
    lines += [f"{out}: {counted(len(lines), 'cell')}. Check it as others will: python -m eval.verify {out}"]
    print("\n".join([*lines, *(f"that will be a fault: {fault}" for fault in lacking)]))


if __name__ == "__main__":
    run_main(main)
