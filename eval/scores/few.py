"""What few samples are enough for: points of training, and each run's best case.

A control setting is the same for every objective, and may suit one better than another. The best case compares
objectives each at its own best: of a small grid of ways to draw, the one of lowest FID. Choosing must not be rewarded,
so the chosen one is scored once more, on images from other noise; a candidate that was lucky in choosing has no luck
left there.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from eval.judging.net import judge_images
from eval.scores.frechet import corrected
from eval.scores.score import Bench, Scored, label_counts, score
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.progress import say
from zoo.config.cell import BestCase, ScoreConfig
from zoo.config.control import Sampling, Setting
from zoo.sampling.model import Model

FRESH = 1_000_000  # the first image that no choice has seen: choosing draws the images from 0 on
Place = tuple[int, int, int]  # of a candidate, in BestCase's start, guidance and sampler


def judged(images: Tensor, labels: Tensor, bench: Bench) -> dict[str, Any]:
    """{n, fid, fid_se, acc} of uint8 images [N, C, H, W] drawn for labels [N] of real classes."""
    features, logits = judge_images(bench.judge, images)
    found = corrected(features, bench.real.train, labels)
    right = (logits.argmax(1).cpu() == labels.cpu()).double().mean()
    return {"n": len(images), "fid": found.fid, "fid_se": found.se, "acc": float(right)}


def part_of(scored: Scored, n: int, bench: Bench) -> dict[str, Any]:
    """The same of n of a setting's images, the first of each class, in the training set's proportions."""
    keep = [(scored.labels == c).nonzero().flatten()[:count] for c, count in enumerate(label_counts(n, bench.data))]
    chosen = torch.cat(keep)
    return judged(scored.images[chosen], scored.labels[chosen], bench)


def drawn(model: Model, setting: Setting, n: int, bench: Bench) -> dict[str, Any]:
    """The same of n images drawn now, and the `seconds` that drawing took. Raises ZooError as `Model.images`."""
    labels = torch.arange(bench.data.spec.real).repeat_interleave(torch.tensor(label_counts(n, bench.data)))
    began = time.perf_counter()
    images = model.images(labels, setting)
    seconds = time.perf_counter() - began
    return {**judged(images, labels, bench), "seconds": seconds}


def given_back(model: Model, bench: Bench) -> dict[str, Any] | None:
    """What a run's auto-encoder is worth: its facts, and the scores of the test images that it encodes and decodes; no
    run on its latents is nearer to the data than those. None for a run on pixels."""
    facts = model.space.facts().get("latents")
    if facts is None:
        return None
    images, labels = model.space.images(model.space.x(bench.data.test)), bench.data.test_labels
    features, logits = judge_images(bench.judge, images)
    found = corrected(features, bench.real.train, labels if bench.data.stratified else None)  # as the floor
    right = (logits.argmax(1).cpu() == labels).double().mean()
    told = {key: facts[key] for key in ("name", "sha256", "shape", "psnr", "seconds")}
    return {**told, "n": len(images), "fid": found.fid, "fid_se": found.se, "acc": float(right)}


def explore(case: BestCase, known: Mapping[Place, float], fid: Callable[[Sampling], float]) -> dict[Place, float]:
    """FID by candidate, in the order found: those known, then `case.tries` more.

    Tried next is the candidate nearest to the best so far, in steps along the grid's lists; so few tries follow one
    line down, and many cover the grid. Every run has the same number of them.
    """
    found = dict(known)
    for _ in range(max(case.tries, not found)):
        left = [place for place in case.places if place not in found]
        if not left:
            break
        best = min(found, key=found.__getitem__) if found else left[0]
        near = min(left, key=lambda place: (sum(abs(a - b) for a, b in zip(place, best, strict=True)), place[::-1]))
        found[near] = fid(case.at(near))
    return found


def best_case(
    model: Model, config: ScoreConfig, case: BestCase, known: Mapping[Sampling, float], bench: Bench
) -> tuple[dict[str, Any], Scored]:
    """({candidates, chosen, score}, the chosen candidate's images), as in result.json.

    known: FID of `config.few` images under the control settings of the first weights. Raises ZooError if no candidate
    gives finite images.
    """
    weights, seconds = config.weights[0], 0.0

    def fid(how: Sampling) -> float:
        nonlocal seconds
        try:
            row = drawn(model, Setting(weights=weights, **how.model_dump()), config.few, bench)
        except ZooError:  # that way to draw breaks on this network
            return math.inf
        seconds += row["seconds"]
        return float(row["fid"])

    places = {case.at(place): place for place in case.places}
    found = explore(case, {places[how]: value for how, value in known.items() if how in places}, fid)
    values = list(found.values())
    chosen = values.index(min(values))
    setting = Setting(weights=weights, **case.at(list(found)[chosen]).model_dump())
    scored = score(model, setting, config.n, bench, FRESH)
    row = scored.row
    fid_and_error = f"FID {row['fid']:.3f} ± {row['fid_se']:.3f}"
    say(f"best of {counted(len(values), 'way')} to draw, {setting.name}, on other noise: {fid_and_error}")
    candidates = [
        {**case.at(place).model_dump(mode="json"), "fid": value if math.isfinite(value) else None, "n": config.few}
        for place, value in found.items()
    ]
    return {"candidates": candidates, "chosen": chosen, "score": row, "seconds": seconds + row["seconds"]}, scored
