"""results.json: the rows of results.csv with their types, the ranks, and the schema that both are checked by."""

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from eval.ranks.board import board
from reports.read.export import json_bytes, schema
from reports.read.load import load
from reports.read.results import columns, csv_bytes
from tests.conftest import ROOT
from tests.reports.test_reports import edit, fail, write_run
from zoo.objectives.families import DEFAULT


@pytest.fixture
def run(tmp_path):
    grid = write_run(tmp_path, objectives=DEFAULT[:3], seeds=(0, 1), size=8)
    fail(tmp_path / grid["cells"][3]["dir"], "diverged", "=1+1|<script>")
    best = {"setting": "ema-euler-flow-10-g1", "fid": 1.5, "fid_se": 0.1, "acc": 0.9}
    edit(tmp_path / grid["cells"][0]["dir"] / "result.json", lambda result: result.update(best={"score": best}))
    return load(tmp_path)


def refuse(constant: str):
    raise AssertionError(f"{constant} is no JSON")


def read(data: bytes) -> dict:
    value = json.loads(data, parse_constant=refuse)
    jsonschema.validate(value, json.loads(schema()))
    return value


def test_the_published_schema_is_the_programs():
    assert (Path(ROOT) / "reports" / "results.schema.json").read_text() == schema()
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))


def test_rows_are_those_of_the_csv_with_their_types(run):
    value = read(json_bytes(run))
    table = list(csv.DictReader(io.StringIO(csv_bytes(run).decode())))
    assert len(value["rows"]) == len(table)
    for row, line in zip(value["rows"], table, strict=True):
        assert list(row) == list(columns(run))
        for name, field in row.items():
            if field is None:
                assert line[name] == ""
            elif isinstance(field, bool):
                assert line[name] == str(field).lower()
            elif isinstance(field, int | float):
                assert float(line[name]) == field
    done = value["rows"][0]
    assert (done["best_setting"], done["best_fid"]) == ("ema-euler-flow-10-g1", 1.5)
    assert (done["precision"], done["train_precision"], done["interval"], done["clip"]) == (
        0.9,
        "bfloat16",
        [0.0, 1.0],
        True,
    )
    failed = next(row for row in value["rows"] if row["status"] == "diverged")
    assert (failed["message"], failed["fid"]) == ("=1+1|<script>", None)  # JSON runs nothing: the text as it is


def test_ranks_judges_and_grid_are_there(run):
    value, found = read(json_bytes(run)), board(run.entries, run.objectives)
    for row, theirs in zip(value["ranks"]["rows"], found["rows"], strict=True):
        assert {name: theirs[name] for name in row} == row
    assert value["judges"]["mnist"]["sha256"] == "aa"
    assert value["versions"] == run.grid["versions"]
    assert value["grid"]["objectives"] == list(DEFAULT[:3])
    assert "cells" not in value["grid"]


def test_the_same_files_give_the_same_bytes_and_no_number_is_nan(run):
    assert json_bytes(run) == json_bytes(load(run.folder))
    assert b"NaN" not in json_bytes(run)
    assert b"Infinity" not in json_bytes(run)


def test_a_run_without_any_result_is_a_file_too(tmp_path):
    grid = write_run(tmp_path, objectives=["rf", 'a"b\\c'], backbones=["dit"], size=8, judges={})
    for cell in grid["cells"]:
        fail(tmp_path / cell["dir"], "failed")
    value = read(json_bytes(load(tmp_path)))
    assert value["ranks"] is None
    assert [row["objective"] for row in value["rows"]] == ["rf", 'a"b\\c']
    edit(tmp_path / "grid.json", lambda grid: grid.update(cells=[]))
    assert read(json_bytes(load(tmp_path)))["rows"] == []
