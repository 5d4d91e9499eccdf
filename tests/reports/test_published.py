"""The page's blocks on SD3's study, on the scored step, on sigma_data, and on what FID is made of."""

import dataclasses
import itertools
import math

import pytest

from reports.page import page
from reports.read.load import load
from reports.words.anatomy import anatomy, crossed
from reports.words.document import Heading, Paragraph, Table, plain
from reports.words.published import family, notes, study
from tests.reports.test_reports import write_run
from zoo import registry
from zoo.objectives.families import ANATOMY, SD3


def made(folder, **given):
    write_run(folder, **given)
    return load(folder)


def headings(blocks) -> list[str]:
    return [plain(block.text) for block in blocks if isinstance(block, Heading)]


def changed(run, change):
    """The run with every result changed by change(cell, result)."""
    cells = tuple(dataclasses.replace(cell, result=change(cell, cell.result)) for cell in run.cells)
    return dataclasses.replace(run, cells=cells)


@pytest.fixture(scope="module")
def sd3(tmp_path_factory):
    return made(tmp_path_factory.mktemp("sd3"), objectives=list(SD3), seeds=(0, 1), name="sd3")


def test_the_study_s_section_has_ranks_of_each_backbone_and_of_both(sd3):
    blocks = study(sd3)
    taus, ranks, families = (block for block in blocks if isinstance(block, Table))
    assert [row[0] for row in taus.rows] == ["dit", "unet", "both"]
    assert all(" to " in row[2] for row in taus.rows)
    assert len(ranks.rows) == 16
    for row in ranks.rows:
        assert float(row[5]) == pytest.approx((float(row[3]) + float(row[4])) / 2, abs=0.011)
    assert ranks.rows[0][:3] == ("eps/ldm", "eps/linear", "2.88")
    said = " ".join(plain(block.text) for block in blocks if isinstance(block, Paragraph))
    assert "the best two of each family by these very ranks" in said
    assert "a selected range" in said
    assert {row[0] for row in families.rows} == {
        "rf",
        "rf/lognorm",
        "rf/mode",
        "rf/cosmap",
        "edm",
        "edm/PATH",
        "eps/PATH",
        "v/PATH",
    }
    (lognorm,) = (row for row in families.rows if row[0] == "rf/lognorm")
    assert lognorm[1:3] == ("30", "2.29")  # 1.54, 2.08, 2.71 and 2.83
    assert "Stable Diffusion 3's study" in headings(page(sd3, []))


def test_other_grids_have_no_such_section(tmp_path):
    run = made(tmp_path)
    assert study(run) == []
    assert anatomy(run.on("mnist")) == []


def test_families_hold_all_of_the_study():
    counts = {kind: sum(family(name) == kind for name in SD3) for kind in map(family, SD3)}
    assert counts == {
        "eps/PATH": 2,
        "v/PATH": 2,
        "rf": 1,
        "rf/mode": 8,
        "rf/lognorm": 30,
        "rf/cosmap": 1,
        "edm": 15,
        "edm/PATH": 2,
    }


def test_notes_name_the_scored_step_and_sigma_data(sd3, tmp_path):
    (edm,) = notes(sd3)
    assert "sigma_data 0.5 as published" in plain(edm.text)

    def select(cell, result):
        step = 80 if cell.seed else 60
        losses = [{"step": 10 * i, "loss": 1.0} for i in range(1, 9)]
        return {**result, "selection": losses, "train": {**result["train"], "selected_step": step, "steps": 80}}

    text = plain(notes(changed(sd3, select))[0].text)
    assert "among 8 equally spaced ones: the last in 122 of 244 runs, the earliest after 75% of the training" in text
    other = made(tmp_path / "a", objectives=["edm(-1.2,1.2)", "edm(sigma_data=1)/trig+edm(-1.2,1.2)"])
    assert "where its name says so with another" in plain(notes(other)[0].text)
    one = made(tmp_path / "b", objectives=["edm(sigma_data=1)/trig+edm(-1.2,1.2)"])
    assert "sigma_data 1, not 0.5" in plain(notes(one)[0].text)
    assert notes(made(tmp_path / "c", objectives=["rf"])) == []


