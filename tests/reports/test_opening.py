"""The first screen, the best case, names, the glossary and the forms of numbers."""

import math
from pathlib import Path

import pytest

from reports.page import page
from reports.read.load import load
from reports.read.run import Stat
from reports.words import best, glossary, names
from reports.words.document import Bar, Fold, Paragraph, Table, filled, grouped, plain, table
from reports.words.forms import acc_text, fid_text, number
from reports.words.opening import notice, opening
from tests.reports.test_reports import BACKBONES, edit, write_run
from zoo.objectives.families import DEFAULT
from zoo.registry import ZOO

BANNED = ("told apart", "drawn anew", "anew", "to be had", "behind us", "what it is told", "says so as it goes")


@pytest.mark.parametrize(("value", "error", "text"), [
    (49.553, 1.92, "49.6"), (5.804, 0.30, "5.80"), (64.81, 12.3, "65"), (-0.001, 0.1, "0.00"), (7.0, math.nan, "7.00"),
])  # fmt: skip
def test_decimals_follow_the_error(value, error, text):
    assert number(value, error) == text


def test_a_score_is_shown_with_its_error_or_its_range():
    assert fid_text(Stat(49.553, 1.92, 47.6, 51.5, 1)) == "49.6 ± 1.9"
    assert fid_text(Stat(5.8, 0.3, 5.2, 6.1, 3)) == "5.80 (5.20..6.10)"
    assert acc_text(Stat(0.663, math.nan, 0.60, 0.71, 1)) == "66%"
    assert acc_text(Stat(0.9973, 0.001, 0.996, 0.998, 3)) == "99.7% (99.6..99.8)"


def test_the_first_screen_holds_ranks_and_scores_of_both_settings(tmp_path):
    write_run(tmp_path, objectives=DEFAULT[:4], size=8, seeds=(0, 1, 2))
    run = load(tmp_path)
    blocks = opening(run, ())
    assert blocks[0].kind == "lead"
    shown = next(block for block in blocks if isinstance(block, Table))
    assert [plain(row[0]) for row in shown.rows] == [row["objective"] for row in run.board["rows"]]
    assert shown.header[3:5] == ("fid@500, dit, no guidance", "accuracy, dit, no guidance")
    assert len(shown.header) == 3 + 2 * 2 * 2
    for row in shown.rows:
        for field, metric in zip(row[3:5], ("fid", "acc"), strict=True):
            stat = run.stat(BACKBONES[0], plain(row[0]), run.headline[0], metric)
            assert isinstance(field, Bar) and 0 <= field.share <= 1
            unit = 100 if metric == "acc" else 1
            assert float(field.text.rstrip("%")) == pytest.approx(unit * stat.mean, abs=0.501)
    (line,) = [dict(block.items) for block in blocks if type(block).__name__ == "Facts"]
    assert (line["data"], line["images seen, each run"], line["steps"]) == ("mnist", "30,000", "20")
    assert line["machine"] == "cpu, 2 threads, bfloat16"


def test_the_best_case_is_sorted_by_the_score_of_what_was_chosen(tmp_path):
    grid = write_run(tmp_path, objectives=DEFAULT[:3], backbones=BACKBONES[:1], size=8)
    assert best.best_case(load(tmp_path).on("mnist")) == []
    for cell in grid["cells"]:
        place = DEFAULT.index(cell["objective"])
        tried = [{"sampler": "euler", "step_grid": "flow", "steps": 12, "start": start, "guidance": 2.0, "rescale": 0.0,
                  "fid": 1.0, "n": 100} for start in (-10.0, -5.4)]  # fmt: skip
        made = {"candidates": tried, "chosen": place % 2, "score": {"fid": 9.0 - place, "fid_se": 0.5, "acc": 0.9}}
        edit(tmp_path / cell["dir"] / "result.json", lambda result, made=made: result.update(best=made))
    _, about, shown = best.best_case(load(tmp_path).on("mnist"))
    assert "of 2 ways to sample (start)" in plain(about.text)
    assert [row[:4] for row in shown.rows] == [
        (DEFAULT[2], "7.00 ± 0.50", "90.0%", "-10"),
        (DEFAULT[1], "8.00 ± 0.50", "90.0%", "-5.4"),
        (DEFAULT[0], "9.00 ± 0.50", "90.0%", "-10"),
    ]
    usual = load(tmp_path).by_fid(BACKBONES[0])
    assert [int(row[4]) for row in shown.rows] == [usual.index(row[0]) - place for place, row in enumerate(shown.rows)]


def test_a_long_notice_is_one_line_and_its_cause_is_folded():
    long = "MNIST is not here. All is about `digits` instead. " + "train-images could not be fetched. " * 9
    head, fold = notice(long)
    assert plain(head.text).startswith("MNIST is not here. All is about digits instead.")
    assert len(plain(head.text)) <= 160 and "`" not in plain(head.text)
    assert isinstance(fold, Fold) and isinstance(fold.blocks[0], Paragraph)
    whole = f"{plain(head.text)} {plain(fold.blocks[0].text)}"
    assert whole == " ".join(long.replace("`", "").split())


def test_columns_without_any_value_are_left_out_and_parts_keep_their_rows():
    made = grouped(["name", "a", "b"], [("one", [["x", "-", "1"]]), ("none", []), ("two", [["y", "-", "2"]])])
    assert [(title, len(rows)) for title, rows in filled(made).parts] == [("one", 1), ("two", 1)]
    assert filled(made).header == ("name", "b")
    assert filled(table(["name", "a"], [])).header == ("name", "a")


def test_every_name_of_the_zoo_is_explained_in_words():
    for name in ZOO:
        told = names.meaning(name)
        assert told and "predicts" in told and "{" not in told, name
    assert "logit-normal, mean 0, standard deviation 1" in names.meaning("rf/lognorm(0,1)")
    matched = names.meaning("x0/flow+match(rf/lognorm(0,1))")
    assert matched.endswith("; errors at each noise level count as much as with rf/lognorm(0,1)")
    assert names.meaning("no/such") is None


def test_the_glossary_is_the_readme_s():
    text = (Path(__file__).parents[2] / "reports" / "README.md").read_text()
    assert glossary.markdown() in text


def test_the_page_uses_plain_words(tmp_path):
    write_run(tmp_path, objectives=DEFAULT[:4], size=8, seeds=(0, 1, 2), notice="digits instead")
    run = load(tmp_path)

    def words(blocks):
        for block in blocks:
            yield from words(block.blocks) if isinstance(block, Fold) else [repr(block)]

    said = " ".join(words(page(run, []))).lower()
    assert [phrase for phrase in BANNED if phrase in said] == []
    assert "floor: fid" not in said
