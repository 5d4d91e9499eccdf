"""Time as a budget: this machine is measured for some seconds, and the share of a grid's images that fits follows.

    python -m eval.pace < SPECIFICATION        one measuring process, as `share_for` starts them

As many processes measure at once as cells will run, each with as many threads as a cell has: so what they take from one
another counts. A cell is its training, which grows with the images, and all else, which does not.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.base.children import follow
from zoo.base.counts import counted
from zoo.base.errors import ZooError, run_main
from zoo.base.progress import progress_shown, say
from zoo.base.sealed import read_sealed
from zoo.base.threads import cores
from zoo.config.cell import MIN_SAMPLES, CellConfig
from zoo.grid import plan as plans
from zoo.grid import speed
from zoo.grid.executor import ROOT
from zoo.grid.listing import clock

if TYPE_CHECKING:
    import torch


TRAINING_SECONDS = 3.0  # of training that are measured
LEAST_STEPS = 4
FEW_STEPS = 24  # of a run whose pairs of noise and image are made for the measurement
PAGE_SECONDS = 10.0  # that the page takes at the end
LEAST_SHARE = 0.01
HALVINGS = 20  # of the interval in which the share lies


@dataclass(frozen=True)
class Pace:
    """Seconds, for one configuration: to build, to train on an image (with its part of a teacher's pairs), of a network
    evaluation in sampling, to measure and to validate MIN_SAMPLES images, to judge few, to start a process."""

    setup: float
    image: float
    evaluation: float
    measure: float
    validate: float
    judge: float
    start: float = 0.0


def share_for(seconds: float, options: Any, fetch: bool) -> str:
    """The share of the grid's images, as `--budget` takes it, with which the chosen cells end in so many seconds.

    A folder that was begun with the same budget keeps its share. Raises ZooError where the time is too short for what
    does not depend on the images.
    """
    asked = copy(options)
    asked.budget = "auto"
    plan = plans.make(asked, fetch=fetch)
    if (kept := _earlier(plan.out, options.budget)) is not None:
        return kept
    configs = {_kind(cell.config): cell.config for cell in plan.chosen}
    say(f"measuring {counted(len(configs), 'kind of cell', 'kinds of cells')} here for {options.budget} ..")
    began = time.monotonic()
    paces = _measured(list(configs.values()), plan, options)
    left = seconds - (time.monotonic() - began)
    found = dict(zip(configs, paces, strict=True))
    paced = [(cell.config, found[_kind(cell.config)]) for cell in plan.chosen]
    fixed = [rest(config, pace) for config, pace in paced]
    growing = [pace.image * config.train.images for config, pace in paced]
    workers = [max(pace.start for pace in paces)] * min(plan.jobs, len(plan.chosen))

    def ends(share: float) -> float:
        cells = (still + share * more for still, more in zip(fixed, growing, strict=True))
        return speed.until_the_last(cells, workers) + PAGE_SECONDS

    if ends(LEAST_SHARE) > left:
        raise ZooError(
            f"--budget {options.budget} is too short: scoring {counted(len(plan.chosen), 'cell')} and a little "
            f"training take about {clock(ends(LEAST_SHARE))} here, and measuring it {clock(seconds - left)}. "
            "Give more time, or fewer cells by --only or --seeds"
        )
    share = largest(ends, left)
    say(f"{share:.3g} times the grid's images fit into {options.budget} (scoring takes {clock(ends(0.0))} of it)")
    return f"{share:.3f}x"


def largest(ends: Callable[[float], float], seconds: float) -> float:
    """The largest share, from LEAST_SHARE on, with which a grid ends in so many seconds. ends: share -> seconds."""
    low, high = LEAST_SHARE, 2 * LEAST_SHARE
    while ends(high) <= seconds:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if ends(middle) <= seconds else (low, middle)
    return low


def _kind(config: CellConfig) -> tuple[str, str, str | None, str | None]:
    """What cells of one pace share; an objective with a scheme, whose step costs more, has a pace of its own."""
    train = config.train
    dear = registry.objective(train.objective).scheme is not None
    return train.dataset, train.backbone, train.latents, train.objective if dear else None


def _earlier(out: Path, asked: str) -> str | None:
    try:
        grid = read_sealed(out / "grid.json")
    except ZooError:
        return None
    return str(grid["budget"]) if grid.get("budget_asked") == asked else None


def rest(config: CellConfig, pace: Pace) -> float:
    """Seconds of a cell that do not depend on the images of its training."""
    from zoo.sampling.model import evaluations

    score, path = config.score, registry.objective(config.train.objective).path
    cost = [evaluations(path, setting) for setting in score.controls]
    tries = score.best.tries if score.best else 0
    mean = fmean(evaluations(path, score.best.at(place)) for place in score.best.places) if score.best else 0.0
    drawn = score.n * sum(cost) + score.few * (score.snapshots * cost[0] + tries * mean) + score.n * mean
    sets, times = len(cost) + bool(score.best), score.n / MIN_SAMPLES
    few = (score.snapshots + tries + bool(score.best)) * pace.judge
    held_out = pace.validate * times * (len(score.weights) + score.candidates)
    return pace.setup + drawn * pace.evaluation + sets * times * pace.measure + few + held_out


def _measured(configs: list[CellConfig], plan: plans.Plan, options: Any) -> list[Pace]:
    """The pace of each configuration, the mean over the processes that measure at once."""
    specification = {
        "configs": [config.model_dump(mode="json") for config in configs], "data_dir": options.data_dir,
        "mirror": options.mirror, "device": options.device, "plugin": options.plugin, "parent": os.getpid(),
    }  # fmt: skip
    count = min(plan.jobs, len(plan.chosen))
    threads = {} if plan.kind == "gpu" else {"OMP_NUM_THREADS": str(max(1, cores() // count))}
    found = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**threads, **os.environ, "PYTHONPATH": found}
    command = [sys.executable, "-P", "-m", "eval.pace"]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603 (ours)
        for _ in range(count)
    ]
    for process in running:
        assert process.stdin is not None  # noqa: S101 (a pipe was asked for)
        process.stdin.write(json.dumps(specification).encode())
        process.stdin.close()
    said = [process.stdout.read() if process.stdout else b"" for process in running]
    if failed := [process for process in running if process.wait()]:
        raise ZooError(f"measuring this machine failed (exit status {failed[0].returncode}): see the message above")
    rows = [json.loads(text) for text in said]
    return [Pace(**{key: fmean(row[i][key] for row in rows) for key in row_keys()}) for i in range(len(configs))]


def row_keys() -> list[str]:
    """The fields of a pace."""
    return list(Pace.__dataclass_fields__)


def probe(config: CellConfig, data_dir: Path, mirror: str | None, device: "torch.device") -> Pace:
    """Measure one configuration, on its own data set."""
    from eval.scores.few import part_of
    from eval.scores.score import Bench, score
    from eval.scores.validation import validation
    from zoo.data.dataset import load
    from zoo.sampling.model import Model
    from zoo.training.network import initialise
    from zoo.training.trainer import Trainer

    scheme, train = registry.objective(config.train.objective).scheme, config.train
    if scheme and scheme.from_pairs:  # the time for pairs grows with the images: few are made
        train = train.model_copy(update={"images": FEW_STEPS * train.batch})
    data = load(config.train.dataset, data_dir, mirror)
    bench: Bench = Bench.load(data, data_dir, device)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        teacher = None
        if scheme and scheme.teacher:  # any weights take as long
            teacher = {f"ema.{name}": p.detach() for name, p in initialise(train, data.spec, device).named_parameters()}
        trainer = Trainer(train, data, Path(folder), device, teacher)
        trainer.warm_up()
        setup = time.perf_counter() - began - trainer.pairing_seconds
        trainer.step(0)
        trainer.metrics.check()
        began, steps = time.perf_counter(), 0
        while steps < LEAST_STEPS or time.perf_counter() - began < TRAINING_SECONDS:
            steps += 1
            trainer.step(steps % train.steps)
            trainer.metrics.check()
        image = (time.perf_counter() - began) / (steps * train.batch)
        image += trainer.pairing_seconds / train.images
        manifest = {
            "config": config.train.model_dump(mode="json"),
            "data": data.spec.plain(),
            **trainer.space.facts(),
        }
        tensors = {name: tensor.detach().clone() for name, tensor in trainer.state.weights().items()}
        tensors |= trainer.space.tensors()
        trainer.metrics.close()
    began = time.perf_counter()
    model = Model(manifest, tensors, device, config.score.batch)
    setup += time.perf_counter() - began
    scored = score(model, config.score.controls[0], MIN_SAMPLES, bench)
    drawn = model.whole(len(scored.labels)) * scored.row["evaluations"]
    began = time.perf_counter()
    part_of(scored, MIN_SAMPLES, bench)
    judge = time.perf_counter() - began
    began = time.perf_counter()
    validation(model, "ema", data, MIN_SAMPLES)
    validate = time.perf_counter() - began
    return Pace(setup, image, scored.row["seconds"] / drawn, scored.row["measure_seconds"], validate, judge)


def main() -> None:
    """One measuring process: its specification on standard input, its paces as JSON on standard output."""
    began = time.perf_counter()
    try:
        given = json.load(sys.stdin)
    except ValueError as error:
        raise ZooError(f"standard input should be a specification, as run_all.py --budget gives one: {error}") from None
    from zoo import plugins
    from zoo.base.environment import pick_device

    follow(given["parent"])
    plugins.load(given["plugin"])
    device, start = pick_device(given["device"]), time.perf_counter() - began
    with progress_shown(False):
        configs = [CellConfig.model_validate_json(json.dumps(config)) for config in given["configs"]]
        found = [probe(config, Path(given["data_dir"]), given["mirror"], device) for config in configs]
    print(json.dumps([{**asdict(pace), "start": start} for pace in found]))


if __name__ == "__main__":
    run_main(main)
