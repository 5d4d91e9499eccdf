"""Budgets in images, shares and time; fields set for all cells; estimates scaled by what cells took."""

import json
import os
import signal
import time
import tomllib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import run_all
from eval import pace
from eval.pace import Pace
from zoo import registry
from zoo.base import environment
from zoo.base.completion import script
from zoo.base.errors import ZooError
from zoo.base.sealed import read_sealed, write_sealed
from zoo.config.cell import BestCase, CellConfig, ScoreConfig, TrainConfig
from zoo.config.changes import text_of
from zoo.config.control import Sampling
from zoo.grid import driver, estimate, files, listing, plan, record, speed, wishes
from zoo.sampling.model import evaluations


def options(**given):
    usual = {
        "grid": "smoke", "only": None, "backbone": None, "dataset": "digits", "seeds": None, "budget": "auto",
        "budget_asked": None, "set": (), "out": None, "jobs": 2, "timeout": 1.0, "device": "cpu", "data_dir": "data",
        "mirror": None, "plugin": None, "retry": None, "verbose": False, "track": None,
        "executor": "local", "cpus_per_cell": 1.0, "gpus_per_cell": None, "ranks": None, "ray_address": None,
        "shared_out": None, "allow_mixed": False, "weights": None,
    }  # fmt: skip
    return SimpleNamespace(**{**usual, **given})


def test_budgets():
    assert wishes.budget("auto", "cpu") == wishes.Wish("cpu")
    assert wishes.budget("500", "cpu") == wishes.Wish("cpu", images=500)
    assert wishes.budget(".25x", "cuda") == wishes.Wish("gpu", share=0.25)
    assert [wishes.seconds_of(text) for text in ("90s", "45min", "1.5h", "45", "0min", "2x")] == [
        90, 2700, 5400, None, None, None,
    ]  # fmt: skip
    for text in ("0", "0x", "-1", "45 minutes", "x", "1.5"):
        with pytest.raises(ZooError, match="is none of auto, cpu, gpu"):
            wishes.budget(text, "cpu")


def test_a_share_and_fields_reach_every_cell_and_the_record(tmp_path):
    asked = options(budget="0.5x", set=("train.weight_decay=0.2", "score.n=300"), out=str(tmp_path))
    made, usual = plan.make(asked, fetch=False), plan.make(options(out=str(tmp_path)), fetch=False)
    for cell, other in zip(made.cells, usual.cells, strict=True):
        assert cell.config.train.images == other.config.train.images // 2
        assert cell.config.train.weight_decay == 0.2
        assert cell.config.score.n == 300
        assert cell.folder == other.folder
        assert cell.seconds == pytest.approx(other.seconds * _evaluations(cell) / _evaluations(other))
    record.write_grid(made, asked)
    grid = read_sealed(tmp_path / "grid.json")
    assert grid["set"] == ["train.weight_decay=0.2", "score.n=300"]
    assert grid["budget"] == "0.5x"
    assert "--budget 0.5x" in grid["command"]
    assert "--set train.weight_decay=0.2 score.n=300" in grid["command"]
    assert "--set" not in record.reproduce(usual, asked)


def _evaluations(cell) -> float:
    return estimate.evaluations(cell.config.train.images, cell.config.score)


def test_an_estimate_counts_what_is_drawn(tmp_path):
    """By hand: 3 an image of training, two settings of 10 and 20, a snapshot of 10, two tries and a best case of 15."""
    score = ScoreConfig(
        n=512, n_few=256, snapshots=1, settings=(Sampling(steps=10), Sampling(steps=10, guidance=2.0)),
        best=BestCase(start=(-10.0,), guidance=(1.0, 2.0), sampler=("euler",), steps=10, tries=2),
    )  # fmt: skip
    drawn = 512 * (10 + 20) + 256 * (10 + 2 * 15) + 512 * 15
    assert estimate.evaluations(1000, score) == 3000 + drawn
    assert estimate.evaluations(0, score.model_copy(update={"weights": ("ema", "raw")})) == drawn + 512 * 30
    chosen = score.model_copy(update={"select": "validation"})  # of 8 steps; the last is measured anyway
    assert estimate.evaluations(0, chosen) == drawn + 7 * 64 * 512
    assert estimate.seconds(60.0, (1000, score), 1000, score) == 60.0
    assert estimate.seconds(60.0, (1000, score), 1, score) == pytest.approx(60.0 * (3 + drawn) / (3000 + drawn))


