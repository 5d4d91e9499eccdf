"""Kills a tiny run and resumes it: python -m tests.crash HOW OBJECTIVE BACKBONE FOLDER

HOW is `events`: the run is repeated once for each event of the file system below its folder and killed right before it
(an audit hook sends SIGKILL); or `random`: a longer run is killed at random times, until KILLS have hit. Weights and
metrics must come out as those of a run that nothing happened to. Each run is a fork of one process, in which torch is
loaded already. Prints the number of kills, and exits with 1 at the first that made a difference.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tests.conftest import TINY
from zoo.config.cell import TrainConfig
from zoo.data.dataset import load
from zoo.training import checkpoint
from zoo.training.run import train

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink")
STEPS = {"events": 6, "random": 300}
KILLS = 30


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


def alike(folder: Path, expected: tuple[dict, list]) -> bool:
    """Whether the finished run in the folder has these tensors and rows."""
    (tensors, rows), (whole, whole_rows) = outcome(folder), expected
    return tensors.keys() == whole.keys() and rows == whole_rows and all(tensors[k].equal(whole[k]) for k in whole)


def at_every_event(run: Callable[[Path], None], folder: Path, expected: tuple[dict, list]) -> int:
    """The number of events, each of which was a crash point. Raises AssertionError."""

    def count() -> None:
        found = []
        hook(folder / "counted", lambda event, path: found.append([event, path]))
        run(folder / "counted")
        found = list(found)
        (folder / "events.json").write_text(json.dumps(found))

    assert forked(count) == 0
    events = json.loads((folder / "events.json").read_text())
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

        assert forked(die) == signal.SIGKILL, f"crash point {n} was not reached"
        assert forked(lambda where=where: run(where)) == 0, f"not resumed after {event} of {path} (crash point {n})"
        assert alike(where, expected), f"another result after {event} of {path} (crash point {n})"
        shutil.rmtree(where)
    return len(events)


def at_random(run: Callable[[Path], None], folder: Path, expected: tuple[dict, list]) -> int:
    """The number of kills, spread over as many runs as it takes. Raises AssertionError."""
    began = time.perf_counter()
    assert forked(lambda: run(folder / "timed")) == 0
    seconds, kills, runs = time.perf_counter() - began, 0, 0
    while kills < KILLS:
        runs, where, done = runs + 1, folder / f"random{runs}", False
        while not done:
            child = os.fork()
            if child == 0:
                run(where)
                os._exit(0)
            time.sleep(random.uniform(0, seconds / 2))  # noqa: S311
            os.kill(child, signal.SIGKILL)
            done = os.waitpid(child, 0)[1] == 0
            kills += not done
        assert alike(where, expected), f"another result after {kills} kills"
        shutil.rmtree(where)
    return kills


def main(how: str, objective: str, backbone: str, folder: Path) -> int:
    """See the module's first lines."""
    torch.set_num_threads(1)
    config = TrainConfig(**{**TINY, "objective": objective, "backbone": backbone, "images": STEPS[how] * TINY["batch"]})
    data = load("digits", folder)

    def run(where: Path) -> None:
        train(config, where, data, torch.device("cpu"))

    told, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115 (the runs', to the end)
    run(folder / "whole")  # imports what is imported late, once for all forks
    try:
        kills = {"events": at_every_event, "random": at_random}[how](run, folder, outcome(folder / "whole"))
    except AssertionError as error:
        print(error, file=sys.stderr)
        return 1
    print(kills, file=told)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4], Path(sys.argv[4])))
