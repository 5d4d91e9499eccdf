"""Runs on latents: resumed bit for bit, drawn and scored in pixels, told on the page, refused where they do not fit."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from eval import cell, packing
from eval.fid import main as fid
from eval.scores.few import given_back
from eval.scores.score import Bench
from eval.scores.validation import validation
from tests.training.test_train import final, same
from zoo.base.errors import ZooError
from zoo.base.sealed import write_sealed
from zoo.cli import Watched
from zoo.config.cell import CellConfig, ScoreConfig
from zoo.config.control import Sampling, Setting
from zoo.config.fits import fit_training
from zoo.data.dataset import Dataset, affine, load
from zoo.data.npz import read_npz
from zoo.export import main as export
from zoo.latents import main as latents
from zoo.sample import main as sample
from zoo.sampling.model import Model, Preview
from zoo.spaces import store
from zoo.training import checkpoint, noise, trainer
from zoo.training import run as train

NAME = "kl(1e-06,channels=2,width=8,images=3200)"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    """digits, with an auto-encoder in its data folder."""
    found = load("digits", tmp_path_factory.mktemp("data"))
    store.opened(NAME, found, torch.device("cpu"))
    return found


@pytest.fixture(scope="module")
def latent(data, tmp_path_factory):
    """(folder, result) of a cell on latents, scored by two ways to draw, with a snapshot."""
    folder = tmp_path_factory.mktemp("cell")
    config = CellConfig(
        train={
            "dataset": "digits", "backbone": "dit(width=32,depth=1,heads=1)", "objective": "rf", "batch": 16,
            "images": 320, "latents": NAME, "precision": "float32", "compile": False,
        },
        score=ScoreConfig(n=256, settings=(Sampling(steps=2), Sampling(steps=2, guidance=2.0)), snapshots=1,
                          select="validation", loss_curve=True, pictures=True),
    )  # fmt: skip
    write_sealed(folder / "cell.json", {"config": config.model_dump(mode="json"), "key": config.key})
    return folder, cell.run_cell(folder, Watched(data_dir=str(data.home), device="cpu"))


def test_batches_are_the_cached_latents_and_augmented_ones_are_encoded_as_they_come(tiny, data, cpu):
    config = tiny(latents=NAME)
    batches = trainer.Batches(config, data, cpu)
    x, labels, u, eps = batches(5)
    chosen = noise.batch_indices(config.seed, 5, config.batch, len(data.augmented[0]))
    assert torch.equal(x, batches.space.x(data.augmented[0])[chosen])
    assert x.shape == eps.shape == (16, 2, 4, 4)
    pixels = trainer.Batches(tiny(), data, cpu)(5)
    assert torch.equal(labels, pixels[1]) and torch.equal(u, pixels[2])
    moved, same_labels, *_ = trainer.Batches(tiny(latents=NAME, augment=True), data, cpu)(5)
    by_hand = affine(data.augmented[0][chosen].float() / 255, noise.generator(config.seed, "augment", 5), data.flips)
    assert torch.equal(moved, batches.space.x(by_hand))
    assert not torch.equal(moved, x)
    assert torch.equal(labels, same_labels)


@pytest.mark.parametrize("augment", [False, True])
def test_a_run_that_was_stopped_goes_on_bit_for_bit_though_the_auto_encoder_is_gone(
    tiny, data, cpu, tmp_path, stopped_at, augment
):
    config = tiny(latents=NAME, augment=augment)
    train.train(config, tmp_path / "whole", data, cpu)
    with stopped_at(7):
        train.train(config, tmp_path / "parts", data, cpu)
    elsewhere = replace(data, home=tmp_path / "empty")  # another machine: the run has its auto-encoder with it
    train.train(config, tmp_path / "parts", elsewhere, cpu)
    assert same(final(tmp_path / "whole"), final(tmp_path / "parts"))
    assert not (tmp_path / "empty" / "autoencoders").exists()


def test_what_a_run_draws_is_what_its_decoder_makes_of_its_latents(tiny, data, cpu, tmp_path):
    train.train(tiny(latents=NAME), tmp_path, data, cpu)
    manifest, tensors = checkpoint.find(tmp_path)
    assert manifest["latents"]["name"] == NAME
    model, labels, setting = Model(manifest, tensors, cpu, 20), torch.arange(10), Setting(steps=3)
    (*_, (_, x_hat)) = model._steps(labels, setting, 0, None)
    (mean, deviation), net = manifest["standard"], store.opened(NAME, data, cpu).net
    scaled = x_hat * torch.tensor(deviation).view(-1, 1, 1) + torch.tensor(mean).view(-1, 1, 1)
    images = model.images(labels, setting)
    assert images.shape == (10, 1, 8, 8) and images.dtype == torch.uint8
    assert torch.equal(images, net.decode(scaled))
    low, high = model.space.limits
    assert (x_hat >= low - 1e-5).all() and (x_hat <= high + 1e-5).all()  # clipped to the range of the latents
    frames = list(model.trajectory(labels, setting))
    assert torch.equal(frames[-1][1], images) and frames[0][0].shape == images.shape


def test_pictures_while_training_are_in_pixels(tiny, data, cpu, tmp_path):
    config = tiny(latents=NAME, images=16 * 100)
    train.train(config, tmp_path, data, cpu, preview=Preview, pictures=True)
    picture = Image.open(next((tmp_path / train.EPOCHS).glob("*.png")))
    plain = tmp_path / "plain"
    train.train(tiny(images=16 * 100), plain, data, cpu, preview=Preview, pictures=True)
    assert picture.size == Image.open(next((plain / train.EPOCHS).glob("*.png"))).size


def test_validation_is_in_latents(tiny, data, cpu, tmp_path):
    """A network that puts out 0 misses eps by its variance, 1, and x0 by that of the data within a class."""
    train.train(tiny(latents=NAME, objective="eps/cosine", images=16), tmp_path, data, cpu)
    model = Model(*checkpoint.find(tmp_path), cpu, 100)
    model.net = lambda x, t, labels: torch.zeros_like(x)
    assert validation(model, "ema", data, 300)["val_target"] == pytest.approx(1, abs=0.02)


def test_a_cell_is_scored_in_pixels_as_its_images_in_a_file_are(latent, data, tmp_path, inside):
    folder, result = latent
    row = result["scores"][0]
    shared = ("--data-dir", str(data.home), "--device", "cpu")
    inside(sample, str(folder), "--steps", "2", "--n", "30", "--npz", str(tmp_path / "x.npz"))
    images, labels, _ = read_npz(tmp_path / "x.npz", data.spec)
    assert images.shape == (300, 8, 8) and labels.bincount().tolist() == [30] * 10
    model = Model(*checkpoint.find(folder), torch.device("cpu"), 128)
    from eval.scores.score import all_labels

    wanted = all_labels(256, data)[:256]
    drawn = model.images(all_labels(256, data), Setting(steps=2))[:256]
    np.savez(tmp_path / "y.npz", arr_0=drawn.permute(0, 2, 3, 1).numpy(), arr_1=wanted.numpy())
    found = json.loads(inside(fid, str(tmp_path / "y.npz"), "--dataset", "digits", "--json", *shared))
    assert found["score"]["fid_plain"] == pytest.approx(row["fid_plain"], rel=1e-6)
    assert found["score"]["acc"] == row["acc"]
    of_run = json.loads(inside(fid, str(folder), "--n", "256", "--steps", "2", "--batch", "128", "--json", *shared))
    assert of_run["score"]["fid"] == pytest.approx(row["fid"], rel=1e-6)
    assert zoo.score(folder, n=256, steps=2, data_dir=data.home).fid == pytest.approx(row["fid"], rel=1e-6)
    assert zoo.load(folder).sample([0, 1], steps=2).shape == (2, 1, 8, 8)


def test_a_cell_tells_of_its_auto_encoder(latent, data, cpu):
    folder, result = latent
    told, coder = result["latents"], store.opened(NAME, data, cpu)
    assert told["sha256"] == coder.sha256 and told["psnr"] == coder.facts["psnr"]
    assert told["shape"] == [2, 4, 4] and told["n"] == len(data.test)
    assert told["fid"] > result["judge"]["floor"]["fid"]
    assert result["data"]["image_shape"] == [1, 8, 8] and result["tile"] == [8, 8]
    sheet = Image.open(folder / "samples" / f"{result['scores'][0]['setting']}.png")
    assert sheet.size == Image.open(folder / "real.png").size
    assert list((folder / "paths").glob("*.png"))
    assert {row["loss"] > 0 for row in result["snapshots"]} == {True}
    assert result["train"]["flop_per_image"] > 0


def test_a_lossless_auto_encoder_gives_the_floor(latent, data, cpu):
    folder, _ = latent
    model = Model(*checkpoint.find(folder), cpu, 128)
    model.space.images, model.space.x = (lambda x: x), (lambda images: images)
    bench = Bench.load(data, data.home, cpu)
    found = given_back(model, bench)
    assert found["fid"] == pytest.approx(bench.real.floor["fid"], abs=1e-9)
    assert found["acc"] == bench.real.row["acc"]


def test_a_submission_has_the_decoder_with_it(latent, cpu, tmp_path):
    folder, _ = latent
    packing.pack([folder], tmp_path / "x.zip")
    (tmp_path / "out").mkdir()
    (packed,) = packing.unpack(tmp_path / "x.zip", tmp_path / "out")
    models = [Model(*checkpoint.find(place), cpu, 16) for place in (packed.folder, folder)]
    first, second = (model.images(torch.arange(10), Setting(steps=2)) for model in models)
    assert torch.equal(first, second)


def test_what_cannot_be_done_is_refused(latent, data, tiny, cpu, tmp_path, refused):
    folder, _ = latent
    assert "has no decoder" in refused(export, str(folder), str(tmp_path / "pipeline"))
    with pytest.raises(ZooError, match=re.escape("makes latents of 4 x 4")):
        fit_training(tiny(latents=NAME, backbone="dit(width=32,depth=1,heads=1,patch=8)"))
    with pytest.raises(ZooError, match="another configuration"):
        train.train(tiny(latents="plain(width=8,images=64)"), _begun(tiny, data, cpu, tmp_path), data, cpu)
    with pytest.raises(ZooError, match="not loaded from a data folder"):
        train.train(tiny(latents=NAME), tmp_path / "none", replace(data, home=None), cpu)


def _begun(tiny, data, cpu, tmp_path):
    train.train(tiny(latents=NAME), tmp_path / "begun", data, cpu)
    return tmp_path / "begun"


def test_a_student_has_its_teacher_s_auto_encoder(tiny, data, cpu, tmp_path):
    config = tiny(latents=NAME, objective="reflow(rf)", images=16 * 12)
    assert train.train(config, tmp_path / "student", data, cpu)["step"] == 12
    teacher = tmp_path / "student" / train.TEACHER
    manifest, tensors = checkpoint.find(teacher)
    facts = {**manifest, "latents": {**manifest["latents"], "sha256": "0" * 64}}
    head = ("sha256", "bytes", "schema_version", "digest", "step")
    checkpoint.save(teacher, manifest["step"], tensors, {k: v for k, v in facts.items() if k not in head})
    with pytest.raises(ZooError, match="on latents of auto-encoder 000"):
        train.train(config, tmp_path / "again", data, cpu, teacher=teacher)


def test_an_auto_encoder_of_a_taken_name_replaces_none(data, tmp_path, inside, refused):
    """Adding the same one again changes nothing; another one of its name is refused, and the first stays."""
    (own,) = (data.home / store.FOLDER).glob("*.json")
    there = tmp_path / "data" / store.FOLDER
    for _ in range(2):
        inside(latents, "add", str(own), "--data-dir", str(tmp_path / "data"))
    before = (there / own.name).read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    store.opened(NAME, replace(data, home=other, train=data.train.flip(0)), torch.device("cpu"))
    (another,) = (other / store.FOLDER).glob("*.json")
    assert another.name == own.name  # the same recipe on the same images, as trained on another machine
    told = refused(latents, "add", str(another), "--data-dir", str(tmp_path / "data"))
    assert "is another auto-encoder of this name" in told
    assert (there / own.name).read_bytes() == before
