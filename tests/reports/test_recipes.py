"""A grid with variants: they are ranked over all pairings, and the objectives within each of them."""

import pytest

from reports.page import page
from reports.read.load import load
from reports.words.document import Table, plain
from reports.words.recipes import _order, recipes
from tests.reports.test_reports import BACKBONES, edit, write_run
from zoo.base.sealed import read_sealed, write_sealed

NAMES = ["eps/cosine", "rf"]
FIDS = {  # (objective, variant) -> FID on the two backbones
    ("eps/cosine", "slow"): (20.0, 30.0), ("eps/cosine", "fast"): (10.0, 35.0),
    ("rf", "slow"): (15.0, 25.0), ("rf", "fast"): (5.0, 8.0),
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return written(tmp_path_factory.mktemp("recipes"), {"slow": 1e-3, "fast": 4e-3})


def written(folder, rates):
    """Two objectives x variants at these rates x two backbones, whose accuracy falls with FID; "wild" is bad."""
    labels = [f"{name} [{variant}]" for name in NAMES for variant in rates]
    grid = write_run(folder, objectives=labels, backbones=BACKBONES[:2], size=8)
    for cell in grid["cells"]:
        name, _, variant = cell["objective"].removesuffix("]").partition(" [")
        fid = FIDS.get((name, variant), (90.0, 95.0))[BACKBONES.index(cell["backbone"])]
        train = {"objective": name, "optimizer": "muon", "learning_rate": rates[variant]}

        def known(result: dict, train: dict = train, fid: float = fid) -> None:
            result["cell"]["train"] |= train
            for row in result["scores"]:
                row.update(fid=fid, acc=1 - fid / 100)

        edit(folder / cell["dir"] / "result.json", known)
        cell |= {"objective": name, "variant": variant}
    facts = read_sealed(folder / "grid.json")
    facts = {key: facts[key] for key in facts if key not in ("digest", "schema_version")}
    write_sealed(folder / "grid.json", facts | {"cells": grid["cells"]})
    return load(folder)


def test_variants_are_ranked_over_all_pairings(run):
    lead, blocks = recipes(run)
    board = next(block for block in blocks if isinstance(block, Table))
    expected = {"fast": 1.0, "slow": 2.0}  # fast is first in three of the four pairings and second in the other
    assert {row[0]: float(row[1].split()[0]) for row in board.rows} == expected
    assert plain(lead[0]).startswith("fast serves the objectives best of 2 recipes: its rank is 1")
    assert [plain(text) for text in lead[1:3]] == [
        f"On {backbone} fast serves them best. Its learning rate is the highest tried with muon: "
        "a higher one may serve them better."
        for backbone in BACKBONES[:2]
    ]
    assert plain(lead[3]) == "Among the objectives ranks first, of 2 recipes: rf under 2."
    how = "by FID over all settings, chosen by the same runs"  # as if each were tuned by itself
    assert [plain(text) for text in lead[4:]] == [
        f"Each objective with its own best recipe on {BACKBONES[0]}, {how}: rf 5.00 (fast), eps/cosine 10.00 (fast).",
        f"Each objective with its own best recipe on {BACKBONES[1]}, {how}: rf 8.00 (fast), eps/cosine 30.00 (slow).",
    ]


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ({"slow": 4e-3, "fast": 1e-3}, "is the lowest tried with muon: a lower one may serve them better."),
        ({"slow": 1e-3, "fast": 4e-3, "wild": 8e-3}, "lies inside those tried with muon, 0.001 to 0.008."),
    ],
)
def test_the_best_rate_is_inside_or_at_an_end(tmp_path, rates, told):
    lead, _ = recipes(written(tmp_path, rates))
    assert [plain(text) for text in lead[1:3]] == [
        f"On {backbone} fast serves them best. Its learning rate {told}" for backbone in BACKBONES[:2]
    ]


def test_recipes_of_one_rate_are_at_no_end(tmp_path):
    lead, _ = recipes(written(tmp_path, {"slow": 1e-3, "fast": 1e-3}))
    assert plain(lead[1]) == f"On {BACKBONES[0]} fast serves them best."


def test_the_page_says_it_first_and_keeps_variants_apart(run):
    blocks = page(run, [])
    assert plain(blocks[0].text).startswith("mnist: 2 diffusion objectives with 2 recipes on 2 backbones")
    assert plain(blocks[1].text).startswith("fast serves")
    tables = [block for block in blocks if isinstance(block, Table)]
    names = {plain(row[0]) for row in tables[0].rows}
    assert names == {f"{name} [{variant}]" for name in NAMES for variant in ("slow", "fast")}


def test_each_tie_of_objectives_is_told_by_itself():
    ranks = {"a": [1.0, 1.0, 3.0], "b": [1.0, 1.0, 3.0], "c": [1.0, 1.0, 1.0], "d": [2.0, 1.0, 3.0]}
    assert _order(ranks, ["x", "y", "z"]) == (
        "Among the objectives ranks first, of 4 recipes: y under 1, a tie of x and y under 2, a tie of x and y and z "
        "under 1."
    )
