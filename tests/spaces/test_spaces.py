"""Auto-encoders and latents: names, PSNR against a known error, files that are verified, spaces that come back."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from tests.conftest import ROOT
from zoo.base.errors import ZooError
from zoo.base.sealed import read_sealed
from zoo.config.cell import CellConfig, ScoreConfig, TrainConfig
from zoo.data.dataset import Dataset, load, standardise, to_uint8
from zoo.spaces import learn, store
from zoo.spaces.names import canonical, kind, mark_of
from zoo.spaces.net import Autoencoder, psnr
from zoo.spaces.space import Latents, Pixels, restored, space_of

NAME = "kl(1e-06,channels=2,width=8,images=640)"


@pytest.fixture
def data(digits, tmp_path) -> Dataset:
    """digits, in a data folder of its own."""
    return replace(digits, home=tmp_path / "data")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("plain", "plain"),
        ("plain(factor=0, seed=1)", "plain(seed=1)"),
        ("kl(1e-6)", "kl(1e-06)"),
        ("kl(0.001,channels=8,factor=2)", "kl(0.001,factor=2,channels=8)"),
        ("kl(weight=1e-6)@0123456789ab", "kl(1e-06)@0123456789ab"),
    ],
)
def test_a_name_has_one_spelling(given, name):
    assert canonical(given) == name == canonical(name)
    assert mark_of(name) == ("0123456789ab" if "@" in name else None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kll(1e-6)", "Did you mean 'kl'"),
        ("kl", "does not fit kl(weight"),
        ("kl(0)", "above 0; the auto-encoder without it is plain"),
        ("plain(factor=3)", "none of 2, 4, 8"),
        ("plain(width=12)", "multiple of 8"),
        ("plain(depth=2)", "does not fit plain("),
        ("plain@0123", "first 12 hexadecimal digits"),
    ],
)
def test_a_wrong_name_is_refused(name, said):
    with pytest.raises(ZooError, match=re.escape(said)):
        canonical(name)


@pytest.mark.parametrize(
    ("name", "image_shape", "padded", "shape"),
    [
        ("plain", (1, 28, 28), (32, 32), (4, 8, 8)),
        ("plain", (3, 32, 32), (32, 32), (4, 8, 8)),
        ("plain", (1, 8, 8), (8, 8), (4, 4, 4)),  # below 16 pixels, halved once
        ("plain(factor=2,channels=3)", (1, 28, 28), (32, 32), (3, 16, 16)),
        ("kl(1e-6,factor=8)", (3, 64, 48), (64, 64), (4, 8, 8)),
        ("plain(factor=2)", (3, 16, 24), (16, 24), (4, 8, 12)),
    ],
)
def test_shapes_come_from_the_images(name, image_shape, padded, shape):
    made = kind(name)
    assert made.padded(image_shape) == padded
    assert made.shape(image_shape) == shape
    images = torch.randint(0, 256, (3, *image_shape), dtype=torch.uint8)
    net = made.build(image_shape)
    assert net.encode(images).shape == (3, *shape)
    assert net.decode(net.encode(images)).shape == images.shape
    assert net.decode(net.encode(images)).dtype == torch.uint8
    assert torch.equal(net.encode(images), net.encode(images.float() / 255))


def test_images_are_continued_by_their_edges_and_cut_back():
    """Two layers that do nothing but move pixels: what comes back is the image itself."""
    net = Autoencoder((1, 6, 6), (8, 8), 2, 4, 8, sampled=False)
    net.encoder = torch.nn.PixelUnshuffle(2)
    net.decoder = torch.nn.Sequential(torch.nn.PixelShuffle(2), torch.nn.Conv2d(1, 1, 1, bias=False))
    torch.nn.init.ones_(net.decoder[1].weight)
    images = torch.randint(0, 256, (5, 1, 6, 6), dtype=torch.uint8)
    assert torch.equal(net.decode(net.encode(images)), images)
    whole = torch.nn.functional.pixel_shuffle(net.encode(images), 2)
    expected = np.pad(images[:, 0].numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
    assert np.allclose(whole[:, 0].numpy(), 2 * expected.astype(float) / 255 - 1, atol=1e-6)


@pytest.mark.parametrize("error", [1, 5, 51])
def test_psnr_of_a_known_error(error):
    images = torch.randint(0, 200, (7, 3, 4, 5), dtype=torch.uint8)
    assert psnr(images, images + error) == pytest.approx(20 * math.log10(255 / error))
    assert psnr(images, images) == math.inf
    half = images.clone()
    half[:, :, :2] += error  # in half of the pixels: half of the mean square, 10 log10(2) = 3.01 dB more
    assert psnr(images, half) == pytest.approx(20 * math.log10(255 / error) + 3.0103, abs=1e-3)


def test_the_loss_is_the_squared_error_and_the_divergence():
    """With a network that codes images by a law of its own, against torch's divergence of normal laws."""
    net = Autoencoder((1, 4, 4), (4, 4), 2, 4, 8, sampled=True)
    images = torch.rand(6, 1, 4, 4)
    means, logvar = torch.randn(6, 4, 2, 2), torch.randn(6, 4, 2, 2)
    net.law = lambda images: (means, logvar)
    net.pixels = lambda latents: images + 0.1
    law = torch.distributions.Normal(means, (logvar / 2).exp())
    divergence = torch.distributions.kl_divergence(law, torch.distributions.Normal(0.0, 1.0)).sum()
    expected = (0.2**2 / 2 * images.numel() + 0.3 * divergence) / images.numel()
    assert learn.loss_of(net, 0.3, images, torch.Generator()).item() == pytest.approx(expected.item(), rel=1e-5)