def test_crossed_factors_are_recognised():
    parts, common = crossed([registry.objective(name) for name in ANATOMY])
    assert common == "rf/lognorm(0,1)"
    assert {part.target for part in parts.values()} == {"eps", "v", "x0", "flow", "edm"}
    assert {part.density for part in parts.values()} == {"uniform", "lognorm(0,1)", "cosmap"}
    assert parts["rf/lognorm(0,1)"].weight == "matched"  # to itself
    assert sum(part.weight == "plain" for part in parts.values()) == 14
    without = [registry.objective(name) for name in ANATOMY if name != "eps/flow+match(rf/lognorm(0,1))"]
    assert crossed(without) == ({}, "")
    assert crossed([registry.objective(name) for name in registry.FAMILIES["default"]]) == ({}, "")


TRUE = {
    "target": {"v": -0.3, "x0": 0.4, "edm": -0.1, "flow": -0.5},
    "density": {"cosmap": -0.2},
    "weight": {"matched": 0.3},
}


def test_planted_effects_are_told(tmp_path):
    """FIDs of the files replaced by known products: the table has their ratios, with intervals around them."""
    run = made(tmp_path, objectives=list(ANATOMY), seeds=(0, 1, 2), guidance=(1.0, 2.0))
    parts, _ = crossed([registry.objective(name) for name in ANATOMY])

    def fid(cell, share: float = 1.0) -> float:
        part = vars(parts[cell.objective])
        y = sum(TRUE[factor].get(level, 0.0) for factor, level in part.items())
        shift = 0.01 * ((hash_of(cell.objective) + 7 * cell.seed) % 5)
        return 300 * math.exp(y + shift + (0.0 if "dit" in cell.backbone else -1.0) + 0.8 * (1 - share))

    def plant(cell, result):
        rows = [{**row, "fid": fid(cell) * (0.5 if row["guidance"] == 2 else 1)} for row in result["scores"]]
        course = [{**shot, "images": i, "fid": fid(cell, i / 4)} for i, shot in zip((2, 4), itertools.repeat({}))]
        return {**result, "scores": rows, "snapshots": course}

    blocks = anatomy(changed(run, plant).on("mnist"), " on mnist")
    assert headings(blocks) == ["Anatomy on mnist"]
    whole, own = (block for block in blocks if isinstance(block, Table))
    found = {(plain(row[0]), plain(row[1])): row for row in whole.rows}
    for factor, levels in TRUE.items():
        for level, effect in levels.items():
            assert float(found[factor, level][2]) == pytest.approx(math.exp(effect), abs=0.03)
    assert float(found["backbone", "unet(width=32,attention=1)"][2]) == pytest.approx(math.exp(-1), abs=0.01)
    assert float(found["guidance", "2"][2]) == pytest.approx(0.5, abs=0.01)
    assert float(found["images", "50%"][2]) == pytest.approx(math.exp(0.4), abs=0.02)
    assert found["target", "eps"][2:] == ("1", "-")
    assert " to " in found["target", "flow"][3]
    assert {row[2] for row in own.rows} == {"plain", "matched"}
    said = " ".join(plain(block.text) for block in blocks if isinstance(block, Paragraph))
    assert "FID differs 2.5 times plain, 2.5 times matched" in said  # exp(0.4 + 0.5)


def test_a_start_that_changes_with_guidance_is_one_factor_with_it(tmp_path):
    run = made(tmp_path, objectives=list(ANATOMY), backbones=["dit"], seeds=(0, 1))

    def together(cell, result):
        rows = [{**row, "start": -5.4 if row["guidance"] == 2 else -10.0} for row in result["scores"]]
        return {**result, "scores": rows}

    (whole, _) = (block for block in anatomy(changed(run, together).on("mnist")) if isinstance(block, Table))
    factors = {row[0]: [other[1] for other in whole.rows if other[0] == row[0]] for row in whole.rows}
    assert factors["start and guidance"] == ["-10, 1", "-5.4, 2"]
    assert not {"start", "guidance"} & factors.keys()


def hash_of(name: str) -> int:
    return sum(name.encode())
