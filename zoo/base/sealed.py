"""The project's own JSON files: each carries a schema version, and a digest of its name and of all that it holds.

So one that is damaged, cut short, edited by hand, of another version or in another's place is refused by name, never
half believed.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from zoo.base.errors import ZooError
from zoo.base.files import read_json, write_json

# of cell.json, grid.json, result.json, failed.json and checkpoints' manifests. 3 added the digest; 4 tells the DiT's
# patches their places, so that older weights, of the same names and shapes, would draw other images; 5 tells at which
# level of noise sampling starts, and keeps what paired comparisons need
SchemaVersion = Literal[5]
(SCHEMA_VERSION,) = get_args(SchemaVersion)


def digest(value: object) -> str:
    """SHA-256 of a value's canonical JSON (sorted keys, no spaces)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sealed(name: str, facts: Mapping[str, object]) -> dict[str, Any]:
    """Facts as the file of this name will hold them: plain JSON values, with `schema_version` and `digest`.

    Raises ValueError for NaN and infinity, which JSON has not.
    """
    plain = json.loads(json.dumps({"schema_version": SCHEMA_VERSION, **facts}, allow_nan=False))
    return {**plain, "digest": digest([name, plain])}


def write_sealed(path: Path, facts: Mapping[str, object]) -> None:
    """Replace the file by these facts, sealed. Errors as `files.replacing`."""
    write_json(path, sealed(path.name, facts))


def read_sealed(path: Path) -> dict[str, Any]:
    """What the file holds, without the digest. Raises ZooError naming the file and what is wrong with it."""
    facts = read_json(path)
    if (found := facts.get("schema_version")) != SCHEMA_VERSION:
        raise ZooError(f"{path} has schema_version {found}; this program reads {SCHEMA_VERSION}")
    if facts.pop("digest", None) != digest([path.name, facts]):
        raise ZooError(f"{path} is damaged or was edited: it is not what its digest describes")
    return facts
