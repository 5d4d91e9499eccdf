"""A study as a data set of the hub: its rows, its declared types, and a card that the hub's library reads."""

import json

import pytest

from reports import __main__ as command
from reports import dataset
from reports.read.results import columns, rows
from tests.reports.test_export import run as run

KINDS = {"string": str, "int64": int, "bool": bool, "float64": float}


def test_rows_have_the_types_that_the_card_declares(run, tmp_path):
    from huggingface_hub import DatasetCard

    dataset.write(run, tmp_path / "hub", "cc-by-4.0")
    table = [json.loads(line) for line in (tmp_path / "hub" / "results.jsonl").read_text().splitlines()]
    assert len(table) == len(rows(run))
    card = DatasetCard.load(tmp_path / "hub" / "README.md")
    data = card.data.to_dict()
    declared = {f["name"]: f.get("dtype") for f in data["dataset_info"]["features"]}
    assert tuple(declared) == columns(run)
    for row in table:
        assert tuple(row) == columns(run)
        for name, value in row.items():
            if value is None:
                continue
            if declared[name] is None:
                assert all(isinstance(part, float) for part in value)
            else:
                assert type(value) is KINDS[declared[name]], (name, value)
    assert {(row["objective"], row["seed"], row["setting"]) for row in table if row["fid"] is not None} != set()
    assert data["configs"][0]["data_files"][0]["path"] == "results.jsonl"
    assert data["license"] == "cc-by-4.0"
    assert "diverged" in card.content
    assert "| fid, fid_se |" in card.content
    assert run.judge["sha256"] in card.content


def test_the_command(run, inside, refused, tmp_path):
    said = inside(command.main, "export", str(run.folder), "--hf-dataset", str(tmp_path / "hub"))
    assert "results.jsonl, README.md" in said
    assert "holds files already" in refused(
        command.main, "export", str(run.folder), "--hf-dataset", str(tmp_path / "hub")
    )
    assert "which run" in refused(command.main, "export")


@pytest.mark.parametrize(("count", "word"), [(10, "n<1K"), (5_000, "1K<n<10K")])
def test_size_category(run, count, word):
    assert f"- {word}" in dataset.card(run, count, None)
