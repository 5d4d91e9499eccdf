"""A run at work: its network, optimiser, batches and running sums, and what one step does with them.

Step k's batch, dropped labels, noise levels and noise are pure functions of (seed, stream, k), the same for every
objective (common random numbers).
"""

import time
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import registry
from zoo.base import ranks
from zoo.base.environment import exact_device, pick_precision
from zoo.base.progress import say
from zoo.config.cell import TrainConfig
from zoo.data.dataset import Dataset, affine
from zoo.spaces.space import Space, space_of
from zoo.training import checkpoint, noise
from zoo.training.ahead import Ahead
from zoo.training.capture import Captured
from zoo.training.network import initialise, network
from zoo.training.runlog import Metrics
from zoo.training.spread import Loss, Spread, joined
from zoo.training.state import State
from zoo.training.teaching import Nets, pairs_of
from zoo.training.ways import ways


class Batches:
    """Step k -> (x, labels, u, eps), drawn from the seed's streams; eps as the objective pairs it with x.

    pairs: (x [N, C, H, W], standardised, eps like it, labels [N]) to take the place of images and noise. space: how
    the run sees images; small affine maps are of their pixels, so that latents are then made batch by batch.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Dataset,
        device: torch.device,
        pairs: tuple[Tensor, Tensor, Tensor] | None = None,
        space: Space | None = None,
    ):
        self.config, self.device, self.exact = config, device, exact_device(device)
        self.space = space or space_of(config.latents, config.standardise, data, device)
        self.pairs, kept = pairs, None if config.augment else self.space.kept(data)
        self.coupling = registry.objective(config.objective).coupling
        images, labels = data.augmented
        self.images, self.ready = (images if kept is None else kept).to(device), kept is not None
        self.labels = labels.to(device)
        self.none, self.flips = data.spec.num_classes, data.flips

    def __call__(self, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch = self.config.batch
        dropped = torch.rand(batch, generator=self._stream("drop", k), device=self.exact) < self.config.label_dropout
        dropped = dropped.to(self.device)
        u = noise.stratified(batch, self._stream("u", k))
        if self.pairs:
            chosen = noise.batch_indices(self.config.seed, k, batch, len(self.pairs[0]), self.device)
            x, eps, labels = (part[chosen] for part in self.pairs)
            return x, labels.masked_fill(dropped, self.none), u, eps
        chosen = noise.batch_indices(self.config.seed, k, batch, len(self.images), self.device)
        labels, x = self.labels[chosen], self._seen(chosen, k)
        eps = self._normal(x.shape, self._stream("noise", k))
        more = self._stream("coupling", k)
        eps = self.coupling.pair(x, labels, eps, lambda shape: self._normal(shape, more))
        labels = labels.masked_fill(dropped, self.none)
        return ranks.mine(x), ranks.mine(labels), ranks.mine(u), ranks.mine(eps)

    def _seen(self, chosen: Tensor, k: int) -> Tensor:
        images = self.images[chosen]
        if self.ready:
            return images
        if self.config.augment:
            images = affine(images.float() / 255, self._stream("augment", k), self.flips)
        return self.space.x(images)

    def _normal(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randn(tuple(shape), generator=generator, device=self.exact).to(self.device)

    def more(self, k: int) -> Tensor:
        """A second uniform number for each image of step k, [batch] float64."""
        return torch.rand(self.config.batch, generator=self._stream("more", k), device=self.exact, dtype=torch.float64)

    def _stream(self, name: str, k: int) -> torch.Generator:
        return noise.generator(self.config.seed, name, k, self.exact)


class Trainer:
    """A run at work: its network, its optimiser's state, its batches and its running sums.

    teacher: the tensors of the teacher's checkpoint, for an objective that has one; the student begins at its average.
    parts: into how many a rank's slice of a batch is cut, one after the other, so that less of it is in memory at once.
    space: how it sees images, if that is known from a checkpoint.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Dataset,
        folder: Path,
        device: torch.device,
        teacher: dict[str, Tensor] | None = None,
        parts: int = 1,
        space: Space | None = None,
    ):
        self.config, self.steps = config, config.steps
        self.space = space or space_of(config.latents, config.standardise, data, device)
        self.objective = registry.objective(config.objective)
        self.module = initialise(config, data.spec, device)
        if teacher:
            self.module.load_state_dict(checkpoint.part(teacher, "ema"))
        if auxiliary := self.objective.auxiliary.module():
            auxiliary.to(device)
        chosen, pixels = ways(config, device), prod(self.space.shape[1:])
        whole = ranks.size() * parts == 1
        # a scheme takes the network in float32 too, and a part of a batch would be one more use of each layer
        copied = "masters" in chosen.speedups and whole and self.objective.scheme is None
        copied = copied and pick_precision(config.precision, device, pixels) == "bfloat16"
        self.auxiliary, self.state = auxiliary, State(self.module, config, auxiliary, copied)
        self.net, self.how = network(config, self.module, device, pixels)
        ranks.check(config.batch, ranks.size(), parts, joined(self.objective))
        self.spread = None if whole else Spread(Loss(self.objective, self.net, self.module, auxiliary), parts)
        self.nets, pairs, began = None, None, time.perf_counter()
        if scheme := self.objective.scheme:
            self.nets = Nets(config, self.module, self.state, teacher, data, device)
            pairs = pairs_of(config, self.objective, self.net, data, device) if scheme.from_pairs else None
        self.pairing_seconds = time.perf_counter() - began if pairs else 0.0
        self.metrics = Metrics(folder, device, config.clip)
        self.batches = Batches(config, data, device, pairs, self.space)
        self.graphs = chosen.compile == "graphs" and device.type == "cuda" and whole
        self.recorded: Captured | None = None
        self.ahead = Ahead(self.given, device) if "ahead" in chosen.speedups else None
        if chosen.speedups:
            self.how["ways"] = sorted(chosen.speedups)

    def warm_up(self) -> None:
        """Compile and touch everything once, outside the timed steps; weights and random numbers stay as they are."""
        x, labels, *_ = (part.chunk(self.spread.parts)[0] if self.spread else part for part in self.batches(0))
        time = torch.full((len(x),), 0.5, device=x.device)
        self.net(x, time, labels, *([time] if self.objective.two_times else [])).float().square().mean().backward()
        self.module.zero_grad()
        if self.graphs:
            self._capture()

    def _capture(self) -> None:
        """From now on, steps are replayed from a recording, where one can be made."""
        changed = [*self.tensors().values(), *self.state.counts(), self.metrics.first_bad, self.metrics.clipped]
        before = [tensor.detach().clone() for tensor in changed]
        try:
            self.recorded = Captured(self.learn, self.given(0))
            self.how["ways"] = ["graphs", *self.how.get("ways", [])]
        except RuntimeError as error:
            self.state.clear()
            reason = str(error).strip().partition("\n")[0]
            say(f"no CUDA graph: the step could not be recorded ({reason}); training goes on without, but slower")
        with torch.no_grad():
            for tensor, kept in zip(changed, before, strict=True):
                tensor.copy_(kept)
        self.state.refresh()

    def step(self, k: int) -> None:
        """Step k, from 0."""
        run: Callable[..., None] = self.recorded or self.learn
        run(*(self.ahead.take(k) if self.ahead else self.given(k)))
        if self.ahead and k + 1 < self.steps:
            self.ahead.prepare(k + 1)

    def given(self, k: int) -> tuple[Any, ...]:
        """What `learn` takes for step k: all that differs from step to step."""
        more = (self.batches.more(k),) if self.nets else ()
        return *self.batches(k), k, *self.state.rates(k), *more

    def learn(
        self,
        x: Tensor,
        labels: Tensor,
        u: Tensor,
        eps: Tensor,
        k: int | Tensor,
        rate: float | Tensor,
        share: float | Tensor,
        more: Tensor | None = None,
    ) -> None:
        """A step on a batch; the three after it are numbers, or tensors [] on the GPU in a recording.

        more: a second uniform number for each image, where the objective has a scheme.
        """
        if self.spread:
            losses, logsnr, error = self.spread.backward(x, labels, u, eps)
            self.metrics.add(k, losses, self.state.step(rate, share), logsnr, error)
            return
        aid = self.nets.aid(more, k / self.steps) if self.nets and more is not None else None
        prediction = self.objective.predict(self.net, x, labels, u, eps, aid)
        losses = self.objective.auxiliary.loss(prediction, self.auxiliary)
        losses.mean().backward()
        norm = self.state.step(rate, share)
        error = self.objective.eps_error(prediction).detach()
        self.metrics.add(k, losses.detach(), norm, prediction.logsnr, error)

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, under the checkpoint's names."""
        return self.state.tensors() | self.metrics.state() | self.space.tensors()

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """The inverse of `tensors`, after `step` steps."""
        self.state.restore(tensors, step)
        self.metrics.restore(tensors)
