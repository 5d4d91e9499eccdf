"""The page's blocks on SD3's study, on the scored step, on sigma_data, and on what has effects on FID."""

import dataclasses
import itertools
import math

import pytest

from reports.page import page
from reports.read.load import load
from reports.words.anatomy import anatomy
from reports.words.crossed import crossed
from reports.words.document import Bullets, Heading, Paragraph, Table, plain
from reports.words.published import family, notes, study
from reports.words.tables import comparison
from tests.reports.test_reports import write_run
from zoo import registry
from zoo.objectives.families import ANATOMY, SD3, SD3_PRINTED


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
    return made(tmp_path_factory.mktemp("sd3"), objectives=list(SD3), seeds=(0, 1, 2), name="sd3")


def test_the_study_s_section_has_ranks_of_each_backbone_and_of_both(sd3):
    blocks = study(sd3)
    taus, scales, ranks, families = (block for block in blocks if isinstance(block, Table))
    assert [(row[0], row[1]) for row in scales.rows] == [(g, b) for g in "12" for b in ("dit", "unet", "both")]
    for place in range(3):  # the settings of the two scales are all there are
        assert sum(int(scales.rows[i][5]) for i in (place, place + 3)) == int(taus.rows[place][4])
    assert [row[0] for row in taus.rows] == ["dit", "unet", "both"]
    assert all(" to " in row[5] for row in taus.rows)
    assert len(ranks.rows) == 16
    for row in ranks.rows:
        assert float(row[5]) == pytest.approx((float(row[3]) + float(row[4])) / 2, abs=0.011)
    assert ranks.rows[0][:3] == ("eps/ldm", "eps/linear", "2.88")
    said = " ".join(plain(block.text) for block in blocks if isinstance(block, Paragraph))
    assert "mostly the best of their families by these very ranks" in said
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


def test_printed_ranks_stand_in_the_comparison_of_any_grid_with_enough_of_them(tmp_path):
    half = list(SD3_PRINTED)[:8]  # of 16
    found = comparison(made(tmp_path / "half", objectives=half, name="mine"))
    assert found.header[-1] == "rank in SD3's study"
    shown = {plain(row[0]): plain(row[-1]) for row in found.rows}
    assert (shown["rf"], shown["rf/lognorm(0,1)"]) == ("5.67", "1.54 (rf/lognorm(0.00,1.00))")  # table 1
    fewer = comparison(made(tmp_path / "fewer", objectives=half[1:], name="sd3"))
    assert not any("SD3" in plain(word) for word in fewer.header)


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
    assert "among 8 equally spaced ones: the last in 244 of 366 runs, the earliest after 75% of the training" in text
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
    assert parts["rf/lognorm(0,1)"].weights == ("plain", "matched")  # it is matched to itself
    assert sum(part.weights == ("plain",) for part in parts.values()) == 14
    assert sum(part.weights == ("matched",) for part in parts.values()) == 14
    without = [registry.objective(name) for name in ANATOMY if name != "eps/flow+match(rf/lognorm(0,1))"]
    assert crossed(without) == ({}, "")
    assert crossed([registry.objective(name) for name in registry.FAMILIES["default"]]) == ({}, "")


TRUE = {"eps": 0.5, "v": 0.2, "x0": 0.4, "edm": -0.3, "cosmap": -0.2}  # log ratios to flow, to lognorm(0,1)


def crossing(folder, change=lambda cell, result: result, **given):
    """A run of the grid `anatomy` whose FIDs are known products: what is TRUE when plain, half of it when matched."""
    run = made(folder, **{"objectives": list(ANATOMY), "seeds": (0, 1, 2), "guidance": (1.0, 2.0), **given})
    parts, _ = crossed([registry.objective(name) for name in ANATOMY])

    def fid(cell, share: float = 1.0) -> float:
        part = parts[cell.objective]
        plain = part.weights != ("matched",)
        y = sum(TRUE.get(level, 0.0) for level in (part.target, part.density)) * (1 if plain else 0.5)
        y += 0.01 * ((hash_of(cell.objective) + 7 * cell.seed) % 5)
        return 300 * math.exp(y + (0.0 if "dit" in cell.backbone else -1.0) + 0.8 * (1 - share))

    def plant(cell, result):
        if result is None:
            return None
        rows = [{**row, "fid": fid(cell) * (0.5 if row["guidance"] == 2 else 1)} for row in result["scores"]]
        course = [{**shot, "images": i, "fid": 2 * fid(cell, i / 4)} for i, shot in zip((2, 4), itertools.repeat({}))]
        trained = {**result["train"], "clipped": 0.9 if parts[cell.objective].weights == ("matched",) else 0.1}
        return change(cell, {**result, "scores": rows, "snapshots": course, "train": trained})

    return changed(run, plant).on("mnist")


def tables(blocks) -> list[dict[tuple[str, str], list[str]]]:
    """Each table's rows by factor and level."""
    found = [block for block in blocks if isinstance(block, Table)]
    return [{(plain(row[0]), plain(row[1])): [*map(plain, row[2:])] for row in one.rows} for one in found]


