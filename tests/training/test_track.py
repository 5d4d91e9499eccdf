"""Trackers: a tracked run is the same run, shown as metrics.jsonl has it, also after a crash; faults cost nothing."""

import importlib.util
import json
import os
import shutil
import signal
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import run_all
from tests.conftest import TINY
from tests.test_cli import write_grid
from tests.training.test_train import final, rows, same
from zoo.base.errors import DiskFull, Diverged, ZooError
from zoo.base.sealed import read_sealed
from zoo.config.cell import TrainConfig
from zoo.sampling import model
from zoo.sampling.model import Preview
from zoo.train import main as train_main
from zoo.training import run as train
from zoo.training import track

CONFIG = TrainConfig(**TINY, objective="rf", images=16 * 40)


class Fake:
    """A tracker that remembers what it is told; `told` belongs to all of them, as a server's memory would."""

    held = 0
    runs: list
    told: list

    def __init__(self, run: track.Run):
        self.runs.append(run)

    def log(self, step, values, picture):
        self.told.append((step, values, picture and picture.read_bytes()))

    def close(self, whole):
        self.told.append("whole" if whole else "not whole")


@pytest.fixture
def fake(monkeypatch) -> type[Fake]:
    class Fresh(Fake):
        runs, told = [], []

    monkeypatch.setitem(track.TRACKERS, "fake", Fresh)
    return Fresh


@pytest.fixture
def stopping(monkeypatch):
    """stopping(k) -> the next run hears a SIGINT during its k-th step."""

    def at(k: int) -> None:
        before = train.Trainer.step

        def step(self, number):
            if number == k:
                monkeypatch.setattr(train.Trainer, "step", before)
                os.kill(os.getpid(), signal.SIGINT)
            return before(self, number)

        monkeypatch.setattr(train.Trainer, "step", step)

    return at


def metrics(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def expected(row: dict) -> dict[str, float]:
    """A row's values by the names that a tracker shows, written down a second time."""
    found = {f"train/{key}": row[key] for key in ("images", "loss", "lr", "grad_norm", "seconds", "images_per_s")}
    names = ["below_-7.5", "-7.5_to_-5", "-5_to_-2.5", "-2.5_to_0", "0_to_2.5", "2.5_to_5", "5_to_7.5", "above_7.5"]
    for number, (name, mean) in enumerate(zip(names, row["bins"], strict=True), 1):
        found |= {f"eps_error/{number}_logsnr_{name}": mean} if mean is not None else {}
    return found


def events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder / "tb"), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return found.Reload()


def assert_shows_metrics(folder: Path) -> None:
    """TensorBoard's own reader finds every value of metrics.jsonl once, at its step, and a picture for every tenth."""
    found, wanted = events(folder), {}
    for row in metrics(folder):
        for name, value in expected(row).items():
            wanted.setdefault(name, []).append((row["step"], float(np.float32(value))))
    tags = found.Tags()
    assert set(tags["scalars"]) == set(wanted)
    for name, points in wanted.items():
        assert [(event.step, event.value) for event in found.Scalars(name)] == points
    (tag,) = tags["images"]
    pictures = {event.step: event.encoded_image_string for event in found.Images(tag)}
    assert pictures == {int(path.stem): path.read_bytes() for path in (folder / "tracked").glob("*.png")}


def test_tensorboard_holds_what_metrics_jsonl_holds(tiny, digits, cpu, tmp_path):
    config = tiny(images=16 * 120)
    train.train(config, tmp_path, digits, cpu, "tensorboard", preview=Preview)
    assert_shows_metrics(tmp_path)
    assert [int(path.stem) for path in sorted((tmp_path / "tracked").glob("*.png"))] == list(range(12, 121, 12))
    assert len(metrics(tmp_path)) == 60
    text = events(tmp_path).Tensors("config")[0].tensor_proto.string_val[0].decode()
    assert f"    objective: {config.objective}\n" in text


@pytest.mark.parametrize(
    ("backbone", "objective"),
    [
        ("dit(width=32,depth=1,heads=1)", "rf/lognorm(0,1)+learned"),
        ("unet(width=32,attention=1)", "v/cosine+minsnr(5)"),
    ],
)
def test_a_tracked_run_is_the_same_run(backbone, objective, tiny, digits, cpu, tmp_path, fake):
    config = tiny(backbone=backbone, objective=objective, images=16 * 4)
    train.train(config, tmp_path / "plain", digits, cpu)
    train.train(config, tmp_path / "tracked", digits, cpu, "fake", preview=Preview)
    assert len(fake.told) == 5  # 4 steps, each with a picture, and the end
    assert same(final(tmp_path / "plain"), final(tmp_path / "tracked"))
    assert rows(tmp_path / "plain") == rows(tmp_path / "tracked")


