"""Scores of a trained run under a control setting: images are drawn, judged, and compared with the training set.

Images are conditional, with labels in the training set's proportions; where a data set has blank classes, they are
drawn beside them and scored by a pixel rule, apart from everything else.
"""

import io
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from eval.judging.net import Judge
from eval.judging.store import load_judge
from eval.scores import gate
from eval.scores.measure import measure, second_opinion
from eval.scores.metrics import Copies
from eval.scores.reference import Reference, references
from zoo.base.environment import exact_device
from zoo.config.control import Setting
from zoo.data.dataset import Dataset
from zoo.data.spec import Spec
from zoo.sampling.model import Film, Model, evaluations
from zoo.sampling.pictures import channels_last, png, sheet
from zoo.solvers.sampler import picked

BLANK_TOLERANCE = 0.05  # mean |pixel - blank| on [0, 1] up to which an image counts as blank
TILE_ROWS = 4
FILMED = 3  # the class of the image whose denoising path is kept, or the first that is drawn


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
        began, device = time.time(), exact_device(device)
        judges = [load_judge(data, data_dir, seed, device) for seed in (first, 1 - first)]
        if any(judge.made >= began for judge in judges):
            gate.report(data, judges, lambda line: print(line, file=sys.stderr))
        reals = references(judges, data, data_dir, device)
        return Bench(data, judges[0], reals[0], judges[1], reals[1])


@dataclass(frozen=True, eq=False)
class Scored:
    """A row of scores and what is behind it.

    images: [N, C, H, W] uint8 on the CPU with labels [N]; copies: the nearest ones; film: how one image came about.
    """

    row: dict[str, Any]
    images: Tensor
    labels: Tensor
    copies: Copies
    film: Film


def score(model: Model, setting: Setting, n: int, bench: Bench, first: int = 0) -> Scored:
    """The scores of n images of a run under a setting, `first` and those after it of the run's noise.

    Raises ZooError if n is too small for the metric.
    """
    labels = all_labels(n, bench.data)
    began = time.perf_counter()
    film = Film(int((labels == (FILMED if FILMED in labels else labels[0])).nonzero()[0]))
    images = model.images(labels, setting, first, film=film)
    images = images.to(bench.real.features.device)
    drawn = time.perf_counter()
    real_images, real_labels = images[:n], labels[:n]
    measured, found = measure(real_images, real_labels, bench.judge, bench.real)
    measured |= second_opinion(real_images, real_labels, bench.second, bench.second_real)
    images = images.cpu()
    measured["classes"] += blank_rows(images, labels, bench.data.spec)
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
    return Scored(row, images, labels, found, film)


def label_counts(n: int, data: Dataset) -> list[int]:
    """n labels in the training set's proportions, by largest remainder."""
    shares = data.train_labels.bincount(minlength=data.spec.real).double()
    exact = shares * n / shares.sum()
    counts = exact.floor().long()
    for label in (exact - counts).argsort(descending=True, stable=True)[: n - int(counts.sum())]:
        counts[label] += 1
    return counts.tolist()


def all_labels(n: int, data: Dataset) -> Tensor:
    """Labels to draw: n real ones by class, then the blank ones if the data set has any."""
    blanks = [max(TILE_ROWS + 2, n // 100)] * len(data.spec.blank)
    counts = torch.tensor(label_counts(n, data) + blanks)
    return torch.arange(data.spec.num_classes).repeat_interleave(counts)


def blank_rows(images: Tensor, labels: Tensor, spec: Spec) -> list[dict[str, Any]]:
    """Of the images asked to be all black or all white, how many are, within BLANK_TOLERANCE."""
    rows = []
    for label, value in spec.blank.items():
        error = (images[labels == label].float() - value).abs().mean(dim=(1, 2, 3)) / 255
        rows.append({"label": label, "n": len(error), "correct": int((error <= BLANK_TOLERANCE).sum())})
    return rows


def tile_png(images: Tensor, labels: Tensor, spec: Spec) -> bytes:
    """A PNG of the first images of each class: a column a class, TILE_ROWS rows, no gaps; black if there are fewer."""
    columns = images.new_zeros(spec.num_classes, TILE_ROWS, *spec.image_shape)
    for label, column in enumerate(columns):
        found = images[labels == label][:TILE_ROWS]
        column[: len(found)] = found
    return _joined(list(columns))


def real_png(data: Dataset) -> bytes:
    """The same of test images, and of blank ones."""
    blanks = [data.test.new_full((TILE_ROWS, *data.image_shape), value) for value in data.spec.blank.values()]
    labels = data.test_labels.new_tensor(list(data.spec.blank)).repeat_interleave(TILE_ROWS)
    return tile_png(torch.cat([data.test, *blanks]), torch.cat([data.test_labels, labels]), data.spec)


def path_png(film: Film) -> bytes:
    """A PNG of some of an image's steps from left to right: x_t above, x_hat below, no gaps."""
    return _joined([torch.stack(film.frames[step]).cpu() for step in picked(len(film.frames))])


def _joined(columns: list[Tensor]) -> bytes:
    """Columns of tiles, uint8 [rows, C, H, W] each, as a PNG."""
    picture = torch.cat([channels_last(column).flatten(0, 1) for column in columns], dim=1)
    buffer = io.BytesIO()
    Image.fromarray(picture.numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def copies_png(scored: Scored, data: Dataset) -> bytes:
    """The samples nearest to being copies of a training image, above those training images."""
    ours, theirs = scored.copies.pairs
    return png(sheet(torch.cat([scored.images[ours], data.train[theirs]]), len(ours)))
