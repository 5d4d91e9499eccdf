"""How a judge is trained: AdamW on a one-cycle schedule, small affine maps on every image, pixel noise on half of them.

    loss = cross entropy(judge(clamp(affine(image) + s n)), label)
    n ~ N(0, 1),  s ~ U(0, 0.1) on half of each batch and 0 on the other

Left-over noise is what distinguishes objectives, and two judges trained without noise disagree wildly about it; trained
with it they agree, and still see it. All randomness is a function of the seed (zoo/training/noise.py).
"""

import math
import platform
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.judging.net import FEATURES, Judge, exact_float32, judge_images
from zoo.base.counts import counted
from zoo.base.errors import Diverged
from zoo.data.dataset import Dataset, affine
from zoo.training.noise import generator

SECONDS_PER_IMAGE, SECONDS_PER_PIXEL = 1e-4, 1.8e-6  # on one slow CPU core; only for the estimate that is printed
NOISE_TESTED = 0.1  # accuracy is recorded at this noise, on the scale [0, 1]


@dataclass(frozen=True)
class Recipe:
    """Constants of a training run."""

    epochs: int
    batch: int = 256
    lr: float = 6e-3
    weight_decay: float = 0.02
    noise: float = 0.1
    noisy_share: float = 0.5

    def steps_per_epoch(self, count: int) -> int:
        """Whole batches only: a small last one would disturb batch normalisation."""
        return max(1, count // self.batch)

    def steps(self, count: int) -> int:
        """Optimiser steps in all, for `count` training images."""
        return self.epochs * self.steps_per_epoch(count)


def recipe_for(dataset: Dataset) -> Recipe:
    """Ten epochs; more on a small set, until 400,000 images are seen."""
    return Recipe(epochs=max(10, math.ceil(400_000 / len(dataset.train))))


def minutes(recipe: Recipe, dataset: Dataset) -> float:
    """Rough training time on one CPU core."""
    images = recipe.steps(len(dataset.train)) * recipe.batch
    return images * (SECONDS_PER_IMAGE + SECONDS_PER_PIXEL * dataset.train[0, 0].numel()) / 60


def train(
    dataset: Dataset, seed: int, recipe: Recipe, device: str | torch.device = "cpu"
) -> tuple[Judge, dict[str, Any]]:
    """A trained judge in eval mode, and what is to be known about it. Raises Diverged if the loss is not finite."""
    started = time.perf_counter()
    images, labels = dataset.train.to(device), dataset.train_labels.to(device)
    judge = Judge(dataset.spec).to(device).to(memory_format=torch.channels_last)  # a third faster on a CPU
    initialise(judge, dataset, seed)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=recipe.steps(len(images)))
    judge.train()
    step = 0
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(images), generator=generator(seed, "judge-order", epoch)).to(device)
        for index in order[: recipe.steps_per_epoch(len(images)) * recipe.batch].split(recipe.batch):
            pixels = augment(images[index], recipe, generator(seed, "judge-augment", step, device), dataset.flips)
            with exact_float32(pixels.device):
                loss = F.cross_entropy(judge.raw(pixels)[1], labels[index])
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
        if not loss.isfinite():
            raise Diverged(f"the judge's loss is {loss.item()} after {counted(step, 'step')}. Try another --seed")
    judge.eval().requires_grad_(False)
    features, _ = judge_images(judge, dataset.train)  # the scale is still 1 here
    judge.scale.fill_((FEATURES / features.double().var(dim=0).sum()).sqrt().item())
    return judge, describe(judge, dataset, seed, recipe, time.perf_counter() - started)


def initialise(judge: Judge, dataset: Dataset, seed: int) -> None:
    """He's normal weights (arXiv 1502.01852) from the seed, and the training pixels' mean and deviation."""
    rng = generator(seed, "judge-init")
    for module in judge.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            gain = 1.0 if module is judge.head else 2.0
            weight = torch.randn(module.weight.shape, generator=rng) * math.sqrt(gain / fan_in)
            module.weight.data.copy_(weight)
    judge.head.bias.data.zero_()
    pixels = dataset.train.double() / 255
    judge.mean.fill_(pixels.mean().item())
    judge.std.fill_(pixels.std().item())


def augment(images: Tensor, recipe: Recipe, rng: torch.Generator, flips: bool = False) -> Tensor:
    """uint8 images [B, C, H, W] as floats in [0, 1]: all moved by small affine maps, the first half with noise too.

    The batch is shuffled, so its first half is any half.
    """
    pixels = affine(images.float() / 255, rng, flips)
    count = int(recipe.noisy_share * len(pixels))
    sigma = recipe.noise * torch.rand(count, 1, 1, 1, generator=rng, device=rng.device)
    noise = torch.randn(pixels[:count].shape, generator=rng, device=rng.device)
    noisy = (pixels[:count] + sigma * noise).clamp(0, 1)
    return torch.cat([noisy, pixels[count:]])


def describe(judge: Judge, dataset: Dataset, seed: int, recipe: Recipe, seconds: float) -> dict[str, Any]:
    """The sidecar's content: what made the weights, and how well they do on the test images."""
    overall, per_class = accuracy(judge, dataset.test, dataset.test_labels)
    noisy, _ = accuracy(judge, add_noise(dataset.test, NOISE_TESTED), dataset.test_labels)
    return {
        "dataset": dataset.name,
        "data_sha256": dataset.sha256,
        **dataset.spec.plain(),
        "seed": seed,
        "recipe": asdict(recipe),
        "steps": recipe.steps(len(dataset.train)),
        "train_seconds": round(seconds, 1),
        "parameters": sum(parameter.numel() for parameter in judge.parameters()),
        "feature_scale": judge.scale.item(),
        "accuracy": overall,
        "accuracy_per_class": per_class,
        f"accuracy_noise_{NOISE_TESTED}": noisy,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": judge.scale.device.type,
    }


def accuracy(judge: Judge, images: Tensor, labels: Tensor) -> tuple[float, list[float]]:
    """Share of uint8 images [N, C, H, W] that the judge gets right: in all, and for each class."""
    right = (judge_images(judge, images)[1].argmax(1).cpu() == labels.cpu()).double()
    per_class = [right[labels.cpu() == label].mean().item() for label in range(judge.spec.real)]
    return right.mean().item(), per_class


def add_noise(images: Tensor, sigma: float) -> Tensor:
    """uint8 images with N(0, sigma^2) on the scale [0, 1], clamped and rounded; the same noise at every call."""
    noise = torch.randn(images.shape, generator=generator(0, "corrupt-noise"))
    return (images.cpu().float() / 255 + sigma * noise).clamp(0, 1).mul(255).round().to(torch.uint8)
