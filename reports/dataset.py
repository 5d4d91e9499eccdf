"""A study as a data set of the hub: one row for each cell, control setting and seed, with a fixed schema and a card.

    DIR/results.jsonl      the rows of results.csv, typed
    DIR/README.md          the card: its head declares the files and every column's type

Nothing is sent: `hf upload --repo-type dataset USER/NAME DIR` does that.
"""

import json
from pathlib import Path
from typing import Any

from reports.read import results
from reports.read.export import column_type
from reports.read.run import Run
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.files import write_atomic
from zoo.hub.card import HUB_DATA

DTYPES = {"string": "string", "integer": "int64", "boolean": "bool", "number": "float64"}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def features(run: Run) -> list[dict[str, Any]]:
    """Name and type of every column, as the hub's dataset_info has them."""
    found: list[dict[str, Any]] = []
    for name in results.columns(run):
        kind = column_type(name)["type"][0]
        found.append(
            {"name": name, "sequence": "float64"} if kind == "array" else {"name": name, "dtype": DTYPES[kind]}
        )
    return found


def write(run: Run, folder: Path, licence: str | None) -> list[str]:
    """Write the data set into a folder, new or empty; the names of its files. Raises ZooError for one with files."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ZooError(f"--hf-dataset {folder} holds files already. Choose another folder, or delete it first")
    rows = [{name: _plain(name, row[name]) for name in results.columns(run)} for row in results.rows(run)]
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
    write_atomic(folder / "results.jsonl", ("\n".join(lines) + "\n").encode())
    write_atomic(folder / "README.md", card(run, len(rows), licence).encode())
    return ["results.jsonl", "README.md"]


def _plain(name: str, value: Any) -> Any:
    """A value as its column's type has it: whole numbers are no floats, and what is not finite is null."""
    if isinstance(value, float) and value - value != 0:
        return None
    kind = column_type(name)["type"][0]
    return float(value) if kind == "number" and value is not None else value


def card(run: Run, count: int, licence: str | None) -> str:
    """README.md: the metadata, and what a reader should know."""
    from huggingface_hub import DatasetCardData

    sources = [HUB_DATA[name] for name in run.datasets if name in HUB_DATA]
    size = next((word for most, word in SIZES if count < most), "n>1M")
    head = DatasetCardData(
        license=licence, pretty_name=f"Objective zoo: {run.grid.get('name')}", size_categories=[size],
        source_datasets=sources or None, tags=["objective-zoo", "diffusion", "benchmark"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "results.jsonl"}]}],
        dataset_info={"features": features(run)},
    )  # fmt: skip
    judges = {name: run.on(name).judge for name in run.datasets}
    told = [
        f"| {name} | `{judge['name']}`, SHA-256 `{judge['sha256']}` | {judge['floor']['fid']:.3f} |"
        for name, judge in judges.items()
        if judge.get("floor")
    ]
    columns = (results.__doc__ or "").split("\n\n", 2)[2].strip()
    states = [cell.status for cell in run.cells]
    kinds = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    return f"""---
{str(head.to_yaml()).strip()}
---

# Objective zoo: {run.grid.get("name")}

{run.grid.get("description")}. Diffusion objectives trained side by side on {", ".join(run.datasets)}, with everything
else held equal. {counted(len(run.cells), "cell")} ({kinds}), {counted(count, "row")}: one for each cell (objective,
backbone, data set, seed) and control setting.

A cell that diverged or failed has one row without scores. Compare rows of one `dataset`, `judge_sha256`, `n` and
setting only, and over several seeds: one seed is a sketch. FID is measured in the features of the judge, a small
classifier, not of Inception.

| data set | judge | floor (FID of real test images) |
|---|---|---|
{chr(10).join(told)}

Made by `{run.grid.get("command")}`.

## Columns

{columns}
"""
