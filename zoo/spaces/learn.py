"""How an auto-encoder is trained: AdamW on a one-cycle rate, on the data set's training images, blank ones among them.

    loss = (|x - x'|^2 / 2 + weight KL) / pixels        x' = decoder(mean + deviation eps),  pixels from -1 to 1

where KL is the divergence of the latent's law from N(0, 1), and without `kl` x' = decoder(latent). All randomness is a
function of the name's seed. Images are not moved by small affine maps; they are mirrored where that keeps the class.
"""

import math
import time
from typing import Any

import torch
from torch import Tensor

from zoo.base.counts import counted
from zoo.base.errors import Diverged
from zoo.base.progress import Pulse
from zoo.data.dataset import Dataset
from zoo.spaces.names import Kind
from zoo.spaces.net import Autoencoder, psnr

BATCH = 64
RATE = 4e-3
CLIP = 1.0
WEIGHT_DECAY = 0.0
MOST_PASSES = 200  # over a small data set, after which it is known by heart
SECONDS_PER_PIXEL = 4e-6  # of an image in training on one slow CPU core; only for the estimate that is printed


def steps_for(kind: Kind, data: Dataset) -> int:
    """Optimiser steps: the images that the name asks for, at most MOST_PASSES over the data set."""
    seen = min(kind.images, MOST_PASSES * len(data.augmented[0]))
    return max(1, seen // BATCH)


def minutes(kind: Kind, data: Dataset) -> float:
    """Rough training time on one CPU core."""
    height, width = kind.padded(data.image_shape)
    wider = (kind.width / 16) ** 2
    return steps_for(kind, data) * BATCH * height * width * SECONDS_PER_PIXEL * wider / 60


def learn(kind: Kind, data: Dataset, device: torch.device) -> tuple[Autoencoder, dict[str, Any]]:
    """A trained auto-encoder in eval mode, and what is to be known about it. Raises Diverged for a loss not finite."""
    began, steps = time.perf_counter(), steps_for(kind, data)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(kind.seed)
        net = kind.build(data.image_shape).to(device)
    chance = torch.Generator().manual_seed(kind.seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    images, pulse = data.augmented[0], Pulse()
    order, place = torch.randperm(len(images), generator=chance), 0
    for step in range(steps):
        if place + BATCH > len(order):
            order, place = torch.randperm(len(images), generator=chance), 0
        chosen = images[order[place : place + BATCH]]
        place += BATCH
        if data.flips:
            mirrored = torch.rand(len(chosen), generator=chance) < 0.5
            chosen = torch.where(mirrored[:, None, None, None], chosen.flip(-1), chosen)
        loss = loss_of(net, kind.penalty, chosen.to(device).float() / 255, chance)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            pulse.beat(f"auto-encoder: step {step:,} of {steps:,}")
    if not math.isfinite(loss.item()):
        raise Diverged(f"the auto-encoder's loss is {loss.item()} after {counted(steps, 'step')}. Try another seed=")
    net.eval().requires_grad_(False)
    facts = {
        "psnr": psnr(data.test, net.decode(net.encode(data.test))),
        "steps": steps,
        "seconds": round(time.perf_counter() - began, 1),
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    return net, facts


def loss_of(net: Autoencoder, penalty: float | None, images: Tensor, chance: torch.Generator) -> Tensor:
    """The loss of images [N, C, H, W] in [0, 1]; see above. penalty: the weight of the divergence."""
    mean, logvar = net.law(images)
    divergence: Tensor | float = 0.0
    latents = mean
    if logvar is not None and penalty is not None:
        eps = torch.randn(mean.shape, generator=chance).to(mean.device)
        latents = mean + (logvar / 2).exp() * eps
        divergence = penalty * (mean.square() + logvar.exp() - 1 - logvar).sum() / 2
    squared = 4 * (net.pixels(latents) - images).square().sum() / 2  # between -1 and 1 errors are twice as large
    return (squared + divergence) / images.numel()
