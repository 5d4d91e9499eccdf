"""A submission: finished cells with the weights that were scored, in one .zip file that others can score again.

    submission.json                            its format, and each cell's place
    cells/0000/cell.json, result.json          as in a run's folder
              /step-*.safetensors, .json       the scored weights alone
    plugins/FILE.py                            the plug-in that an objective needs

Files in the archive are stored with a fixed date, so the same cells give the same bytes.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from eval.cell import read_config
from zoo import plugins
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.files import read_json, replacing, sha256, write_json
from zoo.base.sealed import read_sealed
from zoo.config.cell import CellConfig
from zoo.grid.held import holding
from zoo.spaces.space import PREFIX
from zoo.training import checkpoint

FORMAT, VERSION = "objective-zoo/submission", 1
INDEX = "submission.json"
DATE = (2020, 1, 1, 0, 0, 0)
MOST_BYTES = 8 << 30  # of an archive's files together
MOST_FILES = 100_000
SEEDS = 3  # the fewest training runs that a submission may have of an objective
PREFIXES = {"ema": "ema.", "raw": "net."}
OWN = ("sha256", "bytes", "step", "schema_version")  # of a manifest, which a new file has of its own


@dataclass(frozen=True)
class Packed:
    """A cell of a submission: its folder, configuration and result."""

    folder: Path
    config: CellConfig
    result: dict[str, Any]

    @property
    def name(self) -> str:
        """`DATASET BACKBONE OBJECTIVE seedN`, and the variant of the recipe in brackets after the objective."""
        train, variant = self.config.train, f" [{self.variant}]" if self.variant else ""
        return f"{train.dataset} {train.backbone} {train.objective}{variant} seed{train.seed}"

    @cached_property
    def variant(self) -> str:
        """The name that its grid gives its recipe; "" for none."""
        return str(read_sealed(self.folder / "cell.json").get("variant") or "")

    @property
    def group(self) -> tuple[str, ...]:
        """What the cells of one row of a table share: everything but the seed."""
        shared = self.config.model_dump(mode="json")
        shared["train"].pop("seed")
        return (self.config.train.dataset, self.config.train.backbone, self.config.train.objective, str(shared))


def cells_of(folders: Sequence[Path]) -> list[Path]:
    """The folders of the finished cells that these are, or hold. Raises ZooError for one without."""
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise ZooError(f"{folder} is no folder. Give a cell's, such as runs/default/mnist/dit/rf/seed0, or a run's")
        held = [folder / cell.folder for cell in holding(folder, None).cells if cell.status == "done"]
        if not held:
            raise ZooError(f"{folder} holds no finished cell (cell.json with result.json)")
        found += [cell for cell in held if cell not in found]
    return found


def pack(folders: Sequence[Path], out: Path, plugin: Path | None = None) -> tuple[list[str], list[str]]:
    """Write the archive; (a line about each cell, what its seeds lack, which others would call a fault).

    Raises ZooError for a cell whose weights are not those of its result, and for one that needs a plug-in that was not
    given.
    """
    lines, packed = [], []
    with tempfile.TemporaryDirectory() as scratch:
        root, places = Path(scratch), list[dict[str, Any]]()
        for cell in cells_of(folders):
            config, result = read_config(cell), read_sealed(cell / "result.json")
            if result["key"] != config.key:
                raise ZooError(f"{cell / 'result.json'} is not the result of {cell / 'cell.json'}")
            manifest, tensors = checkpoint.find(cell)
            if manifest["step"] != result["train"]["selected_step"]:
                raise ZooError(f"{cell} holds no weights of step {result['train']['selected_step']}, which were scored")
            packed.append(Packed(cell, config, result))
            _check_plugins(manifest["plugins"], plugin, cell)
            train = config.train
            place = PurePosixPath("cells", f"{len(places):04}")
            kept = (*(PREFIXES[kind] for kind in config.score.weights), PREFIX)
            (root / place).mkdir(parents=True)
            for name in ("cell.json", "result.json"):
                (root / place / name).write_bytes((cell / name).read_bytes())
            weights = {name: tensor for name, tensor in tensors.items() if name.startswith(kept)}
            facts = {name: value for name, value in manifest.items() if name not in OWN}
            checkpoint.save(root / place, manifest["step"], weights, facts)
            places.append({"dir": str(place), "seed": train.seed, "objective": train.objective})
            lines.append(
                f"{train.dataset} {train.backbone} {train.objective} seed{train.seed}: "
                f"{counted(len(weights), 'tensor')}"
            )
        if plugin:
            (root / "plugins").mkdir()
            (root / "plugins" / plugin.name).write_bytes(plugin.read_bytes())
        write_json(root / INDEX, {"format": FORMAT, "version": VERSION, "cells": places})
        _zip(root, out)
    return lines, seed_faults(packed)


def _check_plugins(needed: dict[str, str], plugin: Path | None, cell: Path) -> None:
    own = {plugin.name: sha256(plugin)} if plugin else {}
    for name, version in needed.items():
        if name.endswith(".py") and own.get(name) != version:
            raise ZooError(f"{cell} was trained with the plug-in {name} (SHA-256 {version[:12]}): give it by --plugin")


def _zip(root: Path, out: Path) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    with replacing(out, sum(path.stat().st_size for path in files)) as file, zipfile.ZipFile(file, "w") as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())


def unpack(path: Path, folder: Path) -> list[Packed]:
    """The cells of an archive, written into an empty folder. Raises ZooError, naming the file and what is wrong, for
    what is no submission, and for names and sizes that no submission has."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise ZooError(f"{path} {found}: give a file that python -m eval.submit wrote")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise ZooError(f"{path} is larger than a submission may be: {MOST_BYTES:,} bytes, {MOST_FILES:,} files")
            for entry in entries:
                where = PurePosixPath(entry.filename)
                plain = (entry.external_attr >> 16) & 0o170000 in (0, 0o100000, 0o040000)
                if where.is_absolute() or ".." in where.parts or "\\" in entry.filename or not plain:
                    raise ZooError(f"{path} holds {entry.filename!r}, which no submission does: it is refused")
            archive.extractall(folder)
    except ZooError:
        raise
    except Exception as error:  # zipfile and its decompressors raise some fifteen kinds on damaged bytes
        raise ZooError(f"{path} cannot be read as .zip: {error}. Make it by python -m eval.submit") from None
    if not (folder / INDEX).is_file():
        raise ZooError(f"{path} holds no {INDEX}: it is no submission. Make one by python -m eval.submit")
    index = read_json(folder / INDEX)
    if index.get("format") != FORMAT or index.get("version") != VERSION or not isinstance(index.get("cells"), list):
        raise ZooError(f"{path}: {INDEX} is none of format {FORMAT}, version {VERSION}")
    packed: list[Packed] = []
    for entry in index["cells"]:
        cell = folder / str(entry.get("dir") if isinstance(entry, dict) else entry)
        try:
            known = folder.resolve() in cell.resolve().parents and (cell / "result.json").is_file()
        except (OSError, ValueError):  # a name that no file system takes
            known = False
        if not known:
            raise ZooError(f"{path}: {INDEX} names {entry!r}, which is no cell of the archive")
        packed.append(_unpacked(path, folder, cell))
    if not packed:
        raise ZooError(f"{path} holds no cell")
    return packed


