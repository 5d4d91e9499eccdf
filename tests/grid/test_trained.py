"""--weights: what another run trained is only scored, and what it did not train alike is trained."""

import json
import os
import shutil
from pathlib import Path

import pytest

from reports import api
from tests.grid.nodes import alone, weights, write
from tests.grid.test_wishes import options
from zoo.base.errors import ZooError
from zoo.base.sealed import write_sealed
from zoo.grid import listing, plan, trained
from zoo.grid.speed import until_the_last

TWO = ("rf", "v/cosine")


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """A run of two cells, beside its grid file."""
    folder = tmp_path_factory.mktemp("first")
    alone(write(folder, objectives=TWO, images=64), folder / "out", "--jobs", "1")
    return folder


def scores(out: Path) -> dict[str, dict]:
    return {path.parts[-3]: json.loads(path.read_text()) for path in out.rglob("result.json")}


def test_the_weights_are_the_same_and_the_scores_those_of_more_images(first, tmp_path):
    more = ("--set", "score.n=300", "--weights", str(first / "out"), "--jobs", "1")
    alone(first / "tiny.toml", tmp_path / "more", *more)
    assert weights(tmp_path / "more") == weights(first / "out")
    before, after = scores(first / "out"), scores(tmp_path / "more")
    for name, result in after.items():
        assert [row["n"] for row in result["scores"]] == [300]
        assert result["train"]["seconds"] == before[name]["train"]["seconds"]  # it was not trained again
        assert "training" in (next((tmp_path / "more").rglob(f"{name}/seed0/log.txt"))).read_text()
    alone(first / "tiny.toml", tmp_path / "again", "--weights", str(first / "out"), "--jobs", "1")
    same = scores(tmp_path / "again")
    assert {name: one["scores"][0]["fid"] for name, one in same.items()} == {
        name: one["scores"][0]["fid"] for name, one in before.items()
    }
    assert (tmp_path / "again" / "report.html").is_file()


def take(first: Path, out: Path, **given) -> plan.Plan:
    made = plan.make(options(grid=str(first / "tiny.toml"), out=str(out), **given), fetch=False)
    trained.take(made, first / "out")
    return made


def evaluations(images: int, scored: int) -> tuple[int, int]:
    """(of training, of all) network evaluations of a cell of the tiny grid: one step without guidance, three times
    an image in training."""
    return 3 * images, 3 * images + scored


def test_the_estimate_leaves_out_what_is_trained_already(first, tmp_path, capsys):
    more = {"grid": str(first / "tiny.toml"), "out": str(tmp_path / "out"), "set": ("score.n=300",)}
    made = plan.make(options(**more), fetch=False)
    (rf, v) = made.chosen
    training, whole = evaluations(64, 300)
    assert made.left(rf) == pytest.approx(rf.seconds)
    told = trained.foreseen(made, first / "out")
    assert [told.left(cell) for cell in (rf, v)] == pytest.approx([rf.seconds * (1 - training / whole)] * 2)
    assert told.status(rf) == "to do" and not (tmp_path / "out").exists()  # it was only asked
    otherwise = plan.make(options(**{**more, "set": ("score.n=300", "train.warmup=0.1")}), fetch=False)
    assert trained.foreseen(otherwise, first / "out").taken == frozenset()

    trained.take(made, first / "out")
    assert made.left(rf) == told.left(rf)
    (kept,) = made.folder(v).glob("step-*.json")
    half = f"step-{v.config.train.steps // 2:06d}"
    for suffix in (".json", ".safetensors"):
        kept.with_suffix(suffix).rename(kept.with_name(half + suffix))
    assert made.left(v) == pytest.approx(v.seconds * (1 - training / whole / 2))
    (made.folder(v) / f"{half}.safetensors").unlink()
    assert made.left(v) == pytest.approx(v.seconds)

    fresh = plan.make(options(**{**more, "out": str(tmp_path / "fresh")}), fetch=False)
    listing.show(trained.foreseen(fresh, first / "out"))
    time = listing.clock(until_the_last([told.left(rf)] * 2, [0.0] * made.jobs))
    assert f"about {time} to go with {made.jobs} at once" in " ".join(capsys.readouterr().out.split())


def test_a_cell_that_is_trained_otherwise_is_left_to_do(first, tmp_path, capsys):
    made = take(first, tmp_path / "out", set=("train.learning_rate=1e-4",))
    assert {made.status(cell) for cell in made.chosen} == {"to do"}
    assert "2 cells are trained here: it is trained otherwise there" in capsys.readouterr().out


def test_a_run_that_is_half_done_gives_what_it_has(first, tmp_path, capsys):
    half = tmp_path / "half"
    shutil.copytree(first / "out", half / "out")
    shutil.copy(first / "tiny.toml", half)
    (cell,) = (half / "out").rglob("rf/seed0")
    for file in cell.glob("step-*"):
        file.unlink()
    (cell,) = (half / "out").rglob("v-cosine/seed0")
    manifest = max(cell.glob("step-*.json"))
    short = {**json.loads(manifest.read_text()), "step": 1}
    short.pop("digest")
    manifest.unlink()
    write_sealed(manifest, short)
    made = take(half, tmp_path / "out")
    said = capsys.readouterr().out
    assert "there are no weights there" in said and "it is not trained to its end there" in said
    assert {made.status(cell) for cell in made.chosen} == {"to do"}