def test_drawing_leaves_the_network_and_the_clock_alone(tiny, digits, cpu, tmp_path, fake, monkeypatch):
    now, before, seen = [0.0], Preview.__call__, []
    monkeypatch.setattr(train.time, "perf_counter", lambda: now[0])

    class Watched(train.Trainer):
        def step(self, k):
            seen.append((self.module.training, [p.grad for p in self.module.parameters()]))
            super().step(k)
            now[0] += 1  # a step takes a second, a picture an hour

    def slow(self):
        now[0] += 3600
        return before(self)

    monkeypatch.setattr(train, "Trainer", Watched)
    monkeypatch.setattr(Preview, "__call__", slow)
    manifest = train.train(tiny(), tmp_path, digits, cpu, "fake", preview=Preview)
    assert manifest["seconds"] == 12
    assert [row["seconds"] for row in metrics(tmp_path)] == list(range(1, 13))
    assert all(training and set(gradients) == {None} for training, gradients in seen)
    assert len(list((tmp_path / "tracked").glob("*.png"))) == 6  # every second of 12 steps


def test_the_picture_is_the_run_s_own_ema_left_and_raw_right(tiny, digits, cpu, tmp_path, fake):
    config = tiny(images=16 * 5)
    manifest = train.train(config, tmp_path, digits, cpu, "fake", preview=Preview)
    finished = model.Model(manifest, final(tmp_path), cpu, batch=20)
    with Image.open(tmp_path / "tracked" / "000005.png") as picture:
        pixels = np.asarray(picture)
    scale = pixels.shape[0] // (4 * 9 - 1)  # four rows of 8 pixels, a line between them
    small, labels = pixels[::scale, ::scale], torch.tensor([*range(5), *range(5), *range(5, 10), *range(5, 10)])
    for left, weights in ((0, "ema"), (5 * 9 - 1 + 4, "raw")):
        drawn = finished.images(labels, model.Setting(weights=weights, steps=12))[:, 0].numpy()
        for i, image in enumerate(drawn):
            top, start = i // 5 * 9, left + i % 5 * 9
            assert np.array_equal(small[top : top + 8, start : start + 8], image)


def test_a_resumed_run_goes_on_in_its_tracker(tiny, digits, cpu, tmp_path, fake, stopping):
    config = tiny()
    train.train(config, tmp_path / "whole", digits, cpu, "fake", preview=Preview)
    whole, fake.told[:] = list(fake.told), []
    stopping(4)
    with pytest.raises(ZooError, match="stopped at step 5"):
        train.train(config, tmp_path / "parts", digits, cpu, "fake", preview=Preview)
    assert fake.told.pop() == "not whole"
    first = len(fake.told)
    train.train(config, tmp_path / "parts", digits, cpu, "fake", preview=Preview)
    begun, again = fake.runs[-2:]
    assert (begun.resumed, again.resumed) == (False, True)
    assert begun.identity == again.identity != fake.runs[0].identity
    assert begun.name == "digits/dit(width=32,depth=1,heads=1)/rf/seed0"
    assert begun.config == config.model_dump(mode="json")
    timed = ("train/seconds", "train/images_per_s")
    plain = [[(s, {k: v for k, v in values.items() if k not in timed}, png) for s, values, png in told[:-1]]
             for told in (whole, fake.told[first:])]  # fmt: skip
    assert plain[0] == plain[1]  # a tracker that holds nothing is told all of it again
    assert [step for step, *_ in plain[0]] == list(range(1, 13))


def test_a_tracker_that_holds_steps_is_not_told_them_again(tiny, digits, cpu, tmp_path, fake, stopping):
    stopping(4)
    with pytest.raises(ZooError, match="stopped at step 5"):
        train.train(tiny(), tmp_path, digits, cpu, "fake", preview=Preview)
    fake.told.pop()
    fake.held = 8  # it was told up to step 7 by a process that was killed
    train.train(tiny(), tmp_path, digits, cpu, "fake", preview=Preview)
    assert [step for step, *_ in fake.told[:-1]] == [1, 2, 3, 4, 5, 8, 9, 10, 11, 12]


def test_another_configuration_in_the_same_folder_is_another_run(tiny, digits, cpu, tmp_path, fake, monkeypatch):
    def crash(self, k):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train.Trainer, "step", crash)
        with pytest.raises(KeyboardInterrupt):
            train.train(tiny(), tmp_path, digits, cpu, "fake", preview=Preview)
    train.train(tiny(seed=1), tmp_path, digits, cpu, "fake", preview=Preview)
    first, second = fake.runs
    assert first.identity != second.identity
    assert not second.resumed