@pytest.mark.parametrize("sampler", ["euler", "heun", "ancestral", "dpmpp_2m", "euler_a", "renoise"])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_an_estimate_knows_each_sampler(sampler, guidance):
    """Against the calls of a network that counts them."""
    sampling = Sampling(sampler=sampler, steps=7, guidance=guidance)
    score = ScoreConfig(n=300, settings=(sampling,))
    assert estimate.evaluations(0, score) == 300 * evaluations(registry.objective("rf").path, sampling)


def test_a_number_of_images_is_given_once():
    for budget in ("64", "0.5x", "45min"):
        with pytest.raises(ZooError, match="both say how many images"):
            wishes.one_number(budget, ["train.images=100"])
    wishes.one_number("cpu", ["train.images=100"])
    wishes.one_number("64", ["train.batch=8"])


@pytest.mark.parametrize("text", ["9" * 400 + "x", "9" * 23, "1e3", "0.0x"])
def test_a_budget_that_is_a_mistake_is_refused(text):
    with pytest.raises(ZooError, match="is none of"):
        wishes.budget(text, "cpu")


@pytest.mark.parametrize("value", [
    1e-3, 2, True, "muon", [{"steps": 2, "guidance": 1.5}], ["lean", "ahead"], {"a": 1, "b": [1.0, 2.0]}, 'a "b" \\ c',
])  # fmt: skip
def test_a_python_value_comes_back_from_its_text(value):
    """Through TOML's own parser."""
    name, _, text = text_of("score.settings", value).partition("=")
    assert tomllib.loads(f"value = {text}")["value"] == value
    assert name == "score.settings"


def test_numbers_of_numpy_are_numbers():
    assert text_of("train.clip", np.float32(0.5)) == "train.clip=0.5"
    with pytest.raises(ZooError, match="give a number"):
        text_of("train.clip", np.zeros(3))


@pytest.mark.parametrize("text", ["[lean]", "[1, 2", "{ steps = }"])
def test_a_list_that_is_no_toml_says_how_to_quote(text):
    with pytest.raises(ZooError, match="Words in a list stand in quotes"):
        wishes.changes([f"train.speedups={text}"], files.load("smoke"))


@pytest.mark.parametrize("below", ["", "a/b"])
def test_an_output_folder_that_is_a_file_is_refused(below, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ZooError, match=r"cannot write .*file is a file. Choose another --out"):
        plan.make(options(out=str(tmp_path / "file" / below)), fetch=False)


def test_a_part_of_a_grid_is_repeated_by_its_pattern(tmp_path):
    """Unless the folder holds the rest, too: then the whole grid gives the same."""
    asked = options(only="dit*rf", out=str(tmp_path))
    made = plan.make(asked, fetch=False)
    assert len(made.chosen) < len(made.cells)
    assert record.reproduce(made, asked).endswith(" --only 'dit*rf'")
    whole = options(only="*", out=str(tmp_path))
    assert "--only" not in record.reproduce(plan.make(whole, fetch=False), whole)


def test_a_file_with_a_grid_is_repeated_by_its_name(tmp_path):
    file = tmp_path / "my study.toml"
    file.write_text((files.FOLDER / "smoke.toml").read_text())
    asked = options(grid=str(file), out=str(tmp_path / "out"), plugin="my code/my part.py")
    told = record.reproduce(plan.make(asked, fetch=False), asked)
    assert told.startswith("python run_all.py --grid 'my study.toml' ")
    assert told.endswith("--plugin 'my part.py'")


def test_what_cannot_be_read_is_not_to_be_done(tmp_path, capsys):
    made = plan.make(options(out=str(tmp_path)), fetch=False)
    for cell in made.chosen:
        made.folder(cell).mkdir(parents=True)
        (made.folder(cell) / "result.json").write_text("{")
    listing.show(made)
    told = " ".join(capsys.readouterr().out.split())
    assert f"0 done, {len(made.chosen)} unreadable: delete the files named below" in told


