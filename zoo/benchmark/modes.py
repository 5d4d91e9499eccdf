"""Training and sampling in every mode, each measurement in a process of its own, the modes in turn."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from pydantic import ValidationError

from zoo.base.counts import counted
from zoo.base.errors import ZooError, choose
from zoo.base.progress import say
from zoo.base.threads import cores
from zoo.config.cell import TrainConfig
from zoo.config.schema import explain
from zoo.data.sets import source
from zoo.data.spec import Spec

MODES: dict[str, dict[str, Any]] = {  # what each changes of the default recipe
    "eager float32": {"precision": "float32", "compile": False},
    "compiled float32": {"precision": "float32", "compile": True},
    "eager bfloat16": {"precision": "bfloat16", "compile": False},
    "compiled bfloat16": {"precision": "bfloat16", "compile": True},
    "compiled bfloat16, CUDA graphs": {"precision": "bfloat16", "compile": "graphs"},
    "eager float32, AdamW": {"precision": "float32", "compile": False, "optimizer": "adamw"},
    "compiled bfloat16, AdamW": {"precision": "bfloat16", "compile": True, "optimizer": "adamw"},
    "eager float32, checkpointing": {"precision": "float32", "compile": False, "checkpointing": True},
    "compiled bfloat16, checkpointing": {"precision": "bfloat16", "compile": True, "checkpointing": True},
}
CEILING = "ceiling"
DAY = 86_400  # seconds
SLOW = 10  # a precision so many times slower than float32 is not tried
RATES = ("train_images_per_s", "evaluations_per_s")


@dataclass(frozen=True)
class Plan:
    """What is measured; the command's options explain the fields. Raises ZooError for values that make no sense."""

    backbone: tuple[str, ...]
    dataset: str
    size: int | None
    batch: int
    objective: str
    modes: tuple[str, ...]
    jobs: int
    rounds: int
    seconds: float
    device: str

    def __post_init__(self) -> None:
        if unknown := [mode for mode in self.modes if mode not in MODES]:
            raise choose("mode", unknown[0], MODES)
        for name, most in (("size", 4096), ("rounds", 1000), ("jobs", 1024)):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= most:
                raise ZooError(f"--{name} {value:,} must be at least 1, and at most {most:,}")
        if not 0 < self.seconds <= DAY:
            raise ZooError(f"--seconds {self.seconds:g} must be above 0, and at most {DAY:,}")

    @property
    def spec(self) -> Spec:
        """Of the random images: those of the data set, with another side if `size` says so."""
        spec = source(self.dataset).spec
        side = () if self.size is None else (spec.image_shape[0], self.size, self.size)
        return replace(spec, image_shape=side) if side else spec


def measured(plan: Plan, what: str) -> dict[str, Any]:
    """The ceiling, or one mode of the first backbone, measured in this process."""
    from zoo.benchmark import speed  # torch, which the command itself does without

    if what == CEILING:
        return speed.ceiling(plan.device, plan.seconds)
    config = checked_config(plan, plan.backbone[0], **MODES[what])
    return speed.measure(config, plan.spec, plan.device, plan.seconds)


def checked_config(plan: Plan, backbone: str, **how: Any) -> TrainConfig:
    """The configuration to measure, of a run without end. Raises ZooError for one that cannot be."""
    try:
        return TrainConfig(
            objective=plan.objective, dataset=plan.dataset, backbone=backbone, batch=plan.batch,
            images=plan.batch * 10**6, **how,
        )  # fmt: skip
    except ValidationError as error:
        raise explain(error, TrainConfig, "the options") from None


def run(plan: Plan) -> dict[str, Any]:
    """Everything measured: {machine, options, rows}, the rows with one list entry a round."""
    with tempfile.TemporaryDirectory() as cache:
        say("measuring the machine's ceiling ..")
        machine = _child(plan, CEILING, plan.backbone[0], cache)[0]
        flop = machine["flop_per_s"]
        fast = [mode for mode in plan.modes if flop[MODES[mode]["precision"]] > flop["float32"] / SLOW]
        modes = [mode for mode in fast if machine["type"] == "cuda" or MODES[mode]["compile"] != "graphs"]
        if left_out := [mode for mode in fast if mode not in modes]:
            say(f"left out: {', '.join(left_out)}, which needs a GPU")
        if left_out := [mode for mode in plan.modes if mode not in fast]:
            say(f"left out: {', '.join(left_out)}; a product takes {flop['float32'] / flop['bfloat16']:.0f} times as "
                "long in bfloat16 as in float32 here")  # fmt: skip
        rows: dict[tuple[str, str], dict[str, Any]] = {
            (name, mode): {"backbone": name, "mode": mode, "rounds": []} for name in plan.backbone for mode in modes
        }
        for turn in range(plan.rounds):
            for (name, mode), row in rows.items():
                found = _child(plan, mode, name, cache)
                whole = {key: sum(part[key] for part in found) for key in RATES}
                row["rounds"].append({**found[0], **whole})
                say(f"round {turn + 1} of {plan.rounds}: {name}, {mode}: {whole[RATES[0]]:,.0f} images/s")
    shape = list(plan.spec.image_shape)
    return {"machine": machine, "options": asdict(plan), "image_shape": shape, "rows": list(rows.values())}


