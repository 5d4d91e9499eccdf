"""A data set made on the spot, 3 channels, 7 classes, 16 x 24 pixels: trained, drawn, scored and reported.

Once through the command line, as a plug-in and as a folder, and once through Python. Nothing in the code knows its
numbers.
"""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from eval.judging import recipe
from eval.judging.store import load_judge
from zoo import plugins
from zoo.base.errors import ZooError
from zoo.data import sets
from zoo.data.dataset import load
from zoo.data.npz import read_npz

SHAPE, CLASSES = (3, 16, 24), ("red", "green", "blue", "left", "right", "top", "bottom")
PLUGIN = '''
from dataclasses import dataclass

import numpy as np

from zoo.data.spec import Arrays, Source, Spec
from zoo.registry import register

CLASSES = ("red", "green", "blue", "left", "right", "top", "bottom")


@register("dataset", "blobs")
@dataclass(frozen=True)
class Blobs(Source):
    """A colour, or white on one side. wrong: whether labels are by chance."""

    wrong: bool = False

    @property
    def spec(self):
        return Spec((3, 16, 24), CLASSES)

    def read(self, data_dir, mirror):
        rng = np.random.default_rng(0)

        def part(count):
            labels = np.arange(count) % 7
            images = rng.integers(0, 60, (count, 16, 24, 3))
            for image, label in zip(images, labels):
                sides = {3: np.s_[:, :8], 4: np.s_[:, 16:], 5: np.s_[:5], 6: np.s_[11:]}
                image[sides.get(label, np.s_[4:12, 6:18, label % 3])] += 190
            if self.wrong:
                labels = rng.permutation(labels)
            return images.astype(np.uint8), labels

        return Arrays(*part(700), *part(280))
'''
GRID = """
description = "one cell"
dataset = "digits"
objectives = ["rf"]
backbones = ["dit"]

[[budgets]]
name = "cpu"
datasets = ["digits"]
recipe = { batch = 16, precision = "float32", compile = false }
score.n = 256
score.settings = [{ steps = 2 }, { steps = 2, guidance = 2.0 }]
sizes.dit = { size = "dit(width=32,depth=1,heads=1,patch=4)", images = 160, seconds = 10 }
"""
SMALL = ("--backbone", "dit(width=32,depth=1,heads=1,patch=4)", "--batch", "16", "--images", "160")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the plug-in, a grid, the data set as a folder of PNG files, and judges that took seconds."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "blobs.py").write_text(PLUGIN)
    (folder / "one.toml").write_text(GRID)
    plugins.load(str(folder / "blobs.py"))
    data = load("blobs", folder / "data")
    for part, images, labels in (
        ("train", data.train, data.train_labels), ("test", data.test, data.test_labels),
    ):  # fmt: skip
        for i, (image, label) in enumerate(zip(images.permute(0, 2, 3, 1).numpy(), labels.tolist(), strict=True)):
            file = folder / "pngs" / part / CLASSES[label] / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "recipe_for", lambda data: recipe.Recipe(epochs=8, batch=64))
        for name in ("blobs", f"folder:{folder}/pngs(height=16,width=24)"):
            for seed in (0, 1):
                load_judge(load(name, folder / "data"), folder / "data", seed)
    yield folder
    del sets.SETS["blobs"], plugins.LOADED["blobs.py"]


def run(command, *arguments):
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_line_trains_draws_and_scores_a_plugin(command, place):
    places = ("--plugin", str(place / "blobs.py"))
    where = ("--data-dir", str(place / "data"))
    run(command, "-m", "zoo.train", "--dataset", "blobs", *SMALL, *places, *where, "--out", str(place / "run"))
    drawn = ("--steps", "2", "--n", "40", "--npz", str(place / "x.npz"), "--out", str(place / "x.png"))
    run(command, "-m", "zoo.sample", str(place / "run"), *drawn, *places)
    images, labels, _ = read_npz(place / "x.npz", sets.source("blobs").spec)
    assert images.shape == (280, 16, 24, 3)
    assert labels.bincount().tolist() == [40] * 7
    assert Image.open(place / "x.png").mode == "RGB"
    of_run = json.loads(run(command, "-m", "eval.fid", str(place / "run"), "--n", "256", "--steps", "2", "--json",
                            *places, *where))  # fmt: skip
    assert of_run["classes"] == list(CLASSES)
    assert [one["label"] for one in of_run["score"]["classes"]] == list(range(7))
    told = run(command, "-m", "eval.fid", str(place / "x.npz"), "--dataset", "blobs", *places, *where)
    assert re.search(r"blobs, judge blobs-[0-9a-f]{12}-v1-seed0 \([0-9a-f]{12}\), right about [0-9.]+% of real", told)
    assert re.search(r"^bottom +[0-9.]+% of 40", told, re.M)