def test_help_names_every_grid(inside):
    text = inside(run_all.main, "--help")
    assert all(name in text for name in files.names())


def test_a_field_that_variants_are_about_is_not_set(tmp_path):
    with pytest.raises(ZooError, match="compares variants"):
        wishes.changes(["train.learning_rate=1e-3"], files.load("recipe"))


def test_time_becomes_a_share(tmp_path, monkeypatch, capsys):
    """With known seconds of every part, the sum of the cells' is the time asked for."""
    known = Pace(setup=1.0, image=0.002, evaluation=1e-4, measure=0.5, validate=0.3, judge=0.1, start=2.0)
    monkeypatch.setattr(pace, "_measured", lambda configs, plan, options: [known] * len(configs))
    asked = options(budget="2min", out=str(tmp_path))
    share = pace.share_for(120.0, asked, fetch=False)
    made = plan.make(options(budget=share, out=str(tmp_path)), fetch=False)
    work = sum(pace.rest(cell.config, known) + known.image * cell.config.train.images for cell in made.cells)
    assert known.start + pace.PAGE_SECONDS + work / made.jobs == pytest.approx(120.0, rel=0.01)
    asked.budget_asked, asked.budget = "2min", share
    record.write_grid(made, asked)
    monkeypatch.setattr(pace, "_measured", lambda *_: pytest.fail("measured again"))
    assert pace.share_for(120.0, options(budget="2min", out=str(tmp_path)), fetch=False) == share
    monkeypatch.setattr(pace, "_measured", lambda configs, plan, options: [known] * len(configs))
    with pytest.raises(ZooError, match="is too short"):
        pace.share_for(5.0, options(budget="5s", out=str(tmp_path / "other")), fetch=False)


def test_what_a_cell_takes_besides_training():
    """By hand: two settings of 10 and 20 evaluations, a snapshot, a try, one best case."""
    known = Pace(setup=1.0, image=9.9, evaluation=0.001, measure=2.0, validate=4.0, judge=8.0)
    score = ScoreConfig(
        n=512, n_few=256, snapshots=1, settings=(Sampling(steps=10), Sampling(steps=10, guidance=2.0)),
        best=BestCase(start=(-10.0,), guidance=(1.0,), sampler=("euler",), steps=10, tries=1),
    )  # fmt: skip
    found = pace.rest(CellConfig(train=TrainConfig(dataset="digits"), score=score), known)
    drawn = 512 * (10 + 20) + 256 * (10 + 10) + 512 * 10
    assert found == pytest.approx(1.0 + 0.001 * drawn + 3 * 2 * 2.0 + 3 * 8.0 + 4.0 * 2)


def test_estimates_are_scaled_once_the_speed_is_known(tmp_path, capsys):
    made = plan.make(options(out=str(tmp_path / "out"), seeds=2), fetch=False)
    assert speed.scaled(made, tmp_path).pace is None
    first = made.chosen[0]
    result = {"key": first.config.key, "seconds": {"total": 3 * first.seconds}}
    write_sealed(made.folder(first) / "result.json", result)
    scaled = speed.scaled(made, tmp_path)
    assert scaled.pace == pytest.approx(3.0)
    assert scaled.seconds(made.chosen[1]) == pytest.approx(3 * made.chosen[1].seconds)
    assert scaled.seconds(first) == 3 * first.seconds
    speed.keep(made, tmp_path)
    other = plan.make(options(out=str(tmp_path / "other")), fetch=False)
    assert speed.scaled(other, tmp_path).pace == pytest.approx(3.0)
    listing.show(speed.scaled(other, tmp_path))
    assert "at this machine's 3 times the grid's seconds" in capsys.readouterr().out
    again = next(one for one in made.cells if one.folder == first.folder.replace("seed0", "seed1"))
    write_sealed(made.folder(again) / "result.json", {"key": again.config.key, "seconds": {"total": again.seconds}})
    os.utime(made.folder(first) / "result.json", (1, 1))
    assert speed.scaled(made, tmp_path).pace == pytest.approx(1.0)  # the one that ended last counts
    os.utime(made.folder(again) / "result.json", (0.5, 0.5))
    assert speed.scaled(made, tmp_path).pace == pytest.approx(3.0)
    for text in ("[]", '{"cpu": -1}', '{"cpu": "x"}', '{"cpu": 1e9}', "{"):
        (tmp_path / speed.FILE).write_text(text)
        assert speed.kept(tmp_path, "cpu") is None


