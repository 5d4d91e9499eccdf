"""The judge's versions: check that they pass the gate, and train another one.

python -m eval.judge check --dataset mnist               the gate's table
python -m eval.judge train --dataset mnist --version v2  another version, under a new name
"""

from dataclasses import dataclass
from pathlib import Path

from zoo.base.errors import run_main
from zoo.base.files import read_json
from zoo.base.options import MUCH, WHERE, chosen, option
from zoo.cli import Places, parse
from zoo.data.sets import WORDS, check_name

COMMAND = "python -m eval.judge"


@dataclass
class Check(Places):
    """Print the gate's table for the judges of seeds 0 and 1 of a data set; the status is 1 if a bound is missed."""

    dataset: str = option("mnist", WORDS, metavar="NAME")


@dataclass
class Train(Places):
    """Train a judge of a new version. A judge that exists is never replaced."""

    dataset: str = option("mnist", WORDS, metavar="NAME")
    seed: int = option(0, "seed of the training", MUCH)
    version: str | None = option(None, "name of the version, such as v2 (default: the current one)", metavar="NAME")
    out: str | None = option(None, "folder of the new judge (default: DATA_DIR/judges)", WHERE, metavar="DIR")


def main() -> int:
    """The command line: `check` or `train`."""
    kinds = {"check": Check, "train": Train}
    name, words = chosen(kinds, COMMAND, __doc__)
    options = parse(kinds[name], f"{COMMAND} {name}", kinds[name].__doc__, words)
    check_name(options.dataset)
    return check(options) if name == "check" else train(options)


def check(options: Check) -> int:
    """Print the gate's table; the status."""
    from eval.judging.store import load_judge  # torch, which --help does without
    from eval.scores import gate
    from zoo.base.environment import pick_device
    from zoo.data.dataset import load

    device, data_dir = pick_device(options.device), Path(options.data_dir)
    data = load(options.dataset, data_dir, options.mirror)
    return gate.report(data, [load_judge(data, data_dir, seed, device, weak=True) for seed in (0, 1)])[0]


def train(options: Train) -> int:
    """Train a judge, and say what it is worth; the status."""
    from eval.judging.store import VERSION, train_judge
    from zoo.base.environment import pick_device
    from zoo.data.dataset import load

    device, data_dir = pick_device(options.device), Path(options.data_dir)
    data = load(options.dataset, data_dir, options.mirror)
    folder = Path(options.out) if options.out else data_dir / "judges"
    path = train_judge(data, folder, options.version or VERSION, options.seed, device)
    info = read_json(path.with_suffix(".json"))
    print(f"{path}: accuracy {info['accuracy']:.2%}, SHA-256 {info['sha256']}, {info['train_seconds']:.0f} s")
    return 0


if __name__ == "__main__":
    run_main(main)