def value(text: str) -> float:
    return float(text.split(" (")[0])


def test_planted_effects_are_told(tmp_path):
    run = crossing(tmp_path)
    blocks = anatomy(run, " on mnist")
    assert headings(blocks) == ["Anatomy on mnist"]
    whole, by_setting, rest = tables(blocks)
    for level, effect in TRUE.items():
        kind = "density" if level == "cosmap" else "target"
        plain_, matched, change, *clipped = whole[kind, level]
        assert value(plain_) == pytest.approx(math.exp(effect), abs=0.03)
        assert value(matched) == pytest.approx(math.exp(effect / 2), abs=0.03)
        assert value(change) == pytest.approx(math.exp(-effect / 2), abs=0.03)
        assert [" to " in text for text in (plain_, matched, change)] == [True] * 3
        assert clipped == ["10%", "90%"]
        assert [value(text) for text in by_setting[kind, level]] == [pytest.approx(value(matched), abs=0.011)] * 2
    assert whole["target", "flow"] == [
        "1",
        "1",
        "1",
        "10%",
        "63%",
    ]  # one of three is the common objective, plain at once
    assert value(rest["backbone", "unet(width=32,attention=1)"][0]) == pytest.approx(math.exp(-1), abs=0.01)
    assert value(rest["guidance", "2"][0]) == pytest.approx(0.5, abs=0.01)
    assert value(rest["images", "50%"][0]) == pytest.approx(math.exp(0.4), abs=0.02)  # not of the final scores
    mean = -sum(TRUE.get(target, 0) for target in ("eps", "v", "x0", "edm")) / 5 / 2 + 0.2 / 3 / 2
    assert value(rest["weight", "matched"][0]) == pytest.approx(math.exp(mean), abs=0.03)
    (told,) = (block for block in blocks if isinstance(block, Bullets))
    target, density, weight = map(plain, told.items)
    first = "Losses are plain, or matched to one weight for all, that of rf/lognorm(0,1). "
    assert plain(page(run, [])[1].text) == first + target  # the page's answer, before who is first
    assert "plain, the FID of eps is 2.2" in target  # exp(0.8)
    assert "matched, the FID of eps is 1.4" in target  # exp(0.4)
    assert target.endswith("Pairs that are distinguished, of 10: 10 plain, 10 matched.")
    assert density.startswith("Density: plain, the FID of ")
    assert weight.startswith(f"Loss weight: matching multiplies FID by {rest['weight', 'matched'][0]}")


def test_one_seed_is_said_to_tell_little(tmp_path):
    blocks = anatomy(crossing(tmp_path, seeds=(0,)))
    said = " ".join(plain(block.text) for block in blocks if isinstance(block, Paragraph))
    assert "One seed has no intervals" in said and "Holm" not in said
    assert not any(" to " in text for one in tables(blocks) for row in one.values() for text in row)
    (told,) = (block for block in blocks if isinstance(block, Bullets))
    assert "distinguished" not in plain(told.items[0])


def without(run, gone):
    """The run with some cells changed to this status, without a result."""
    cells = [dataclasses.replace(c, status=s, result=None) if (s := gone(c)) else c for c in run.cells]
    return dataclasses.replace(run, cells=tuple(cells))


def test_a_seed_that_is_not_whole_is_left_out_and_what_diverged_is_named(tmp_path):
    whole = crossing(tmp_path, seeds=(0, 1))
    started = without(whole, lambda c: "missing" if c.seed == 1 and c.objective == "rf" and "dit" in c.backbone else "")
    said = " ".join(plain(block.text) for block in anatomy(started) if isinstance(block, Paragraph))
    assert "of 87 runs (2 seeds)" in said  # of 116: the DiT's second seed is not whole
    assert "Seeds in which objectives are still to come are left out" in said
    lost = without(whole, lambda c: "diverged" if c.objective == "eps/flow" else "")
    said = " ".join(plain(block.text) for block in anatomy(lost) if isinstance(block, Paragraph))
    assert "Diverged and left out" in said and "eps/flow on dit" in said
    assert "still to come" not in said


@pytest.mark.parametrize("kept", ["eps/flow", "/flow+lognorm(0,1)", "nothing"])
def test_too_few_levels_are_no_section(kept, tmp_path):
    run = without(crossing(tmp_path, seeds=(0,)), lambda c: "" if kept in c.objective else "diverged")
    assert anatomy(run) == []


def test_a_start_that_changes_with_guidance_is_one_factor_with_it(tmp_path):
    def together(cell, result):
        rows = [{**row, "start": -5.4 if row["guidance"] == 2 else -10.0} for row in result["scores"]]
        return {**result, "scores": rows}

    *_, rest = tables(anatomy(crossing(tmp_path, together, backbones=["dit"], seeds=(0, 1))))
    factors = {factor: [level for other, level in rest if other == factor] for factor, _ in rest}
    assert len(factors["samples"]) == 2
    assert not {"start", "guidance"} & factors.keys()


def hash_of(name: str) -> int:
    return sum(name.encode())
