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

from zoo import plugins, registry
from zoo.base import ranks
from zoo.base.counts import counted
from zoo.base.environment import peak_memory, reset_peak_memory
from zoo.base.errors import Interrupted, ZooError
from zoo.base.files import write_atomic
from zoo.base.progress import Progress, say
from zoo.config.cell import TrainConfig
from zoo.data.dataset import Dataset
from zoo.objectives.fingerprint import require_numbers
from zoo.spaces.space import Space, restored, space_of
from zoo.training import checkpoint
from zoo.training.refuse import refuse_changed, refuse_other, refuse_other_images, refuse_other_latents
from zoo.training.runlog import StopSignal
from zoo.training.state import State, learning_rate
from zoo.training.track import Tracking
from zoo.training.trainer import Trainer

LOG_ROWS = 50  # rows of metrics.jsonl in a run
SAVES = 10  # checkpoints written in a run; the newest two are kept
SNAPSHOTS = "snapshots"
EPOCHS = "epochs"
TEACHER = "teacher"  # the folder of a teacher's run within its student's, unless another is named
Preview = Callable[
    [TrainConfig, Dataset, State, torch.device, Space], Callable[[], bytes]
]  # what a run at work would draw


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
    teacher: Path | None = None,
    pictures: bool = False,
    parts: int = 1,
) -> dict[str, Any]:
    """Train a run in its folder, from its newest checkpoint if it has one, to its end.

    track: what shows it meanwhile, as `--track`; preview makes the function that draws its picture. snapshots,
    candidates: the weights are kept in SNAPSHOTS at so many `points` of either kind. teacher: the folder of the
    teacher's finished run, for an objective that has one; None: it is trained first, in the folder TEACHER. pictures:
    one of preview's after every epoch, in EPOCHS and in the tracker. parts: as `Trainer` has it. Returns the last
    checkpoint's manifest. Raises Diverged, Interrupted (state saved), DiskFull, or ZooError if the folder holds a run
    of another configuration.
    """
    began = time.perf_counter()
    found = checkpoint.newest(folder, say)
    ranks.same(found[0]["step"] if found else -1, "the newest checkpoint")
    if found:
        refuse_other(config, found[0], folder)
        refuse_changed(found[0]["plugins"], folder)
        refuse_other_images(data, found[0]["data_sha256"], folder)
        if found[0]["step"] >= config.steps:
            return found[0]
    require_numbers(registry.objective(config.objective))
    taught = taught_by(config, folder, data, device, teacher)
    if found and taught and found[0]["teacher"]["sha256"] != taught[0]["sha256"]:
        raise ZooError(f"{folder} was begun with another teacher than the run in {teacher or folder / TEACHER} now")
    space = restored(*found, data.image_shape, device) if found else None  # a run keeps its auto-encoder
    space = space or space_of(config.latents, config.standardise, data, device)
    if taught:
        refuse_other_latents(space, taught[0], teacher or folder / TEACHER)
    reset_peak_memory(device)
    trainer = Trainer(config, data, folder, device, taught[1] if taught else None, parts, space)
    clock, first = Clock(trainer.pairing_seconds), 0
    metrics = trainer.metrics
    if found:
        first, clock.before = found[0]["step"], found[0]["seconds"]
        trainer.restore(found[1], first)
        metrics.clipped.fill_(found[0]["clipped_steps"])
        say(f"resumed at step {first:,} of {config.steps:,}")
    else:
        for kept in (SNAPSHOTS, checkpoint.SELECTED, EPOCHS):  # of a run that is no longer there
            shutil.rmtree(folder / kept, ignore_errors=True)
    if config.warmup_steps and config.warmup_steps >= config.steps:
        say(
            f"warmup_steps = {config.warmup_steps:,} of {counted(config.steps, 'step')}: the rate only rises in this "
            "run"
        )
    rows = metrics.truncate(first)
    trainer.warm_up()
    facts = {
        "config": config.model_dump(mode="json"),
        "data_sha256": data.sha256,
        "data": data.spec.plain(),
        **space.facts(),
        "setup_seconds": time.perf_counter() - began,
        "parameters": sum(p.numel() for p in trainer.module.parameters()),
        "plugins": dict(plugins.LOADED),
        "device": device.type,
        "threads": torch.get_num_threads(),
        "ranks": ranks.size(),
        **trainer.how,
        **({"teacher": _facts(taught[0])} if taught else {}),
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
            weights = trainer.state.weights() | space.tensors()
            checkpoint.save(folder / SNAPSHOTS, step, weights, manifest, kept=len(shots))
        else:
            checkpoint.save(folder, step, trainer.tensors(), manifest)
        return {"step": step, **manifest}

    log_every, save_every = max(1, config.steps // LOG_ROWS), -(-config.steps // SAVES)
    shots = points(config.steps, snapshots) | points(config.steps, candidates)
    draw = preview(config, data, trainer.state, device, space) if preview and ranks.leads() else None
    epoch = -(-len(data.augmented[0]) // config.batch) if pictures and draw else config.steps + 1
    tracking = Tracking(track if ranks.leads() else None, config, folder, rows, first, draw)
    clock.start()
    with StopSignal() as stop, closing(metrics), closing(Progress(config.steps, first)) as shown, tracking:
        for k in range(first, config.steps):
            trainer.step(k)
            done, row = k + 1, None
            if done % log_every == 0 or done == config.steps:
                row = metrics.log(done, done * config.batch, learning_rate(config, k), clock.seconds)
                shown.show(row)
            saving = done % save_every == 0 or done == config.steps
            if row or saving or done % epoch == 0:
                metrics.check()  # also waits for a GPU, whose seconds until now count
                with clock.paused():
                    drawn = after_epoch(draw, folder, done) if draw and done % epoch == 0 else None
                    tracking.tell(done, row, saving, drawn)
            if done in shots:  # before the checkpoint, behind which a resumed run does not come back
                save(done, snapshot=True)
            stopping = ranks.most(stop.signal)
            if saving or stopping:
                manifest = save(done)
            if stopping and done < config.steps:
                raise Interrupted(f"stopped at step {done:,}, saved in {folder}; run again to go on", stopping)
    ranks.wait()  # until the first one has written what the others read
    return manifest


def after_epoch(draw: Callable[[], bytes], folder: Path, step: int) -> bytes | None:
    """The picture of a step, kept in EPOCHS as PNG; None, with a message, if it is not finite."""
    try:
        picture = draw()
    except ZooError as error:
        say(f"no picture after step {step:,}: {error}")
        return None
    write_atomic(folder / EPOCHS / f"{step:06}.png", picture)
    return picture


def taught_by(
    config: TrainConfig, folder: Path, data: Dataset, device: torch.device, teacher: Path | None
) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """The checkpoint at the end of the run that teaches this one; None for an objective without a teacher.

    It has this run's configuration but for the objective. Raises ZooError for a run that is another, or not finished.
    """
    scheme = registry.objective(config.objective).scheme
    if scheme is None or scheme.teacher is None:
        if teacher is not None:
            raise ZooError(f"{config.objective} has no teacher: leave out {teacher}")
        return None
    wanted, place = config.model_copy(update={"objective": scheme.teacher}), teacher or folder / TEACHER
    if teacher is None:
        say(f"{config.objective} is taught by {scheme.teacher}, which is trained first, in {place}")
        train(wanted, place, data, device)
    found = checkpoint.newest(place, say)
    if not found or found[0]["step"] < wanted.steps:
        who = f"{config.objective} is taught by {scheme.teacher}"
        if not found and checkpoint.manifests(place):
            raise ZooError(
                f"{who}, whose run in {place} has no weights that can be read: delete it, and train it again"
            )
        raise ZooError(f"{who}, whose run in {place} is not there or not finished: train it first")
    refuse_other(wanted, found[0], place, "it cannot teach this run. Give another teacher, or this run its options")
    refuse_changed(found[0]["plugins"], place)
    refuse_other_images(data, found[0]["data_sha256"], place)
    return found


def _facts(manifest: dict[str, Any]) -> dict[str, Any]:
    """Of a teacher's run: which weights, and the seconds of training that they took, its own teacher's included."""
    before = manifest.get("teacher", {}).get("seconds", 0.0)
    facts = {"objective": manifest["config"]["objective"], "sha256": manifest["sha256"]}
    return {**facts, "seconds": manifest["seconds"] + before}


def points(steps: int, count: int) -> set[int]:
    """The `count` steps that cut a run into equal parts: the points of training before its end."""
    return {round(steps * i / (count + 1)) for i in range(1, count + 1)} - {0, steps}
