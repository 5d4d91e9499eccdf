"""The sentences at the top: what they claim holds in the numbers behind them, for whole, partial and failed grids."""

import re

import numpy as np
import pytest

from eval.ranks.board import board
from eval.ranks.paired import packed
from eval.ranks.stats import wilson
from reports.read.load import load
from reports.words.answer import answer, ground
from reports.words.document import Bold, Bullets, Code, Paragraph, plain
from reports.words.sentences import leaders
from tests.reports.test_reports import BACKBONES, edit, fail, leave_one_out, write_run
from zoo.objectives.families import DEFAULT

NAMES = DEFAULT[:5]


def give(folder, grid, fid, se=0.1, block=0):
    """Set FID, and accuracy to fit, of every cell: fid(cell, guidance). Errors of sampling are independent."""
    names = list(dict.fromkeys(cell["objective"] for cell in grid["cells"]))
    for cell in grid["cells"]:
        k = 1 + (names.index(cell["objective"]) + block) % 19

        def change(result, cell=cell, k=k):
            for score in result["scores"]:
                value = fid(cell, score["guidance"])
                right = int(500 - 5 * value)
                low, high = wilson(right, 500)
                score.update(fid=value, fid_se=se, acc=right / 500, acc_low=low, acc_high=high)
                score.update(fid_leave_one_out=leave_one_out(value, score["fid_plain"], se, 500, k))
                score.update(right=packed(np.arange(500) < right))

        edit(folder / cell["dir"] / "result.json", change)


def made(folder, fid, se=0.1, **given):
    grid = write_run(folder, **{"objectives": NAMES, "size": 8, **given})
    give(folder, grid, fid, se)
    return grid


def order(cell, guidance):
    """The objectives apart by much more than seeds are; the order is that of NAMES, on both backbones."""
    return 5 + 6 * NAMES.index(cell["objective"]) + 0.1 * cell["seed"] + guidance


def told(folder) -> list[str]:
    blocks = answer(load(folder))
    texts = [item for block in blocks if isinstance(block, Bullets) for item in block.items]
    return [plain(text) for text in [*texts, *(block.text for block in blocks if isinstance(block, Paragraph))]]


def test_a_clear_order_is_told_with_its_ranks(tmp_path):
    made(tmp_path, order, seeds=(0, 1, 2))
    lead, backbones, state = told(tmp_path)
    assert lead == (
        f"{NAMES[0]} is first of 5 objectives: its rank by FID is 1 (95% confidence set of its rank: 1, a chance "
        "of first place of more than 99%) over 8 control settings (dit, unet; mnist). "
        f"All 4 others are worse than {NAMES[0]} by more than seeds explain."
    )
    assert "agree on the order: Kendall's tau between their ranks is 1.00 over 5 objectives" in backbones
    assert "the same objective is first" in backbones
    assert "largest change" not in backbones
    assert state == "30 of 30 cells are done."


def test_the_numbers_are_those_of_the_board(tmp_path):
    write_run(tmp_path, objectives=NAMES, seeds=(0, 1, 2), size=8)  # random scores
    run = load(tmp_path)
    rows = board(run.entries, run.objectives)["rows"]
    lead, *_ = told(tmp_path)
    assert rows[0]["low"] < rows[0]["high"]
    tied = [row for row in rows if row["rank"] == rows[0]["rank"]]
    assert len(tied) > 1
    assert f"(95% confidence set of its rank: {rows[0]['low']:.0f} to {rows[0]['high']:.0f}; chances of" in lead
    chances = [f"{100 * row['first']:.0f}%" for row in tied]
    assert f"first place of {' and '.join(chances)})" in lead
    (bullets,) = (block for block in answer(run) if isinstance(block, Bullets))
    names = [part.text for part in bullets.items[0] if isinstance(part, Code)]
    assert rows[0]["alike"]
    assert lead.startswith(f"No clear winner. {rows[0]['objective']} ")
    assert names[0] == rows[0]["objective"] and set(rows[0]["alike"]) <= set(names)


def test_two_that_seeds_mix_up_are_not_told_apart(tmp_path):
    def close(cell, guidance):
        place = NAMES.index(cell["objective"])
        lift = (-1) ** (cell["seed"] + place) * 2 if place < 2 else 0  # these two take turns
        return 10 + 8 * max(place - 1, 0) + lift

    made(tmp_path, close, seeds=(0, 1, 2, 3))
    verdict, *_ = told(tmp_path)
    assert verdict.startswith("No clear winner. ")
    assert re.search(rf"({re.escape(NAMES[0])}|{re.escape(NAMES[1])}) cannot be distinguished from ", verdict)
    assert NAMES[0] in verdict and NAMES[1] in verdict
    assert verdict.endswith("The other 3 are worse.")


def test_equal_scores_share_the_first_place(tmp_path):
    made(tmp_path, lambda cell, guidance: 10.0 + 5 * (NAMES.index(cell["objective"]) > 1), seeds=(0, 1, 2))
    lead, *_ = told(tmp_path)
    assert lead.startswith(f"No clear winner. {NAMES[0]} and {NAMES[1]} share the first place of 5 objectives")
    assert "comes first" not in lead


