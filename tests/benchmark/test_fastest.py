"""What `auto` takes on a machine: the fastest mode that was measured, the simplest one of those nearly as fast."""

import json

import pytest

from zoo.benchmark import fastest, gpu
from zoo.benchmark.child import together
from zoo.benchmark.session import Session
from zoo.training.ways import FASTEST, Ways, ways


def known(rates: dict[str, float], kind: str = "dit") -> dict:
    return {
        f"speed {kind}: {mode}": {"status": "ok", "seconds": 1.0, "data": {"train_images_per_s": rate}}
        for mode, rate in rates.items()
    }


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ({"compiled": 100.0, "recorded": 140.0, "recorded, lean, ahead": 160.0}, "recorded, lean, ahead"),
        ({"compiled": 100.0, "recorded": 140.0, "recorded, lean, ahead": 141.0}, "recorded"),  # no 2% more
        ({"compiled": 100.0, "recorded": 90.0}, "compiled"),
        ({"compiled": 100.0, "recorded, AdamW": 300.0, "recorded, 2 at once": 300.0}, "compiled"),  # other numbers
        ({"recorded, large batch": 300.0}, None),
    ],
)
def test_the_simplest_of_the_fastest_is_taken(rates, chosen):
    assert fastest.best(known(rates), "dit", "cuda") == chosen
    assert fastest.speed(known(rates), "dit", "cuda") == (rates[chosen] if chosen else 0.0)


def test_a_cpu_takes_what_auto_is_there():
    rates = {"auto": 50.0, "compiled": 90.0, "lean": 70.0}
    assert fastest.speed(known(rates), "dit", "cpu") == 50.0


def test_what_was_measured_is_what_auto_reads(tmp_path, monkeypatch):
    import torch

    from zoo.config.cell import TrainConfig

    session = Session(tmp_path / "out", 5)
    session.results = known({"compiled": 100.0, "recorded, lean, ahead": 160.4}) | known({"eager": 9.0}, "unet")
    machine = {"device": "NVIDIA H200", "versions": {"torch": "2.11.0"}}
    session.results["machine"] = {"status": "ok", "seconds": 1.0, "data": machine}
    fastest.write(session, ["dit", "unet"], "cuda")
    found = json.loads((session.out / fastest.FASTEST).read_text())["NVIDIA H200"]
    assert found["dit"]["images_per_s"] == {"compiled": 100, "recorded, lean, ahead": 160}
    monkeypatch.setenv(FASTEST, str(session.out / fastest.FASTEST))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    device = torch.device("cuda", 0)
    assert ways(TrainConfig(), device) == Ways("graphs", frozenset({"lean", "ahead"}))
    assert ways(TrainConfig(backbone="unet"), device) == Ways(False)


def test_a_cpu_writes_no_such_file(tmp_path):
    session = Session(tmp_path / "out", 5)
    session.results = known({"auto": 1.0})
    fastest.write(session, ["dit"], "cpu")
    assert not (session.out / fastest.FASTEST).exists()


def test_time_is_left_to_the_grid_and_other_modes_come_behind_it(tmp_path):
    """Of a session of 150 s the grid is due 45: after the first run of a backbone there is none for a second."""
    session = Session(tmp_path / "out", 150 / 60)
    session.results = known({"compiled": 1000.0}) | known({"compiled": 500.0}, "unet")
    session.results["tests of graphs"] = {"status": "failed", "seconds": 1.0}
    names = []
    for step in gpu.steps(session, "cuda", None):
        names.append(step.name)
        if step.name.startswith("train"):
            session.began -= 40  # it took so long
            session.results[step.name] = {"status": "ok", "seconds": 40.0, "data": {}}
    trained = [name for name in names if name.startswith("train")]
    assert trained[:2] == ["train dit 0.002 30 s", "train unet 0.002 30 s"]
    assert names.index("train unet 0.002 30 s") < names.index("grid dit") < names.index("speed dit: eager")
    assert names[-2:] == ["cost dit", "cost unet"]


def test_a_run_whose_weights_were_not_brought_back_is_trained_again(tmp_path):
    session = Session(tmp_path / "out", 100)
    session.results = known({"auto": 10.0})
    session.results["train dit 0.008 10 s"] = {"status": "ok", "seconds": 1.0, "data": {}}
    steps = [step.name for step in gpu.steps(session, "cpu", None)]
    assert "train dit 0.008 10 s" not in session.results
    assert "train dit 0.008 10 s" in steps


def test_processes_at_once_are_added_up():
    config = {"objective": "rf", "dataset": "digits", "backbone": "dit(width=32,depth=1,heads=1)", "batch": 16}
    config |= {"images": 16 * 10**6, "precision": "float32", "compile": False}
    asked = {"what": "mode", "config": config, "device": "cpu", "seconds": 0.2, "sampling": False, "jobs": 2}
    found = together(asked)
    assert found["jobs"] == 2
    assert found["train_images_per_s"] > 0
    assert "evaluations_per_s" not in found