def test_of_cells_that_ended_at_one_time_the_median_is_the_speed(tmp_path):
    made = plan.make(options(only="dit*lognorm", seeds=3, out=str(tmp_path)), fetch=False)
    for cell, times in zip(made.chosen, (2, 9, 3), strict=True):
        path = made.folder(cell) / "result.json"
        write_sealed(path, {"key": cell.config.key, "seconds": {"total": times * cell.seconds}})
        os.utime(path, (5, 5))
    assert speed.of_cells(made) == pytest.approx(3.0)


@pytest.mark.parametrize("whose", ["packed", "another system", "another torch"])
def test_results_of_another_machine_say_nothing_of_this_one(whose, tmp_path):
    """Neither those of an archive, whose files have the time 0, nor those that were made with other versions."""
    made = plan.make(options(only="dit*lognorm", seeds=2, out=str(tmp_path)), fetch=False)
    theirs, ours = made.chosen
    changes = {"another system": {"system": "Plan9 mips"}, "another torch": {"torch": "0.0"}, "packed": {}}[whose]
    for cell, times, found in ((theirs, 7, environment.versions() | changes), (ours, 2, environment.versions())):
        result = {"key": cell.config.key, "seconds": {"total": times * cell.seconds}, "versions": found}
        write_sealed(made.folder(cell) / "result.json", result)
        if cell is theirs and whose == "packed":
            os.utime(made.folder(cell) / "result.json", (0, 0))
        if cell is theirs:
            assert speed.of_cells(made) is None
            speed.keep(made, tmp_path)
            assert not (tmp_path / speed.FILE).exists()
    assert speed.of_cells(made) == pytest.approx(2.0)
    watch = driver.Watch(made, SimpleNamespace(slots=1))
    watch.left({}, [])
    assert (watch.took, watch.estimated) == pytest.approx((2 * ours.seconds, ours.seconds))


