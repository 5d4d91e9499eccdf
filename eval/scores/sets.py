"""Sets of images and their scores: checkpoints, .npz files and folders of PNGs, one alone or two compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from eval.judging.net import judge_images
from eval.scores.frechet import corrected
from eval.scores.measure import measure, second_opinion
from eval.scores.score import Bench, blank_rows, score
from zoo.base.errors import ZooError
from zoo.config.control import Setting
from zoo.data.dataset import load
from zoo.data.sets import DATASETS, REAL_CLASSES
from zoo.sampling import pictures
from zoo.sampling.model import Model
from zoo.training import checkpoint


@dataclass(frozen=True)
class Asked:
    """How sets are scored: `n` images from a checkpoint; `dataset`: whose images they are, where no checkpoint says."""

    n: int
    dataset: str | None
    data_dir: Path
    mirror: str | None = None
    judge_seed: Literal[0, 1] = 0
    batch: int = 128


def evaluate(paths: Sequence[Path], setting: Setting, asked: Asked, device: torch.device) -> dict[str, Any]:
    """The scores of each set and, of two, the distance between them; the judge and real images' scores beside them."""
    found = [None if _is_images(path) else checkpoint.find(path) for path in paths]
    names = {trained[0]["config"]["dataset"] for trained in found if trained}
    names |= {asked.dataset} if asked.dataset else set()
    if len(names) != 1:
        said = f"--dataset and the checkpoints name {' and '.join(sorted(names))}" if names else "nothing says it"
        raise ZooError(f"of which data set are these images? {said}. Give --dataset {', '.join(DATASETS)}, one for all")
    data = load(names.pop(), asked.data_dir, asked.mirror)
    bench = Bench.load(data, asked.data_dir, device, asked.judge_seed)
    sets: list[dict[str, Any]] = []
    drawn: list[tuple[Tensor, Tensor | None]] = []
    labels: Tensor | None
    about: dict[str, Any]
    for path, trained in zip(paths, found, strict=True):
        if trained:
            model = Model(*trained, data.image_shape, device, asked.batch)
            scored = score(model, setting, asked.n, bench)
            row, images, labels = scored.row, scored.images[: asked.n], scored.labels[: asked.n]
            manifest = trained[0]
            about = {"checkpoint": {key: manifest[key] for key in ("step", "sha256", "config")}}
        else:
            images, labels = pictures.read_images(path, data.image_shape)
            row, about = {}, {"path": path.name}
            if labels is not None:
                if not 0 <= int(labels.min()) <= int(labels.max()) <= REAL_CLASSES + 1:
                    raise ZooError(
                        f"{path}: arr_1 holds classes {int(labels.min())} to {int(labels.max())}, not 0 to 11"
                    )
                row["classes"] = blank_rows(images, labels)
                images, labels = images[labels < REAL_CLASSES], labels[labels < REAL_CLASSES]
            measured, _ = measure(images, labels, bench.judge, bench.real)
            if labels is not None:
                measured |= second_opinion(images, labels, bench.second, bench.second_real)
                measured["classes"] += row["classes"]
            row = {"n": len(images), **measured}
        sets.append({**about, "score": row})
        drawn.append((images, labels))
    return {
        **({"a": sets[0], "b": sets[1], "between": _between(drawn, bench)} if len(sets) == 2 else sets[0]),
        "data": data.name,
        "judge": {"name": bench.judge.name, "sha256": bench.judge.sha256},
        "floor": bench.real.floor,
        "real": {**bench.real.row, "fid2": bench.second_real.row["fid"], "acc2": bench.second_real.row["acc"]},
    }


def _is_images(path: Path) -> bool:
    if not path.exists():
        raise ZooError(f"{path} does not exist; give a run's folder, a checkpoint, an .npz file or a folder of PNGs")
    return path.suffix == ".npz" if path.is_file() else not any(path.glob("step-*.json"))


def _between(images: list[tuple[Tensor, Tensor | None]], bench: Bench) -> dict[str, Any]:
    """The distance of two sets of (images, labels); both their finite sizes are corrected for."""
    a, b = (judge_images(bench.judge, each)[0] for each, _ in images)
    found = corrected(a, b.cpu(), images[0][1], images[1][1])
    return {"fid": found.fid, "fid_se": found.se, "fid_plain": found.plain}
