"""What a tracker is given: a row of metrics.jsonl under its names, and what a finished run leaves to keep.

A tracker that stores artifacts takes the second: files that are in the run's folder and stay there.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any


def artifacts(folder: Path) -> dict[str, list[Path]]:
    """What a finished run leaves to keep: `model`, its last checkpoint, and `samples`, its pictures; none empty."""
    last = max(folder.glob("step-*.json"), key=lambda path: path.stem, default=None)
    found = {
        "model": [last, last.with_suffix(".safetensors")] if last else [],
        "samples": sorted((folder / "tracked").glob("*.png")),
    }
    return {kind: files for kind, files in found.items() if files}


def scalars(row: dict[str, Any]) -> dict[str, float]:
    """A row of metrics.jsonl under a tracker's names; bins that saw nothing are left out."""
    from zoo.training.runlog import LOGSNR_EDGES as EDGES

    values = {f"train/{key}": value for key, value in row.items() if key not in ("step", "bins")}
    names = [f"{low:g}_to_{high:g}" for low, high in pairwise(EDGES)]
    names = [f"below_{EDGES[1]:g}", *names[1:-1], f"above_{EDGES[-2]:g}"]
    for i, (name, mean) in enumerate(zip(names, row["bins"], strict=True), 1):
        if mean is not None:
            values[f"eps_error/{i}_logsnr_{name}"] = mean
    return values
