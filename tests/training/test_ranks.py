"""Several ranks train as one does: the same batches, the same losses, and a lost rank changes no weight."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT
from zoo.base import ranks
from zoo.base.errors import ZooError
from zoo.base.files import sha256
from zoo.training import checkpoint
from zoo.training import run as train
from zoo.training.trainer import Batches, Trainer

MODEL = ["--dataset", "digits", "--backbone", "dit(width=32,depth=1,heads=1)", "--batch", "16", "--device", "cpu"]
WORDS = ["-m", "zoo.train", *MODEL, "--precision", "float32"]
STEPS = 20


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("objective", ["rf/lognorm(0,1)", "eps/cosine+learned", "rf+ot"])
def test_two_ranks_have_the_losses_of_one(objective, command, tiny, digits, cpu, tmp_path):
    """Every step's; the coupling of the third pairs over the whole batch."""
    train.train(tiny(objective=objective, images=16 * STEPS), tmp_path / "one", digits, cpu)
    more = ["--objective", objective, "--images", str(16 * STEPS), "--out", str(tmp_path / "two"), "--ranks", "2"]
    done = command(*WORDS, *more, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) == STEPS
    assert two == pytest.approx(one, rel=1e-5)
    manifest, tensors = checkpoint.find(tmp_path / "two")
    assert manifest["ranks"] == 2
    assert set(tensors) == set(checkpoint.find(tmp_path / "one")[1])


@pytest.mark.parametrize("parts", [2, 8])
def test_parts_of_a_batch_have_the_losses_of_the_whole(parts, tiny, digits, cpu, tmp_path):
    config = tiny(objective="v/cosine+learned", images=16 * STEPS)
    train.train(config, tmp_path / "whole", digits, cpu)
    train.train(config, tmp_path / "parts", digits, cpu, parts=parts)
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)


def test_the_slices_of_ranks_are_the_batch(tiny, digits, cpu, monkeypatch):
    draw = Batches(tiny(objective="rf+ot_class", augment=True), digits, cpu)
    whole, slices = draw(3), []
    for number in range(4):
        monkeypatch.setattr(ranks, "_place", (number, 4))
        slices.append(draw(3))
    for place, wanted in enumerate(whole):
        assert torch.equal(torch.cat([part[place] for part in slices]), wanted)


def test_what_cannot_be_shared_out_is_refused_with_the_reason(tiny, digits, cpu, tmp_path):
    with pytest.raises(ZooError, match="compares each image with others"):
        Trainer(tiny(objective="rf+contrast"), digits, tmp_path, cpu, parts=2)
    for batch, count, parts in product((16, 30), (1, 2, 5), (1, 3)):
        if batch % (count * parts) == 0:
            ranks.check(batch, count, parts)
        else:
            with pytest.raises(ZooError, match="cannot be shared out equally"):
                ranks.check(batch, count, parts)
    with pytest.raises(ZooError, match="--ranks 0"):
        ranks.check(16, 0, 1)


def ranks_of(launcher: int) -> dict[int, int]:
    """Number -> process, of the ranks that a launcher has."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if entry.name.isdecimal() and f"{ranks.LAUNCHER}={launcher}".encode() in variables:
            number = next(v for v in variables if v.startswith(b"RANK="))
            found[int(number.partition(b"=")[2])] = int(entry.name)
    return found


def start(folder: Path, images: int) -> subprocess.Popen:
    words = [*WORDS, "--objective", "rf", "--images", str(images), "--out", str(folder), "--ranks", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603


def wait_for_step(process: subprocess.Popen, folder: Path, step: int) -> None:
    while not any(int(path.stem[5:]) >= step for path in folder.glob("step-*.json")):
        assert process.poll() is None
        time.sleep(0.01)


def final(folder: Path) -> str:
    return sha256(max(folder.glob("step-*.safetensors")))


def test_a_lost_rank_restarts_the_group_and_changes_no_weight(tmp_path):
    images = 16 * 400
    assert start(tmp_path / "calm", images).wait(timeout=300) == 0
    process = start(tmp_path / "lost", images)
    wait_for_step(process, tmp_path / "lost", 40)
    before = ranks_of(process.pid)
    os.kill(before[1], signal.SIGKILL)
    assert process.wait(timeout=300) == 0
    assert not ranks_of(process.pid)
    assert final(tmp_path / "lost") == final(tmp_path / "calm")


def test_ctrl_c_saves_at_one_step_on_all_ranks_and_none_is_left(tmp_path):
    process = start(tmp_path, 16 * 100_000)
    while not (tmp_path / "metrics.jsonl").exists() or len(ranks_of(process.pid)) < 2:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert checkpoint.find(tmp_path)[0]["step"] > 0
    assert not ranks_of(process.pid)


def test_ranks_end_with_a_killed_launcher(tmp_path):
    process = start(tmp_path, 16 * 100_000)
    while len(found := ranks_of(process.pid)) < 2 or not (tmp_path / "metrics.jsonl").exists():
        time.sleep(0.05)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in found.values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def torchrun(folder: Path, images: int) -> subprocess.Popen:
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *WORDS, "--objective", "rf"]
    words += ["--images", str(images), "--out", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(  # noqa: S603
        [sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_torchrun_starts_ranks_that_give_the_weights_of_our_own(tmp_path):
    images = 16 * STEPS
    process = torchrun(tmp_path / "torchrun", images)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert said.count("done: ") == 1  # the first rank alone speaks
    assert start(tmp_path / "own", images).wait(timeout=300) == 0
    assert final(tmp_path / "torchrun") == final(tmp_path / "own")
    assert losses(tmp_path / "torchrun") == losses(tmp_path / "own")


def test_ranks_end_with_a_killed_torchrun(tmp_path):
    """Whether they still agree on a step to save depends on torchrun's own store, which ends with it."""
    process = torchrun(tmp_path, 16 * 100_000)
    while len(found := children(process.pid)) < 2 or not (tmp_path / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in found):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.parametrize("step", range(40, 440, 40))
def test_a_rank_killed_at_any_step(step, tmp_path):
    images = 16 * 480
    assert start(tmp_path / "calm", images).wait(timeout=300) == 0
    process = start(tmp_path / "lost", images)
    wait_for_step(process, tmp_path / "lost", step)
    os.kill(ranks_of(process.pid)[step // 40 % 2], signal.SIGKILL)
    assert process.wait(timeout=300) == 0
    assert final(tmp_path / "lost") == final(tmp_path / "calm")
