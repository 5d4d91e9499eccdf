"""What one field of the settings does, where a grid does not cross its fields; and runs that are planned only."""

import shutil

import pytest

from eval.ranks.board import KEYS, board
from eval.ranks.table import Entry, scores_of
from eval.ranks.text import notes
from reports.figures.alts import seen
from reports.read.load import load
from reports.words import conditions
from reports.words.agreement import by_guidance
from reports.words.document import plain
from reports.words.opening import ranks
from tests.reports.test_answer import made, order, told
from tests.reports.test_reports import USUAL, edit, write_run

NAMES = ("rf", "v/cosine", "eps/cosine", "eps/linear")
UNCROSSED = ((50, 1.0), (50, 5.0), (5, 5.0), (10, 5.0))  # few steps with guidance only, as in SD3's study


def uncrossed(fid) -> list[Entry]:
    """Runs scored under UNCROSSED: fid(objective's place, steps, guidance)."""
    base = {**USUAL, "weights": "ema", "fid_se": 0.1, "acc": 0.9, "n": 600}
    return [
        Entry("digits", "dit", name, seed, "done", [
            {**base, "steps": steps, "guidance": g, "fid": fid(i, steps, g) + 0.01 * seed} for steps, g in UNCROSSED
        ])
        for i, name in enumerate(NAMES)
        for seed in range(3)
    ]  # fmt: skip


def test_a_field_is_compared_at_settings_that_differ_in_it_alone():
    scores = scores_of(uncrossed(lambda i, steps, g: 5.0 + i), KEYS)
    by = {key: scores.matched(KEYS.index(key)) for key in ("guidance", "steps", "weights")}
    pairs = {key: [(c.steps, c.setting[KEYS.index("guidance")]) for c in part.controls] for key, part in by.items()}
    assert pairs["guidance"] == [(50, 1.0), (50, 5.0)]
    assert pairs["steps"] == [(50, 5.0), (5, 5.0), (10, 5.0)]
    assert pairs["weights"] == list(UNCROSSED)  # it does not vary


def test_what_few_steps_do_is_not_told_of_guidance():
    """The order turns round at few steps, which only guidance 5 has: at 50 steps the first stays the first."""
    turned = uncrossed(lambda i, steps, g: 5.0 + i if steps == 50 else 30.0 - 3 * i)
    assert by_guidance(scores_of(turned, KEYS)) is None
    real = uncrossed(lambda i, steps, g: 5.0 + i if g == 1 else 30.0 - 3 * i)
    text = plain(by_guidance(scores_of(real, KEYS)))
    assert "Without it rf is first" in text and "At guidance 5 eps/linear is first" in text


def test_tables_of_guidance_and_weights(tmp_path):
    """FID 4 at 50 steps and 40 at 5, which only guidance 2 has; raw weights twice as high as EMA's."""
    grid = write_run(tmp_path, objectives=NAMES, guidance=(1.0, 2.0), steps=(50, 5), size=8)

    def change(result):
        kept = [s for s in result["scores"] if s["steps"] == 50 or s["guidance"] == 2]
        for score in kept:
            score["fid"] = (4.0 if score["steps"] == 50 else 40.0) * (2 if score["weights"] == "raw" else 1)
        result["scores"] = kept

    for cell in grid["cells"]:
        edit(tmp_path / cell["dir"] / "result.json", change)
    studies = {"made": load(tmp_path)}
    means = {
        key: [(row[2], float(row[3])) for row in conditions.by_setting(studies, key, form).rows[:2]]
        for key, form in (("guidance", "{:g}"), ("steps", "{}"), ("weights", "{}"))
    }
    assert means["guidance"] == [("1", pytest.approx(4, abs=0.01)), ("2", pytest.approx(4, abs=0.01))]
    assert means["steps"] == [("5", pytest.approx(40, abs=0.1)), ("50", pytest.approx(4, abs=0.01))]
    (ema, low), (raw, high) = means["weights"]
    assert (ema, raw) == ("ema", "raw")
    assert 1.8 < high / low < 2.2  # a mean on the scale of asinh, on which small FIDs count less


def test_the_text_of_evaluations_has_the_numbers_of_a_setting_that_is_drawn(tmp_path):
    """Steps vary under guidance 2 alone; there the order of the objectives is the reverse of that without."""
    grid = write_run(tmp_path, objectives=NAMES, guidance=(1.0, 2.0), steps=(50, 5), size=8)
    for cell in grid["cells"]:
        place = NAMES.index(cell["objective"])

        def change(result, place=place):
            result["scores"] = [s for s in result["scores"] if s["steps"] == 50 or s["guidance"] == 2]
            for score in result["scores"]:
                score["fid"] = 10.0 + place if score["guidance"] == 1 else 30.0 - place

        edit(tmp_path / cell["dir"] / "result.json", change)
    said = seen(load(tmp_path), "evaluations.png")
    assert "guidance 2, 50 steps" in said
    assert said.count("lowest eps/linear (27") == said.count("highest rf (30") == 2  # on both backbones


def test_seeds_that_are_planned_are_no_seeds(tmp_path):
    """Three seeds asked for and one done: a sketch, for the page as for the terminal."""
    grid = made(tmp_path, order, seeds=(0, 1, 2))
    for cell in grid["cells"]:
        if cell["seed"]:
            shutil.rmtree(tmp_path / cell["dir"])
    run = load(tmp_path)
    assert (run.board["seeds"], run.board["ended"]) == (3, 1)
    assert any("This is from one seed, a sketch" in text for text in told(tmp_path))
    assert any("not known from one run of each" in text for text in told(tmp_path))
    assert "means over 1 seed." in " ".join(plain(block.text) for block in ranks(run) if hasattr(block, "text"))
    assert any(text.startswith("One seed: a sketch") for text in notes(board(run.entries)))
