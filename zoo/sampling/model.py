"""A trained run that draws images: its checkpoint's weights behind its objective's denoiser.

Image i of a seed begins at the same noise, and a stochastic sampler adds the same noise to it at the same step, for
every objective, device and batch size.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from zoo import registry
from zoo.base import ranks
from zoo.base.counts import counted
from zoo.base.environment import exact_device
from zoo.base.errors import ZooError
from zoo.base.progress import Pulse
from zoo.config.cell import TrainConfig
from zoo.config.control import Sampling, Setting
from zoo.config.schema import explain
from zoo.data import sets
from zoo.data.dataset import Dataset
from zoo.data.spec import Spec
from zoo.objectives.path import Path
from zoo.sampling import pictures
from zoo.sampling.denoiser import denoiser_of, sampler_of, wrap
from zoo.solvers import sampler
from zoo.solvers.sampler import Denoiser
from zoo.spaces.space import Space, restored, space_of
from zoo.training import checkpoint, noise
from zoo.training.network import initialise, network
from zoo.training.state import State

PREVIEW_STEPS = 12
PREVIEWED, ACROSS = 10, 5  # classes in a preview, and in a row of it
NOISE_CHUNK = 100  # images whose noise is drawn together, whatever the batch


@dataclass
class Film:
    """The steps of one image, kept while it is drawn among others: (x_t, x_hat) as in `Model.trajectory`, [C, H, W]."""

    image: int  # its place among the labels
    frames: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def share(self, batch: int) -> None:
        """Give all ranks the steps, which the one that drew this batch has."""
        stacked = torch.stack([torch.stack(frame) for frame in self.frames]) if self.frames else torch.empty(0)

        def chosen(i: int) -> Tensor:
            return stacked if i == batch else stacked.new_empty(0)

        self.frames = [(x, x_hat) for x, x_hat in ranks.spread(batch + 1, chosen)[batch]]


class Model:
    """A checkpoint ready to draw images: one network, whose weights are exchanged between settings.

    together: whether every rank of a group has this model and draws the same images, which are then shared out.
    Raises ZooError for a configuration that is not valid here, such as an objective of a plugin that was not loaded.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        tensors: dict[str, Tensor],
        device: torch.device,
        batch: int,
        together: bool = False,
    ):
        self.together = False
        try:
            self.config = TrainConfig(**manifest["config"])
        except ValidationError as error:
            raise explain(error, TrainConfig, "the checkpoint's configuration") from None
        self.tensors, self.device, self.batch, self.spec = tensors, device, batch, spec_of(manifest)
        self.space = restored(manifest, tensors, self.spec.image_shape, device)
        self.objective = registry.objective(self.config.objective)
        self.module = initialise(self.config, self.spec, device).eval()
        self.net, how = network(self.config, self.module, device, prod(self.space.shape[1:]))
        self.one_shape = how["compiled"]
        self.images(torch.zeros(1, dtype=torch.int64), Setting(steps=1))  # compiles, outside of what is timed
        self.together = together

    def use(self, weights: str) -> None:
        """Take the `ema` or the `raw` weights."""
        self.module.load_state_dict(checkpoint.part(self.tensors, {"ema": "ema", "raw": "net"}[weights]))

    def whole(self, count: int) -> int:
        """As many images as fill batches, for a compiled graph, which wants one shape; else the count itself."""
        return -(-count // self.batch) * self.batch if self.one_shape else count

    @torch.no_grad()
    def images(
        self, labels: Tensor, setting: Setting, first: int = 0, seed: int | None = None, film: Film | None = None
    ) -> Tensor:
        """uint8 [N, C, H, W] for labels [N] under a setting, the images first .. first + N - 1 of a seed (the run's).

        film: takes the steps of one of them, at no network evaluation more. Raises ZooError if they are not finite.
        """
        count = len(labels)
        padded = torch.cat([labels, labels.new_full((self.whole(count) - count,), self.spec.num_classes)])
        batches, pulse = padded.split(self.batch), Pulse()

        def draw(begin: int) -> Tensor:
            pulse.beat(f"drew {begin * self.batch:,} of {counted(count, 'image')} under {setting.name}")
            steps = self._steps(batches[begin], setting, first + begin * self.batch, seed)
            if film is not None and film.image // self.batch == begin:
                steps = self._filmed(steps, setting, film, film.image % self.batch)
            x_hat = sampler.last(steps)
            if not x_hat.isfinite().all():
                raise ZooError(f"images under {setting.name} are not finite: that sampler breaks on this network")
            return self.space.images(x_hat)

        parts = ranks.spread(len(batches), draw, self.together)
        if film is not None and self.together:
            film.share(film.image // self.batch)
        return torch.cat(parts)[:count]

    @torch.no_grad()
    def trajectory(self, labels: Tensor, setting: Setting, seed: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Each step's (x_t, x_hat) as uint8 [N, C, H, W], x_t scaled to unit variance, as the network sees it, and
        latents decoded."""
        for t, (x, x_hat) in zip(self._times(setting), self._steps(labels, setting, 0, seed), strict=True):
            yield self._shown(t, x, x_hat)

    def denoiser(self, sampling: Sampling) -> Denoiser:
        """The denoiser that a sampler sees: guided, and clipped to black and white or to the range of the latents."""
        base = denoiser_of(self.objective, self.net)
        none = self.spec.num_classes
        return wrap(base, self.objective.path, sampling, none, *self.space.limits)

    def _filmed(self, steps: sampler.Steps, setting: Setting, film: Film, place: int) -> sampler.Steps:
        for t, (x, x_hat) in zip(self._times(setting), steps, strict=True):
            pair = self._shown(t, x[place : place + 1], x_hat[place : place + 1])
            film.frames.append((pair[0][0], pair[1][0]))
            yield x, x_hat

    def _shown(self, t: Tensor, x: Tensor, x_hat: Tensor) -> tuple[Tensor, Tensor]:
        alpha, sigma = self.objective.path.at(t)
        return self.space.images(x / alpha.hypot(sigma).to(x.dtype)), self.space.images(x_hat)

    def _times(self, setting: Setting) -> Tensor:
        return setting.times(self.objective.path).to(exact_device(self.device))

    def _steps(self, labels: Tensor, setting: Setting, first: int, seed: int | None) -> sampler.Steps:
        self.use(setting.weights)
        path, seed = self.objective.path, self.config.seed if seed is None else seed
        times = self._times(setting)

        def fresh(stream: str) -> Tensor:
            return image_noise(seed, stream, first, len(labels), self.space.shape).to(self.device)

        x = sampler.start(path, times[0], fresh("sample"))
        steps = sampler_of(self.objective, setting.sampler)
        return steps(self.denoiser(setting), path, times, x, labels.to(self.device), lambda k: fresh(f"sample-{k}"))


def spec_of(manifest: dict[str, Any]) -> Spec:
    """The images that a checkpoint is about."""
    return sets.known(manifest["config"]["dataset"], manifest.get("data", {}))


class Preview:
    """What a run at work would draw: EMA weights left, raw ones right, two of each class, always from the same noise.

    A network of its own takes the weights, so that the one that is trained is not touched; it is made when it is first
    asked for.
    """

    def __init__(
        self, config: TrainConfig, data: Dataset, state: State, device: torch.device, space: Space | None = None
    ):
        self.config, self.data, self.state, self.device = config, data, state, device
        self.space = space or space_of(config.latents, config.standardise, data, device)
        shown = min(data.spec.real, PREVIEWED)
        self.columns = -(-shown // -(-shown // ACROSS))
        rows = torch.arange(-(-shown // self.columns) * self.columns).clamp(max=shown - 1).view(-1, 1, self.columns)
        self.labels = rows.expand(-1, 2, -1).flatten()  # two rows of 0 .. 4, two of 5 .. 9

    @cached_property
    def model(self) -> Model:
        """The second network."""
        config, spec = self.config.model_dump(mode="json"), self.data.spec.plain()
        manifest = {"config": config, "data": spec, **self.space.facts()}
        # the state's tensors change in place, and are read again for each picture
        return Model(manifest, self.state.tensors() | self.space.tensors(), self.device, len(self.labels))

    def __call__(self) -> bytes:
        """The picture of now, as PNG. Raises ZooError if it is not finite."""
        ema, raw = (
            pictures.sheet(self.model.images(self.labels, Setting(weights=kind, steps=PREVIEW_STEPS)), self.columns)
            for kind in ("ema", "raw")
        )
        return pictures.png(np.concatenate([ema, np.full((len(ema), 4, *ema.shape[2:]), 128, np.uint8), raw], axis=1))


def image_noise(seed: int, stream: str, first: int, count: int, image_shape: tuple[int, int, int]) -> Tensor:
    """[count, C, H, W]: the noise of the images first .. first + count - 1, the same however they are batched."""
    begin, end = first // NOISE_CHUNK, -(-(first + count) // NOISE_CHUNK)
    chunks = [
        torch.randn(NOISE_CHUNK, *image_shape, generator=noise.generator(seed, stream, c)) for c in range(begin, end)
    ]
    return torch.cat(chunks)[first - begin * NOISE_CHUNK :][:count]


def evaluations(path: Path, sampling: Sampling) -> int:
    """Network evaluations that one image takes, counted on a network that does nothing."""
    calls = 0

    def idle(x_t: Tensor, t: Tensor, labels: Tensor, *until: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal calls
        calls += 1
        return x_t, x_t

    times = sampling.times(path)
    x, labels = torch.zeros(1, 1, 2, 2), torch.zeros(1, dtype=torch.int64)
    sampler.last(
        sampler.SAMPLERS[sampling.sampler](wrap(idle, path, sampling, 0, -1, 1), path, times, x, labels, lambda _: x)
    )
    return calls
