"""Scores of a trained run under a control setting: images are drawn, judged, and compared with the training set.

A control setting is (weights, guidance, steps, n). Images are conditional, with labels in the training set's
proportions; the two blank classes are drawn beside them and scored by a pixel rule, apart from everything else.
"""

import io
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor

from eval.frechet import corrected
from eval.judge import Judge, judge_images
from eval.reference import Reference
from eval.stats import wilson
from zoo import checkpoint, noise, registry, sampler
from zoo.config import TrainConfig, explain
from zoo.data import BLANKS, NUM_CLASSES, REAL_CLASSES, Dataset, to_uint8
from zoo.errors import Diverged
from zoo.train import initialise, network

NOISE_CHUNK = 100  # images whose starting noise is drawn together, whatever the batch
BLANK_TOLERANCE = 0.05  # mean |pixel - blank| on [0, 1] up to which an image counts as blank
TILE_ROWS = 4


@dataclass(frozen=True)
class Setting:
    """One control setting."""

    weights: str = "ema"
    guidance: float = 1.0
    steps: int = 20
    n: int = 500

    @property
    def name(self) -> str:
        return f"{self.weights}-g{self.guidance:g}"


class Run:
    """A checkpoint ready to draw images: one network, whose weights are exchanged between settings.

    Raises ZooError for a configuration that is not valid here, such as an objective of a plugin that was not loaded.
    """

    def __init__(
        self, manifest: dict, tensors: dict[str, Tensor], image_shape: tuple[int, int, int], device, batch: int
    ):
        try:
            self.config = TrainConfig(**manifest["config"])
        except ValidationError as error:
            raise explain(error, TrainConfig, "the checkpoint's configuration") from None
        self.tensors, self.device, self.batch, self.image_shape = tensors, device, batch, image_shape
        self.standard = tuple(manifest["standard"])
        self.objective = registry.objective(self.config.objective)
        self.module = initialise(self.config, image_shape, device).eval()
        self.net, _ = network(self.config, self.module, device, image_shape[1] * image_shape[2])
        self._draw(torch.zeros(1, dtype=torch.int64), Setting(steps=1))  # compiles, outside of what is timed

    def images(self, labels: Tensor, setting: Setting) -> Tensor:
        """uint8 [N, 1, H, W] for labels [N] under a setting. Raises Diverged if they are not finite."""
        self.module.load_state_dict(checkpoint.part(self.tensors, {"ema": "ema", "raw": "net"}[setting.weights]))
        return self._draw(labels, setting)

    @torch.no_grad()
    def _draw(self, labels: Tensor, setting: Setting) -> Tensor:
        objective, path = self.objective, self.objective.path
        mean, deviation = self.standard
        denoiser = sampler.denoiser_of(objective, self.net)
        denoiser = sampler.guided(denoiser, path, setting.guidance, none_label=NUM_CLASSES)
        denoiser = sampler.clipped(denoiser, path, -mean / deviation, (1 - mean) / deviation)
        times = sampler.flow_steps(path, setting.steps, self.device)
        whole = -(-len(labels) // self.batch) * self.batch  # full batches only: one shape, one compiled graph
        padded = torch.cat([labels, labels.new_zeros(whole - len(labels))]).to(self.device)
        noise_all = starting_noise(self.config.seed, whole, self.image_shape).to(self.device)
        parts = []
        for eps, chosen in zip(noise_all.split(self.batch), padded.split(self.batch), strict=True):
            x_hat = sampler.euler(denoiser, path, times, sampler.start(path, times[0], eps), chosen)
            if not x_hat.isfinite().all():
                raise Diverged(f"samples under {setting.name} are not finite")
            parts.append(to_uint8(x_hat, self.standard))
        return torch.cat(parts)[: len(labels)]


def starting_noise(seed: int, count: int, image_shape: tuple[int, int, int]) -> Tensor:
    """[count, C, H, W] noise, the same for every objective, device and batch size."""
    chunks = range(-(-count // NOISE_CHUNK))
    return torch.cat(
        [torch.randn(NOISE_CHUNK, *image_shape, generator=noise.generator(seed, "sample", c)) for c in chunks]
    )[:count]


def label_counts(n: int, data: Dataset) -> list[int]:
    """n labels in the training set's proportions, by largest remainder."""
    shares = data.train_labels.bincount(minlength=REAL_CLASSES).double()
    exact = shares * n / shares.sum()
    counts = exact.floor().long()
    for label in (exact - counts).argsort(descending=True, stable=True)[: n - int(counts.sum())]:
        counts[label] += 1
    return counts.tolist()


def all_labels(n: int, data: Dataset) -> Tensor:
    """Labels to draw: n real ones by class, then the blank ones."""
    blanks = [max(TILE_ROWS + 2, n // 100)] * len(BLANKS)
    counts = torch.tensor(label_counts(n, data) + blanks)
    return torch.arange(NUM_CLASSES).repeat_interleave(counts)


def score(run: Run, setting: Setting, data: Dataset, judge: Judge, real: Reference) -> tuple[dict, Tensor, Tensor]:
    """(the scores' row, images, labels) of a run under a setting. Raises ZooError if n is too small for the metric."""
    labels = all_labels(setting.n, data)
    began = time.perf_counter()
    images = run.images(labels, setting)
    seconds = time.perf_counter() - began
    features, predicted = judge_images(judge, images[: setting.n])
    frechet = corrected(features, real.train)
    confusion = np.zeros((REAL_CLASSES, REAL_CLASSES), int)
    np.add.at(confusion, (labels[: setting.n].numpy(), predicted.cpu().numpy()), 1)
    correct = int(confusion.trace())
    low, high = wilson(correct, setting.n)
    row = {
        **asdict(setting),
        "sampler": "euler",
        "evaluations": setting.steps * (1 if setting.guidance == 1 else 2),
        "fid": frechet.fid,
        "fid_se": frechet.se,
        "fid_plain": frechet.plain,
        "acc": correct / setting.n,
        "acc_low": low,
        "acc_high": high,
        "classes": [
            {"label": i, "n": int(confusion[i].sum()), "correct": int(confusion[i, i])} for i in range(REAL_CLASSES)
        ]
        + blank_rows(images.cpu(), labels),
        "confusion": confusion.tolist(),
        "seconds": seconds,
        "images_per_s": len(labels) / seconds,
    }
    return row, images.cpu(), labels


def blank_rows(images: Tensor, labels: Tensor) -> list[dict]:
    """Of the images asked to be all black or all white, how many are, within BLANK_TOLERANCE."""
    rows = []
    for label, value in BLANKS.items():
        error = (images[labels == label].float() - value).abs().mean(dim=(1, 2, 3)) / 255
        rows.append({"label": label, "n": len(error), "correct": int((error <= BLANK_TOLERANCE).sum())})
    return rows


def tile_png(images: Tensor, labels: Tensor) -> bytes:
    """A grayscale PNG of the first images of each class: a column a class, TILE_ROWS rows, no gaps."""
    columns = [images[labels == label][:TILE_ROWS, 0] for label in range(NUM_CLASSES)]
    picture = torch.cat([column.flatten(0, 1) for column in columns], dim=1)
    buffer = io.BytesIO()
    Image.fromarray(picture.numpy()).save(buffer, "PNG")
    return buffer.getvalue()
