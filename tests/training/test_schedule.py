"""The recipe's schedules against torch's own, the late start of the average, pixels as they are, and cells' keys."""

import hashlib
import json

import pytest
import torch

from zoo.base.errors import ZooError
from zoo.config.cell import CellConfig, Recipe, ScoreConfig, TrainConfig, differences
from zoo.config.schema import validated
from zoo.data.dataset import scale_of, standardise, to_uint8
from zoo.grid.budgets import changed
from zoo.sampling.model import Preview
from zoo.training import checkpoint
from zoo.training.run import train
from zoo.training.schedule import SCHEDULES
from zoo.training.state import ema_decay, learning_rate

STEPS = 200


def rates(tiny, **given) -> list[float]:
    config = tiny(images=16 * STEPS, learning_rate=0.5, **given)
    return [learning_rate(config, k) for k in range(STEPS)]


def torchs(make) -> list[float]:
    """The rates of a scheduler of torch over STEPS steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler, found = make(optimizer), []
    for k in range(STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if k < STEPS - 1:  # OneCycleLR refuses a step more
            scheduler.step()
    return found


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_onecycle_is_torch_s(tiny, share):
    make = torch.optim.lr_scheduler.OneCycleLR
    expected = torchs(lambda o: make(o, max_lr=0.5, total_steps=STEPS, pct_start=share, cycle_momentum=False))
    assert rates(tiny, schedule="onecycle", warmup=share) == pytest.approx(expected, rel=1e-9)


def test_cosine_is_torch_s_after_the_warm_up(tiny):
    expected = torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=STEPS - 20))
    found = rates(tiny, schedule="cosine", warmup_steps=20)
    assert found[20:] == pytest.approx(expected[: STEPS - 20], rel=1e-9)
    assert found[:20] == pytest.approx([0.5 * (k + 1) / 20 for k in range(20)])


def test_constant_rises_and_stays(tiny):
    found = rates(tiny, schedule="constant", warmup_steps=50)
    assert found[:50] == pytest.approx([0.01 * (k + 1) for k in range(50)])
    assert set(found[50:]) == {0.5}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("warmup", "steps"), [(1, 1), (1, 2), (2, 2), (7, 3), (3, 300)])
def test_every_schedule_stays_within_its_bounds(name, warmup, steps):
    found = [SCHEDULES[name](k, warmup, steps) for k in range(steps)]
    assert all(0 < share <= 1 for share in found)
    assert found[: min(warmup, steps)] == sorted(found[: min(warmup, steps)])
    assert found[warmup - 1 :] == sorted(found[warmup - 1 :], reverse=True)


def test_the_average_is_the_weights_until_its_start(tiny, digits, cpu, tmp_path):
    config = tiny(ema_start=0.5)
    assert [ema_decay(config, k) for k in range(6)] == [0.0] * 6
    assert [ema_decay(config, k) for k in (6, 7)] == [ema_decay(tiny(), k) for k in (0, 1)]
    for name, start in (("half", 0.5), ("never", 0.99)):
        train(tiny(ema=0.5, ema_start=start), tmp_path / name, digits, cpu)
    half, never = (checkpoint.find(tmp_path / name)[1] for name in ("half", "never"))
    net = checkpoint.part(never, "net")
    assert all(torch.equal(net[name], p) for name, p in checkpoint.part(never, "ema").items())
    assert all(torch.equal(net[name], p) for name, p in checkpoint.part(half, "net").items())
    assert not all(torch.equal(net[name], p) for name, p in checkpoint.part(half, "ema").items())


def test_pixels_as_they_are_go_from_minus_one_to_one(tiny, digits, cpu, tmp_path):
    scale = scale_of(digits, False)
    ends = torch.tensor([0, 255], dtype=torch.uint8)
    assert standardise(ends, scale).tolist() == [-1, 1]
    assert torch.equal(to_uint8(standardise(digits.test, scale), scale), digits.test)
    assert scale_of(digits, True) == digits.standard
    config = tiny(standardise=False)
    assert tuple(train(config, tmp_path, digits, cpu)["standard"]) == (0.5, 0.5)
    manifest, tensors = checkpoint.find(tmp_path)
    assert tuple(manifest["standard"]) == (0.5, 0.5)
    drawn = Preview(config, digits, type("State", (), {"tensors": lambda self: tensors})(), cpu)
    assert drawn.model.space.standard == (0.5, 0.5)


def test_a_switch_that_is_not_used_leaves_key_and_files_as_they_were():
    """The keys that version 5 of the files had before there were these switches, typed from its configuration."""
    train_config = {
        "batch": 64, "optimizer": "muon", "learning_rate": 0.002, "weight_decay": 0.01, "warmup": 0.05, "clip": 1.0,
        "ema": 0.05, "label_dropout": 0.1, "augment": False, "precision": "auto", "compile": "auto",
        "checkpointing": False, "dataset": "mnist", "backbone": "dit", "objective": "rf", "seed": 0, "images": 60000,
    }  # fmt: skip
    way = {"sampler": "euler", "step_grid": "flow", "steps": 20, "interval": [0.0, 1.0], "rescale": 0.0, "clip": True}
    settings = [{**way, "start": start, "guidance": scale} for start in (-10.0, -5.4) for scale in (1.0, 2.0)]
    score = {
        "n": 500, "settings": settings, "weights": ["ema"], "batch": 128, "snapshots": 0, "n_few": 256, "best": None,
        "select": "last",
    }  # fmt: skip
    config = CellConfig(train=TrainConfig(), score=ScoreConfig())
    assert config.model_dump(mode="json") == {"train": train_config, "score": score}
    text = json.dumps({"train": train_config, "score": score}, sort_keys=True, separators=(",", ":"))
    assert config.key == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "given", [{"schedule": "cosine"}, {"warmup_steps": 10}, {"ema_start": 0.2}, {"standardise": False}], ids=str
)
def test_a_switch_that_is_used_is_in_the_key_and_comes_back(given):
    plain, other = (CellConfig(train=TrainConfig(**more), score=ScoreConfig()) for more in ({}, given))
    assert plain.key != other.key
    dumped = other.model_dump(mode="json")
    assert CellConfig.model_validate(dumped) == other
    assert len(differences(dumped, plain.model_dump(mode="json"))) == 1


def test_a_change_back_to_the_default_counts():
    recipe = dict(Recipe(schedule="cosine", standardise=False))
    assert changed(recipe, Recipe(schedule="linear"))["schedule"] == "linear"
    assert not changed(recipe, Recipe(schedule="linear"))["standardise"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"schedule": "cosin"}, "schedule = 'cosin'.*Did you mean 'cosine'"),
        ({"warmup_steps": 0}, "warmup_steps = 0.*greater than or equal to 1"),
        ({"ema_start": 1.0}, "ema_start = 1.0.*less than 1"),
        ({"standardise": 1}, "standardise = 1.*valid boolean"),
    ],
    ids=str,
)
def test_wrong_switches_are_refused(given, said):
    with pytest.raises(ZooError, match=said):
        validated(TrainConfig, given, "the options")


def test_a_run_within_its_warm_up_is_told(tiny, digits, cpu, tmp_path, capsys):
    train(tiny(warmup_steps=100), tmp_path, digits, cpu)
    assert "warmup_steps = 100 of 12 steps: the rate only rises in this run" in capsys.readouterr().out
