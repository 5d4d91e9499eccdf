"""Terminals of 40 columns: no command's line is wider, and nothing that a wide terminal shows is left out."""

import json
import re

import numpy as np
import pytest

import run_all
from eval import compare, fid
from reports import api
from tests.reports.test_reports import write_run
from zoo import objective, registry
from zoo.base import helptext, texttable

NAMES = ("rf/lognorm(0,1)", "eps/linear+minsnr(5)")
NUMBER = re.compile(r"(?<![\w.,(-])-?\d+(?:\.\d+)?(?:e-?\d+)?%?(?![\w.)-])")


@pytest.fixture
def narrow(inside, monkeypatch):
    """narrow(main, "--x", ..) -> (what it prints on 40 columns, what it prints on 400)."""

    def run(main, *arguments: str) -> tuple[str, str]:
        said = []
        for columns in ("40", "400"):
            monkeypatch.setenv("COLUMNS", columns)
            said.append(inside(main, *arguments))
        return said[0], said[1]

    return run


def too_wide(text: str, width: int = 40) -> list[str]:
    """Lines that are wider, but for a single word, such as a path, that no line could hold."""
    return [line for line in text.splitlines() if len(line) > width and len(line.split()) > 1]


def numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


def test_a_list_of_cells(narrow, tmp_path):
    for grid in ("smoke", "sd3"):
        slim, wide = narrow(run_all.main, "--grid", grid, "--list", "--dataset", "digits", "--out", str(tmp_path))
        assert too_wide(slim) == []
        assert " ".join(slim.split()).count("status: to do") == wide.count("  to do  ") > 5
        assert numbers(wide) <= numbers(slim)


def test_the_zoo_and_one_objective(narrow):
    slim, wide = narrow(objective.main, "--all")
    assert too_wide(slim) == []
    assert set(registry.ZOO) <= {line.strip() for line in slim.splitlines()}
    assert numbers(wide) <= numbers(slim)
    for name in ("v/cosine+minsnr(5)", "rf/mode(1.29)", "v/trig+match(rf/lognorm(0,1))"):
        slim, wide = narrow(objective.main, name)
        assert too_wide(slim) == []
        assert numbers(wide) <= numbers(slim)


def test_the_ranks_of_a_run(narrow, tmp_path):
    write_run(tmp_path, objectives=NAMES, seeds=(0, 1, 2))
    slim, wide = narrow(compare.main, str(tmp_path))
    assert too_wide(slim) == []
    assert numbers(wide) <= numbers(slim)
    printed, same = narrow(compare.main, str(tmp_path), "--json")
    assert printed == same  # JSON is the same on every terminal
    for row in json.loads(printed)["rows"]:
        assert f"FID: {row['fid']:.2f}" in " ".join(slim.split())


def test_scores_of_two_sets(narrow, digits, tmp_path):
    for name, part in (("a", digits.train[:300]), ("b", digits.train[300:600])):
        labels = digits.train_labels[:300] if name == "a" else digits.train_labels[300:600]
        np.savez(tmp_path / f"{name}.npz", arr_0=part.permute(0, 2, 3, 1).numpy(), arr_1=labels.numpy())
    sets = [str(tmp_path / "a.npz"), str(tmp_path / "b.npz")]
    slim, wide = narrow(fid.main, *sets, "--dataset", "digits", "--data-dir", str(tmp_path / "data"))
    assert too_wide(slim) == []
    assert numbers(wide) <= numbers(slim)


def test_the_end_of_a_run(tmp_path, monkeypatch):
    write_run(tmp_path, objectives=NAMES, seeds=(0, 1, 2))
    found = api.GridRun(tmp_path, tmp_path / "report.html", (), 1.0)
    said = {}
    for columns in ("40", "400"):
        monkeypatch.setenv("COLUMNS", columns)
        said[columns] = api.ending(found)
    assert too_wide(said["40"]) == []
    assert numbers(said["400"].split("The page:")[0]) <= numbers(said["40"])
    assert str(tmp_path / "report.html") in said["40"]  # a path in one piece can be opened


@pytest.mark.parametrize(("columns", "width"), [("5", 40), ("-1", 80), ("40", 40), ("130", 130)])
def test_a_table_is_laid_out_for_at_least_40_columns(columns, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.__stdout__", None)  # no terminal is asked
    assert helptext.terminal_columns() == width


def test_a_table_is_columns_where_they_fit_and_rows_where_not():
    header, rows = ["objective", "FID", "95%\ninterval"], [["rf", "1.5", "1 to 2"], ["v", "-", "2"]]
    wide = (
        "objective    FID    95%\n                    interval\n"
        "-----------  -----  ----------\nrf           1.5    1 to 2"
    )
    assert texttable.table(header, rows, None).startswith(wide)
    assert texttable.table(header, rows, 30).startswith(wide)
    assert texttable.table(header, rows, 29) == "rf\n  FID: 1.5; 95% interval: 1\n  to 2\nv\n  95% interval: 2"
