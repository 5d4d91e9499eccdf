"""What an objective is, in text: python -m zoo.objective NAME [--plot FILE]; without a name, the zoo as a table."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from zoo import registry
from zoo.base.errors import ZooError, run_main
from zoo.base.files import write_atomic
from zoo.cli import parse
from zoo.objectives.describe import describe, listing

REFERENCE = "rf"  # drawn beside the chosen one


@dataclass
class Options:
    """Print an objective, or list all of the zoo."""

    name: Positional[str] = ""
    """a name such as rf/lognorm(0,1) or eps/cosine+minsnr(5)"""
    plot: str | None = None
    """draw the density of logsnr and the effective weight into this PNG file"""
    plugin: str | None = None
    """a Python file that registers objectives of your own"""


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m zoo.objective", __doc__)
    if not options.name:
        if options.plot:
            raise ZooError("--plot draws one objective: python -m zoo.objective NAME --plot FILE")
        print(listing(map(registry.objective, registry.ZOO), registry.FAMILIES))
        words = "\n".join(f"{kind:9}  {', '.join(table)}" for kind, table in registry.TABLES.items())
        print(f"\nparts of a name (TARGET/PATH, then any +WORD):\n{words}")
        return
    chosen = registry.objective(options.name)
    print(describe(chosen))
    if options.plot:
        from zoo.objectives.drawing import draw  # matplotlib and torch

        write_atomic(Path(options.plot), draw(chosen, registry.objective(REFERENCE)))
        print(f"\ndrawn in {options.plot}")


if __name__ == "__main__":
    run_main(main)
