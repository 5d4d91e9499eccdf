"""Training: common random numbers, bit-identical resuming, the exact average and rates, divergence, stopping."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT
from zoo import registry
from zoo.base.errors import Diverged, ZooError
from zoo.data.sets import source
from zoo.objectives.core import Objective
from zoo.objectives.coupling import Independent
from zoo.registry import ZOO, objective
from zoo.training import checkpoint, noise, trainer
from zoo.training import run as train
from zoo.training.state import State, ema_decay, learning_rate

SPEC = source("digits").spec


def final(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.find(folder)[1]


def rows(folder: Path) -> list[dict]:
    """metrics.jsonl without what depends on the clock."""
    parsed = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_s")} for row in parsed]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", ZOO)
def test_every_objective_sees_the_same_random_numbers(name, tiny, digits, cpu):
    x, labels, u, eps = trainer.Batches(tiny(objective=name), digits, cpu)(5)
    expected = trainer.Batches(tiny(objective="rf"), digits, cpu)(5)
    assert all(torch.equal(a, b) for a, b in zip((x, labels, u), expected[:3], strict=True))
    # a coupling alone may change the noise
    assert torch.equal(eps, expected[3]) == (objective(name).coupling == Independent())


def test_an_epoch_shows_every_image_once_and_epochs_differ():
    count, batch = 50, 16
    seen = torch.cat([noise.batch_indices(3, step, batch, count) for step in range(25)])  # 8 epochs exactly
    epochs = seen.view(8, count)
    assert all(epoch.sort().values.equal(torch.arange(count)) for epoch in epochs)
    assert not epochs[0].equal(epochs[1])


def test_streams_are_independent_and_reproducible():
    draw = lambda *key: torch.randn(1000, generator=noise.generator(*key))  # noqa: E731
    assert draw(0, "noise", 1).equal(draw(0, "noise", 1))
    others = [draw(1, "noise", 1), draw(0, "u", 1), draw(0, "noise", 2)]
    for other in others:
        assert abs(torch.corrcoef(torch.stack([draw(0, "noise", 1), other]))[0, 1]) < 0.15  # 4.7 standard errors


def test_stratified_numbers_put_one_draw_into_each_part():
    u = noise.stratified(64, noise.generator(0, "u"))
    assert (u * 64).floor().equal(torch.arange(64, dtype=torch.float64))


def test_initial_weights_are_the_objective_s_business_not(tiny, cpu):
    nets = [trainer.initialise(tiny(objective=name), SPEC, cpu).state_dict() for name in ("rf", "eps/linear")]
    assert same(*nets)
    assert not same(nets[0], trainer.initialise(tiny(seed=1), SPEC, cpu).state_dict())


def test_rates_rise_then_fall_to_zero(tiny):
    config = tiny(images=16 * 100)
    rates = [learning_rate(config, k) for k in range(config.steps)]
    assert max(rates) == config.learning_rate
    assert rates[0] == pytest.approx(config.learning_rate / 5)  # warm-up is 5 of 100 steps
    assert rates[-1] == pytest.approx(config.learning_rate / 95)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_average_is_the_weighted_sum_of_all_weights(tiny):
    config = tiny(images=16 * 40, optimizer="adamw")
    module = torch.nn.Linear(3, 2)
    state = State(module, config)
    seen, decays = [module.weight.detach().clone()], []
    for k in range(40):
        module(torch.randn(4, 3)).square().sum().backward()
        state.step(*state.rates(k))
        seen.append(module.weight.detach().clone())
        decays.append(ema_decay(config, k))
    shares = [math.prod(decays)]
    shares += [(1 - decay) * math.prod(decays[k + 1 :]) for k, decay in enumerate(decays)]
    assert sum(shares) == pytest.approx(1)
    expected = sum(share * weight.double() for share, weight in zip(shares, seen, strict=True))
    torch.testing.assert_close(state.ema["weight"].double(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("backbone", "objective", "optimizer"),
    [
        ("dit(width=32,depth=1,heads=1)", "v/cosine+minsnr(5)", "adamw"),
        ("unet(width=32,attention=1)", "v/cosine+minsnr(5)", "muon"),
        ("dit(width=32,depth=1,heads=1)", "rf/lognorm(0,1)+nearest(3)+learned", "muon"),
        ("dit(width=32,depth=1,heads=1)", "meanflow", "muon"),
        ("unet(width=16,attention=1)", "shortcut(128)", "adamw"),
        ("dit(width=32,depth=1,heads=1)", "scm", "muon"),
        ("dit(width=32,depth=1,heads=1)", "reflow(rf)", "muon"),
        ("dit(width=32,depth=1,heads=1)", "progressive(v/cosine,8)", "adamw"),
    ],
)
def test_stopped_and_resumed_is_bit_identical(backbone, objective, optimizer, tiny, digits, cpu, tmp_path, monkeypatch):
    config = tiny(backbone=backbone, objective=objective, optimizer=optimizer, images=16 * 7)
    train.train(config, tmp_path / "whole", digits, cpu)
    if (scheme := registry.objective(objective).scheme) and scheme.teacher:  # it is not the one that is stopped
        train.train(config.model_copy(update={"objective": scheme.teacher}), tmp_path / "parts/teacher", digits, cpu)

    class StopAtThird(train.StopSignal):
        """A signal that arrives during the third step."""

        def __enter__(self):
            stop, steps = super().__enter__(), iter(range(100))
            before = State.step

            def step(state, *rates):
                if next(steps) == 2:
                    os.kill(os.getpid(), signal.SIGINT)
                return before(state, *rates)

            monkeypatch.setattr(State, "step", step)
            return stop

    with monkeypatch.context() as patch:
        patch.setattr(train, "StopSignal", StopAtThird)
        with pytest.raises(ZooError, match="stopped at step 3") as stopped:
            train.train(config, tmp_path / "parts", digits, cpu)
        assert stopped.value.exit_code == 130
    train.train(config, tmp_path / "parts", digits, cpu)
    assert same(final(tmp_path / "whole"), final(tmp_path / "parts"))
    assert rows(tmp_path / "whole") == rows(tmp_path / "parts")


@pytest.mark.slow
def test_the_share_of_clipped_steps_is_that_of_the_gradients_norms(
    tiny, digits, cpu, tmp_path, monkeypatch, stopped_at
):
    norms, plain = [], State.step

    def step(self, *rates):
        norm = plain(self, *rates)
        norms.append(float(norm))
        return norm

    monkeypatch.setattr(State, "step", step)
    train.train(tiny(images=16 * 12), tmp_path / "usual", digits, cpu)
    between = sorted(norms)[5:7]
    config = tiny(images=16 * 12, clip=sum(between) / 2)
    norms.clear()
    whole = train.train(config, tmp_path / "whole", digits, cpu)
    assert 0 < whole["clipped_steps"] < 12
    assert whole["clipped_steps"] == sum(norm > config.clip for norm in norms)
    with stopped_at(7):
        train.train(config, tmp_path / "parts", digits, cpu)
    assert train.train(config, tmp_path / "parts", digits, cpu)["clipped_steps"] == whole["clipped_steps"]


def test_a_killed_run_resumes_bit_identically(tiny, digits, cpu, tmp_path):
    config = tiny(images=16 * 400)
    train.train(config, tmp_path / "whole", digits, cpu)
    command = [sys.executable, "-m", "zoo.train", "--dataset", "digits", "--objective", "rf", "--batch", "16"]
    command += ["--backbone", config.backbone, "--images", str(config.images), "--precision", "float32"]
    command += ["--out", str(tmp_path / "killed"), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
    while not list((tmp_path / "killed").glob("step-*.json")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert checkpoint.find(tmp_path / "killed")[0]["step"] < config.steps
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    assert same(final(tmp_path / "whole"), final(tmp_path / "killed"))
    assert rows(tmp_path / "whole") == rows(tmp_path / "killed")


def test_a_finished_run_is_left_alone(tiny, digits, cpu, tmp_path):
    train.train(tiny(), tmp_path, digits, cpu)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert train.train(tiny(), tmp_path, digits, cpu)["step"] == 12
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_another_configuration_is_refused_by_key(tiny, digits, cpu, tmp_path):
    train.train(tiny(), tmp_path, digits, cpu)
    with pytest.raises(ZooError, match=r"learning_rate: asked 0.001, found 0.002"):
        train.train(tiny(learning_rate=1e-3), tmp_path, digits, cpu)


def test_divergence_names_the_step(tiny, digits, cpu, tmp_path, monkeypatch):
    before, calls = Objective.factor_at, iter(range(100))

    def factor(self, logsnr):
        return before(self, logsnr) * (math.nan if next(calls) == 7 else 1)

    monkeypatch.setattr(Objective, "factor_at", factor)
    with pytest.raises(Diverged, match="at step 8"):
        train.train(tiny(), tmp_path, digits, cpu)
    manifest, tensors = checkpoint.find(tmp_path)  # what was saved before is whole and finite
    assert manifest["step"] <= 7
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_training_learns(tiny, digits, cpu, tmp_path):
    train.train(tiny(backbone="unet(width=32,attention=1)", images=16 * 60), tmp_path, digits, cpu)
    losses = [row["loss"] for row in rows(tmp_path)]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
