"""The judge's versions: check that they pass the gate, and train another one.

python -m eval.judge check --dataset mnist               the gate's table
python -m eval.judge train --dataset mnist --version v2  another version, under a new name
"""

from pathlib import Path
from typing import Literal

import tyro

from eval.judging.store import VERSION, load_judge, train_judge
from eval.scores import gate as judge_gate
from zoo.base.errors import run_main
from zoo.base.files import read_json
from zoo.data.dataset import load
from zoo.data.sets import DATASETS


def check(
    dataset: Literal[DATASETS] = "mnist", data_dir: Path = Path("data"), mirror: str | None = None, device: str = "cpu"
) -> int:
    """Print the gate's table for the judges of seeds 0 and 1 of a data set; the status is 1 if a bound is missed.

    Args:
        dataset: the data set's name.
        data_dir: where data sets and trained judges are kept.
        mirror: address or folder to fetch the data set from.
        device: where the judges run.
    """
    data = load(dataset, data_dir, mirror)
    judges = [load_judge(data, data_dir, seed, device) for seed in (0, 1)]
    return judge_gate.report(data, judges)[0]


def train(
    dataset: Literal[DATASETS] = "mnist",
    seed: int = 0,
    version: str = VERSION,
    data_dir: Path = Path("data"),
    mirror: str | None = None,
    out: Path | None = None,
    device: str = "cpu",
) -> None:
    """Train a judge of a new version. A judge that exists is never replaced.

    Args:
        dataset: the data set's name.
        seed: seed of the training.
        version: name of the version, such as v2.
        data_dir: where data sets and trained judges are kept.
        mirror: address or folder to fetch the data set from.
        out: folder of the new judge; DATA_DIR/judges unless given.
        device: where it is trained.
    """
    data = load(dataset, data_dir, mirror)
    path = train_judge(data, out or data_dir / "judges", version, seed, device)
    info = read_json(path.with_suffix(".json"))
    print(f"{path}: accuracy {info['accuracy']:.2%}, SHA-256 {info['sha256']}, {info['train_seconds']:.0f} s")


def main() -> int | None:
    """The command line: `check` or `train`."""
    return tyro.extras.subcommand_cli_from_dict({"check": check, "train": train})


if __name__ == "__main__":
    run_main(main)