def test_training_gives_images_back_and_is_a_function_of_the_name(data, cpu):
    better = canonical("plain(width=16,images=16000)")
    coders = [store.opened(name, data, cpu) for name in (better, "plain(width=16,images=64)")]
    found = [psnr(data.test, coder.net.decode(coder.net.encode(data.test))) for coder in coders]
    assert found[0] > 20 > 14 > found[1]
    assert [coder.facts["psnr"] for coder in coders] == found
    again, _ = learn.learn(kind(better), data, cpu)
    assert all(torch.equal(p, q) for p, q in zip(again.parameters(), coders[0].net.parameters(), strict=True))
    other, _ = learn.learn(kind("plain(width=16,images=64,seed=1)"), data, cpu)
    assert not torch.equal(next(other.parameters()), next(coders[1].net.parameters()))


def test_one_is_trained_once_and_kept_by_images_and_name(data, cpu, monkeypatch, capsys):
    first = store.opened(NAME, data, cpu)
    assert "training auto-encoder" in (said := capsys.readouterr().err) and "PSNR" in said
    with monkeypatch.context() as patch:
        patch.setattr(store, "learn", lambda *_: pytest.fail("it is there"))
        assert store.opened(NAME, data, cpu).sha256 == first.sha256
    changed = replace(data, sha256="0" * 64)
    others = [
        (NAME, changed),
        (NAME.replace("640", "704"), data),
        (NAME, replace(data, spec=replace(data.spec, blanks=False))),
    ]
    stems = {store.stem(name, images) for name, images in [(NAME, data), *others]}
    assert len(stems) == 4
    store.opened(NAME, changed, cpu)
    assert len(list((data.home / "autoencoders").glob("*.json"))) == 2