def test_a_grid_on_the_folder_is_reported_in_colour(command, place):
    name = f"folder:{place}/pngs(height=16,width=24)"
    out = place / "runs"
    run(command, "run_all.py", "--grid", str(place / "one.toml"), "--dataset", name, "--data-dir", str(place / "data"),
        "--out", str(out), "--jobs", "1")  # fmt: skip
    (cell,) = out.glob("pngs-*/*/*/seed0")
    result = json.loads((cell / "result.json").read_text())
    assert result["data"]["classes"] == sorted(CLASSES)
    assert result["data"]["image_shape"] == [3, 16, 24]
    assert result["judge"]["accuracy"] > 0.9
    assert Image.open(cell / "real.png").size == (7 * 24, 4 * 16)
    assert Image.open(cell / "real.png").mode == "RGB"
    (row, _) = csv.DictReader((out / "results.csv").open())
    assert {key for key in row if re.fullmatch(r"acc_\d+", key)} == {f"acc_{label}" for label in range(7)}
    page = (out / "report.html").read_text()
    assert (
        f"Judge: {result['judge']['name']}, right about {100 * result['real']['acc']:.1f}% of real test images" in page
    )
    assert all(name in page for name in CLASSES)
    assert "black" not in (out / "report.md").read_text()
    figure = sorted((out / "figures").glob("samples-*.png"))[0]
    pixels = np.asarray(Image.open(figure).convert("RGB")).astype(int)
    assert np.ptp(pixels, axis=2).max() > 100  # in colour
    assert "has no budget of its own in this grid, and takes that of digits" in (out / "grid.json").read_text()


def test_python_trains_draws_and_scores(place):
    run = zoo.train("rf", SMALL[1], dataset="blobs", images=160, batch=16, out=place / "py", data_dir=place / "data")
    images = run.sample([0, 6, 7], steps=2)  # 7 is none of the classes
    assert images.shape == (3, *SHAPE)
    with pytest.raises(ZooError, match="classes are 0 to 6, and 7 is none"):
        run.sample([8])
    scores = zoo.score(run, n=256, steps=2, data_dir=place / "data")
    assert [one.name for one in scores.classes] == list(CLASSES)
    real = load("blobs", place / "data")
    perfect = zoo.score(real.test, real.test_labels, dataset="blobs", data_dir=place / "data")
    assert perfect.acc > 0.9
    assert perfect.fid < scores.fid / 10


def test_a_run_draws_without_its_folder_of_images(place, tmp_path):
    (tmp_path / "moved").symlink_to(place / "pngs")
    name = f"folder:{tmp_path}/moved(height=16,width=24)"
    run = zoo.train("rf", SMALL[1], dataset=name, images=32, batch=16, out=tmp_path / "run", data_dir=place / "data")
    before = run.sample([1], steps=2)
    (tmp_path / "moved").unlink()
    assert zoo.load(tmp_path / "run").sample([1], steps=2).equal(before)


def test_another_content_under_the_same_name_is_no_resuming(place, tmp_path):
    for part in ("train", "test"):
        for label, name in enumerate("ab"):
            (tmp_path / "own" / part / name).mkdir(parents=True)
            for i in range(4):
                grey = np.full((8, 8), 10 * i + label, np.uint8)
                Image.fromarray(grey).save(tmp_path / "own" / part / name / f"{i}.png")
    given = dict(dataset=f"folder:{tmp_path}/own(size=8,channels=1)", images=32, batch=16, out=tmp_path / "run")
    zoo.train("rf", SMALL[1], data_dir=tmp_path, **given)
    with pytest.raises(ZooError, match="has 8 test images, and scores need at least 256"):
        zoo.score(Path(tmp_path / "run"), n=256, data_dir=tmp_path)
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(tmp_path / "own" / "train" / "a" / "0.png")
    with pytest.raises(ZooError, match="begun with other images"):
        zoo.train("rf", SMALL[1], data_dir=tmp_path, **given)
    with pytest.raises(ZooError, match="was trained on other images than"):
        zoo.score(Path(tmp_path / "run"), n=256, data_dir=tmp_path)


def test_a_judge_that_guesses_is_refused(place, monkeypatch):
    monkeypatch.setattr(recipe, "recipe_for", lambda data: recipe.Recipe(epochs=1, batch=64))
    data = load("blobs(wrong=true)", place / "data")
    assert not data.test_labels.equal(torch.arange(280) % 7)
    for _ in range(2):  # the second time from the file
        with pytest.raises(ZooError, match=r"right about .*% of the test images of blobs\(wrong=true\).* below 48\.6%"):
            load_judge(data, place / "data")
    assert load_judge(data, place / "data", weak=True).info["accuracy"] < 0.4  # to be looked at


def test_any_data_set_has_a_budget_of_the_nearest_size(place):
    from zoo.grid import files

    grid = files.load("default")
    own = grid.budget("cpu", "mnist")
    assert own is grid.budgets[0]
    near = grid.budget("cpu", "blobs")  # 384 pixels: 2 times fewer than MNIST's, 6 times more than digits'
    assert near.sizes["dit"].size == own.sizes["dit"].size
    assert near.sizes["dit"].seconds == pytest.approx(own.sizes["dit"].seconds * 384 / 784)
    assert grid.budget("cpu", "mnist(size=7)").sizes["dit"].size == grid.budget("cpu", "digits").sizes["dit"].size
    assert "takes that of mnist" in near.note