def test_one_seed_is_a_sketch_that_speaks_of_sampling_alone(tmp_path):
    made(tmp_path, lambda cell, guidance: 10 + [0, 0.2, 4, 6, 8][NAMES.index(cell["objective"])])
    lead, apart, backbones, _ = told(tmp_path)
    assert "one seed, a sketch" in lead
    assert "95%" not in lead + apart
    assert apart == (
        "What training again would change is not known from one run of each. By the error of sampling alone, "
        f"{NAMES[2]}, {NAMES[3]} and {NAMES[4]} have a higher FID than {NAMES[0]} under every control setting; "
        f"not so {NAMES[1]}."  # 0.2 is less than 1.96 times 0.1 times the root of two
    )
    assert "resamples" not in backbones


def test_a_first_place_that_guidance_moves_is_told(tmp_path):
    def turned(cell, guidance):
        place = NAMES.index(cell["objective"])
        return 5 + (6 * place if guidance == 1 else 2.0 * (4 - place)) + 0.1 * cell["seed"]

    made(tmp_path / "turned", turned, seeds=(0, 1, 2))
    sentence = (
        f"Who is first depends on guidance. Without it {NAMES[0]} is first alone. At guidance 2 {NAMES[4]} is first"
    )
    assert any(text.startswith(sentence) and text.endswith(" alone.") for text in told(tmp_path / "turned"))

    def tight(cell, guidance):  # with guidance two take turns
        place = NAMES.index(cell["objective"])
        return 10 + 8 * place if guidance == 1 or place > 1 else 10 + (-1) ** (cell["seed"] + place)

    made(tmp_path / "tight", tight, seeds=(0, 1, 2, 3))
    (sentence,) = (text for text in told(tmp_path / "tight") if "depends on guidance" in text)
    assert f"Without it {NAMES[0]} is first alone. At guidance 2 " in sentence
    assert "share the first place" in sentence or "Not distinguished from that: " in sentence
    made(tmp_path / "same", order, seeds=(0, 1, 2))
    assert not any("depends on guidance" in text for text in told(tmp_path / "same"))


def test_runs_that_learned_little_are_named_beside_those_that_learned(tmp_path):
    made(tmp_path, lambda cell, guidance: 20 if cell["objective"] != NAMES[1] else 88, seeds=(0, 1))  # accuracy 12%
    found = [text for text in told(tmp_path) if "hardly draws what it is asked for" in text]
    assert len(found) == len(BACKBONES)
    assert all(f": {NAMES[1]} hardly" in text and "as low as 12%" in text for text in found)
    assert not any("has not learned" in text for text in told(tmp_path))


@pytest.mark.parametrize(("others", "words"), [
    (0.2, "no other objective has a higher FID than rf under every control setting."),
    (9.0, "all 4 others have a higher FID than rf under every control setting."),
])  # fmt: skip
def test_one_seed_where_none_or_all_are_clear(tmp_path, others, words):
    made(tmp_path, lambda cell, guidance: 10 + others * (cell["objective"] != "rf"))
    assert told(tmp_path)[1].endswith(words)


def test_two_seeds_claim_no_order(tmp_path):
    made(tmp_path, order, seeds=(0, 1))
    lead, *_ = told(tmp_path)
    assert lead.startswith("No clear winner. ")
    assert "2 seeds are too few to claim an order" in lead


def test_backbones_are_not_compared_by_few_objectives(tmp_path):
    """Of 4 objectives the two same orders among 4! have p = 1/12: nothing could be shown."""
    made(tmp_path, order, seeds=(0, 1, 2), objectives=NAMES[:4])
    (backbones,) = (text for text in told(tmp_path) if text.startswith("The backbones"))
    assert "cannot be compared by so few objectives: Kendall's tau between their ranks is 1.00 over 4" in backbones


def test_what_the_backbone_changes_is_the_largest_change_of_rank(tmp_path):
    def turned(cell, guidance):
        place = NAMES.index(cell["objective"])
        places = [0, 1, 2, 3, 4] if cell["backbone"] == BACKBONES[0] else [1, 2, 3, 4, 0]  # the last one becomes first
        return 5 + 6 * places[place] + 0.1 * cell["seed"]

    made(tmp_path, turned, seeds=(0, 1, 2))
    (backbones,) = (text for text in told(tmp_path) if text.startswith("The backbones"))
    tau = (6 - 4) / 10  # of ten pairs the four with the last one are turned around
    assert f"Kendall's tau between their ranks is {tau:.2f}" in backbones
    assert "show no agreement beyond chance" in backbones
    assert "another objective is first" in backbones
    assert backbones.endswith(
        f"The largest change: {NAMES[4]} has rank 1 on unet and 5 on dit; the 95% confidence sets of the two do not "
        "overlap."
    )


def test_one_backbone_and_several_data_sets_are_said(tmp_path):
    made(tmp_path / "a", order, seeds=(0, 1, 2), backbones=BACKBONES[:1])
    assert told(tmp_path / "a")[1].startswith("There is one backbone to compare on, dit:")
    made(tmp_path / "b", order, seeds=(0, 1, 2), datasets=("mnist", "fashion"))
    lead, backbones, datasets, _ = told(tmp_path / "b")
    assert "over 16 control settings (dit, unet; mnist, fashion)" in lead
    assert backbones.startswith("The backbones (dit, unet) agree on the order")
    assert datasets.startswith("The data sets (mnist, fashion) agree on the order")


