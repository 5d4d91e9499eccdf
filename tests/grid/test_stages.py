"""Teachers in a grid: cells of their own, once each, before their students, also where the grid does not name them."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.grid.test_wishes import options
from zoo.base.errors import ZooError
from zoo.base.sealed import read_sealed, write_sealed
from zoo.grid import before, driver, listing, plan
from zoo.grid import files as grid
from zoo.grid.cell import select

GRID = """
description = "stages"
objectives = {}
backbones = ["dit"]
dataset = "digits"
[[budgets]]
name = "cpu"
datasets = ["digits"]
recipe = {{ batch = 16, precision = "float32" }}
score.n = 256
score.batch = 268
score.settings = [{{ steps = 1, sampler = "map" }}, {{ steps = 2, sampler = "map" }}]
sizes.dit = {{ size = "dit(width=32,depth=1)", images = 64, seconds = 1.0 }}
"""


def cells(tmp_path, names: list[str], seeds: int = 1) -> list[grid.Cell]:
    (tmp_path / "stages.toml").write_text(GRID.format(str(names).replace("'", '"')))
    loaded = grid.load(str(tmp_path / "stages.toml"))
    return grid.cells(loaded, "digits", loaded.budget("cpu", "digits"), seeds)


def test_teachers_are_cells_before_their_students(tmp_path):
    made = cells(tmp_path, ["progressive(v/cosine,4)", "meanflow", "reflow(rf)", "rf"], seeds=2)
    wanted = ["v/cosine", "progressive(v/cosine,8)", "progressive(v/cosine,4)", "meanflow", "rf", "reflow(rf)"]
    assert [(c.config.train.seed, c.objective) for c in made] == [(s, o) for s in (0, 1) for o in wanted]
    taught = {c.objective: c.teacher.folder for c in made[:6] if c.teacher}
    assert taught["reflow(rf)"] == made[4].folder
    assert taught["progressive(v/cosine,4)"] == made[1].folder


def test_only_takes_the_teachers_along(tmp_path):
    made = cells(tmp_path, ["meanflow", "reflow(reflow(rf))"])
    assert [c.objective for c in select(made, "reflow(reflow(rf))")] == ["rf", "reflow(rf)", "reflow(reflow(rf))"]
    assert [c.objective for c in select(made, "meanflow")] == ["meanflow"]


def test_a_student_waits_for_its_teacher(tmp_path):
    rf, student, other = cells(tmp_path, ["reflow(rf)", "meanflow"])
    job = SimpleNamespace(cell=rf)
    assert driver._ready([rf, student, other], []) == rf
    assert driver._ready([student, other], [job]) == other
    assert driver._ready([student], [job]) is None
    assert driver._ready([student, other], []) == student


@pytest.fixture
def staged(tmp_path):
    """staged(names) -> the plan of a grid of them, and the options that it is made from."""

    def make(names: list[str]) -> tuple[plan.Plan, SimpleNamespace]:
        cells(tmp_path, names)
        places = {"grid": tmp_path / "stages.toml", "out": tmp_path / "out", "data_dir": tmp_path / "data"}
        asked = options(accumulate=1, **{name: str(place) for name, place in places.items()})
        return plan.make(asked, fetch=False), asked

    return make


def finish(made: plan.Plan, name: str, weights: bool) -> Path:
    """A cell's folder as a run leaves it, or as a published one is unpacked: without weights."""
    (cell,) = (cell for cell in made.cells if cell.objective == name)
    folder, step = made.folder(cell), f"step-{cell.config.train.steps:06d}"
    folder.mkdir(parents=True)
    write_sealed(folder / "result.json", {"key": cell.config.key, "seconds": {"total": 1.0}})
    write_sealed(folder / f"{step}.json", {"step": cell.config.train.steps})
    if weights:
        (folder / f"{step}.safetensors").write_bytes(b"weights")
    return folder


def test_a_teacher_that_is_done_without_weights_is_told_before_any_training(staged):
    """Of a chain, all that would be trained again; and nothing of teachers whose students are done, or of others."""
    made, asked = staged(["reflow(rf)", "progressive(v/cosine,4)", "meanflow"])
    rf = finish(made, "rf", weights=False)
    first, second = (finish(made, name, weights=False) for name in ("v/cosine", "progressive(v/cosine,8)"))
    for check in (lambda: before.check(made, asked), lambda: listing.dry_run(made, retry=False)):
        with pytest.raises(ZooError) as error:
            check()
        said = str(error.value)
        assert f"the teacher rf on dit(width=32,depth=1), seed 0, is done, but its weights are not in {rf}: " in said
        assert "delete that folder, and it is trained again" in said and ".." not in said
        assert len(said.splitlines()) == 3 and str(first) in said and str(second) in said
    finish(made, "reflow(rf)", weights=False)
    with pytest.raises(ZooError, match="the teacher progressive") as error:
        before.check(made, asked)
    assert str(rf) not in str(error.value)
    finish(made, "progressive(v/cosine,4)", weights=False)
    before.check(made, asked)


def test_a_teacher_with_weights_or_none_needed_stops_nothing(staged, capsys):
    made, asked = staged(["reflow(rf)", "meanflow"])
    folder = finish(made, "rf", weights=True)
    before.check(made, asked)
    (weights,) = folder.glob("*.safetensors")
    weights.rename(folder / "step-000001.safetensors")  # of a step before the last, as an interrupted run has them
    with pytest.raises(ZooError, match="the teacher rf"):
        before.check(made, asked)
    student = next(cell for cell in made.cells if cell.teacher)
    made.folder(student).mkdir(parents=True)
    for ending in ("json", "safetensors"):  # it is trained to its end, and only left to score
        (made.folder(student) / f"step-{student.config.train.steps:06d}.{ending}").write_bytes(b"")
    before.check(made, asked)


@pytest.mark.parametrize("where", [("--jobs", "2"), ("--executor", "ray")], ids=" ".join)
def test_a_grid_of_stages_runs_whole(where, tmp_path, command):
    cells(tmp_path, ["reflow(rf)", "progressive(v/cosine,8)", "meanflow", "ect"])
    out = tmp_path / "out"
    arguments = ["--grid", str(tmp_path / "stages.toml"), "--out", str(out), *where, "--device", "cpu"]
    done = command("run_all.py", *arguments, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    for folder, teacher in (("reflow-rf", "rf"), ("progressive-v-cosine-8", "v-cosine")):
        (cell,) = out.rglob(f"{folder}/seed0/cell.json")
        assert (cell.parent / read_sealed(cell)["teacher"]).resolve() == (cell.parents[2] / teacher / "seed0").resolve()
        result, before = (read_sealed(c / "result.json") for c in (cell.parent, cell.parents[2] / teacher / "seed0"))
        assert result["train"]["teacher_seconds"] == pytest.approx(before["train"]["seconds"])
    again = command("run_all.py", *arguments, OMP_NUM_THREADS="1")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("done, skipped") == 6
    assert plan.UNREADABLE not in again.stdout
