"""What samples are compared with: the moments of the real training images, and what real test images score.

Computed once for a judge and a data set, and kept in DATA_DIR/cache under the hashes of both and of the code that
computes it; in a data folder that cannot be written, once in a process.
"""

import contextlib
import hashlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import torch
from torch import Tensor

from eval.judging import net as judges
from eval.judging.net import Judge, judge_images
from eval.scores import frechet, metrics
from eval.scores import measure as measures
from eval.scores.frechet import Moments, moments
from eval.scores.measure import fixed_choice, measure, pixel_moments
from eval.scores.metrics import kernel_within
from zoo.base.errors import Busy, ZooError
from zoo.base.files import sha256, write_atomic
from zoo.base.lock import exclusive
from zoo.base.sealed import digest
from zoo.data.dataset import Dataset
from zoo.data.sets import short

REAL = 10_000  # training images whose features kid, precision and its kin are measured against
CODE = (frechet, judges, measures, metrics)  # and this file: what the cached numbers depend on


@dataclass(frozen=True, eq=False)
class Reference:
    """Of the training set: `train`, moments of all features; `classes`, of each class's; `pixels`, of the pixels times
    `pixel_scale`, which gives them a trace of as many as there are; `features` [<= REAL, d], a fixed random choice, and
    `kernel_within`, kid's part that needs no samples; `images`, all of them. `row`: what the real test images score."""

    train: Moments
    classes: list[Moments]
    pixels: Moments
    pixel_scale: float
    features: Tensor
    kernel_within: float
    images: Tensor
    row: dict[str, Any]

    @property
    def floor(self) -> dict[str, Any]:
        """FID of the real test images: what a perfect generator would score at their number."""
        return {"fid": self.row["fid"], "se": self.row["fid_se"], "plain": self.row["fid_plain"], "n": self.row["n"]}


def references(judges: list[Judge], data: Dataset, data_dir: Path, device: torch.device) -> list[Reference]:
    """Those of several judges. One that another process computes at the moment comes last: so two share the work."""
    found: dict[str, Reference] = {}
    for wait in (False, True):
        for judge in judges:
            if judge.sha256 not in found:
                with contextlib.suppress(Busy):
                    found[judge.sha256] = reference(judge, data, data_dir, device, wait)
    return [found[judge.sha256] for judge in judges]


def reference(judge: Judge, data: Dataset, data_dir: Path, device: torch.device, wait: bool = True) -> Reference:
    """The reference of a judge on a data set, from the cache if it is there and whole.

    Raises Busy if another process computes it and there is no wish to wait.
    """
    code = [sha256(Path(str(module.__file__))) for module in CODE] + [sha256(Path(__file__))]
    key = digest([judge.sha256, data.sha256, code])[:24]
    path = Path(data_dir) / "cache" / f"reference-{short(data.name)}-{key}.safetensors"
    found = _read(path) or _UNKEPT.get(path)
    if found is None:
        with contextlib.ExitStack() as held:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                patience = math.inf if wait else 0.0
                held.enter_context(exclusive(path.with_suffix(".lock"), patience))  # cells that start together
                found = _read(path)
            except OSError as error:
                _unkept(path, error.strerror or str(error))
            found = found or _keep(path, _compute(judge, data, device))
    return _assemble(*found, data, device)


Computed = tuple[dict[str, np.ndarray], dict[str, Any]]
_UNKEPT: dict[Path, Computed] = {}  # by the file that could not be written
_SAID: set[Path] = set()


def _keep(path: Path, found: Computed) -> Computed:
    """Write it to the cache, or else keep it for this process."""
    try:
        write_atomic(path, safetensors.numpy.save(found[0], {"row": json.dumps(found[1]), "sha256": _hash(*found)}))
    except ZooError as error:
        _unkept(path, str(error))
        _UNKEPT[path] = found
    return found


def _unkept(path: Path, reason: str) -> None:
    """Say why a folder holds no cache, once."""
    if path.parent in _SAID:
        return
    _SAID.add(path.parent)
    print(f"no cache in {path.parent} ({reason}): what real images score is computed again each time", file=sys.stderr)


def _compute(judge: Judge, data: Dataset, device: torch.device) -> Computed:
    features = judge_images(judge, data.train.to(device))[0].cpu()
    scale = math.sqrt(data.train[0].numel() / np.trace(pixel_moments(data.train, 1.0).cov))
    parts = {"train": moments(features), "pixels": pixel_moments(data.train, scale)}
    parts |= {f"class{label}": moments(features[data.train_labels == label]) for label in range(data.spec.real)}
    arrays = {
        f"{name}.{key}": np.asarray(getattr(part, key)) for name, part in parts.items() for key in ("mean", "cov", "n")
    }
    some = features[fixed_choice(len(features), REAL)]
    arrays |= {"pixel_scale": np.array(scale), "features": some.numpy(), "kernel_within": np.array(kernel_within(some))}
    real = _assemble(arrays, {}, data, device)
    row, _ = measure(data.test.to(device), data.test_labels, judge, real, chosen=data.stratified)
    return arrays, {**row, "n": len(data.test)}


def _assemble(arrays: dict[str, np.ndarray], row: dict[str, Any], data: Dataset, device: torch.device) -> Reference:
    def part(name: str) -> Moments:
        return Moments(arrays[f"{name}.mean"], arrays[f"{name}.cov"], int(arrays[f"{name}.n"]))

    return Reference(
        train=part("train"),
        classes=[part(f"class{label}") for label in range(data.spec.real)],
        pixels=part("pixels"),
        pixel_scale=float(arrays["pixel_scale"]),
        features=torch.from_numpy(arrays["features"]).to(device),
        kernel_within=float(arrays["kernel_within"]),
        images=data.train,
        row=row,
    )


def _read(path: Path) -> Computed | None:
    try:
        with safetensors.safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            head = file.metadata() or {}
        row = json.loads(head.get("row", "null"))
    except (OSError, ValueError, safetensors.SafetensorError):
        return None
    return (arrays, row) if head.get("sha256") == _hash(arrays, row) else None


def _hash(arrays: dict[str, np.ndarray], row: dict[str, Any]) -> str:
    whole = hashlib.sha256(json.dumps(row, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        whole.update(f"{name}{array.dtype}{array.shape}".encode())
        whole.update(array.tobytes())
    return whole.hexdigest()
