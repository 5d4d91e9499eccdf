"""Cells of one run that were done with different versions: the page says so, and groups them."""

import pytest

from reports.page import build
from reports.read.load import load
from reports.words import mixed
from tests.reports.test_reports import edit, section, write_run

OBJECTIVES = ("rf", "eps/cosine")


def with_versions(folder, cell: str, torch: str, git: str = "abc") -> None:
    edit(
        folder / cell / "result.json", lambda found: found.update(versions={"torch": torch, "python": "3.11"}, git=git)
    )


@pytest.fixture
def run(tmp_path):
    """Four cells: two objectives, two seeds; one cell is done with an older torch."""
    grid = write_run(tmp_path, objectives=OBJECTIVES, backbones=["dit(patch=4)"], seeds=(0, 1))
    for cell in grid["cells"]:
        with_versions(tmp_path, cell["dir"], "2.14.1")
    return tmp_path, [cell["dir"] for cell in grid["cells"]]


def test_the_same_versions_are_not_mentioned(run):
    folder, _ = run
    assert mixed.warning(load(folder)) is None
    assert mixed.TITLE not in build(folder).read_text()


def test_cells_are_grouped_by_what_differs(run):
    folder, cells = run
    with_versions(folder, cells[3], "2.13.5")
    text = build(folder).read_text()
    assert "cells were done with different versions, torch 2.14.1 (3 cells), 2.13.5 (1 cell); see" in text
    found = section(text, mixed.TITLE)
    assert [found[0], *found[2:4]] == [
        ["group", "torch", "cells"],
        ["group 1", "2.14.1", "3"],
        ["group 2", "2.13.5", "1"],
    ]
    body = text.split(f"## {mixed.TITLE}\n")[1].split("\n## ")[0]
    rows = [line for line in body.splitlines() if line.startswith("|")]
    scores = {row.split("|")[3].strip(): row.split("|")[4:6] for row in rows if "dit(patch=4)" in row}
    assert scores["eps/cosine"][1].strip() != "-" and scores["rf"][1].strip() == "-"
    assert next(row for row in rows if cells[3] in row).split("|")[2].strip() == "group 2"
    assert sum("group 1" in row for row in rows if "/seed" in row) == 3
    assert mixed.TITLE in (folder / "report.html").read_text()


def test_the_score_of_a_group_is_that_of_its_cells_alone(run):
    folder, cells = run
    with_versions(folder, cells[3], "2.13.5")
    found = load(folder)
    (last,) = (cell for cell in found.cells if cell.folder == cells[3])
    fid = last.score(found.headline[0])["fid"]
    text = build(folder).read_text().split(f"## {mixed.TITLE}\n")[1]
    (row,) = (line for line in text.splitlines() if line.startswith("|") and "eps/cosine" in line and "±" in line)
    assert f"{fid:.1f}"[:3] in row.split("|")[5]


def test_another_commit_is_another_group_and_no_warning(run):
    folder, cells = run
    for cell in cells:
        with_versions(folder, cell, "2.14.1")
    assert mixed.grouped(load(folder)) == []
    with_versions(folder, cells[0], "2.14.1", git="def+")
    assert mixed.warning(load(folder)) is None
    assert mixed.grouped(load(folder))
