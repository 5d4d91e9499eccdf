"""One view of a folder: pages, ranks and plans agree about its cells, whatever grids wrote them."""

import json
from pathlib import Path

import pytest

from eval.ranks.board import read
from reports.page import build
from reports.read.load import load
from tests.reports.test_reports import write_run
from zoo.base.errors import ZooError
from zoo.base.sealed import read_sealed, write_sealed
from zoo.grid.held import holding, read_grid
from zoo.objectives.families import DEFAULT


@pytest.fixture
def run(tmp_path) -> Path:
    """A finished run on two backbones, each cell with its cell.json."""
    folder = tmp_path / "run"
    grid = write_run(folder, objectives=DEFAULT[:2], size=8)
    for entry in grid["cells"]:
        config = {key: entry[key] for key in ("dataset", "backbone", "objective", "seed")}
        write_sealed(folder / entry["dir"] / "cell.json", {"config": {"train": config}})
    return folder


def names(folder: Path) -> list[tuple]:
    """The cells of a folder by the page and by the ranks, which are the same."""
    page = sorted((c.dataset, c.backbone, c.objective, c.seed, c.status) for c in load(folder).cells)
    assert page == sorted((e.dataset, e.backbone, e.objective, e.seed, e.status) for e in read(folder))
    return page


def narrowed(folder: Path) -> list[dict]:
    """Take half of the cells out of grid.json, as --backbone does; returns them."""
    grid = read_sealed(folder / "grid.json")
    chosen = grid["backbones"][0]
    others = [entry for entry in grid["cells"] if entry["backbone"] != chosen]
    cells = [entry for entry in grid["cells"] if entry["backbone"] == chosen]
    write_sealed(folder / "grid.json", {**grid, "backbones": [chosen], "cells": cells})
    return others


def test_a_narrowed_grid_hides_no_finished_cell(run):
    before = names(run)
    others = narrowed(run)
    assert others
    assert names(run) == before
    build(run)
    text, table = (run / "report.md").read_text(), (run / "results.csv").read_text()
    assert f"{len(others)} of the cells are not of the last grid that was run here" in text
    assert all(entry["backbone"] in table for entry in others)
    assert len(json.loads((run / "results.json").read_text())["rows"]) == table.count("\n") - 1


def test_links_are_followed_and_count_once(run, tmp_path):
    before, entry = names(run), narrowed(run)[0]
    cell = run / entry["dir"]
    cell.rename(tmp_path / "elsewhere")
    cell.symlink_to(tmp_path / "elsewhere")
    (run / "again").symlink_to(tmp_path / "elsewhere")
    (run / "circle").symlink_to(run)
    assert names(run) == before


def test_a_copy_of_a_cell_is_named_and_left_out(run):
    before, grid = names(run), read_sealed(run / "grid.json")
    entry = grid["cells"][0]
    copy = run / "copy" / "seed0"
    copy.mkdir(parents=True)
    config = {key: entry[key] for key in ("dataset", "backbone", "objective", "seed")}
    write_sealed(copy / "cell.json", {"config": {"train": config}})
    assert names(run) == before
    (problem,) = holding(run, grid).problems
    assert str(copy) in problem and "a second time" in problem


def test_damaged_files_are_named_with_the_remedy_and_the_rest_is_read(run):
    before, grid = names(run), read_sealed(run / "grid.json")
    (run / grid["cells"][0]["dir"] / "result.json").write_text("{}")
    after = names(run)
    assert len(after) == len(before)
    assert [cell[-1] for cell in after].count("unreadable") == 1
    told = []
    read(run, told.append)
    assert "delete the file, and run its grid again" in told[0]
    (run / "grid.json").write_text("{")
    with pytest.raises(ZooError, match="grid.json is written again"):
        read_grid(run)
    told.clear()
    assert len(read(run, told.append)) == len(before)
    assert "Run run_all.py again" in told[0]


def test_a_run_within_a_run_is_another_run(run):
    before = names(run)
    inner = run / "inner"
    write_run(inner, objectives=DEFAULT[2:3], size=8)
    (cell,) = list(inner.rglob("result.json"))[:1]
    write_sealed(cell.parent / "cell.json", {"config": {"train": {"dataset": "digits"}}})
    assert names(run) == before
