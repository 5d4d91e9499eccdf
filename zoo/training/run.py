"""Training of one run in its folder, from its newest checkpoint to its end."""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo import plugins
from zoo.base.environment import peak_memory, reset_peak_memory
from zoo.base.errors import Interrupted, ZooError
from zoo.base.progress import Progress, say
from zoo.config.cell import TrainConfig, differences
from zoo.data.dataset import Dataset
from zoo.training import checkpoint
from zoo.training.runlog import StopSignal
from zoo.training.state import State, learning_rate
from zoo.training.track import Tracking
from zoo.training.trainer import Trainer

LOG_ROWS = 50  # rows of metrics.jsonl in a run
SAVES = 10  # checkpoints written in a run; the newest two are kept
SNAPSHOTS = "snapshots"
Preview = Callable[[TrainConfig, Dataset, State, torch.device], Callable[[], bytes]]  # what a run at work would draw


@dataclass
class Clock:
    """Seconds of training, over all the processes that a run took."""

    before: float = 0.0
    started: float = 0.0

    def start(self) -> None:
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.started

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done within does not count."""
        began = time.perf_counter()
        yield
        self.started += time.perf_counter() - began


def train(
    config: TrainConfig,
    folder: Path,
    data: Dataset,
    device: torch.device,
    track: str | None = None,
    snapshots: int = 0,
    candidates: int = 0,
    preview: Preview | None = None,
) -> dict[str, Any]:
    """Train a run in its folder, from its newest checkpoint if it has one, to its end.

    track: what shows it meanwhile, as `--track`; preview makes the function that draws its picture. snapshots,
    candidates: the weights are kept in SNAPSHOTS at so many `points` of either kind. Returns the last checkpoint's
    manifest. Raises Diverged, Interrupted (state saved), DiskFull, or ZooError if the folder holds a run of another
    configuration.
    """
    began = time.perf_counter()
    found = checkpoint.newest(folder, say)
    if found:
        refuse_other(config, found[0], folder)
        refuse_changed(found[0]["plugins"], folder)
        refuse_other_images(data, found[0]["data_sha256"], folder)
        if found[0]["step"] >= config.steps:
            return found[0]
    reset_peak_memory(device)
    trainer, clock, first = Trainer(config, data, folder, device), Clock(), 0
    metrics = trainer.metrics
    if found:
        first, clock.before = found[0]["step"], found[0]["seconds"]
        trainer.restore(found[1], first)
        metrics.clipped.fill_(found[0]["clipped_steps"])
        say(f"resumed at step {first:,} of {config.steps:,}")
    else:
        for kept in (SNAPSHOTS, checkpoint.SELECTED):  # of a run that is no longer there
            shutil.rmtree(folder / kept, ignore_errors=True)
    if config.warmup_steps and config.warmup_steps >= config.steps:
        say(f"warmup_steps = {config.warmup_steps:,} of {config.steps:,} steps: the rate only rises in this run")
    rows = metrics.truncate(first)
    trainer.warm_up()
    facts = {
        "config": config.model_dump(mode="json"),
        "data_sha256": data.sha256,
        "data": data.spec.plain(),
        "standard": trainer.batches.standard,
        "setup_seconds": time.perf_counter() - began,
        "parameters": sum(p.numel() for p in trainer.module.parameters()),
        "plugins": dict(plugins.LOADED),
        "device": device.type,
        "threads": torch.get_num_threads(),
        **trainer.how,
    }

    def save(step: int, snapshot: bool = False) -> dict[str, Any]:
        metrics.check()
        metrics.sync()
        loss = float(metrics.last_loss)
        manifest = facts | {
            "images": step * config.batch,
            "seconds": clock.seconds,
            "peak_memory_bytes": peak_memory(device),
            "final_loss": loss if math.isfinite(loss) else None,
            "clipped_steps": int(metrics.clipped),
        }
        if snapshot:
            checkpoint.save(folder / SNAPSHOTS, step, trainer.state.weights(), manifest, kept=len(shots))
        else:
            checkpoint.save(folder, step, trainer.tensors(), manifest)
        return {"step": step, **manifest}

    log_every, save_every = max(1, config.steps // LOG_ROWS), -(-config.steps // SAVES)
    shots = points(config.steps, snapshots) | points(config.steps, candidates)
    draw = preview(config, data, trainer.state, device) if preview else None
    tracking = Tracking(track, config, folder, rows, first, draw)
    clock.start()
    with StopSignal() as stop, closing(metrics), closing(Progress(config.steps, first)) as shown, tracking:
        for k in range(first, config.steps):
            trainer.step(k)
            done, row = k + 1, None
            if done % log_every == 0 or done == config.steps:
                row = metrics.log(done, done * config.batch, learning_rate(config, k), clock.seconds)
                shown.show(row)
            saving = done % save_every == 0 or done == config.steps
            if row or saving:
                metrics.check()  # also waits for a GPU, whose seconds until now count
                with clock.paused():
                    tracking.tell(done, row, drawing=saving)
            if done in shots:  # before the checkpoint, behind which a resumed run does not come back
                save(done, snapshot=True)
            if saving or stop.signal:
                manifest = save(done)
            if stop.signal and done < config.steps:
                raise Interrupted(f"stopped at step {done:,}, saved in {folder}; run again to go on", stop.signal)
    return manifest


def points(steps: int, count: int) -> set[int]:
    """The `count` steps that cut a run into equal parts: the points of training before its end."""
    return {round(steps * i / (count + 1)) for i in range(1, count + 1)} - {0, steps}


def refuse_other(config: TrainConfig, manifest: dict[str, Any], folder: Path) -> None:
    """Raise ZooError unless the run in the folder has this configuration."""
    if lines := differences(config.model_dump(mode="json"), manifest["config"]):
        raise ZooError("\n  ".join([f"{folder} holds a run of another configuration; choose another --out:", *lines]))


def refuse_changed(before: dict[str, str], folder: Path) -> None:
    """Raise ZooError if a plugin is not the one that the run in the folder began with."""
    if changed := [name for name, version in before.items() if plugins.LOADED.get(name, version) != version]:
        raise ZooError(
            f"{folder} was begun with another version of {', '.join(changed)}, and half of each would be neither; "
            "restore it, or choose another --out"
        )


def refuse_other_images(data: Dataset, before: str, folder: Path) -> None:
    """Raise ZooError if the images are not those that the run in the folder began with."""
    if data.sha256 != before:
        raise ZooError(
            f"{folder} was begun with other images than {data.name} holds now: SHA-256 {before} then, {data.sha256} "
            "now. Restore them, or choose another --out"
        )
