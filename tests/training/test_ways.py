"""How a run is computed: what `auto` takes where, and that each speedup gives the numbers of the plain run."""

import json

import pytest
import torch

from tests.backbones.test_backbones import SMALL
from tests.training.test_capture import STEPS, config, data, replayed, trained
from zoo.base.errors import ZooError
from zoo.config.cell import TrainConfig
from zoo.config.changes import read
from zoo.training import ways as ways_module
from zoo.training.ahead import Ahead
from zoo.training.masters import Masters
from zoo.training.trainer import Trainer
from zoo.training.ways import Ways, ways

assert replayed  # a fixture
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
KNOWN = {"NVIDIA H200": {"dit": {"compile": "graphs", "speedups": ["lean"], "images_per_s": {"recorded, lean": 1}}}}


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A machine that was measured, and its file."""
    path = tmp_path / "fastest.json"
    path.write_text(json.dumps(KNOWN))
    monkeypatch.setenv(ways_module.FASTEST, str(path))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    return path


def test_auto_takes_what_was_measured_on_that_machine(measured, monkeypatch):
    assert ways(TrainConfig(backbone="dit(width=128)"), GPU) == Ways("graphs", frozenset({"lean"}))
    assert ways(TrainConfig(backbone="unet"), GPU) == Ways("auto")  # this one was not measured
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA T4")
    assert ways(TrainConfig(), GPU) == Ways("auto")


def test_a_cpu_takes_nothing_unless_it_is_asked_for(measured):
    assert ways(TrainConfig(), CPU) == Ways("auto")
    assert ways(TrainConfig(speedups=("ahead",)), CPU) == Ways("auto", frozenset({"ahead"}))


def test_what_is_asked_for_goes_before_what_was_measured(measured):
    assert ways(TrainConfig(compile=True, speedups=()), GPU) == Ways(True)
    assert ways(TrainConfig(compile=False), GPU) == Ways(False, frozenset({"lean"}))


@pytest.mark.parametrize("text", ["{", "[]", '{"NVIDIA H200": 3}', '{"NVIDIA H200": {"dit": 3}}'])
def test_a_damaged_file_is_told_and_left_out(text, measured, capsys):
    measured.write_text(text)
    assert ways(TrainConfig(), GPU) == Ways("auto")
    assert "is left out" in capsys.readouterr().out


def test_a_speedup_is_set_by_name():
    changes = read(["train.speedups=['lean', 'ahead']"])["train"]
    assert TrainConfig(**changes).speedups == ("lean", "ahead")
    assert "speedups" not in TrainConfig().model_dump()
    with pytest.raises(ValueError, match="lean"):
        TrainConfig(speedups=("fast",))


def test_a_backbone_without_a_lean_form_is_refused(monkeypatch):
    from zoo.backbones.dit import DiT

    monkeypatch.delattr(DiT, "enable_lean")
    with pytest.raises(ZooError, match="has no enable_lean"):
        Trainer(config(SMALL["dit"], speedups=("lean",)), data(), ways_module.FILE, CPU)


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# one with learned parameters beside the network, and one with a scheme, which takes no copies
@pytest.mark.parametrize("objective", ["v/cosine+learned", "shortcut(128)"])
@pytest.mark.parametrize("speedups", [("ahead",), ("masters",), ("ahead", "masters")], ids=" ".join)
def test_speedups_that_change_no_number(speedups, objective, tmp_path):
    found = []
    for chosen in ((), speedups):
        how = {"precision": "bfloat16", "compile": False, "speedups": chosen}
        made = Trainer(config(SMALL["dit"], objective, **how), data(), tmp_path, CPU)
        made.warm_up()
        found.append(trained(made))
        assert made.how.get("ways", []) == sorted(chosen)
    assert equal(*found)


def test_copies_of_weights_are_those_of_a_resumed_run(tmp_path):
    how = {"precision": "bfloat16", "compile": False, "speedups": ("masters", "ahead")}
    chosen = config(SMALL["dit"], **how)
    whole, begun, resumed = (Trainer(chosen, data(), tmp_path, CPU) for _ in range(3))
    for k in range(3):
        begun.step(k)
    resumed.restore(begun.tensors(), 3)
    assert equal(trained(whole), trained(resumed, 3))


def test_copies_of_weights_are_put_back_behind_a_recording(replayed, tmp_path):
    how = {"precision": "bfloat16", "compile": False, "speedups": ("masters", "ahead")}
    plain, fast = (Trainer(config(SMALL["dit"], **how), data(), tmp_path, CPU) for _ in range(2))
    fast.graphs = True
    fast.warm_up()
    assert fast.how["ways"] == ["graphs", "ahead", "masters"]
    wanted, found = trained(plain), trained(fast)
    for name in found:  # rates are float32 there, and the average is taken in another order
        assert (found[name] - wanted[name]).norm() <= 1e-3 * wanted[name].norm() + 1e-6, name


def test_layers_hold_copies_and_norms_do_not():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Embedding(2, 4))
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    masters = Masters(net)
    assert {name for name, p in net.named_parameters() if p.dtype == torch.bfloat16} == {"0.weight", "0.bias"}
    assert equal(masters.of(dict(net.named_parameters())), before)
    net[0].weight.grad = torch.full((4, 3), 0.5, dtype=torch.bfloat16)
    masters.take_gradients()
    assert torch.equal(masters.weights["0.weight"].grad, torch.full((4, 3), 0.5))
    assert net[0].weight.grad is None
    masters.weights["0.weight"].add_(1.0)
    masters.give_weights()
    assert torch.equal(net[0].weight.detach(), (before["0.weight"] + 1).bfloat16())


def test_copies_are_not_made_in_float32(tmp_path):
    made = Trainer(config(SMALL["dit"], precision="float32", speedups=("masters",)), data(), tmp_path, CPU)
    assert made.state.masters is None


def test_each_batch_is_drawn_once_and_before_it_is_asked_for():
    drawn = []
    ahead = Ahead(lambda k: drawn.append(k) or (k,), CPU)
    assert ahead.take(0) == (0,)
    ahead.prepare(1)
    assert drawn == [0, 1]
    assert ahead.take(1) == (1,)
    assert drawn == [0, 1]
    ahead.prepare(2)
    assert ahead.take(7) == (7,)  # as of a run that goes on elsewhere


def test_no_batch_is_drawn_behind_the_last_step(tmp_path):
    made, drawn = Trainer(config(SMALL["dit"], speedups=("ahead",)), data(), tmp_path, CPU), []
    made.ahead.draw = lambda k: drawn.append(k) or made.given(k)
    trained(made)
    assert drawn == list(range(STEPS))