def _child(plan: Plan, what: str, backbone: str, cache: str) -> list[dict[str, Any]]:
    """What each of `jobs` processes at once measured. Raises ZooError with what a failed one said last."""
    jobs = 1 if what == CEILING else plan.jobs
    command = [sys.executable, "-m", "zoo.bench", "--one", what, "--backbone", backbone, "--device", plan.device]
    for key in ("dataset", "size", "batch", "objective", "seconds"):
        if (value := getattr(plan, key)) is not None:
            command += [f"--{key}", str(value)]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
    if jobs > 1:
        environment["OMP_NUM_THREADS"] = str(max(1, cores() // jobs))
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(jobs)
    ]
    said = [process.communicate() for process in started]
    for process, (_, error) in zip(started, said, strict=True):
        if process.returncode:
            last = (error.strip().splitlines() or ["it said nothing"])[-1]
            raise ZooError(f"{what} of {backbone} ended with status {process.returncode}: {last}")
    return [json.loads(output.splitlines()[-1]) for output, _ in said]


def table(found: dict[str, Any]) -> str:
    """The measurements as Markdown: medians over the rounds; set-up in the first round and the least of the others."""
    from tabulate import tabulate

    machine, jobs = found["machine"], found["options"]["jobs"]
    flop = machine["flop_per_s"]
    head = (
        f"{machine['device']}, {counted(machine['threads'], 'thread')}, torch {machine['versions']['torch']}. A large "
        f"matrix product: {flop['float32'] / 1e9:,.0f} GFLOP/s in float32, {flop['bfloat16'] / 1e9:,.0f} in bfloat16; "
        f"a copy moves {machine['copy_bytes_per_s'] / 1e9:,.1f} GB/s. Batch {found['options']['batch']}, images of "
        f"{' x '.join(map(str, found['image_shape'][1:]))} pixels, {counted(found['image_shape'][0], 'channel')}"
        + (f", {counted(jobs, 'process')} at once, rates added up." if jobs > 1 else ".")
    )
    header = ["backbone", "mode", "training, images/s", "share of ceiling", "sampling, evaluations/s",
              "share of ceiling", "activations, MB", "memory, MB", "set-up cold, s", "warm, s"]  # fmt: skip
    body = list(_rows(found))
    note = (
        "\\* what `auto` takes here. An evaluation is one forward pass; training an image counts as three. "
        "Activations: what a step keeps for its backward pass; memory: the most that the process held."
    )
    return "\n\n".join([head, tabulate(body, header, tablefmt="github", disable_numparse=True), note])


def _rows(found: dict[str, Any]) -> Iterator[list[str]]:
    flop = found["machine"]["flop_per_s"]
    for row in found["rows"]:
        rounds, top = row["rounds"], flop[MODES[row["mode"]]["precision"]]
        train, drawn = ([part[key] for part in rounds] for key in RATES)
        work = rounds[0]["flop_per_image"]
        set_up = [part["setup_seconds"] for part in rounds]
        yield [
            row["backbone"],
            row["mode"] + (" \\*" if rounds[0]["auto"] else ""),
            _spread(train),
            f"{3 * work * median(train) / top:.0%}",
            _spread(drawn),
            f"{work * median(drawn) / top:.0%}",
            f"{rounds[0]['activation_bytes'] / 1e6:,.0f}",
            f"{median(part['peak_memory_bytes'] for part in rounds) / 1e6:,.0f}",
            f"{set_up[0]:.1f}",
            f"{min(set_up[1:]):.1f}" if len(set_up) > 1 else "-",
        ]


def _spread(values: list[float]) -> str:
    """The median, and the lowest and highest if they differ in print."""
    low, middle, high = (f"{value:,.0f}" for value in (min(values), median(values), max(values)))
    return middle if low == high else f"{middle} ({low}..{high})"