@pytest.mark.parametrize("what", ["weights", "sidecar"])
def test_a_damaged_one_is_refused(data, cpu, what):
    store.opened(NAME, data, cpu)
    suffix = {"weights": "safetensors", "sidecar": "json"}[what]
    (file,) = (data.home / "autoencoders").glob(f"*.{suffix}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ZooError, match="damaged|JSON"):
        store.opened(NAME, data, cpu)


def test_a_name_with_a_hash_means_these_weights_alone(data, cpu, tmp_path, inside, refused):
    coder = store.opened(NAME, data, cpu)
    pinned = f"{NAME}@{coder.sha256[:12]}"
    assert store.opened(pinned, data, cpu).sha256 == coder.sha256
    elsewhere = replace(data, home=tmp_path / "elsewhere")
    with pytest.raises(ZooError, match=r"is not in .*It holds none.*zoo.latents add"):
        store.opened(pinned, elsewhere, cpu)
    from zoo.latents import main

    (sidecar,) = (data.home / "autoencoders").glob("*.json")
    said = inside(main, "add", str(sidecar), "--data-dir", str(elsewhere.home))
    assert pinned in said
    assert store.opened(pinned, elsewhere, cpu).sha256 == coder.sha256
    assert pinned in inside(main, "list", "--data-dir", str(elsewhere.home))
    other = replace(elsewhere, spec=replace(data.spec, image_shape=(1, 16, 16)))
    with pytest.raises(ZooError, match="takes images of 1 x 8 x 8, and these are 1 x 16 x 16"):
        store.opened(pinned, other, cpu)
    assert "SHA-256" in refused(main, "train", "--dataset", "digits", "--latents", "plain@zz")
    assert "of its own" in refused(main, "train", "--dataset", "digits", "--latents", f"plain@{'0' * 12}")


def test_latents_are_cached_and_made_again_when_damaged_or_of_other_weights(data, cpu, monkeypatch, capsys):
    coder = store.opened(NAME, data, cpu)
    by_hand = coder.net.encode(data.augmented[0])
    found = store.latents(coder, data)
    assert torch.equal(found, by_hand)
    assert len(found) == len(data.augmented[0]) > len(data.train)
    (file,) = (data.home / "cache").glob("latents-*.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(store, "_encoded", lambda *_: pytest.fail("they are there"))
        assert torch.equal(store.latents(coder, data), by_hand)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert torch.equal(store.latents(coder, data), by_hand)
    assert "is damaged: the latents are computed again" in capsys.readouterr().err
    assert torch.equal(safetensors.torch.load_file(file)["latents"], by_hand)
    file.write_bytes(b"short")
    assert torch.equal(store.latents(coder, data), by_hand)
    other = store.opened(NAME.replace("640", "704"), data, cpu)
    assert not torch.equal(store.latents(other, data), by_hand)
    fewer = replace(data, train=data.train.flip(-1), sha256="1" * 64)
    assert torch.equal(store.latents(coder, fewer), coder.net.encode(fewer.augmented[0]))
    assert len(list((data.home / "cache").glob("latents-*.safetensors"))) == 3


def test_a_data_folder_that_cannot_be_written_costs_time_alone(data, cpu, monkeypatch, capsys):
    coder = store.opened(NAME, data, cpu)

    def refuse(path, content):
        raise ZooError("no")

    monkeypatch.setattr(store, "write_atomic", refuse)
    assert torch.equal(store.latents(coder, data), coder.net.encode(data.augmented[0]))
    assert "not kept" in capsys.readouterr().err


def test_pixels_are_standardised_as_ever(digits, cpu):
    space = space_of(None, True, digits, cpu)
    assert torch.equal(space.x(digits.test), standardise(digits.test, digits.standard))
    assert torch.equal(space.images(space.x(digits.test)), to_uint8(space.x(digits.test), digits.standard))
    assert space.limits == pytest.approx((float(space.x(digits.test).min()), float(space.x(digits.test).max())))
    again = restored(json.loads(json.dumps(space.facts())), space.tensors(), digits.image_shape, cpu)
    assert isinstance(again, Pixels)
    assert again.standard == space.standard


@pytest.mark.parametrize("standardised", [True, False])
def test_latents_have_mean_0_and_variance_1_by_channel_and_come_back(data, cpu, standardised):
    space = space_of(NAME, standardised, data, cpu)
    kept = space.kept(data)
    assert space.shape == kept.shape[1:] == (2, 4, 4)
    if standardised:
        assert kept.mean((0, 2, 3)).tolist() == pytest.approx([0, 0], abs=1e-4)
        assert kept.std((0, 2, 3)).tolist() == pytest.approx([1, 1], abs=1e-3)
    else:
        assert torch.equal(kept, space.coder.net.encode(data.augmented[0]))
    low, high = space.limits
    assert torch.allclose(low.flatten(), kept.amin((0, 2, 3))) and torch.allclose(high.flatten(), kept.amax((0, 2, 3)))
    assert torch.equal(space.x(data.train), kept[: len(data.train)])
    means = torch.stack([kept[: len(data.train)][data.train_labels == c].mean(0) for c in range(10)])
    assert torch.equal(space.class_means(data), means)
    by_hand = space.coder.net.decode(space.coder.net.encode(data.test))
    assert (space.images(space.x(data.test)).int() - by_hand.int()).abs().max() <= 1
    again = restored(json.loads(json.dumps(space.facts())), space.tensors(), data.image_shape, cpu)
    assert isinstance(again, Latents)
    assert torch.equal(again.x(data.test), space.x(data.test))
    assert again.facts() == space.facts()


def test_latents_are_in_the_key_and_a_run_without_them_has_its_old_one():
    plain, given, pinned = (
        CellConfig(train=TrainConfig(latents=name), score=ScoreConfig())
        for name in (None, "kl(1e-6)", f"kl(1e-6)@{'0' * 12}")
    )
    assert "latents" not in plain.model_dump()["train"]
    assert given.train.latents == "kl(1e-06)"
    assert len({plain.key, given.key, pinned.key}) == 3


def test_the_sidecar_says_what_it_is_worth(data, cpu):
    coder = store.opened(NAME, data, cpu)
    (path,) = (data.home / "autoencoders").glob("*.json")
    facts = read_sealed(path)
    assert facts["name"] == NAME and facts["data_sha256"] == data.sha256
    assert facts["image_shape"] == [1, 8, 8] and facts["shape"] == [2, 4, 4]
    assert facts["psnr"] == coder.facts["psnr"] > 5


def test_names_are_known_without_torch(command):
    done = command("-c", "import sys, zoo.config.cell, zoo.spaces.names; print('torch' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_load_tells_where_a_data_set_is_kept(tmp_path):
    assert load("digits", tmp_path).home == tmp_path
    assert (ROOT / "zoo" / "spaces" / "names.py").is_file() and Path(store.__file__).is_file()
