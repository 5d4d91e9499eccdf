"""A step that is recorded as a CUDA graph: it never waits for the GPU, and a replayed run is the plain run.

No GPU is needed. The first is proved on a pretended one: tensors there have a device and a shape, but no values, so
that what asks for a value raises; and whatever mixes devices is seen.
"""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.backbones.test_backbones import SMALL
from tests.test_crash import FAMILIES
from zoo import registry
from zoo.base.errors import Diverged
from zoo.config.cell import TrainConfig
from zoo.data.dataset import Dataset
from zoo.data.sets import source
from zoo.objectives.auxiliary import Aid
from zoo.registry import BACKBONES
from zoo.spaces.space import Pixels
from zoo.training import capture, trainer
from zoo.training.trainer import Trainer

BATCH, STEPS = 8, 6


def data() -> Dataset:
    images = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 10
    return Dataset("random", images, labels, images[:10], labels[:10], sha256="", spec=source("digits").spec)


def config(backbone: str, objective: str = "v/cosine+learned", **more) -> TrainConfig:
    """A short run, whose average nevertheless takes in another share of the weights at each step."""
    more = {"ema": 0.9, **more}
    return TrainConfig(objective=objective, backbone=backbone, batch=BATCH, images=BATCH * STEPS, **more)


class Mixing(TorchDispatchMode):
    """Notes the operations whose tensors are not all on one device."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        devices = {part.device.type for part in tree_leaves((args, kwargs, result)) if isinstance(part, Tensor)}
        if len(devices) > 1:
            self.seen.add(str(func))
        return result


@pytest.fixture
def gpu():
    """A GPU that is not there."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield torch.device("cuda")


def batch(device: torch.device) -> list[Tensor]:
    """What `learn` takes: x, labels, u, eps; the step, the learning rate, the average's share."""
    x, eps = torch.empty(2, BATCH, 1, 8, 8, device=device)
    kinds = [((BATCH,), torch.int64), ((BATCH,), torch.float64), ((), torch.int64), ((), None), ((), None)]
    labels, u, *numbers = (torch.empty(shape, dtype=dtype, device=device) for shape, dtype in kinds)
    return [x, labels, u, eps, *numbers]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_step_neither_waits_for_the_gpu_nor_copies_to_it(backbone, gpu, monkeypatch):
    monkeypatch.setattr(nn.Module, "to", lambda module, *_, **__: module)  # such modules are made where they stay
    monkeypatch.setattr(trainer, "Batches", lambda *_: None)
    with gpu:
        given, space = data(), Pixels((0.1, 0.3), (1, 8, 8))  # a device that holds no numbers cannot sum up pixels
        how = config(SMALL[backbone], precision="float32", compile=False)
        made = Trainer(how, given, Path("unused"), gpu, space=space)
    monkeypatch.setattr(made.state.adam, "step", lambda: None)  # torch's own
    assert made.state.adam.defaults["capturable"]

    def backward(_):  # torch's engine asks for the driver
        for p in made.state.trained.values():
            p.grad = torch.empty_like(p)

    monkeypatch.setattr(Tensor, "backward", backward)
    made.learn(*batch(gpu))  # tables are put on the device once
    with Mixing() as mixing:
        made.learn(*batch(gpu))
    assert not mixing.seen


for known in registry.ZOO:  # computed once, from real numbers
    registry.objective(known).path.span()


# match differentiates a quantile function, and differentiating asks for the driver of a real GPU
@pytest.mark.parametrize("name", [name for name in registry.ZOO if "+match(" not in name])
def test_nor_does_any_objective(name, gpu):
    chosen, (x, labels, u, eps, *_) = registry.objective(name), batch(gpu)
    with gpu:
        auxiliary = chosen.auxiliary.module()

    def losses():
        prediction = chosen.predict(lambda x, time, labels: x, x, labels, u, eps)
        return chosen.auxiliary.loss(prediction, auxiliary), chosen.eps_error(prediction)

    losses()  # tables are put on the device once
    with Mixing() as mixing:
        losses()
    assert not mixing.seen


