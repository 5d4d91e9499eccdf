"""Training of one run: python -m zoo.train --objective "rf/lognorm(0,1)" --backbone dit --dataset digits --out DIR

Step k's batch, dropped labels, noise levels and noise are pure functions of (seed, stream, k), the same for every
objective (common random numbers). The same command again resumes, or finds nothing to do.
"""

import math
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo import checkpoint, noise, plugins, registry
from zoo.config import TrainConfig, differences
from zoo.data import NUM_CLASSES, Dataset, affine, standardise
from zoo.environment import compiled, peak_memory, pick_precision
from zoo.errors import Interrupted, ZooError, run_main
from zoo.objective import Network
from zoo.progress import Progress, say
from zoo.runlog import Metrics, StopSignal
from zoo.state import State, learning_rate

LOG_ROWS = 50  # rows of metrics.jsonl in a run
SAVES = 10  # checkpoints written in a run; the newest two are kept


def initialise(config: TrainConfig, image_shape: tuple[int, int, int], device: torch.device) -> nn.Module:
    """The backbone with the initial weights of the seed, the same for every objective."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(noise.generator(config.seed, "init").initial_seed())
        return registry.backbone(config.backbone, image_shape, NUM_CLASSES).to(device)


def network(config: TrainConfig, module: nn.Module, device: torch.device, pixels: int) -> tuple[Network, dict]:
    """(what objectives call, {precision, compiled}): under autocast and compiled where that is faster."""
    precision = pick_precision(config.precision, device, pixels)
    forward, is_compiled = compiled(module, config.compile, precision, say)

    def net(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            return forward(x, t, labels)

    return net, {"precision": precision, "compiled": is_compiled}


class Batches:
    """Step k -> (x, labels, u, eps), drawn from the seed's streams; eps as the objective pairs it with x."""

    def __init__(self, config: TrainConfig, data: Dataset, device: torch.device):
        self.config, self.device, self.standard = config, device, data.standard
        self.coupling = registry.objective(config.objective).coupling
        self.images, self.labels = (part.to(device) for part in data.augmented)

    def __call__(self, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch = self.config.batch
        chosen = noise.batch_indices(self.config.seed, k, batch, len(self.images)).to(self.device)
        images, labels = self.images[chosen], self.labels[chosen]
        if self.config.augment:
            images = affine(images.float() / 255, self._stream("augment", k))
        x = standardise(images, self.standard)
        dropped = torch.rand(batch, generator=self._stream("drop", k), device=self.device) < self.config.label_dropout
        u = noise.stratified(batch, self._stream("u", k))
        eps = torch.randn(x.shape, generator=self._stream("noise", k), device=self.device)
        more = self._stream("coupling", k)
        eps = self.coupling.pair(x, labels, eps, lambda shape: torch.randn(shape, generator=more, device=self.device))
        return x, labels.masked_fill(dropped, NUM_CLASSES), u, eps

    def _stream(self, name: str, k: int) -> torch.Generator:
        return noise.generator(self.config.seed, name, k, self.device)


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


def train(config: TrainConfig, folder: Path, data: Dataset, device: torch.device) -> dict:
    """Train a run in its folder, from its newest checkpoint if it has one, to its end.

    Returns the last checkpoint's manifest. Raises Diverged, Interrupted (state saved), DiskFull, or ZooError if the
    folder holds a run of another configuration.
    """
    began = time.perf_counter()
    found = checkpoint.newest(folder, say)
    if found:
        refuse_other(config, found[0], folder)
        refuse_changed(found[0]["plugins"], folder)
        if found[0]["step"] >= config.steps:
            return found[0]
    objective = registry.objective(config.objective)
    module = initialise(config, data.image_shape, device)
    if auxiliary := objective.auxiliary.module():
        auxiliary.to(device)
    state, metrics, clock, first = State(module, config, auxiliary), Metrics(folder, device), Clock(), 0
    if found:
        first, clock.before = found[0]["step"], found[0]["seconds"]
        state.restore(found[1], first)
        metrics.restore(found[1])
        say(f"resumed at step {first:,} of {config.steps:,}")
    metrics.truncate(first)
    batches = Batches(config, data, device)
    net, how = network(config, module, device, data.train[0].numel())
    warm_up(net, module, batches)
    facts = {
        "config": config.model_dump(mode="json"),
        "data_sha256": data.sha256,
        "standard": data.standard,
        "setup_seconds": time.perf_counter() - began,
        "parameters": sum(p.numel() for p in module.parameters()),
        "plugins": dict(plugins.LOADED),
        "device": device.type,
        "threads": torch.get_num_threads(),
        **how,
    }

    def save(step: int) -> dict:
        metrics.check()
        metrics.sync()
        loss = float(metrics.last_loss)
        manifest = facts | {
            "images": step * config.batch,
            "seconds": clock.seconds,
            "peak_memory_bytes": peak_memory(device),
            "final_loss": loss if math.isfinite(loss) else None,
        }
        checkpoint.save(folder, step, state.tensors() | metrics.state(), manifest)
        return {"step": step, **manifest}

    log_every, save_every = max(1, config.steps // LOG_ROWS), -(-config.steps // SAVES)
    clock.start()
    with StopSignal() as stop, closing(metrics), closing(Progress(config.steps, first)) as shown:
        for k in range(first, config.steps):
            x, labels, u, eps = batches(k)
            prediction = objective.predict(net, x, labels, u, eps)
            losses = objective.auxiliary.loss(prediction, auxiliary)
            losses.mean().backward()
            norm = state.step(k)
            metrics.add(k, losses.detach(), norm, prediction.logsnr, objective.eps_error(prediction).detach())
            done = k + 1
            if done % log_every == 0 or done == config.steps:
                shown.show(metrics.log(done, done * config.batch, learning_rate(config, k), clock.seconds))
            if done % save_every == 0 or done == config.steps or stop.signal:
                manifest = save(done)
            if stop.signal and done < config.steps:
                raise Interrupted(f"stopped at step {done:,}, saved in {folder}; run again to go on", stop.signal)
    return manifest


def refuse_other(config: TrainConfig, manifest: dict, folder: Path) -> None:
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


def warm_up(net: Network, module: nn.Module, batches: Batches) -> None:
    """Compile and touch everything once, outside the timed steps; weights and random numbers stay as they are."""
    x, labels, _, _ = batches(0)
    net(x, torch.full((len(x),), 0.5, device=x.device), labels).float().square().mean().backward()
    module.zero_grad()


def main() -> None:
    """The command line; see the module's first line."""
    from zoo.cli import TrainOptions, parse
    from zoo.data import load
    from zoo.environment import pick_device
    from zoo.lock import locked

    options = parse(TrainOptions, "python -m zoo.train", __doc__)
    config = options.config()
    folder = Path(options.out)
    device = pick_device(options.device)
    with locked(folder):
        manifest = train(config, folder, load(config.dataset, Path(options.data_dir), options.mirror), device)
    say(f"done: {manifest['images']:,} images in {manifest['seconds']:.0f} s, in {folder}")
    say(f"score it with: python -m eval.fid {folder}")


if __name__ == "__main__":
    run_main(main)
