"""A run at work: its network, optimiser, batches and running sums, and what one step does with them.

Step k's batch, dropped labels, noise levels and noise are pure functions of (seed, stream, k), the same for every
objective (common random numbers).
"""

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo import registry
from zoo.base.environment import compiled, exact_device, pick_precision
from zoo.base.errors import ZooError
from zoo.base.progress import say
from zoo.config.cell import TrainConfig
from zoo.data.dataset import Dataset, affine, scale_of, standardise
from zoo.data.spec import Spec
from zoo.objectives.core import Network
from zoo.training import noise
from zoo.training.capture import Captured
from zoo.training.runlog import Metrics
from zoo.training.state import State


def initialise(config: TrainConfig, spec: Spec, device: torch.device) -> nn.Module:
    """The backbone with the initial weights of the seed, the same for every objective."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(noise.generator(config.seed, "init").initial_seed())
        module = registry.backbone(config.backbone, spec.image_shape, spec.num_classes).to(device)
    if device.type == "cuda":  # what tensor cores want; in float32 on a CPU group norm is many times slower so
        module.to(memory_format=torch.channels_last)
    if config.checkpointing:
        enable = getattr(module, "enable_gradient_checkpointing", None)
        if enable is None:
            raise ZooError(f"backbone {config.backbone} has no enable_gradient_checkpointing(): train without it")
        enable()
    return module


def network(
    config: TrainConfig, module: nn.Module, device: torch.device, pixels: int
) -> tuple[Network, dict[str, Any]]:
    """(what objectives call, {precision, compiled}): under autocast and compiled where that is faster."""
    precision = pick_precision(config.precision, device, pixels)
    forward, is_compiled = compiled(module, config.compile, precision, device, say)

    def net(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            out: Tensor = forward(x, t, labels)
            return out

    return net, {"precision": precision, "compiled": is_compiled}


class Batches:
    """Step k -> (x, labels, u, eps), drawn from the seed's streams; eps as the objective pairs it with x."""

    def __init__(self, config: TrainConfig, data: Dataset, device: torch.device):
        self.config, self.device, self.exact = config, device, exact_device(device)
        self.standard = scale_of(data, config.standardise)
        self.coupling = registry.objective(config.objective).coupling
        self.images, self.labels = (part.to(device) for part in data.augmented)
        self.none, self.flips = data.spec.num_classes, data.flips

    def __call__(self, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch = self.config.batch
        chosen = noise.batch_indices(self.config.seed, k, batch, len(self.images), self.device)
        images, labels = self.images[chosen], self.labels[chosen]
        if self.config.augment:
            images = affine(images.float() / 255, self._stream("augment", k), self.flips)
        x = standardise(images, self.standard)
        dropped = torch.rand(batch, generator=self._stream("drop", k), device=self.exact) < self.config.label_dropout
        u = noise.stratified(batch, self._stream("u", k))
        eps = self._normal(x.shape, self._stream("noise", k))
        more = self._stream("coupling", k)
        eps = self.coupling.pair(x, labels, eps, lambda shape: self._normal(shape, more))
        return x, labels.masked_fill(dropped.to(self.device), self.none), u, eps

    def _normal(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randn(tuple(shape), generator=generator, device=self.exact).to(self.device)

    def _stream(self, name: str, k: int) -> torch.Generator:
        return noise.generator(self.config.seed, name, k, self.exact)


class Trainer:
    """A run at work: its network, its optimiser's state, its batches and its running sums."""

    def __init__(self, config: TrainConfig, data: Dataset, folder: Path, device: torch.device):
        self.objective = registry.objective(config.objective)
        self.module = initialise(config, data.spec, device)
        if auxiliary := self.objective.auxiliary.module():
            auxiliary.to(device)
        self.auxiliary, self.state = auxiliary, State(self.module, config, auxiliary)
        self.metrics, self.batches = Metrics(folder, device, config.clip), Batches(config, data, device)
        self.net, self.how = network(config, self.module, device, prod(data.image_shape[1:]))
        self.graphs = config.compile == "graphs" and device.type == "cuda"
        self.recorded: Captured | None = None

    def warm_up(self) -> None:
        """Compile and touch everything once, outside the timed steps; weights and random numbers stay as they are."""
        x, labels, _, _ = self.batches(0)
        self.net(x, torch.full((len(x),), 0.5, device=x.device), labels).float().square().mean().backward()
        self.module.zero_grad()
        if self.graphs:
            self._capture()

    def _capture(self) -> None:
        """From now on, steps are replayed from a recording, where one can be made."""
        changed = [*self.tensors().values(), *self.state.counts(), self.metrics.first_bad, self.metrics.clipped]
        before = [tensor.detach().clone() for tensor in changed]
        try:
            self.recorded = Captured(self.learn, self.given(0))
        except RuntimeError as error:
            self.state.clear()
            reason = str(error).strip().partition("\n")[0]
            say(f"no CUDA graph: the step could not be recorded ({reason}); training goes on without, but slower")
        with torch.no_grad():
            for tensor, kept in zip(changed, before, strict=True):
                tensor.copy_(kept)

    def step(self, k: int) -> None:
        """Step k, from 0."""
        run: Callable[..., None] = self.recorded or self.learn
        run(*self.given(k))

    def given(self, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor, int, float, float]:
        """What `learn` takes for step k: all that differs from step to step."""
        return *self.batches(k), k, *self.state.rates(k)

    def learn(
        self,
        x: Tensor,
        labels: Tensor,
        u: Tensor,
        eps: Tensor,
        k: int | Tensor,
        rate: float | Tensor,
        share: float | Tensor,
    ) -> None:
        """A step on a batch; the last three are numbers, or tensors [] on the GPU in a recording."""
        prediction = self.objective.predict(self.net, x, labels, u, eps)
        losses = self.objective.auxiliary.loss(prediction, self.auxiliary)
        losses.mean().backward()
        norm = self.state.step(rate, share)
        error = self.objective.eps_error(prediction).detach()
        self.metrics.add(k, losses.detach(), norm, prediction.logsnr, error)

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, under the checkpoint's names."""
        return self.state.tensors() | self.metrics.state()

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """The inverse of `tensors`, after `step` steps."""
        self.state.restore(tensors, step)
        self.metrics.restore(tensors)
