"""results.json: everything that a page's numbers come from, in one file for programs.

    python -m reports.read.export > reports/results.schema.json     writes its JSON Schema; a test compares the two

| field | what it holds |
|---|---|
| format, version | "objective-zoo/results", and the version of this layout |
| grid | what was asked for: grid.json without its cells, digest, judges and versions |
| versions | of Python and the packages |
| judges | by data set: who scored, with accuracy and floor (the score of real test images) |
| rows | those of results.csv under the names of its columns (reports/read/results.py explains them), types kept |
| ranks | settings, seeds, datasets, families; rows: objective, rank, its 95% confidence set (low, high), P(first) \
(first), the FID at its level (fid), its mean Pareto front (front), who it cannot be distinguished from (alike), \
whether runs are missing (incomplete), how many are done, diverged and planned (runs), its ranks by family of \
backbones and by number of steps, and its rank in SD3's study (published) |

What is not known is null; NaN and infinity do not occur. The same result files give the same bytes.
"""

import json
import math
from collections.abc import Container, Iterable
from typing import Any

from reports.read.results import COLUMNS, columns, rows
from reports.read.run import Run

FORMAT, VERSION = "objective-zoo/results", 1
ELSEWHERE = {"cells", "digest", "schema_version", "judges", "versions"}
TEXT = {
    "grid", "dataset", "backbone", "objective", "status", "published", "setting", "weights", "sampler", "step_grid",
    "train_precision", "device", "judge", "judge_sha256", "key", "message", "best_setting",
}  # fmt: skip
OF_CLASS = "^c?(acc|fid)_[0-9]+$"  # columns of which there is one for each class
WHOLE = {"seed", "steps", "evaluations", "n", "duplicates", "images", "parameters", "selected_step"}
TRUTH = {"clip", "compiled"}
RANKED = ("objective", "rank", "low", "high", "first", "fid", "front", "alike", "incomplete", "done", "diverged",
          "runs", "families", "steps", "published")  # fmt: skip


def results(run: Run) -> dict[str, Any]:
    """The whole file as plain values."""
    found = run.board if run.done else {}
    ranks = {name: found[name] for name in ("settings", "seeds", "datasets", "families") if name in found}
    judges = {name: run.on(name).judge for name in run.datasets}
    whole: dict[str, Any] = _finite({
        "format": FORMAT,
        "version": VERSION,
        "grid": {name: value for name, value in run.grid.items() if name not in ELSEWHERE},
        "versions": run.grid.get("versions") or {},
        "judges": {name: judge for name, judge in judges.items() if judge},
        "rows": [{column: row[column] for column in columns(run)} for row in rows(run)],
        "ranks": {**ranks, "rows": [{name: row[name] for name in RANKED} for row in found["rows"]]} if found else None,
    })  # fmt: skip
    return whole


def json_bytes(run: Run) -> bytes:
    """results.json: UTF-8, a row a line of the file's longest part, keys in the order above."""
    value = results(run)
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False, allow_nan=False) for row in value["rows"])
    parts = [
        f' "{name}": [\n{lines}\n ]' if name == "rows" and lines else
        f' "{name}": {json.dumps(part, ensure_ascii=False, allow_nan=False)}'
        for name, part in value.items()
    ]  # fmt: skip
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON has not."""
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def schema() -> str:
    """The JSON Schema of results.json, as the published file holds it."""
    known = {"dataset", "backbone", "objective", "seed", "status"}
    row = _object({name: column_type(name) for name in COLUMNS}, COLUMNS, known)
    row["patternProperties"] = {OF_CLASS: column_type("acc")}
    number, whole, text = {"type": ["number", "null"]}, {"type": "integer", "minimum": 0}, {"type": "string"}
    names, ranks = {"type": "array", "items": text}, {"type": "object", "additionalProperties": number}
    ranked = {
        "objective": text, "rank": number, "low": number, "high": number, "first": number, "fid": number,
        "front": number, "alike": names,
        "incomplete": {"type": "boolean"}, "done": whole, "diverged": whole, "runs": whole, "families": ranks,
        "steps": ranks, "published": number,
    }  # fmt: skip
    board_of = {
        "settings": whole, "seeds": whole, "datasets": names, "families": names,
        "rows": {"type": "array", "items": _object(ranked, RANKED)},
    }  # fmt: skip
    fields = {
        "format": {"const": FORMAT},
        "version": {"const": VERSION},
        "grid": {"type": "object"},
        "versions": {"type": "object", "additionalProperties": text},
        "judges": {"type": "object", "additionalProperties": {"type": "object", "required": ["name", "sha256"]}},
        "rows": {"type": "array", "items": row},
        "ranks": {"anyOf": [{"type": "null"}, _object(board_of, board_of)]},
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "results.json"}
    return json.dumps({**head, **_object(fields, fields)}, indent=1) + "\n"


def _object(properties: dict[str, Any], required: Iterable[str], never_null: Container[str] = ()) -> dict[str, Any]:
    kinds = {n: {**p, "type": p["type"][0]} if n in never_null else p for n, p in properties.items()}
    return {"type": "object", "properties": kinds, "required": list(required), "additionalProperties": False}


def column_type(name: str) -> dict[str, Any]:
    """The type of a column of results.csv."""
    if name == "interval":
        return {"type": ["array", "null"], "items": {"type": "number"}}
    kind = "string" if name in TEXT else "integer" if name in WHOLE else "boolean" if name in TRUTH else "number"
    return {"type": [kind, "null"]}


if __name__ == "__main__":
    print(schema(), end="")