def test_an_unfinished_grid_is_compared_where_all_have_a_run(tmp_path):
    # alone on the second backbone, the last objective would have rank 1 there, and a mean rank of 3 instead of 5
    grid = made(tmp_path, order, seeds=(0, 1, 2))
    for cell in grid["cells"]:
        if cell["backbone"] == BACKBONES[1] and cell["objective"] != NAMES[4]:
            (tmp_path / cell["dir"] / "result.json").unlink()
    lead, backbones, state = told(tmp_path)
    assert lead.startswith(f"{NAMES[0]} is first of 5 objectives: its rank by FID is 1 (")
    assert "(dit; mnist)" in lead
    assert backbones.startswith("There is one backbone")
    assert state.startswith("18 of 30 cells are done; 12 missing (see Failures).")
    assert f"not all objectives have a run there: {BACKBONES[1]} on mnist." in state


def test_ground_keeps_the_most_objectives_and_everything_of_a_whole_run(tmp_path):
    grid = made(tmp_path, order)
    run = load(tmp_path)
    assert ground(run.entries, run.objectives) == (run.entries, list(NAMES))
    for cell in grid["cells"]:
        if cell["objective"] == NAMES[1]:
            fail(tmp_path / cell["dir"], "failed")
    run = load(tmp_path)
    entries, names = ground(run.entries, run.objectives)
    assert names == [name for name in NAMES if name != NAMES[1]]
    assert {entry.objective for entry in entries} == set(names)
    assert f"Left out above, for want of a run: {NAMES[1]}." in told(tmp_path)[-1]


def test_a_run_that_diverged_counts_and_ranks_last(tmp_path):
    grid = made(tmp_path, order, seeds=(0, 1, 2))
    for cell in grid["cells"]:
        if cell["objective"] == NAMES[0] and cell["seed"] == 0:
            fail(tmp_path / cell["dir"], "diverged")
    lead, *_, state = told(tmp_path)
    assert f"{NAMES[1]} comes first of 5 objectives" in lead or lead.startswith(f"{NAMES[1]} is first of 5")
    assert "28 of 30 cells are done; 2 diverged" in state
    for item in leaders(load(tmp_path)).items:
        said = plain(item)
        assert f") {NAMES[1]} leads" in said and f"Left out here, as runs of theirs diverged: {NAMES[0]}." in said


def test_no_result_one_objective_and_chance_are_said(tmp_path):
    grid = made(tmp_path / "none", order)
    for cell in grid["cells"]:
        fail(tmp_path / "none" / cell["dir"], "failed")
    assert told(tmp_path / "none") == ["0 of 10 cells are done; 10 failed (see Failures). Nothing can be compared yet."]
    grid = write_run(tmp_path / "one", objectives=["rf"], size=8)
    give(tmp_path / "one", grid, lambda cell, guidance: 7.0)
    first, second, _ = told(tmp_path / "one")
    assert first.startswith(
        "rf is the only objective that was scored, so there is nothing to rank. FID with EMA weights"
    )
    assert "7.00 (standard error 0.10) for dit(patch=4) on mnist" in first
    assert second.startswith("With one objective")
    made(tmp_path / "chance", lambda cell, guidance: 88 + NAMES.index(cell["objective"]))  # accuracy 12% at most
    assert any("has not learned to draw" in text and "12% at most" in text for text in told(tmp_path / "chance"))
    assert not any("has not learned" in text for text in told(tmp_path / "one"))


def test_names_stay_data_and_the_same_files_give_the_same_words(tmp_path):
    hostile = ["rf|x", "<script>alert(1)</script>", "=cmd()|' /C calc'!A0", "[z](http://z)"]
    write_run(tmp_path, objectives=hostile, size=8, seeds=(0, 1, 2))
    blocks = answer(load(tmp_path))
    assert blocks == answer(load(tmp_path))
    (bullets,) = (block for block in blocks if isinstance(block, Bullets))
    for item in bullets.items:
        for part in item:  # names stand in marks of their own, which the renderers escape
            assert isinstance(part, Bold | Code) or not any(name in part for name in hostile)
    marked = {part.text for item in bullets.items for part in item if isinstance(part, Bold | Code)}
    assert marked <= {*hostile, "No clear winner."} and marked & set(hostile)


def test_a_seed_that_is_missing_leaves_the_rest_in(tmp_path):
    grid = made(tmp_path, order, seeds=(0, 1, 2))
    (tmp_path / grid["cells"][0]["dir"] / "result.json").unlink()
    lead, *_, state = told(tmp_path)
    assert f"{NAMES[0]} comes first" in lead or lead.startswith(f"{NAMES[0]} is first")
    assert f"Runs are missing of {NAMES[0]}: these ranks are among what there is." in state
    assert np.isfinite(float(re.search(r"rank by FID is (\d+)", lead)[1]))
