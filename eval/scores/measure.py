"""Everything that is measured of a set of images, generated or real: measure(images, labels, judge, real).

The columns are explained in reports/read/results.py. Images are compared with the training set: with the moments of
all of it (fid, pfd), with a fixed random part of it (kid: REAL images; precision and its kin: as many as there are
samples), and pixel by pixel with all of it (mem).
"""

from typing import Any

import numpy as np
import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor

from eval.judging.net import FEATURES, Judge, judge_images
from eval.ranks.paired import packed
from eval.ranks.stats import wilson
from eval.scores.frechet import Moments, corrected, distance, moments
from eval.scores.metrics import Copies, copies, inception_score, kid, prdc
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.config.cell import MIN_SAMPLES


def measure(
    images: Tensor, labels: Tensor | None, judge: Judge, real: Any, chosen: bool = True
) -> tuple[dict[str, Any], Copies]:
    """(the scores, the pairs nearest to being copies) of uint8 images [N, C, H, W], asked to be of classes labels [N].

    real: the judge's Reference. Without labels there is no accuracy and no distance per class, and the judge's own
    classes stand for them in the correction for the finite sample. chosen: whether the labels' counts were chosen, as
    for samples; not so for a test set drawn at random. Raises ZooError for fewer images than MIN_SAMPLES.
    """
    if len(images) < MIN_SAMPLES:
        raise ZooError(
            f"{counted(len(images), 'image is', 'images are')} too few: the judge has {FEATURES} features, and from "
            "fewer than twice as many images a small FID is wrong even after its correction. Give at least "
            f"{MIN_SAMPLES}"
        )
    features, logits = judge_images(judge, images)
    strata = (logits.argmax(1) if labels is None else labels) if chosen else None
    frechet = corrected(features, real.train, strata)
    part = real.features
    row = {
        "fid": frechet.fid,
        "fid_se": frechet.se,
        "fid_plain": frechet.plain,
        "fid_leave_one_out": list(frechet.left_out),
        "pfd": distance(pixel_moments(images, real.pixel_scale), real.pixels),
        "kid": kid(features, part, strata, real.kernel_within),
        **prdc(part[: len(features)], features),
        "is": inception_score(logits),
    }
    found = copies(images, real.images.to(images.device))
    row |= {"mem": found.mem, "duplicates": found.duplicates}
    if labels is not None:
        row |= by_class(features.cpu(), logits.argmax(1).cpu(), labels.cpu(), real.classes)
    return row, found


def by_class(features: Tensor, predicted: Tensor, labels: Tensor, real: list[Moments]) -> dict[str, Any]:
    """Accuracy with its Wilson interval, which images were right, the confusion matrix, and FID of each class.

    The latter is None where a class has fewer samples than the judge has features.
    """
    confusion = confusion_matrix(labels.numpy(), predicted.numpy(), labels=range(len(real)))
    correct, n = int(confusion.trace()), int(confusion.sum())
    low, high = wilson(correct, n)
    classes, worst = [], None
    for label in range(len(real)):
        own = features[labels == label]
        found = corrected(own, real[label]) if len(own) >= FEATURES else None
        if found:
            worst = found.fid if worst is None else max(worst, found.fid)
        classes.append({
            "label": label, "n": int(confusion[label].sum()), "correct": int(confusion[label, label]),
            "fid": found and found.fid, "fid_se": found and found.se,
        })  # fmt: skip
    return {
        "acc": correct / n,
        "acc_low": low,
        "acc_high": high,
        "right": packed((predicted == labels).numpy()),
        "cfid_max": worst,
        "classes": classes,
        "confusion": confusion.tolist(),
    }


def pixel_moments(images: Tensor, scale: float) -> Moments:
    """Moments of the pixels on the scale [0, 1], times a constant."""
    return moments(images.flatten(1).cpu().numpy().astype(np.float64) * (scale / 255))


def second_opinion(images: Tensor, labels: Tensor | None, judge: Judge, real: Any) -> dict[str, Any]:
    """fid2, fid2_se and, with labels, acc2: what another judge says; arguments as for `measure`. Without labels the
    judge's own classes stand for them."""
    features, logits = judge_images(judge, images)
    predicted = logits.argmax(1).cpu()
    frechet = corrected(features, real.train, predicted if labels is None else labels)
    found = {"fid2": frechet.fid, "fid2_se": frechet.se}
    return found if labels is None else {**found, "acc2": float((predicted == labels.cpu()).double().mean())}


def fixed_choice(count: int, size: int) -> Tensor:
    """A fixed random choice of `size` of `count` images; MNIST's own order is not random."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:size]
