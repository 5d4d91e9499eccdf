"""The judges: shipped weights against their hashes and an independent forward pass; what they must refuse."""

import hashlib
import json
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from eval import judge as command_line
from eval.judging import recipe as judge_recipe
from eval.judging import store
from eval.judging.net import Judge, judge_images
from eval.judging.store import FOLDER, SHIPPED, load_judge, read_judge, train_judge
from eval.scores import gate as judge_gate
from eval.scores.frechet import distance
from zoo.base.errors import ZooError, run_main
from zoo.data.dataset import load

TINY = judge_recipe.Recipe(epochs=2)
# MNIST has to be fetched, so its gate is checked only where the environment says from where.
GATED = ["digits", *([pytest.param("mnist", marks=pytest.mark.slow)] if "ZOO_MIRROR" in os.environ else [])]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return load("digits", tmp_path_factory.mktemp("data"))


@pytest.fixture
def judge(digits, tmp_path):
    return load_judge(digits, tmp_path)


def shipped(name, digits):
    """A shipped judge, without its data set: only the hash and the image size of the data are needed."""
    info = json.loads((FOLDER / f"{name}.json").read_text())
    size = info["image_shape"][1:]
    data = replace(digits, name=info["dataset"], sha256=info["data_sha256"], train=torch.zeros(1, 1, *size))
    return read_judge(FOLDER, name, data, SHIPPED[name])