KILLED = """
import os, signal, sys
from tests.conftest import TINY
from zoo.train import main
from zoo.training.trainer import Trainer
before = Trainer.step

def step(self, k):
    if k == 27:
        os.kill(os.getpid(), signal.SIGKILL)
    before(self, k)

Trainer.step = step
sys.argv = ["zoo.train", *sys.argv[1:]]
main()
"""
TRAIN = ["--dataset", "digits", "--backbone", TINY["backbone"], "--objective", "rf", "--batch", "16", "--device", "cpu"]
TRAIN += ["--precision", "float32"]


def test_tensorboard_shows_a_killed_run_once_and_whole(command, tiny, digits, cpu, tmp_path):
    arguments = [*TRAIN, "--images", str(16 * 40), "--track", "tensorboard", "--out", str(tmp_path)]
    done = command("-c", KILLED, *arguments)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [row["step"] for row in metrics(tmp_path)] == list(range(1, 28))  # the checkpoint is of step 24
    assert_shows_metrics(tmp_path)
    train.train(tiny(images=16 * 40), tmp_path, digits, cpu, "tensorboard", preview=Preview)
    assert_shows_metrics(tmp_path)
    assert [row["step"] for row in metrics(tmp_path)] == list(range(1, 41))


def test_tracking_that_begins_late_shows_the_whole_run(tiny, digits, cpu, tmp_path, stopping):
    stopping(4)
    with pytest.raises(ZooError, match="stopped at step 5"):
        train.train(tiny(), tmp_path, digits, cpu)
    train.train(tiny(), tmp_path, digits, cpu, "tensorboard", preview=Preview)
    assert_shows_metrics(tmp_path)
    assert len(events(tmp_path).Scalars("train/loss")) == 12


class Failing(Fake):
    """Fails at its third step."""

    runs, told = [], []

    def log(self, step, values, picture):
        self.told.append(step)
        if step == 3:
            raise ConnectionError("the server is gone\nand more")


class NeverOpen(Fake):
    """Cannot be had at all."""

    def __init__(self, run):
        raise PermissionError("no key")


class FullDisk(track.TensorBoard):
    """The real one, on a device that has no room."""

    def __init__(self, run):
        super().__init__(run)
        self.file.close()
        self.file = self.writer._writer = open("/dev/full", "wb", buffering=0)  # noqa: SIM115


@pytest.mark.parametrize(
    ("tracker", "reason"),
    [
        (Failing, "ConnectionError: the server is gone\n"),
        (NeverOpen, "PermissionError: no key\n"),
        (FullDisk, "OSError: [Errno 28] No space left on device\n"),
    ],
)
def test_a_tracker_that_fails_is_said_once_and_costs_nothing(
    tracker, reason, tiny, digits, cpu, tmp_path, monkeypatch, capsys
):
    train.train(tiny(), tmp_path / "plain", digits, cpu)
    monkeypatch.setitem(track.TRACKERS, "fake", tracker)
    capsys.readouterr()
    train.train(tiny(), tmp_path / "tracked", digits, cpu, "fake", preview=Preview)
    out, err = capsys.readouterr()
    assert out.count("--track fake stopped") == 1
    assert f"--track fake stopped, and training goes on without it: {reason}" in out
    assert "Traceback" not in out + err
    assert same(final(tmp_path / "plain"), final(tmp_path / "tracked"))
    assert rows(tmp_path / "plain") == rows(tmp_path / "tracked")
    if tracker is Failing:
        assert tracker.told == [1, 2, 3]


@pytest.mark.parametrize("fault", [Diverged("samples are not finite"), DiskFull("no space")])
def test_a_picture_that_fails_costs_nothing(fault, tiny, digits, cpu, tmp_path, fake, monkeypatch, capsys):
    def fail(self):
        raise fault

    monkeypatch.setattr(Preview, "__call__", fail)
    assert train.train(tiny(), tmp_path, digits, cpu, "fake", preview=Preview)["step"] == 12
    assert [step for step, *_ in fake.told] == [1]
    assert f"without it: {type(fault).__name__}: {fault}" in capsys.readouterr().out


def test_a_diverged_run_is_told_apart(tiny, digits, cpu, tmp_path, fake, monkeypatch):
    before = train.Trainer.step

    def step(self, k):
        before(self, k)
        if k == 4:
            self.metrics.first_bad.fill_(4)

    monkeypatch.setattr(train.Trainer, "step", step)
    with pytest.raises(Diverged, match="at step 5"):
        train.train(tiny(), tmp_path, digits, cpu, "fake", preview=Preview)
    assert fake.told[-1] == "not whole"