def _unpacked(path: Path, folder: Path, cell: Path) -> Packed:
    """A cell of an archive that lies in a folder. Errors name the archive: the folder is gone when they are read.

    Plug-ins first: without one its words in the configuration are unknown, and that is all that could be said.
    """
    try:
        result = read_sealed(cell / "result.json")
        made_with = result.get("plugins")
        for name, version in made_with.items() if isinstance(made_with, dict) else ():
            if name.endswith(".py") and (have := plugins.LOADED.get(name)) != version:
                other = f", and the one given is another ({have[:12]})" if have else ""
                where = f"read plugins/{name} in it, and " if (folder / "plugins" / name).is_file() else ""
                needed = f"the plug-in {name} (SHA-256 {str(version)[:12]})"
                raise ZooError(f"{path} was made with {needed}{other}: {where}give it by --plugin")
        return Packed(cell, read_config(cell), result)
    except ZooError as error:
        raise ZooError(str(error).replace(f"{folder}/", f"{path}: ")) from None


def weights_hash(cell: Path) -> str:
    """SHA-256 of a cell's weights, whatever its seed is said to be."""
    _, tensors = checkpoint.find(cell)
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()


def seed_faults(cells: Sequence[Packed]) -> list[str]:
    """What is wrong with the seeds: fewer than three, one twice, or one training given as two."""
    groups: dict[tuple[str, ...], list[Packed]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    faults = []
    for (dataset, backbone, objective, _), members in groups.items():
        name, seeds = f"{objective} on {backbone}, {dataset}", [cell.config.train.seed for cell in members]
        if len(set(seeds)) < SEEDS:
            faults.append(f"{name}: {counted(len(set(seeds)), 'distinct seed')}, and {SEEDS} are needed")
        if len(set(seeds)) < len(seeds):
            faults.append(f"{name}: a seed is there twice")
        if len({weights_hash(cell.folder) for cell in members}) < len(members):
            faults.append(f"{name}: two seeds have the same weights")
    return faults