def slow_features(path, images):
    """The judge's features in float64 numpy, straight from the file: uint8 [N, 1, H, W] -> [N, 128]."""
    w = {key: value.astype(np.float64) for key, value in load_file(path).items()}

    def norm(x, name):
        shape = (1, -1) + (1,) * (x.ndim - 2)
        mean, var, gain, bias = (
            w[f"{name}.{part}"].reshape(shape) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return np.maximum((x - mean) / np.sqrt(var + 1e-5) * gain + bias, 0)

    x = (images.astype(np.float64) / 255 - w["mean"]) / w["std"]
    for layer, stride in enumerate((1, 2, 1, 2, 1)):
        x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
        x = np.einsum("nchwij,ocij->nohw", windows, w[f"convs.{3 * layer}.weight"], optimize=True)
        x = norm(x, f"convs.{3 * layer + 1}")
    return norm(x.mean(axis=(2, 3)) @ w["neck.0.weight"].T, "neck.1") * w["scale"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights(name, digits):
    path = FOLDER / f"{name}.safetensors"
    data, info = path.read_bytes(), json.loads((FOLDER / f"{name}.json").read_text())
    assert hashlib.sha256(data).hexdigest() == SHIPPED[name] == info["sha256"]
    assert len(data) < 1_000_000
    found = shipped(name, digits)
    assert not any(module.training for module in found.modules())
    assert (found.name, found.sha256) == (name, SHIPPED[name])
    assert sum(p.numel() for p in found.parameters()) == info["parameters"] == 157_098
    assert found.scale.item() == info["feature_scale"]


@pytest.mark.parametrize("name", SHIPPED)
def test_features_are_those_of_an_independent_forward_pass(name, digits):
    found = shipped(name, digits)
    images = np.random.default_rng(0).integers(0, 256, (16, *found.spec.image_shape), dtype=np.uint8)
    images[8:] = np.where(images[8:] > 200, images[8:], 0)
    features, logits = judge_images(found, torch.from_numpy(images), batch=5)
    assert (features.dtype, logits.shape) == (torch.float32, (16, 10))
    np.testing.assert_allclose(features, slow_features(FOLDER / f"{name}.safetensors", images), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_digits_judges_are_good(seed, digits, tmp_path):
    judge = load_judge(digits, tmp_path, seed)
    _, logits = judge_images(judge, digits.test)
    right = (logits.argmax(1) == digits.test_labels).double().mean().item()
    assert right >= 0.985
    assert right == pytest.approx(judge.info["accuracy"], abs=1.5 / len(digits.test))
    train = judge_images(judge, digits.train)[0].double().numpy()
    assert np.trace(np.cov(train.T)) == pytest.approx(128, rel=1e-5)
    assert list(tmp_path.iterdir()) == []  # a shipped judge writes nothing


@pytest.mark.parametrize("name", GATED)
def test_gate(name, tmp_path, capsys):
    data = load(name, tmp_path, os.environ.get("ZOO_MIRROR"))
    judges = [load_judge(data, tmp_path, seed) for seed in (0, 1)]
    missed, tables = judge_gate.report(data, judges)
    assert missed == 0
    assert capsys.readouterr().out.startswith(name)
    for table in tables if name == "mnist" else []:  # digits' 355 test images are too few for a floor to count in
        order = ["training images", "shift 1 px", "1,000 x 10", "blur .6", "garbage 1%", "erode", "garbage"]
        values = [table[each] for each in order]
        assert values[0] < 1 < values[1]
        assert values == sorted(values)
        assert table["noise .05"] < table["noise .1"] < table["dilate"] < table["erode"]
        assert table["blur .6"] < table["last class dropped"] < table["erode"]


SEVERITIES = {
    "noise": lambda x, s: judge_gate.add_noise(judge_gate.to_bytes(x), 0.05 * s) / 255,
    "blur": lambda x, s: judge_gate.blur(x, 0.3 + 0.2 * s),
    "garbage": lambda x, s: judge_gate.garbage(x, 0.02 * s),
    "shift": lambda x, s: x.roll(s, dims=-1),
    "few": lambda x, s: x[: len(x) // (1 + s)].repeat(1 + s, 1, 1, 1),
}


@pytest.mark.parametrize("kind", SEVERITIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_fid_grows_with_the_severity_of_what_was_done_to_images(kind, seed, digits, tmp_path):
    judge = load_judge(digits, tmp_path, seed)
    reference = judge_gate._moments(judge, digits.train)
    pixels = digits.test[torch.randperm(len(digits.test), generator=torch.Generator().manual_seed(0))].float() / 255
    images = [judge_gate.to_bytes(SEVERITIES[kind](pixels, severity)) for severity in (1, 2, 3)]
    fids = [distance(judge_gate._moments(judge, each), reference) for each in (digits.test, *images)]
    assert fids == sorted(set(fids))


def test_noise_raises_fid(digits, judge):
    table = judge_gate.floors(judge, digits)
    assert 1 < table["noise .05"] < table["noise .1"] < table["garbage"]


def test_gate_fails_an_untrained_judge(digits, judge, capsys):
    blank = Judge(digits.spec).eval()
    blank.info = judge.info
    assert judge_gate.report(digits, [judge, blank])[0] == 1
    assert "missed: accuracy" in capsys.readouterr().out


def test_batches_precision_settings_and_autocast_change_nothing(digits, judge):
    images = digits.test[:60]
    truth = judge.features(images)
    torch.testing.assert_close(judge_images(judge, images, batch=7)[0], truth, rtol=1e-5, atol=1e-5)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = judge.features(images)
        assert torch.get_float32_matmul_precision() == "medium"  # the caller's setting is back
    finally:
        torch.set_float32_matmul_precision(before)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, truth, rtol=1e-5, atol=1e-5)


def test_training_mode_is_refused(digits, judge):
    images = digits.test[:4]
    judge.train()
    with pytest.raises(ZooError, match="training mode"):
        judge.features(images)
    judge.eval()
    judge.convs[1].train()  # one layer is enough to spoil scores
    with pytest.raises(ZooError, match="training mode"):
        judge_images(judge, images)
    judge.eval()
    assert judge.features(images).isfinite().all()


def test_wrong_images_are_refused(digits, judge):
    for images in (digits.test[:2].float() / 255, digits.test[:2].float(), digits.test[:2].long()):
        with pytest.raises(ZooError, match="takes uint8 images"):
            judge.logits(images)
    for images in (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), digits.test[0], digits.test[:2].expand(2, 3, 8, 8)):
        with pytest.raises(ZooError, match=r"takes images \[B, 1, 8, 8\]"):
            judge.features(images)


def test_damaged_weights_are_refused(digits, tmp_path, monkeypatch):
    name = "digits-v1-seed0"
    for suffix in (".safetensors", ".json"):
        (tmp_path / (name + suffix)).write_bytes((FOLDER / (name + suffix)).read_bytes())
    weights = tmp_path / f"{name}.safetensors"
    data = bytearray(weights.read_bytes())
    data[-100] ^= 1
    weights.write_bytes(data)
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    with pytest.raises(ZooError) as error:
        load_judge(digits, tmp_path)
    for part in (str(weights), SHIPPED[name], hashlib.sha256(data).hexdigest()):
        assert part in str(error.value)
    weights.unlink()
    with pytest.raises(ZooError, match="cannot be read"):
        load_judge(digits, tmp_path)


def test_other_data_is_refused(digits, tmp_path):
    with pytest.raises(ZooError, match="trained on other images"):
        load_judge(replace(digits, sha256="0" * 64), tmp_path)


def test_training_is_a_function_of_the_seed(digits):
    first, again, other = (judge_recipe.train(digits, seed, TINY)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_augmentation_is_noise_on_one_half(digits):
    black = torch.zeros(64, 1, 28, 28, dtype=torch.uint8)
    pixels = judge_recipe.augment(black, judge_recipe.Recipe(1), torch.Generator().manual_seed(0))
    assert (pixels[32:] == 0).all()
    # N(0, s) cut at 0 has the mean square s^2 / 2, and s is uniform up to 0.1: s^2 is 0.01 / 3 on average
    assert pixels[:32].square().mean().item() == pytest.approx(0.01 / 6, rel=0.4)
    assert pixels[:32].square().mean(dim=(1, 2, 3)).max().sqrt() < 0.1
    assert pixels.min() == 0


def test_other_data_sets_are_trained_once(digits, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(judge_recipe, "recipe_for", lambda data: TINY)
    data = replace(digits, name="fashion")
    made = load_judge(data, tmp_path)
    assert "training judge fashion-v1-seed0" in capsys.readouterr().err
    stored = load_judge(data, tmp_path)
    assert capsys.readouterr().err == ""
    assert made.sha256 == stored.sha256 == made.info["sha256"]
    with monkeypatch.context() as patch:  # a folder that can only be read, as one that users share may be
        patch.setattr(store, "exclusive", lambda path: pytest.fail(f"{path} is locked"))
        assert load_judge(data, tmp_path).sha256 == made.sha256
    folder = tmp_path / "judges"
    assert hashlib.sha256((folder / "fashion-v1-seed0.safetensors").read_bytes()).hexdigest() == made.sha256

    with pytest.raises(ZooError, match="never replaced"):
        train_judge(data, folder, "v1", 0)
    (folder / "fashion-v1-seed0.json").unlink()  # as a crash between the two files leaves it
    assert load_judge(data, tmp_path).sha256 == made.sha256
    (folder / "fashion-v1-seed0.safetensors").write_bytes(b"damaged")
    with pytest.raises(ZooError, match=r"damaged.*Delete .*fashion-v1-seed0\.json to train it again"):
        load_judge(data, tmp_path)


def test_command_never_replaces_a_shipped_judge(tmp_path, monkeypatch, capsys):
    command = ["judge", "train", "--dataset", "digits", "--data-dir", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as stop:
        run_main(command_line.main)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "error: judge digits-v1-seed0 exists" in error
    assert "Choose another --version" in error
