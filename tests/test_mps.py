"""Apple's `mps` has no float64: on a fake one that refuses it, a run trains, samples and is scored as on the CPU."""

import pytest
import torch

from eval.scores.score import Bench, score
from eval.scores.validation import validation
from tests import fakemps
from zoo.base.environment import check_device, exact_device
from zoo.config.control import Setting
from zoo.sampling.model import Model
from zoo.training.trainer import Trainer

NAMES = ("rf/lognorm(0,1)", "eps/cosine+minsnr(5)", "v/cosine+contrast(0.05)", "edm(-1.2,1.2)+learned", "rf+ot",
         "v/trig+match(rf)")  # fmt: skip


def test_the_fake_device_refuses_what_the_real_one_does():
    with fakemps.device() as mps:
        x = torch.zeros(2, device=mps)
        assert x.device.type == "mps"
        assert (x + 1).sum().item() == 2
        for wrong in (lambda: x.double(), lambda: torch.zeros(1, dtype=torch.float64, device=mps),
                      lambda: torch.ones(2, dtype=torch.float64).to(mps)):  # fmt: skip
            with pytest.raises(TypeError, match="float64"):
                wrong()
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.zeros(2)
        assert torch.ones(2, dtype=torch.float64).to(mps, torch.float32).dtype == torch.float32
    assert check_device("mps") == "mps"
    assert exact_device(torch.device("cuda:1")) == torch.device("cuda:1")


def steps(config, data, folder, device) -> Trainer:
    trainer = Trainer(config, data, folder, device)
    trainer.warm_up()
    for k in range(3):
        trainer.step(k)
    trainer.metrics.check()
    trainer.metrics.close()
    return trainer


@pytest.mark.parametrize("name", NAMES)
def test_training_asks_for_no_float64(name, tiny, digits, tmp_path, cpu):
    config = tiny(objective=name, compile=False, augment=True)
    wanted = steps(config, digits, tmp_path, cpu)
    with fakemps.device() as mps:
        found = steps(config, digits, tmp_path, mps)
        assert all(p.device.type == "mps" for p in found.module.parameters())
        weights = {key: value.cpu() for key, value in found.state.weights().items()}
    for key, value in wanted.state.weights().items():
        assert torch.allclose(weights[key], value, atol=1e-6), key
    assert found.metrics.sums.tolist() == pytest.approx(wanted.metrics.sums.tolist(), rel=1e-5)


def test_drawing_and_scoring_ask_for_no_float64(tiny, digits, tmp_path, cpu):
    config = tiny(objective="v/cosine", compile=False)
    state = steps(config, digits, tmp_path, cpu).state.weights()
    tensors = {key: value.detach().clone() for key, value in state.items()}
    manifest = {"config": config.model_dump(mode="json"), "standard": digits.standard}
    settings = [Setting(steps=3), Setting(steps=3, guidance=2.0, interval=(0.1, 0.9), rescale=0.5, sampler="heun"),
                Setting(steps=3, sampler="ancestral"), Setting(steps=3, sampler="dpmpp_2m", clip=False)]  # fmt: skip
    labels = torch.arange(12)
    model = Model(manifest, tensors, cpu, 12)
    wanted = [model.images(labels, setting) for setting in settings]
    bench = Bench.load(digits, tmp_path, cpu)
    row, errors = score(model, settings[0], 256, bench).row, validation(model, "ema", digits, 256)
    with fakemps.device() as mps:
        model = Model(manifest, tensors, mps, 12)
        for setting, images in zip(settings, wanted, strict=True):
            found = model.images(labels, setting)
            assert found.device.type == "mps"
            assert (found.cpu().int() - images.int()).abs().max() <= 1
        again = score(model, settings[0], 256, Bench.load(digits, tmp_path, mps)).row
        assert again["fid"] == pytest.approx(row["fid"], rel=1e-3)
        assert validation(model, "ema", digits, 256)["val_eps"] == pytest.approx(errors["val_eps"], rel=1e-4)
