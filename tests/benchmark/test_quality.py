"""Time to quality: what is run for how long, what its table says, and that results of two recipes never mix."""

import json

import pytest

from zoo.base.errors import ZooError
from zoo.benchmark import quality
from zoo.benchmark.session import Session

BACKBONE = "dit(patch=7,width=32,depth=1,heads=1)"


def options(tmp_path, **given):
    return quality.Options(backbone=(BACKBONE,), objective=("rf", "v/cosine"), out=str(tmp_path), **given)


def known(speed: float, fids: dict[str, float]) -> dict:
    found = {f"speed {BACKBONE}": {"status": "ok", "seconds": 1.0, "data": {"train_images_per_s": speed}}}
    for name, fid in fids.items():
        found[f"score {name}"] = {"status": "ok", "seconds": 1.0, "data": {"score": {"fid": fid}}}
    return found


def test_a_run_sees_the_images_of_its_seconds(tmp_path):
    session = Session(tmp_path, 5, results=known(100.0, {}))
    asked = options(tmp_path, seconds=(10.0, 2.5), seeds=1, batch=20)
    trained = [step for step in quality.steps(session, asked) if step.name.startswith("train ")]
    images = [int(step.command[step.command.index("--images") + 1]) for step in trained]
    assert images == [240, 240, 1000, 1000]  # 250 and 1,000, in whole steps of 20 images; the shortest first
    assert all(step.seconds > 10 for step in trained)


def test_the_table_has_means_and_ranges(tmp_path):
    asked = options(tmp_path, seconds=(10.0,), seeds=2)
    names = [quality.run_name(BACKBONE, "rf", 10.0, seed) for seed in (0, 1)]
    text = quality.markdown(known(100.0, dict(zip(names, (3.0, 5.0), strict=True))), asked)
    assert "10 s (1,000 images)" in text
    assert "| rf | 4.00 (3.00..5.00) |" in text
    assert "| v/cosine | - |" in text


def test_a_backbone_whose_speed_is_not_known_is_left_out(tmp_path):
    asked = options(tmp_path)
    session = Session(tmp_path, 5)
    assert [step.name for step in quality.steps(session, asked)] == [f"speed {BACKBONE}"]
    assert BACKBONE not in quality.markdown({}, asked)


def test_another_recipe_asks_for_another_folder(tmp_path):
    quality._same_as_before(tmp_path / "quality.json", options(tmp_path))
    quality._same_as_before(tmp_path / "quality.json", options(tmp_path, seconds=(5.0,)))
    with pytest.raises(ZooError, match="made with --batch 16: give another --out"):
        quality._same_as_before(tmp_path / "quality.json", options(tmp_path, batch=32))


def test_a_trial_of_another_field_is_measured_and_trained_with_it(tmp_path):
    session, asked = Session(tmp_path, 5, results=known(100.0, {})), options(tmp_path, set=("train.ema=0.1",))
    steps = {step.name: step for step in quality.steps(session, asked)}
    config = json.loads(steps[f"speed {BACKBONE}"].command[2])["config"]
    assert config["ema"] == 0.1
    command = steps[f"train {quality.run_name(BACKBONE, 'rf', 60.0, 0)}"].command
    assert command[command.index("--set") + 1] == "train.ema=0.1"
    quality._same_as_before(tmp_path / "quality.json", options(tmp_path))
    with pytest.raises(ZooError, match="give another --out"):
        quality._same_as_before(tmp_path / "quality.json", asked)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"set": ("train.batch=8",)}, "write --batch instead"),
        ({"set": ("train.emma=8",)}, "train.ema"),
        ({"set": ("train.ema=8",)}, "ema"),
        ({"seconds": (0.0,)}, "--seconds 0 must be above 0"),
        ({"seeds": 0}, "--seeds 0 must be at least 1"),
        ({"optimizer": "adam"}, "adamw"),
        ({"compile": "graphs"}, "auto, True or False|auto"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, given, said):
    with pytest.raises(ZooError, match=said):
        options(tmp_path, **given).check()
