"""What changed between two runs: known changes are found with their intervals, equal runs are said to be; errors."""

import csv
import io
import shutil

import numpy as np
import pytest
from scipy import stats

from reports import changes, changetables
from reports.__main__ import main
from reports.render import markdown
from reports.words.document import Table, plain
from tests.reports.test_answer import give
from tests.reports.test_reports import BACKBONES, edit, fail, write_run
from zoo.base.errors import ZooError

NAMES = ["rf", "v/cosine", "eps/linear"]


def made(folder, fid=lambda cell, guidance: 20.0, se=0.5, block=0, **given):
    grid = write_run(folder, objectives=NAMES, backbones=BACKBONES[:1], size=8, **given)
    give(folder, grid, fid, se, block)
    return grid


@pytest.fixture
def two(tmp_path):
    """(a, b, the grid of both): three objectives, three seeds; in b FID of `rf` is 10 lower, of others as in a."""
    noise = np.random.default_rng(0).normal(0, 1, (3, 3))

    def fid(cell, guidance):
        return 30 + guidance + noise[NAMES.index(cell["objective"]), cell["seed"]]

    grid = made(tmp_path / "a", fid, seeds=(0, 1, 2))
    made(
        tmp_path / "b",
        lambda c, g: fid(c, g) - 10 * (c["objective"] == "rf") * (1 + 0.01 * c["seed"]),
        seeds=(0, 1, 2),
        block=7,
    )
    return tmp_path / "a", tmp_path / "b", grid


def rows(blocks, title) -> list[list[str]]:
    """The rows of the table whose header has this column, as text."""
    table = next(b for b in blocks if isinstance(b, Table) and title in b.header)
    return [[plain(field) for field in row] for row in table.rows]


def test_equal_runs_are_identical(two, tmp_path, inside):
    a, _, grid = two
    shutil.copytree(a, tmp_path / "copy")
    found = changes.compare(a, tmp_path / "copy")
    assert found.identical
    said = inside(main, "compare", str(a), str(tmp_path / "copy"))
    assert "Identical: 9 cells are done in both" in said
    assert "Configuration, judges and versions are the same." in said
    edit(tmp_path / "copy" / grid["cells"][0]["dir"] / "result.json", lambda r: r["scores"][0].update(fid=20.000001))
    assert not changes.compare(a, tmp_path / "copy").identical


def test_a_known_change_is_found_and_nothing_else(two):
    a, b, _ = two
    found = changes.compare(a, b)
    for change in (*found.cells, *found.seeds):
        assert change.holds[0] == (change.objective == "rf")
        assert (change.found[0].mean != 0) == (change.objective == "rf")
    half = stats.t.ppf(0.975, 19) * 0.5 * 2**0.5
    cell = next(c for c in found.cells if c.objective == "rf" and c.seed == 1)
    assert (cell.found[0].mean, cell.found[0].low, cell.found[0].high) == pytest.approx(
        (-10.1, -10.1 - half, -10.1 + half), abs=1e-3
    )
    mean = next(c for c in found.seeds if c.objective == "rf")
    assert mean.found[0].mean == pytest.approx(-10.1, abs=0.05)
    assert mean.found[0].low < -10.1 < mean.found[0].high < 0
    assert changetables.summary(found).startswith("9 cells are done in both. Cell by cell, ")


def test_the_summary_counts_what_the_tables_mark(two):
    blocks = changetables.blocks(changes.compare(*two[:2]))
    marks = [
        sum(field.endswith("*") for row in t.rows for field in map(plain, row)) for t in blocks if isinstance(t, Table)
    ]
    found = changes.compare(*two[:2])
    said = changetables.summary(found)
    assert f"{marks[1]} of {2 * len(found.cells)} scores differ by more than the error of sampling" in said
    assert f"as means over seeds, {marks[0]} of {2 * len(found.seeds)} differ" in said


def test_noise_alone_is_seldom_a_change(tmp_path):
    rng = np.random.default_rng(5)
    values = [{}, {}]

    def noisy(which):
        return lambda c, g: values[which].setdefault((c["objective"], c["seed"], g), 30 + rng.normal(0, 0.5))

    made(tmp_path / "a", noisy(0), seeds=tuple(range(8)))
    made(tmp_path / "b", noisy(1), seeds=tuple(range(8)), block=7)
    found = changes.compare(tmp_path / "a", tmp_path / "b")
    assert sum(change.holds[0] for change in found.cells) == 0
    assert 0.85 <= np.mean([not change.found[0].beyond for change in found.cells]) <= 1.0