# the others differentiate the network, which a pretended GPU cannot
@pytest.mark.parametrize("name", ["shortcut(128)", "ect", "progressive(v/cosine,4)"])
def test_nor_does_a_scheme(name, gpu):
    chosen, (x, labels, u, eps, k, *_) = registry.objective(name), batch(gpu)
    more = torch.empty_like(u)

    def net(x, *told):
        return x

    def losses():
        prediction = chosen.predict(net, x, labels, u, eps, Aid(more, k / 10, net, net, 10, net))
        return chosen.auxiliary.loss(prediction, None), chosen.eps_error(prediction)

    losses()
    with Mixing() as mixing:
        losses()
    assert not mixing.seen


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (lambda x: float(x.sum()), DataDependentOutputException),
        (lambda x: x[x > 0], DynamicOutputShapeException),
        (lambda x: torch.zeros(4, device="cpu").to(x.device), None),
    ],
    ids=["value", "selection", "copy"],
)
def test_the_pretended_gpu_notices(work, error, gpu):
    x = torch.empty(4, device=gpu)
    with Mixing() as mixing, pytest.raises(error) if error else nullcontext():
        work(x)
    assert bool(mixing.seen) == (error is None)


@pytest.fixture
def replayed(monkeypatch):
    """A recorder that takes the CPU for a GPU: what is replayed is run anew, on the tensors it was recorded on."""

    def record(work, device):
        for _ in range(capture.WARM):
            work()
        work()  # a recording does not compute, but leaves no trace either
        return work

    monkeypatch.setattr(capture, "record", record)


def trained(made: Trainer, first: int = 0) -> dict[str, Tensor]:
    """What a run holds after its steps, the optimiser's counters among it."""
    for k in range(first, STEPS):
        made.step(k)
    made.metrics.check()
    return {name: tensor.detach().nan_to_num() for name, tensor in made.tensors().items()}  # no loss logged: NaN


@pytest.mark.parametrize(
    ("backbone", "objective"),
    [
        *(("dit", name) for name in (*FAMILIES.values(), "meanflow", "shortcut(128)", "ect", "scm")),
        ("unet", "v/cosine+learned"),
    ],
)
def test_a_replayed_run_is_the_plain_run(backbone, objective, replayed, tmp_path):
    chosen, cpu = config(SMALL[backbone], objective), torch.device("cpu")
    plain, fast = (Trainer(chosen, data(), tmp_path, cpu) for _ in range(2))
    fast.graphs = True
    for made in (plain, fast):
        made.warm_up()
    wanted, found = trained(plain), trained(fast)
    assert fast.recorded
    assert [count.item() for count in fast.state.counts()] == [STEPS] * len(fast.state.counts())
    assert found.keys() == wanted.keys()
    for name in found:  # rates are float32 there, and the average is taken in another order
        assert (found[name] - wanted[name]).norm() <= 1e-3 * wanted[name].norm() + 1e-6, name


def test_a_resumed_replay_is_the_whole_one(replayed, tmp_path):
    chosen, cpu = config(SMALL["dit"]), torch.device("cpu")
    whole, begun, resumed = (Trainer(chosen, data(), tmp_path, cpu) for _ in range(3))
    for made in (whole, begun, resumed):
        made.graphs = True
    whole.warm_up()
    begun.warm_up()
    for k in range(3):
        begun.step(k)
    resumed.restore(begun.tensors(), 3)
    resumed.warm_up()
    wanted, found = trained(whole), trained(resumed, 3)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_loss_that_is_not_finite_is_found_at_its_step(replayed, tmp_path):
    made = Trainer(config(SMALL["dit"]), data(), tmp_path, torch.device("cpu"))
    made.graphs = True
    made.warm_up()
    made.step(0)
    x, labels, u, eps, *numbers = made.given(1)
    made.recorded(x * float("inf"), labels, u, eps, *numbers)
    with pytest.raises(Diverged, match="stopped being finite at step 2;"):
        made.metrics.check()


def test_what_cannot_be_recorded_is_trained_without(monkeypatch, capsys, tmp_path):
    def record(work, device):
        work()
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(capture, "record", record)
    plain, made = (Trainer(config(SMALL["dit"]), data(), tmp_path, torch.device("cpu")) for _ in range(2))
    made.graphs = True
    made.warm_up()
    assert "no CUDA graph: the step could not be recorded (operation not permitted" in capsys.readouterr().out
    wanted, found = trained(plain), trained(made)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
