"""What real images score under a judge: the moments that samples are compared with, the floor, and the ceiling.

Computed once per (judge, data set) and kept in DATA_DIR/cache under both hashes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import torch

from eval.frechet import Moments, corrected, moments
from eval.judge import Judge, judge_images
from zoo.config import digest
from zoo.data import REAL_CLASSES, Dataset
from zoo.files import write_atomic


@dataclass(frozen=True)
class Reference:
    """`train`: moments of all training images' features. `floor`: the test images' distance to them. `real`: how the
    judge does on the test images."""

    train: Moments
    floor: dict
    real: dict


def reference(judge: Judge, data: Dataset, data_dir: Path, device: torch.device) -> Reference:
    """The reference of a judge on a data set, from the cache if it is there and whole."""
    key = digest([judge.sha256, data.sha256])[:24]
    path = data_dir / "cache" / f"reference-{data.name}-{key}.safetensors"
    arrays = _read(path)
    if arrays is None:
        arrays = _compute(judge, data, device)
        write_atomic(path, safetensors.numpy.save(arrays, {"sha256": _digest(arrays)}))
    train = Moments(arrays["mean"], arrays["cov"], int(arrays["n"][0]))
    fid, se, plain, n = arrays["floor"].tolist()
    correct, counts = arrays["correct"].tolist(), arrays["counts"].tolist()
    classes = [{"label": i, "n": counts[i], "correct": correct[i]} for i in range(REAL_CLASSES)]
    floor = {"fid": fid, "se": se, "plain": plain, "n": int(n)}
    return Reference(train, floor, {"acc": sum(correct) / sum(counts), "n": sum(counts), "classes": classes})


def _compute(judge: Judge, data: Dataset, device: torch.device) -> dict[str, np.ndarray]:
    features, _ = judge_images(judge, data.train.to(device))
    train = moments(features)
    features, predicted = judge_images(judge, data.test.to(device))
    floor = corrected(features, train)
    right = data.test_labels[predicted.cpu() == data.test_labels]
    return {
        "mean": train.mean,
        "cov": train.cov,
        "n": np.array([train.n]),
        "floor": np.array([floor.fid, floor.se, floor.plain, floor.n]),
        "correct": right.bincount(minlength=REAL_CLASSES).numpy(),
        "counts": data.test_labels.bincount(minlength=REAL_CLASSES).numpy(),
    }


def _read(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with safetensors.safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return arrays if (file.metadata() or {}).get("sha256") == _digest(arrays) else None
    except (OSError, safetensors.SafetensorError):
        return None


def _digest(arrays: dict[str, np.ndarray]) -> str:
    return digest({name: [str(a.dtype), a.tobytes().hex()] for name, a in arrays.items()})