@pytest.mark.parametrize("main", [train_main, run_all.main])
def test_an_unknown_tracker_is_refused_with_the_nearest(main, refused, tmp_path):
    said = refused(main, "--track", "tensorbord", "--out", str(tmp_path / "out"))
    assert "unknown tracker 'tensorbord'. Did you mean 'tensorboard'? Allowed: tensorboard, trackio, wandb" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("left_behind", [False, True])
def test_a_missing_package_is_named_before_anything_begins(left_behind, refused, tmp_path, monkeypatch):
    if left_behind:  # a folder of the package's name is no package
        (tmp_path / "absent_tracker").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(track.TRACKERS, "absent_tracker", Fake)
    said = refused(train_main, "--track", "absent_tracker", "--out", str(tmp_path / "out"))
    assert "needs the package absent_tracker, which is not installed: pip install absent_tracker" in said
    assert not (tmp_path / "out").exists()


def test_no_tracker_is_imported_unasked(command, tmp_path):
    arguments = [*TRAIN, "--images", "32", "--out", str(tmp_path)]
    code = "import sys; from zoo.train import main; from zoo.training.track import TRACKERS; main(); "
    code += "print(sys.modules.keys() & TRACKERS.keys())"
    done = command("-c", code, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_grid_s_cells_are_tracked_and_their_results_the_same(command, tmp_path):
    grid = write_grid(tmp_path, images=64)
    chosen = ["--grid", grid, "--only", "lognorm", "--out", str(tmp_path / "out"), "--track", "tensorboard"]
    places = ["--device", "cpu", "--data-dir", str(tmp_path / "data")]
    threads = {"OMP_NUM_THREADS": "1"}
    done = command("run_all.py", *chosen, *places, **threads)
    assert done.returncode == 0, done.stdout + done.stderr
    (tracked,) = (path.parent for path in tmp_path.rglob("result.json"))
    assert_shows_metrics(tracked)
    plain = tmp_path / "plain"
    plain.mkdir()
    shutil.copy(tracked / "cell.json", plain)  # the cell's configuration knows nothing of trackers
    done = command("-m", "eval.worker", str(plain), *places, **threads)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(plain) == rows(tracked)
    assert same(final(plain), final(tracked))
    assert timeless(read_sealed(plain / "result.json")) == timeless(read_sealed(tracked / "result.json"))
    assert not (plain / "tracked").exists()


def timeless(found):
    """A result without seconds, rates and the memory that they were reached with."""
    measured = ("seconds", "setup_seconds", "images_per_s", "peak_memory_bytes", "measure_seconds")
    if isinstance(found, dict):
        return {key: timeless(value) for key, value in found.items() if key not in measured}
    return [timeless(value) for value in found] if isinstance(found, list) else found


WITHOUT_WANDB = importlib.util.find_spec("wandb") is None


@pytest.mark.skipif(WITHOUT_WANDB, reason="wandb is not installed; pip install wandb runs this")
def test_wandb_offline_holds_the_whole_run_after_a_kill(command, tmp_path):
    out = tmp_path / "run"
    arguments = [*TRAIN, "--images", str(16 * 40), "--track", "wandb", "--out", str(out)]
    home = {"HOME": str(tmp_path), "WANDB_API_KEY": ""}
    assert command("-c", KILLED, *arguments, **home).returncode == -signal.SIGKILL
    done = command("-m", "zoo.train", *arguments, **home)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    folders = sorted(path for path in (out / "wandb").iterdir() if path.name.startswith("offline-run-"))
    assert len(folders) == 2
    assert len({path.name.rpartition("-")[2] for path in folders}) == 1  # one identity
    run, history = wandb_records(next(folders[1].glob("*.wandb")))
    assert (run.project, run.display_name) == ("objective-zoo", f"digits/{CONFIG.backbone}/rf/seed0")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config.items() >= CONFIG.model_dump(mode="json").items()
    assert [step for step, _ in history] == list(range(1, 41))
    for (_, values), row in zip(history, metrics(out), strict=True):
        shown = expected(row)
        assert {name: values[name] for name in shown} == shown
    pictures = [step for step, values in history if any(name.startswith(track.PICTURES) for name in values)]
    assert pictures == list(range(4, 41, 4))


def wandb_records(path: Path) -> tuple:
    """(the run, [(step, values)]) in a .wandb file: LevelDB's log format, in blocks of 32 KiB, after 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, at, parts, run, history = path.read_bytes(), 7, b"", None, []
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record, parts = wandb_internal_pb2.Record.FromString(parts), b""
            run = record.run if record.HasField("run") else run
            if record.HasField("history"):
                items = {
                    item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item
                }
                history.append((record.history.step.num, items))
    return run, history
