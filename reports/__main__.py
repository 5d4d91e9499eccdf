"""Write the report of a run again: python -m reports runs/default"""

import argparse
from pathlib import Path

from reports.page import build
from zoo.errors import run_main


def main() -> None:
    """Parse the folder and print where the page went."""
    parser = argparse.ArgumentParser(prog="python -m reports", description="Write a run's report")
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, which holds grid.json: runs/default")
    print(build(parser.parse_args().run).with_suffix(".html"))


if __name__ == "__main__":
    run_main(main)
