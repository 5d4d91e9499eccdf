"""The section on few steps: the best at every number of evaluations, with intervals typed by hand, and the price."""

import re

import pytest
from scipy import stats

from reports.figures.effort import few_steps as drawn
from reports.figures.plotting import looks
from reports.read.load import load
from reports.words.document import Bullets, Heading, Table, plain
from reports.words.fewsteps import by_count, few_steps, interval, one_step, seconds, times
from tests.reports.test_reports import edit, leave_one_out, write_run
from zoo.base.figure import GREY

NAMES = ("rf", "meanflow", "ect")
# FID by objective and steps, under `map`; a second seed has 0.2 more
FIDS = {"rf": {1: 40.0, 4: 12.0, 25: 3.0}, "meanflow": {1: 8.0, 4: 7.0, 25: 6.0}, "ect": {1: 9.0, 4: 8.5, 25: 8.0}}
SECONDS = {"rf": (100.0, 0.0), "meanflow": (150.0, 0.0), "ect": (130.0, 100.0)}  # its own, and its teacher's


def made(folder, seeds, sampler="map"):
    grid = write_run(
        folder, objectives=NAMES, backbones=("dit",), seeds=seeds, guidance=(1.0,), steps=(1, 4, 25), size=8
    )
    for cell in grid["cells"]:

        def change(result, cell=cell):
            for score in result["scores"]:
                value = FIDS[cell["objective"]][score["steps"]] + 0.2 * cell["seed"]
                score.update(fid=value, fid_se=0.1, sampler=sampler, evaluations=score["steps"], fid_plain=value + 1)
                k = 1 + NAMES.index(cell["objective"])  # errors that are independent between objectives
                score.update(fid_leave_one_out=leave_one_out(value, value + 1, 0.1, 500, k))
            own, teacher = SECONDS[cell["objective"]]
            result["train"].update(seconds=own, teacher_seconds=teacher)

        edit(folder / cell["dir"] / "result.json", change)
    return load(folder)


def test_a_run_without_maps_has_no_such_section(tmp_path):
    run = made(tmp_path, (0,), sampler="euler")
    assert few_steps(run, "", []) == one_step(run) == []
    assert drawn(run) is None


def test_a_ratio_of_seconds_is_that_of_runs_side_by_side(tmp_path):
    """rf waited under seed 0 with ect, ect alone under seed 2: the ratio of both medians would be 2.0."""
    run = made(tmp_path, (0, 1, 2))
    took = {("rf", 0): 300, ("rf", 1): 100, ("rf", 2): 100, ("ect", 0): 300, ("ect", 1): 110, ("ect", 2): 200}
    for cell in run.cells:
        if own := took.get((cell.objective, cell.seed)):
            path = tmp_path / cell.folder / "result.json"
            edit(path, lambda found, own=own: found["train"].update(seconds=own, teacher_seconds=0.0))
    run = load(tmp_path)
    assert seconds(run, "dit", "ect") / seconds(run, "dit", "rf") == 2.0
    assert times(run, "dit", "ect", "rf") == pytest.approx(1.1)
    assert times(run, "dit", "rf", "rf") == 1.0


def test_the_best_at_every_count_is_named_with_its_interval(tmp_path):
    """One seed: 8.0 -+ 1.96 x 0.1, by the error of sampling."""
    run = made(tmp_path, (0,))
    heading, _, table, variety, recalls, bullets = few_steps(run, " on mnist", [])
    assert isinstance(heading, Heading) and heading.text == "Few steps on mnist"
    assert isinstance(bullets, Bullets)
    one, four, many = (plain(item) for item in bullets.items)
    assert one.startswith(
        "In 1 network evaluation an image on dit, meanflow has the lowest FID, 8.00 (95% interval of sa"
    )
    assert "one seed 7.80 to 8.20; map, recall 0.80); then ect, 9.00 (" in one
    found = re.search(
        r"On the scale of the ranks they are 1.00 apart \(95% interval of sampling (\S+) to (\S+)\)\.", one
    )
    half = stats.t.ppf(0.975, 19) * 0.1 * 2**0.5  # 20 blocks, errors of two independent samples
    assert [float(end) for end in found.groups()] == pytest.approx([1 - half, 1 + half], abs=0.006)
    assert "cannot be distinguished" not in one
    assert four.startswith("In 4 network evaluations an image on dit, meanflow has the lowest FID, 7.00")
    assert many.startswith("In 25 network evaluations an image on dit, rf has the lowest FID, 3.00")
    assert [plain(text) for text in one_step(run)] == [one, many]
    assert isinstance(table, Table)
    rows = {plain(row[0]): [plain(cell) for cell in row[1:]] for row in table.rows}
    assert rows["ect"][-1] == "2.3"  # 130 s and its teacher's 100 s, over 100 s
    assert rows["rf"][:3] == ["40.00 ± 0.10", "12.00 ± 0.10", "3.00 ± 0.10"]
    assert plain(variety.text).endswith("Real test images have 0.94.")
    assert {plain(row[0]): [plain(cell) for cell in row[1:]] for row in recalls.rows} == {
        name: ["0.80"] * 3 for name in NAMES
    }


