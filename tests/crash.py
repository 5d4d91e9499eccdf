"""Kills a tiny run at every event of the file system below its folder: python -m tests.crash OBJECTIVE BACKBONE FOLDER

The run is repeated once for each event, killed right before it (an audit hook sends SIGKILL), and resumed; weights and
metrics must come out as those of a run that nothing happened to. Each run is a fork of one process, in which torch is
loaded already. Prints the number of crash points, and exits with 1 at the first that differs.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import torch

from tests.conftest import TINY
from zoo import checkpoint
from zoo.config import TrainConfig
from zoo.data import load
from zoo.train import train

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink")
STEPS = 6


def forked(work) -> int:
    """Run `work` in a child; its status as os.waitpid gives it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def hook(folder: Path, seen) -> None:
    """Call `seen` before every event below the folder."""

    def listen(event: str, arguments: tuple) -> None:
        if event in EVENTS and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.fsdecode(arguments[0])
            if path == str(folder) or path.startswith(f"{folder}{os.sep}"):
                seen(event, path)

    sys.addaudithook(listen)


def outcome(folder: Path) -> tuple[dict, list]:
    """(tensors, rows of metrics.jsonl without the clock) of a finished run."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return checkpoint.find(folder)[1], [
        {k: v for k, v in row.items() if k not in ("seconds", "images_per_s")} for row in rows
    ]


def main(objective: str, backbone: str, folder: Path) -> int:
    """See the module's first lines."""
    torch.set_num_threads(1)
    config = TrainConfig(**{**TINY, "objective": objective, "backbone": backbone, "images": STEPS * TINY["batch"]})
    data = load("digits", folder)

    def run(where: Path) -> None:
        train(config, where, data, torch.device("cpu"))

    def count() -> None:
        events = []
        hook(folder / "whole", lambda event, path: events.append([event, path]))
        run(folder / "whole")
        events = list(events)
        (folder / "events.json").write_text(json.dumps(events))

    told, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115 (the runs', to the end)
    run(folder / "warm")  # imports what is imported late, once for all forks
    if forked(count):
        return 1
    events, expected = json.loads((folder / "events.json").read_text()), outcome(folder / "whole")
    for n, (event, path) in enumerate(events):
        where = folder / f"crash{n}"

        def die(where=where, n=n) -> None:
            left = [n]

            def seen(event: str, path: str) -> None:
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1

            hook(where, seen)
            run(where)

        if forked(die) != signal.SIGKILL:
            print(f"crash point {n} was not reached", file=sys.stderr)
            return 1
        if forked(lambda where=where: run(where)):
            print(f"not resumed after {event} of {path} (crash point {n})", file=sys.stderr)
            return 1
        tensors, rows = outcome(where)
        whole, whole_rows = expected
        if tensors.keys() != whole.keys() or rows != whole_rows or not all(tensors[k].equal(whole[k]) for k in whole):
            print(f"another result after {event} of {path} (crash point {n})", file=sys.stderr)
            return 1
        shutil.rmtree(where)
    print(len(events), file=told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