def test_configuration_versions_and_cells_of_one_run_alone_are_told(two):
    a, b, grid = two
    for cell in grid["cells"]:

        def change(result):
            result["cell"]["train"]["learning_rate"] = 0.001
            result["versions"] = {"torch": "2.16.0|<b>"}
            result["train"].update(images_per_s=424.0, device="cuda")

        edit(b / cell["dir"] / "result.json", change)
    fail(b / grid["cells"][0]["dir"], "diverged")
    edit(b / "grid.json", lambda g: g.update(cells=[c for c in g["cells"] if c["seed"] < 2 or c["objective"] == "rf"]))
    found = changes.compare(a, b)
    said = [plain(text) for text in changes.different(found.a, found.b, found.matched)]
    assert "training: learning_rate: null became 0.001" in said
    assert "version of torch: null became 2.16.0|<b>" in said
    assert "ran with device: cpu became cuda" in said
    assert len(said) == 3
    gone = [plain(text) for text in changes.missing(found.a, found.b)]
    assert any(text.startswith("done in the first, diverged in the second (1): ") for text in gone)
    assert any(text.startswith("done in the first, not planned in the second (2): ") for text in gone)
    blocks = changetables.blocks(found)
    assert all("x 2.00" in row[-1] for row in rows(blocks, "images/s"))
    page = markdown.render(blocks)
    assert "<b>" not in page.replace("`", "").replace("2.16.0|<b>", "")


def test_other_judges_are_refused_with_what_to_do(two):
    a, b, grid = two
    for cell in grid["cells"]:
        edit(b / cell["dir"] / "result.json", lambda result: result["judge"].update(sha256="bb", name="mnist-v2"))
    with pytest.raises(
        ZooError, match=r"two judges, mnist-v1-seed0 .* and mnist-v2 .*cannot be compared.*python -m eval\.fid"
    ):
        changes.compare(a, b)


def test_runs_with_nothing_in_common_are_refused(two, tmp_path):
    a, b, grid = two
    write_run(tmp_path / "c", objectives=["x0/cosine"], backbones=BACKBONES[:1], size=8)
    with pytest.raises(ZooError, match=r"share no cell.*objectives are .*rf.* in the first, x0/cosine in the second"):
        changes.compare(a, tmp_path / "c")
    made(tmp_path / "d", seeds=(0, 1, 2), guidance=(4.0,))
    with pytest.raises(ZooError, match=r"no control setting: .*guidance 1.*against .*guidance 4"):
        changes.compare(a, tmp_path / "d")
    made(later := tmp_path / "e", seeds=(0, 1, 2))
    for path in later.rglob("result.json"):
        edit(path, lambda result: [row.update(start=-5.4) for row in result["scores"]])
    with pytest.raises(ZooError, match=r"no control setting: .*start -10, guidance 1.*against .*start -5.4, guid"):
        changes.compare(a, later)
    for cell in grid["cells"]:
        fail(b / cell["dir"], "failed")
    with pytest.raises(ZooError, match="no cell is done in both"):
        changes.compare(a, b)
    with pytest.raises(ZooError, match=r"no grid\.json"):
        changes.compare(a, tmp_path / "nowhere")


def test_out_writes_a_page_or_a_table_and_nothing_else(two, tmp_path, inside, refused):
    a, b, _ = two
    said = inside(main, "compare", str(a), str(b), "--out", str(tmp_path / "x.csv"))
    assert said.splitlines()[-1] == str(tmp_path / "x.csv")
    found = changes.compare(a, b)
    table = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
    assert len(table) == len(found.cells) + len(found.seeds)
    for row, change in zip(table, (*found.cells, *found.seeds), strict=True):
        assert float(row["fid_change"]) == change.found[0].mean
        exact = change.seed is not None  # means over seeds are those of FID's scale
        difference = float(row["fid_b"]) - float(row["fid_a"])
        assert change.found[0].mean == pytest.approx(difference, rel=1e-9 if exact else 0.02)
        assert row["seed"] == ("" if change.seed is None else str(change.seed))
        assert row["fid_holds"] == str(change.holds[0]).lower()
    inside(main, "compare", str(a), str(b), "--out", str(tmp_path / "x.md"))
    assert (tmp_path / "x.md").read_text() == markdown.render(changetables.blocks(found))
    assert "has to end in .md or .csv" in refused(main, "compare", str(a), str(b), "--out", str(tmp_path / "x.txt"))
    assert not (tmp_path / "x.txt").exists()


def test_many_rows_are_cut_in_a_terminal_and_the_cut_is_said(two):
    found = changes.compare(*two[:2])
    blocks = changetables.blocks(found, limit=5)
    shown = rows(blocks, "FID, change")
    assert len(shown) == 5
    assert all(row[1] == "rf" for row in shown[:4])  # what holds comes first
    assert f"5 of {len(found.seeds)} rows" in " ".join(plain(getattr(b, "text", "")) for b in blocks)


def test_the_terminal_prints_no_escape_sequences(two, inside):
    a, b, grid = two
    for folder in (a, b):
        edit(
            folder / "grid.json",
            lambda g: [c.update(objective="rf\x1b[31m") for c in g["cells"] if c["objective"] == "rf"],
        )
        for cell in grid["cells"]:
            if cell["objective"] == "rf":
                edit(folder / cell["dir"] / "result.json", lambda r: r["cell"]["train"].update(objective="rf\x1b[31m"))
    said = inside(main, "compare", str(a), str(b))
    assert "\x1b" not in said
    assert "rf [31m" in said


def test_a_run_in_a_folder_called_compare_is_reached_by_its_path(tmp_path, inside, monkeypatch):
    made(tmp_path / "compare")
    monkeypatch.chdir(tmp_path)
    assert inside(main, "./compare").strip().endswith("report.html")
    assert (tmp_path / "compare" / "report.md").is_file()
