"""What an objective is, in text: python -m zoo.objective NAME [--plot FILE]

Without a name, the zoo in short; with --all, as a table.
"""

import textwrap
from dataclasses import dataclass
from pathlib import Path

from zoo import registry
from zoo.base.errors import ZooError, run_main
from zoo.base.files import write_atomic
from zoo.base.helptext import columns, terminal_columns
from zoo.base.limits import require_writable
from zoo.base.options import WHERE, option
from zoo.cli import parse
from zoo.objectives.describe import describe, listing, summary
from zoo.objectives.sentences import plainer

REFERENCE = "rf"  # drawn beside an objective that has none plainer
FORMATS = (".png", ".svg", ".pdf")


@dataclass
class Options:
    """Print an objective, or list all of the zoo."""

    name: str | None = option(None, "a name such as rf/lognorm(0,1) or eps/cosine+minsnr(5)", positional=True)
    all: bool = option(False, "every objective of the zoo: its noise levels, effective weight and papers")
    plugin: str | None = option(None, "a Python file that registers objectives of your own", metavar="FILE")
    plot: str | None = option(
        None, "draw the density of logsnr, the effective weight, and what both change against the plain objective, "
        "into this .png, .svg or .pdf file", WHERE,
        metavar="FILE",
    )  # fmt: skip

    def check(self) -> None:
        """Raise ZooError for values that make no sense together."""
        if self.name and self.all:
            raise ZooError(f"--all lists every objective, and {self.name!r} is one: give one of the two")
        if self.plot is None:
            return
        if not self.name:
            raise ZooError("--plot draws one objective: python -m zoo.objective NAME --plot FILE")
        if Path(self.plot).suffix.lower() not in FORMATS:
            raise ZooError(f"--plot {self.plot!r}: the name has to end in {', '.join(FORMATS)}, the allowed formats")
        require_writable(Path(self.plot), "--plot")


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m zoo.objective", __doc__)
    options.check()
    if not options.name:
        print(every(terminal_columns()) if options.all else short(columns()))
        return
    chosen = registry.objective(options.name)
    print(describe(chosen, terminal_columns()))
    if options.plot:
        from zoo.objectives.drawing import draw  # matplotlib and torch

        plain = plainer(chosen) or registry.objective(REFERENCE)
        data = draw(chosen, plain, Path(options.plot).suffix.lower().removeprefix("."))
        write_atomic(Path(options.plot), data)
        print(f"\ndrawn in {options.plot}")


def every(width: int | None) -> str:
    """The whole zoo as a table for a terminal of so many columns; None: as wide as it is."""
    return listing(map(registry.objective, registry.EVERY), registry.FAMILIES, width)


def short(width: int) -> str:
    """The families, the parts of a name, and where to read on; lines of at most `width` columns."""
    lines = [summary(registry.FAMILIES, width), "", "parts of a name (TARGET/PATH, then any +WORD):"]
    for kind, table in registry.TABLES.items():
        words = f"{kind:9}  {', '.join(table)}"
        lines += textwrap.wrap(words, width, initial_indent="  ", subsequent_indent=" " * 13)
    more = "python -m zoo.objective NAME explains one; --all lists every one with its numbers and papers"
    return "\n".join([*lines, "", *textwrap.wrap(more, width, break_on_hyphens=False)])


if __name__ == "__main__":
    run_main(main)
