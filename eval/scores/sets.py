"""Sets of images and their scores: checkpoints, diffusers' pipelines, .npz files, folders of images; one, or two
compared."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from eval.judging.net import judge_images
from eval.scores.frechet import corrected
from eval.scores.measure import measure, second_opinion
from eval.scores.pipelines import draw, is_pipeline
from eval.scores.score import Bench, blank_rows, score
from zoo.base.errors import ZooError
from zoo.config.control import Setting
from zoo.data.dataset import Dataset, load
from zoo.data.filenames import SUFFIXES
from zoo.data.images import ImageSet, doubts, read_images
from zoo.data.npz import is_npz
from zoo.data.sets import WORDS
from zoo.sampling.model import Model
from zoo.training import checkpoint

KNOWN = "a run's folder, a checkpoint, a pipeline's folder, an .npz file or a folder of images"


@dataclass(frozen=True)
class Asked:
    """How sets are scored: `n` images from a checkpoint or a pipeline; `dataset`: whose images they are, where no
    checkpoint says. trust_code: whether code of a pipeline's folder may run."""

    n: int
    dataset: str | None
    data_dir: Path
    mirror: str | None = None
    judge_seed: Literal[0, 1] = 0
    batch: int = 128
    trust_code: bool = False


def evaluate(paths: Sequence[Path], setting: Setting, asked: Asked, device: torch.device) -> dict[str, Any]:
    """The scores of each set and, of two, the distance between them; the judge and real images' scores beside them."""
    found = [None if _is_images(path) else checkpoint.find(path, known=KNOWN) for path in paths]
    names = {trained[0]["config"]["dataset"] for trained in found if trained}
    names |= {asked.dataset} if asked.dataset else set()
    if len(names) != 1:
        said = f"--dataset and the checkpoints name {' and '.join(sorted(names))}" if names else "nothing says it"
        raise ZooError(f"of which data set are these images? {said}. Give --dataset, one for all: {WORDS}")
    data = load(names.pop(), asked.data_dir, asked.mirror)
    for path, trained in zip(paths, found, strict=True):
        if trained and trained[0]["data_sha256"] != data.sha256:
            raise ZooError(
                f"{path} was trained on other images than {data.name} holds now: SHA-256 {trained[0]['data_sha256']} "
                f"then, {data.sha256} now. Restore them, or train again"
            )
    read = [
        None if trained else _images(path, setting, asked, data, device)
        for path, trained in zip(paths, found, strict=True)
    ]
    bench = Bench.load(data, asked.data_dir, device, asked.judge_seed)
    sets: list[dict[str, Any]] = []
    drawn: list[tuple[Tensor, Tensor | None]] = []
    for path, trained, given in zip(paths, found, read, strict=True):
        about, images, labels = (
            _drawn(trained, setting, asked, bench) if trained else _read(path, cast(ImageSet, given), bench)
        )
        sets.append(about)
        drawn.append((images, labels))
    return {
        **({"a": sets[0], "b": sets[1], "between": _between(drawn, bench)} if len(sets) == 2 else sets[0]),
        "data": data.name,
        "classes": list(data.spec.names),
        "judge": {"name": bench.judge.name, "sha256": bench.judge.sha256},
        "floor": bench.real.floor,
        "real": {**bench.real.row, "fid2": bench.second_real.row["fid"], "acc2": bench.second_real.row["acc"]},
    }


def _images(path: Path, setting: Setting, asked: Asked, data: Dataset, device: torch.device) -> ImageSet:
    """The images of a file, a folder, or a pipeline, whose own are checked as a file's are."""
    with ExitStack() as held:
        if is_pipeline(path):
            images, labels = draw(path, setting, asked.n, asked.batch, data, asked.trust_code, device)
            folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
            path = folder / f"{path.resolve().name}.npz"
            arrays = {"arr_0": images} if labels is None else {"arr_0": images, "arr_1": labels.numpy()}
            np.savez(path, allow_pickle=False, **arrays)
        return read_images(path, data.spec)


UNLABELLED = (
    "without labels the correction for the finite sample takes the judge's own classes: right where nearly all images "
    "are of the class they were made for; where many are not, FID comes out too large, and its error too small"
)
Scored = tuple[dict[str, Any], Tensor, Tensor | None]  # what is said of a set, its images and labels


def _drawn(trained: tuple[dict[str, Any], dict[str, Tensor]], setting: Setting, asked: Asked, bench: Bench) -> Scored:
    """Images drawn from a checkpoint."""
    model = Model(*trained, bench.real.features.device, asked.batch)
    scored = score(model, setting, asked.n, bench)
    about = {"checkpoint": {key: trained[0][key] for key in ("step", "sha256", "config")}}
    return {**about, "score": scored.row}, scored.images[: asked.n], scored.labels[: asked.n]


def _read(path: Path, given: ImageSet, bench: Bench) -> Scored:
    """Images from a file or a folder. With labels they score as images drawn for these labels do. Without, the judge's
    own classes stand for them in the correction for the finite sample, and a note says what that does."""
    images, labels, blanks = given.images, given.labels, []
    if labels is not None:
        spec = bench.data.spec
        blanks = blank_rows(images, labels, spec)
        images, labels = images[labels < spec.real], labels[labels < spec.real]
    measured, _ = measure(images, labels, bench.judge, bench.real)
    measured |= second_opinion(images, labels, bench.second, bench.second_real)
    if labels is not None:
        measured["classes"] += blanks
    notes = [*given.notes, *([UNLABELLED] if labels is None else []), *doubts(images, bench.data.train)]
    about = {"path": path.name, **({"notes": notes} if notes else {})}
    return {**about, "score": {"n": len(images), **measured}}, images, labels


def _is_images(path: Path) -> bool:
    if not path.exists():
        raise ZooError(f"{path} does not exist; give {KNOWN}")
    if not (path.is_file() or path.is_dir()):
        raise ZooError(f"{path} is neither a file nor a folder: a set of images is one of the two")
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        raise ZooError(f"{path} is one image: give the folder of a set")
    if path.is_file():
        return is_npz(path)
    # a grid's folder, or one below it, holds runs
    return not any(path.glob("step-*.json")) and not (path / "grid.json").is_file() and not checkpoint.run_below(path)


def _between(sets: list[tuple[Tensor, Tensor | None]], bench: Bench) -> dict[str, Any]:
    """The distance of two sets of (images, labels); both their finite sizes are corrected for.

    It depends on the images alone: on no order of them, and on labels only where both sets have them, so that a set is
    at distance 0 from itself in every form.
    """
    features: list[Tensor] = []
    strata: list[Tensor] = []
    labelled = all(labels is not None for _, labels in sets)
    for images, labels in sets:
        judged, logits = judge_images(bench.judge, images)
        order = np.lexsort(images.flatten(1).cpu().numpy().T)
        features.append(judged.cpu()[order])
        strata.append((labels if labelled and labels is not None else logits.argmax(1)).cpu()[order])
    found = corrected(features[0], features[1], strata[0], strata[1])
    return {"fid": found.fid, "fid_se": found.se, "fid_plain": found.plain}
