"""A space: how a run sees images. x, of mean 0 and variance 1, is what objectives and networks know.

    pixels     x = (pixel - mean) / deviation, over all of them
    latents    x = (latent - mean) / deviation, by channel, of the auto-encoder's latents

A space goes into a checkpoint whole, an auto-encoder's weights with it, and comes back from there.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zoo.data.dataset import Dataset, scale_of, standardise, to_uint8
from zoo.spaces import store
from zoo.spaces.store import Coder

PREFIX = "coder."  # of an auto-encoder's weights in a checkpoint
Bound = float | Tensor


class Space(ABC):
    """shape: (C, H, W) of x. limits: the lowest and highest x that data have, to which x_hat may be clamped."""

    shape: tuple[int, int, int]
    limits: tuple[Bound, Bound]

    @abstractmethod
    def x(self, images: Tensor) -> Tensor:
        """uint8 images [N, C, H, W], or floats in [0, 1], as networks see them: float32."""

    @abstractmethod
    def images(self, x: Tensor) -> Tensor:
        """uint8 images [N, C, H, W] of x, on its device."""

    @abstractmethod
    def kept(self, data: Dataset) -> Tensor | None:
        """x of all images of `data.augmented`, where it is worth keeping; None where batches make it."""

    @abstractmethod
    def class_means(self, data: Dataset) -> Tensor:
        """The mean x of the training images of each real class, [K, *shape]."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What a checkpoint's manifest holds of it: `standard`, and of latents `latents`."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds of it, under names that begin with PREFIX."""


class Pixels(Space):
    """The images themselves. standard: (mean, deviation) of their pixels on the scale [0, 1]."""

    def __init__(self, standard: tuple[float, float], shape: tuple[int, int, int]):
        mean, deviation = self.standard = standard
        self.shape, self.limits = shape, (-mean / deviation, (1 - mean) / deviation)

    def x(self, images: Tensor) -> Tensor:
        return standardise(images, self.standard)

    def images(self, x: Tensor) -> Tensor:
        return to_uint8(x, self.standard)

    def kept(self, data: Dataset) -> None:
        return None

    def class_means(self, data: Dataset) -> Tensor:
        each = [data.train[data.train_labels == label].float().mean(0) / 255 for label in range(data.spec.real)]
        return self.x(torch.stack(each))

    def facts(self) -> dict[str, Any]:
        return {"standard": self.standard}

    def tensors(self) -> dict[str, Tensor]:
        return {}


class Latents(Space):
    """The latents of an auto-encoder. mean, deviation, low, high: by channel, [C, 1, 1] float32; the latter two of x,
    over the training images."""

    def __init__(self, coder: Coder, standard: tuple[Tensor, Tensor], limits: tuple[Tensor, Tensor], shape: Any):
        place = next(coder.net.parameters()).device
        self.coder, self.shape = coder, tuple(shape)
        self.mean, self.deviation = (part.to(place) for part in standard)
        self.limits = limits[0].to(place), limits[1].to(place)
        self.told = [[part.flatten().tolist() for part in pair] for pair in (standard, limits)]

    @staticmethod
    def of(coder: Coder, data: Dataset, standardised: bool) -> "Latents":
        """With the scale of a data set, or with latents as they are for a run that does not standardise."""
        found = store.latents(coder, data)
        by_channel = found.transpose(0, 1).flatten(1).double()
        channels = len(by_channel)
        mean, deviation = by_channel.mean(1), by_channel.std(1, correction=0).clamp(min=1e-6)
        if not standardised:
            mean, deviation = torch.zeros(channels), torch.ones(channels)
        low, high = ((end - mean) / deviation for end in (by_channel.amin(1), by_channel.amax(1)))
        parts = [part.float().view(-1, 1, 1) for part in (mean, deviation, low, high)]
        return Latents(coder, (parts[0], parts[1]), (parts[2], parts[3]), found.shape[1:])

    def _scaled(self, found: Tensor) -> Tensor:
        return (found - self.mean) / self.deviation

    def x(self, images: Tensor) -> Tensor:
        return self._scaled(self.coder.net.encode(images))

    def images(self, x: Tensor) -> Tensor:
        return self.coder.net.decode(x.float() * self.deviation + self.mean)

    def kept(self, data: Dataset) -> Tensor:
        return self._scaled(store.latents(self.coder, data).to(self.mean.device))

    def class_means(self, data: Dataset) -> Tensor:
        real = self.kept(data)[: len(data.train)]
        labels = data.train_labels.to(real.device)
        return torch.stack([real[labels == label].mean(0) for label in range(data.spec.real)])

    def facts(self) -> dict[str, Any]:
        standard, limits = self.told
        return {"standard": standard, "latents": {**self.coder.facts, "shape": list(self.shape), "limits": limits}}

    def tensors(self) -> dict[str, Tensor]:
        return {f"{PREFIX}{name}": value for name, value in self.coder.net.state_dict().items()}


def space_of(latents: str | None, standardised: bool, data: Dataset, device: torch.device) -> Space:
    """How a run sees a data set: by the auto-encoder of this name, or None for pixels. Errors as `store.opened`."""
    if latents is None:
        return Pixels(scale_of(data, standardised), data.image_shape)
    return Latents.of(store.opened(latents, data, device), data, standardised)


def restored(
    manifest: Mapping[str, Any], tensors: Mapping[str, Tensor], image_shape: tuple[int, int, int], device: torch.device
) -> Space:
    """The space of a checkpoint. Raises ZooError for weights that are not those of its auto-encoder."""
    facts = manifest.get("latents")
    if not facts:
        mean, deviation = manifest["standard"]
        return Pixels((mean, deviation), image_shape)
    own = {name.removeprefix(PREFIX): value for name, value in tensors.items() if name.startswith(PREFIX)}
    mean, deviation, low, high = (
        torch.tensor(part).view(-1, 1, 1) for part in (*manifest["standard"], *facts["limits"])
    )
    return Latents(store.coder(facts, own, image_shape, device), (mean, deviation), (low, high), facts["shape"])
