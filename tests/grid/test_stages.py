"""Teachers in a grid: cells of their own, once each, before their students, also where the grid does not name them."""

from types import SimpleNamespace

import pytest

from zoo.base.sealed import read_sealed
from zoo.grid import driver, plan
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
