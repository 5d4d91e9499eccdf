"""Checkpoints: one safetensors file and, written after it, the JSON manifest that makes it count.

    step-000469.safetensors    net.*  ema.*  opt.*  stat.*
    step-000469.json           {step, sha256, bytes, config, standard, ..}, sealed       <- the commit point

The newest two are kept. A damaged one is named and the one before it used. Pickle is never read or written. A run
that is scored at another step than its last has that step's weights in its folder SELECTED.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from zoo.base import ranks
from zoo.base.errors import ZooError
from zoo.base.files import remove, sha256, write_atomic
from zoo.base.progress import warn
from zoo.base.sealed import read_sealed, write_sealed

KEPT = 2
SELECTED = "selected"
CELLS_BELOW = 5  # levels of folders from a grid's to its cells': data set, backbone, objective, variant, seed
KNOWN = "a run's folder or its step-NNNNNN.safetensors"
MANIFEST = re.compile(r"step-(\d{6,})\.json")


def save(
    folder: Path, step: int, tensors: Mapping[str, Tensor], manifest: Mapping[str, object], kept: int | None = None
) -> None:
    """Write the checkpoint of a step, then drop all but the newest `kept` (KEPT).

    tensors: names with a prefix net., ema., opt., stat. or coder., on any device. Of ranks the first alone writes.
    Raises DiskFull or ZooError.
    """
    if not ranks.leads():
        return
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    weights = folder / f"step-{step:06d}.safetensors"
    data = safetensors.torch.save(whole)
    write_atomic(weights, data)
    head = {"step": step, "sha256": sha256(weights), "bytes": len(data)}
    write_sealed(weights.with_suffix(".json"), {**head, **manifest})
    for old in manifests(folder)[KEPT if kept is None else kept :]:
        remove(old)  # the manifest first: without it the weights do not count
        remove(old.with_suffix(".safetensors"))


def manifests(folder: Path) -> list[Path]:
    """Manifests in a folder, the newest step first."""
    found = [(int(match[1]), path) for path in folder.glob("step-*.json") if (match := MANIFEST.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def read(manifest_path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(manifest, tensors) of a checkpoint, its hash verified. Raises ZooError naming what is wrong."""
    manifest = read_sealed(manifest_path)
    step, config = manifest.get("step"), manifest.get("config")
    if type(step) is not int or not isinstance(config, dict):
        raise ZooError(f"{manifest_path} is no checkpoint's manifest")
    weights = manifest_path.with_suffix(".safetensors")
    if not weights.is_file():
        raise ZooError(f"{weights} is missing")
    try:
        if f"step-{step:06d}.json" != manifest_path.name or sha256(weights) != manifest.get("sha256"):
            raise ZooError(f"{weights} is damaged: it is not the file that {manifest_path.name} describes")
        return manifest, safetensors.torch.load_file(weights)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ZooError(f"{weights} cannot be read: {error}") from None


def newest(folder: Path, say: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """The newest checkpoint that is whole, or None; damaged ones are named through `say`."""
    for path in manifests(folder):
        try:
            return read(path)
        except ZooError as error:
            say(f"checkpoint left out: {error}")
    return None


def run_below(folder: Path, whole: bool = False) -> Path | None:
    """A run below a folder, where that is a grid's, whose cells are some levels down, or a part of one.

    whole: only one with weights, which a published run's cells are without.
    """
    for levels in range(1, CELLS_BELOW + 1):
        for manifest in sorted(folder.glob("*/" * levels + "step-*.json")):
            if not whole or manifest.with_suffix(".safetensors").is_file():
                return manifest.parent
    return None


def find(path: Path, selected: bool = True, known: str = KNOWN) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The checkpoint that a user points at: a run's folder, a manifest, or the safetensors file.

    Of a folder it is the one that its scores are of, the selected one if there is one, else the newest. If that is
    damaged, it is named on stderr, and the one before is taken.

    selected: whether that one counts. known: what the user may give, for the error. Raises ZooError, with what to do,
    for anything else.
    """
    if path.is_dir():
        problems: list[str] = []
        found = newest(path / SELECTED, problems.append) if selected else None
        found = found or newest(path, problems.append)
        if found is None:
            detail, hint = f" ({'; '.join(problems)})" if problems else "", ""
            if below := run_below(path, whole=True):
                hint = f". Give one of the runs below it, such as {below}"
            elif below := run_below(path):
                hint = f". The runs below it, such as {below}, are without their weights: train them again"
            raise ZooError(f"{path} holds no checkpoint (step-NNNNNN.json and .safetensors){detail}{hint}")
        for problem in problems:
            warn(f"checkpoint left out: {problem}; that of step {found[0]['step']:,} is taken")
        return found
    if not path.is_file():
        raise ZooError(f"{path} does not exist; give {known}")
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == b"PK" or head[:1] == b"\x80":
        raise ZooError(f"{path} is a pickle, which can run code when it is read; only safetensors are loaded")
    if path.suffix not in (".json", ".safetensors") or not MANIFEST.fullmatch(path.with_suffix(".json").name):
        raise ZooError(f"{path} is no checkpoint; give {known}")
    return read(path.with_suffix(".json"))


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it: part(tensors, "ema")."""
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