def test_the_time_that_measuring_takes_is_part_of_the_budget(tmp_path, monkeypatch):
    known = Pace(setup=0.0, image=0.01, evaluation=0.0, measure=0.0, validate=0.0, judge=0.0)
    clock = iter([100.0, 190.0])
    monkeypatch.setattr(pace.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(pace, "_measured", lambda configs, plan, options: [known] * len(configs))
    asked = options(budget="10min", grid="smoke", only="dit*lognorm", jobs=1, out=str(tmp_path))
    (cell,) = plan.make(options(grid="smoke", only="dit*lognorm", out=str(tmp_path)), fetch=False).chosen
    share = float(pace.share_for(600.0, asked, fetch=False).removesuffix("x"))
    assert share * cell.config.train.images * 0.01 == pytest.approx(600 - 90 - pace.PAGE_SECONDS, rel=0.01)


def test_objectives_with_a_scheme_have_a_pace_of_their_own(tmp_path, monkeypatch):
    """All but three objectives of `fewsteps` take four times as long: the time asked for holds the sum."""
    usual = Pace(setup=0.0, image=0.001, evaluation=0.0, measure=0.0, validate=0.0, judge=0.0)
    times = {"rf": 1, "rf/lognorm(0,1)": 1, "v/cosine": 1}
    asked = options(budget="1h", grid="fewsteps", seeds=1, out=str(tmp_path))

    def measured(configs, plan, options):
        return [replace(usual, image=0.001 * times.get(config.train.objective, 4)) for config in configs]

    monkeypatch.setattr(pace, "_measured", measured)
    share = float(pace.share_for(3600.0, asked, fetch=False).removesuffix("x"))
    cells = plan.make(options(grid="fewsteps", seeds=1, out=str(tmp_path)), fetch=False).chosen
    assert sum(cell.objective not in times for cell in cells) == len(cells) - 3 > 9
    seconds = [0.001 * times.get(cell.objective, 4) * cell.config.train.images for cell in cells]
    assert share == pytest.approx((3600 - pace.PAGE_SECONDS) / speed.until_the_last(seconds, [0.0, 0.0]), rel=0.01)


def test_the_measuring_process_measures(tmp_path, command):
    configs = [
        CellConfig(
            train=TrainConfig(
                dataset="digits", backbone="dit(width=32,depth=1)", batch=16, compile=False, objective=name
            ),
            score=ScoreConfig(n=256, settings=(Sampling(steps=2),)),
        )
        for name in ("rf", "reflow(rf)", "progressive(v/cosine,4)")
    ]
    import subprocess
    import sys

    from tests.conftest import ROOT

    asked = [config.model_dump(mode="json") for config in configs]
    given = {"configs": asked, "data_dir": str(tmp_path), "mirror": None, "device": "cpu",
             "plugin": None, "parent": os.getpid()}  # fmt: skip

    def measure(**other):
        line = [sys.executable, "-m", "eval.pace"]
        return subprocess.run(line, input=json.dumps(given | other), capture_output=True, text=True, cwd=ROOT)  # noqa: S603

    done, gone = measure(), measure(parent=1)  # 1: of a driver that has ended, where nothing is measured
    assert (gone.returncode, gone.stdout) == (128 + signal.SIGTERM, "")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert len(measured) == len(configs)
    for found in measured:
        assert set(found) == set(pace.row_keys())
        assert all(value > 0 for value in found.values())


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_every_option(shell):
    import run_all

    text = script(run_all.Options, "objective-zoo", shell)
    for flag in ("--grid", "--seeds", "--budget", "--set", "--dry-run", "--open"):
        assert flag in text
    assert "--budget-asked" not in text


@pytest.mark.parametrize(
    ("cells", "workers", "seconds"),
    [([], [0.0, 5.0], 5.0), ([3.0] * 3, [0.0, 0.0], 6.0), ([3.0], [0.0, 0.0], 3.0), ([2.0, 4.0], [1.0, 2.0], 6.0)],
)
def test_the_last_cell_ends_when_a_worker_has_had_time_for_it(cells, workers, seconds):
    """Three cells on two workers take as long as two of them, not as one and a half."""
    assert speed.until_the_last(cells, workers) == seconds


@pytest.mark.parametrize(("late", "said"), [(0.0, "about"), (2.0, "the last ones take longer than estimated")])
def test_a_cell_that_takes_longer_than_estimated_is_told(late, said, tmp_path, capsys):
    made = plan.make(options(grid="smoke", out=str(tmp_path)), fetch=False)
    watch = driver.Watch(made, SimpleNamespace(slots=1, line=lambda folder: "training"))
    watch.last -= driver.PLAIN_SECONDS
    cell = made.chosen[-1]
    job = SimpleNamespace(
        cell=cell, seconds=cell.seconds, began=time.monotonic() - late * cell.seconds, head="[6/6]", folder=tmp_path
    )
    watch.tick({tmp_path: job}, [])
    assert said in capsys.readouterr().out


def test_a_budget_is_used_up_though_cells_are_few(tmp_path, monkeypatch):
    """Of three equal cells two run one after the other: each has half of the time, not two thirds."""
    known = Pace(setup=1.0, image=0.01, evaluation=0.0, measure=0.0, validate=0.0, judge=0.0, start=2.0)
    monkeypatch.setattr(pace, "_measured", lambda configs, plan, options: [known] * len(configs))
    asked = options(budget="10min", grid="smoke", only="dit", jobs=2, out=str(tmp_path))
    images = plan.make(options(grid="smoke", only="dit", out=str(tmp_path)), fetch=False).chosen[0].config.train.images
    share = float(pace.share_for(600.0, asked, fetch=False).removesuffix("x"))
    assert 2 * (1.0 + known.image * images * share) == pytest.approx(600 - 2 - pace.PAGE_SECONDS, rel=0.01)