def test_a_published_run_has_manifests_without_weights_and_gives_nothing(first, tmp_path, capsys):
    shutil.copytree(first / "out", tmp_path / "bare" / "out")
    shutil.copy(first / "tiny.toml", tmp_path / "bare")
    for file in (tmp_path / "bare").rglob("*.safetensors"):
        file.unlink()
    made = take(tmp_path / "bare", tmp_path / "out")
    said = capsys.readouterr().out
    assert "2 cells are trained here: there are no weights there" in said and "only scored" not in said
    assert not [*(tmp_path / "out").rglob("*")]
    assert {made.status(cell) for cell in made.chosen} == {"to do"}


def test_the_newest_step_that_has_its_weights_counts(first, tmp_path, capsys):
    source = tmp_path / "source"
    shutil.copytree(first / "out", source / "out")
    shutil.copy(first / "tiny.toml", source)
    (cell,) = (source / "out").rglob("rf/seed0")
    kept = max(cell.glob("step-*.json"))
    (cell / "step-999999.json").write_bytes(kept.read_bytes())
    made = take(source, tmp_path / "out")
    assert "2 cells of 2 trained in" in capsys.readouterr().out
    (rf,) = [one for one in made.chosen if one.objective == "rf"]
    names = {path.name for path in made.folder(rf).glob("step-*")}
    assert names == {kept.name, kept.with_suffix(".safetensors").name}


def selecting(first: Path, tmp_path: Path) -> tuple[Path, Path]:
    """(a copy of the run, the folder of its cell of rf), the cell with the least validation loss asked for."""
    source = tmp_path / "source"
    shutil.copytree(first / "out", source / "out")
    shutil.copy(first / "tiny.toml", source)
    (cell,) = (source / "out").rglob("rf/seed0")
    config = json.loads((cell / "cell.json").read_text())
    config.pop("digest", None)
    config["config"]["score"]["select"] = "validation"
    (cell / "cell.json").unlink()
    write_sealed(cell / "cell.json", config)
    (cell / "selected").mkdir()
    return source, cell


def test_a_scored_step_whose_weights_are_gone_is_not_replaced_by_the_last(first, tmp_path, capsys):
    source, cell = selecting(first, tmp_path)
    (cell / "selected" / "step-000002.json").write_text("{}")
    take(source, tmp_path / "out", set=("score.select=validation",))
    assert "1 cell is trained here: there are no weights there of the step that was scored" in capsys.readouterr().out


def test_files_are_shared_where_the_disk_allows_it_and_copied_elsewhere(first, tmp_path, monkeypatch):
    made = take(first, tmp_path / "a")
    (linked,) = made.folder(made.chosen[0]).glob("step-*.safetensors")
    (source,) = (first / "out" / made.chosen[0].folder).glob(linked.name)
    assert linked.samefile(source)

    def refuse(self, target):
        raise OSError(18, "another disk")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    made = take(first, tmp_path / "b")
    (copied,) = made.folder(made.chosen[0]).glob("step-*.safetensors")
    assert not copied.samefile(source)
    assert copied.read_bytes() == linked.read_bytes()
    assert sorted(os.listdir(copied.parent)) == sorted(os.listdir(linked.parent))


def test_the_step_that_was_scored_comes_along_and_another_cannot_be_chosen(first, tmp_path, capsys):
    source, cell = selecting(first, tmp_path)
    for name in ("step-000002.json", "step-000002.safetensors"):
        (cell / "selected" / name).write_text(name)
    take(source, tmp_path / "last")
    assert "1 cell is trained here: another step is scored there" in capsys.readouterr().out
    made = take(source, tmp_path / "validation", set=("score.select=validation",))
    (rf,) = [one for one in made.chosen if one.objective == "rf"]
    assert (made.folder(rf) / "selected" / "step-000002.json").read_text() == "step-000002.json"
    assert made.status(rf) == "started"


def test_what_is_no_run_is_refused(first, tmp_path):
    made = plan.make(options(grid=str(first / "tiny.toml"), out=str(tmp_path / "out")), fetch=False)
    with pytest.raises(ZooError, match=r"no run of a grid: it holds no grid\.json"):
        trained.take(made, tmp_path)
    made = plan.make(options(grid=str(first / "tiny.toml"), out=str(first / "out")), fetch=False)
    with pytest.raises(ZooError, match="choose another --out"):
        trained.take(made, first / "out")
    for what in (tmp_path, tmp_path / "none"):  # told by --list already
        with pytest.raises(ZooError, match="no run of a grid"):
            api.plan_of(options(grid=str(first / "tiny.toml"), out=str(tmp_path / "out"), weights=str(what)))