def test_a_low_fid_of_samples_that_are_alike_is_said(tmp_path):
    """One step of an ordinary objective draws the mean of a class, which the judge takes for a typical image."""
    run = made(tmp_path, (0,))
    assert "alike" not in plain(one_step(run)[0])

    def change(result):
        result["scores"] = [{**score, "recall": 0.02 if score["steps"] == 1 else 0.8} for score in result["scores"]]

    edit(next(tmp_path.rglob("o1/seed0/result.json")), change)
    one, many = (plain(text) for text in one_step(load(tmp_path)))
    assert one.endswith("Its samples are much alike: recall is 0.02, that of real images 0.94.")
    assert "alike" not in many


def test_over_seeds_the_interval_is_student_s(tmp_path):
    """8.0 and 8.2: mean 8.1, standard error 0.1, 12.706 of them to either side; so it overlaps the next, 9.1."""
    run = made(tmp_path, (0, 1))
    stat = by_count(run, "dit", "meanflow")[1][1]
    assert interval(stat) == pytest.approx((8.1 - 1.2706, 8.1 + 1.2706), abs=1e-3)
    # what a seed does to all objectives alike is hardly an error of their difference
    assert "On the scale of the ranks they are 1.00 apart (95% interval 0." in plain(one_step(run)[0])
    assert "cannot be distinguished" not in plain(one_step(run)[0])
    assert seconds(run, "dit", "ect") == pytest.approx(230.0)


def test_one_run_on_a_busy_machine_does_not_change_the_seconds(tmp_path):
    made(tmp_path, (0, 1, 2))
    (busy,) = tmp_path.rglob("o2/seed1/result.json")  # ect's: 130 s, and 100 of its teacher
    edit(busy, lambda result: result["train"].update(seconds=1300.0))
    assert seconds(load(tmp_path), "dit", "ect") == pytest.approx(230.0)


def test_each_objective_is_taken_under_its_best_sampler(tmp_path):
    run = made(tmp_path, (0,))

    def change(result):
        better = {**result["scores"][0], "sampler": "dpmpp_2m", "setting": "other", "fid": 1.5}
        result["scores"].append(better)

    edit(next(tmp_path.rglob("o0/seed0/result.json")), change)
    again = load(tmp_path)
    setting, stat = by_count(again, "dit", "rf")[again.done[0].result["scores"][0]["evaluations"]]
    assert (setting.sampler, stat.mean) == ("dpmpp_2m", 1.5)
    assert drawn(run) is not None


def test_the_figure_names_the_best_at_any_few_evaluations(tmp_path):
    """Of nine, the order in 1 evaluation is the reverse of that in 4 and 25: the fifth is in the middle of both, and
    the only one without a name."""
    names = [f"rf+offset(0.{i})" for i in range(1, 10)]
    how = {"seeds": (0,), "guidance": (1.0,), "steps": (25, 4, 1), "size": 8}
    grid = write_run(tmp_path, objectives=names, backbones=("dit",), **how)
    for cell in grid["cells"]:
        place = names.index(cell["objective"])

        def change(result, place=place):
            for score in result["scores"]:
                value = 10.0 + 3 * place if score["steps"] > 1 else 40.0 - 3 * place
                score.update(fid=value, sampler="map", evaluations=score["steps"])

        edit(tmp_path / cell["dir"] / "result.json", change)
    run = load(tmp_path)
    usual = looks(run)
    assert [name for name, (colour, _) in usual.items() if colour == GREY] == [run.ranked[-1]] != [names[4]]
    lines = {line.get_color() for line in drawn(run).axes[0].lines if len(line.get_xdata()) == 3}
    assert {text.get_text() for text in drawn(run).axes[0].texts} == set(names) - {names[4]}
    assert usual[names[0]][0] in lines  # an objective that is named either way keeps its colour
