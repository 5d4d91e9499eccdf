"""What travels between the driver and a node that share no disk: the code, a cell's state, and what a cell made.

A parcel maps names below a cell's folder to bytes. Of a finished cell everything comes back but the state of its
optimiser: its weights are the averaged ones (EMA), and the raw ones where these are scored; the manifest keeps the
SHA-256 of the whole file. Of a cell that ended otherwise its whole newest checkpoint comes, so it goes on anywhere.
"""

import hashlib
import json
import re
import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from zoo.base.errors import ZooError
from zoo.base.files import remove, write_atomic, write_together
from zoo.base.sealed import read_sealed, sealed

CAP = 1 << 28  # bytes that travel for a cell, one way; weights that do not fit stay where they are
LOG_BYTES = 1 << 20  # of a log, its end
PACKAGES = ("zoo", "eval")  # what a worker imports
MANIFEST = re.compile(r"step-(\d{6,})\.json")
HOME_ONLY = re.compile(r"(^|/)\.|\.tmp$")  # locks and torn files
RESULT, CELL = "result.json", "cell.json"
Parcel = dict[str, bytes]


def stage_code(root: Path, folder: Path) -> Path:
    """A copy of the project's packages, without what Python writes there; returns the folder."""
    for name in PACKAGES:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.md"))
    return folder


def code_digest(root: Path) -> str:
    """SHA-256 of the project's Python files, by name and content."""
    found = hashlib.sha256()
    for file in sorted(file for name in PACKAGES for file in (root / name).rglob("*.py")):
        found.update(f"{file.relative_to(root).as_posix()}\n".encode())
        found.update(file.read_bytes())
    return found.hexdigest()


def step(folder: Path) -> int:
    """The step of a folder's newest checkpoint, -1 if there is none."""
    return max(
        (int(match[1]) for path in folder.glob("step-*.json") if (match := MANIFEST.fullmatch(path.name))), default=-1
    )


def pack(folder: Path, finished: bool = False, kinds: Sequence[str] = ()) -> Parcel:
    """What of a cell's folder travels; finished: as its result, with the weights of these kinds (`ema`, `net`) only."""
    found: Parcel = {}
    newest = f"step-{step(folder):06d}"
    for file in sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()):
        name = file.relative_to(folder).as_posix()
        old = file.parent == folder and file.name.startswith("step-") and file.stem != newest
        if HOME_ONLY.search(name) or old or (finished and name.startswith("snapshots/")):
            continue
        if finished and file.suffix == ".safetensors":
            continue  # comes with its manifest
        if finished and MANIFEST.fullmatch(file.name):
            found |= _thinned(file, folder, kinds)
        else:
            found[name] = file.read_bytes()[-LOG_BYTES if name == "log.txt" else 0 :]
    return found


def fitting(parcel: Parcel, cap: int = CAP) -> tuple[Parcel, str]:
    """(what of a parcel may travel, "" or a sentence on the weights that it would be too large with)."""
    size = weight(parcel)
    if size <= cap:
        return parcel, ""
    light = {name: data for name, data in parcel.items() if not PurePosixPath(name).name.startswith("step-")}
    return light, (
        f"its weights stay on the node: {size / 1e6:,.0f} MB are more than the {cap / 1e6:,.0f} MB that may travel for "
        "a cell. With --shared-out nothing has to travel"
    )


def weight(parcel: Mapping[str, bytes]) -> int:
    """Bytes of a parcel."""
    return sum(map(len, parcel.values()))


def unpack(parcel: Parcel, folder: Path) -> None:
    """Write a parcel into a cell's folder: weights before their manifests, the result last. Older checkpoints go.

    Raises ZooError for a name that leads out of the folder.
    """
    for name in parcel:
        if not _harmless(name):
            raise ZooError(f"a parcel for {folder} holds the name {name!r}, which leads out of it")
    order = sorted(parcel, key=lambda name: (name.endswith(".json"), name))
    write_together({folder / name: parcel[name] for name in order if name != RESULT})
    if RESULT in parcel:
        write_atomic(folder / RESULT, parcel[RESULT])
        shutil.rmtree(folder / "snapshots", ignore_errors=True)
    kept = {name.rpartition(".")[0] for name in parcel if name.startswith("step-")}
    for path in folder.glob("step-*") if kept else ():
        if path.stem not in kept:
            remove(path)


def _harmless(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _thinned(manifest: Path, folder: Path, kinds: Sequence[str]) -> Parcel:
    """A checkpoint's weights of these kinds alone, and a manifest for them."""
    facts, weights = read_sealed(manifest), manifest.with_suffix(".safetensors")
    data = select(weights.read_bytes(), [f"{kind}." for kind in kinds])
    facts |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "whole_sha256": facts["sha256"]}
    name = weights.relative_to(folder).as_posix()
    text = json.dumps(sealed(manifest.name, {**facts, "kinds": list(kinds)}), indent=1) + "\n"
    return {name: data, manifest.relative_to(folder).as_posix(): text.encode()}


def select(data: bytes, prefixes: Sequence[str]) -> bytes:
    """A safetensors file with only those tensors whose names begin so; the format is a length, a JSON header, bytes."""
    (length,) = struct.unpack_from("<Q", data)
    header, body = json.loads(data[8 : 8 + length]), memoryview(data)[8 + length :]
    kept, parts, end = {}, [], 0
    for name, entry in sorted(header.items(), key=lambda item: item[1].get("data_offsets", [0])[0]):
        if name.startswith(tuple(prefixes)):
            first, last = entry["data_offsets"]
            kept[name] = {**entry, "data_offsets": [end, end + last - first]}
            parts.append(body[first:last])
            end += last - first
    head = json.dumps(kept, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return b"".join([struct.pack("<Q", len(head)), head, *parts])
