"""Scores of a trained run under a control setting: images are drawn, judged, and compared with the training set.

Images are conditional, with labels in the training set's proportions; the two blank classes are drawn beside them and
scored by a pixel rule, apart from everything else.
"""

import io
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from eval.judge import Judge, load_judge
from eval.measure import measure, second_opinion
from eval.metrics import Copies
from eval.reference import Reference, reference
from zoo.control import Setting
from zoo.data import BLANKS, NUM_CLASSES, REAL_CLASSES, Dataset
from zoo.model import Model, evaluations
from zoo.pictures import png, sheet

BLANK_TOLERANCE = 0.05  # mean |pixel - blank| on [0, 1] up to which an image counts as blank
TILE_ROWS = 4


@dataclass(frozen=True, eq=False)
class Bench:
    """What all settings of a cell are scored against: the data set, two judges and their references."""

    data: Dataset
    judge: Judge
    real: Reference
    second: Judge
    second_real: Reference

    @staticmethod
    def load(data: Dataset, data_dir: Path, device: torch.device, first: int = 0) -> "Bench":
        """The judges of a data set, that of seed `first` leading."""
        judges = [load_judge(data, data_dir, seed, device) for seed in (first, 1 - first)]
        reals = [reference(judge, data, data_dir, device) for judge in judges]
        return Bench(data, judges[0], reals[0], judges[1], reals[1])


@dataclass(frozen=True, eq=False)
class Scored:
    """A row of scores, the images behind it, [N, 1, H, W] uint8 on the CPU with labels [N], and the nearest copies."""

    row: dict
    images: Tensor
    labels: Tensor
    copies: Copies


def score(model: Model, setting: Setting, n: int, bench: Bench) -> Scored:
    """The scores of n images of a run under a setting. Raises ZooError if n is too small for the metric."""
    labels = all_labels(n, bench.data)
    began = time.perf_counter()
    images = model.images(labels, setting)
    drawn = time.perf_counter()
    real_images, real_labels = images[:n], labels[:n]
    measured, found = measure(real_images, real_labels, bench.judge, bench.real)
    measured |= second_opinion(real_images, real_labels, bench.second, bench.second_real)
    images = images.cpu()
    measured["classes"] += blank_rows(images, labels)
    row = {
        "setting": setting.name,
        **setting.model_dump(mode="json"),
        "n": n,
        "evaluations": evaluations(model.objective.path, setting),
        **measured,
        "seconds": drawn - began,
        "measure_seconds": time.perf_counter() - drawn,
        "images_per_s": len(labels) / (drawn - began),
    }
    return Scored(row, images, labels, found)


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


def copies_png(scored: Scored, data: Dataset) -> bytes:
    """The samples nearest to being copies of a training image, above those training images."""
    ours, theirs = scored.copies.pairs
    return png(sheet(torch.cat([scored.images[ours], data.train[theirs]]), len(ours)))
