"""Scores: labels in the training set's proportions, noise that is the same for all, the blank rule, the sheet."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from eval import score
from eval.judge import load_judge
from eval.reference import reference
from zoo import checkpoint, train
from zoo.registry import FAMILIES, ZOO

MNIST_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # yann.lecun.com/exdb/mnist


def test_labels_follow_the_training_set_by_largest_remainder(digits):
    labels = torch.arange(10).repeat_interleave(torch.tensor(MNIST_COUNTS))
    mnist = replace(digits, train_labels=labels)
    assert score.label_counts(10_000, mnist) == [987, 1124, 993, 1022, 974, 904, 986, 1044, 975, 991]
    for n in (40, 41, 500, 9_999):
        counts = score.label_counts(n, mnist)
        assert sum(counts) == n
        assert all(abs(count - n * total / 60_000) < 1 for count, total in zip(counts, MNIST_COUNTS, strict=True))


def test_starting_noise_does_not_depend_on_how_many_are_drawn():
    few, many = (score.starting_noise(0, n, (1, 8, 8)) for n in (30, 250))
    assert few.equal(many[:30])
    assert not few.equal(score.starting_noise(1, 30, (1, 8, 8)))
    assert many.mean().abs() < 0.03
    assert many.std() == pytest.approx(1, abs=0.03)


def test_blank_images_are_told_by_their_pixels():
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    images[1] = 12  # 12 / 255 = 0.047
    images[2] = 14  # 14 / 255 = 0.055
    images[3] = 250
    labels = torch.tensor([10, 10, 10, 11])
    assert score.blank_rows(images, labels) == [
        {"label": 10, "n": 3, "correct": 2},
        {"label": 11, "n": 1, "correct": 1},
    ]


def test_the_sheet_shows_the_first_four_of_each_class():
    labels = torch.arange(12).repeat_interleave(6)
    images = torch.randint(0, 256, (72, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sheet = np.array(Image.open(io.BytesIO(score.tile_png(images, labels))))
    assert sheet.shape == (4 * 8, 12 * 8)
    for label in range(12):
        for row in range(4):
            tile = sheet[row * 8 : row * 8 + 8, label * 8 : label * 8 + 8]
            assert np.array_equal(tile, images[label * 6 + row, 0].numpy())


def test_images_do_not_depend_on_the_batch(tiny, digits, cpu, tmp_path):
    train.train(tiny(images=16 * 60), tmp_path, digits, cpu)
    manifest, tensors = checkpoint.find(tmp_path)
    setting = score.Setting(weights="raw", guidance=2.0, steps=3, n=40)
    labels = score.all_labels(40, digits)
    small, large = (
        score.Run(manifest, tensors, digits.image_shape, cpu, batch).images(labels, setting) for batch in (7, 64)
    )
    assert (small.int() - large.int()).abs().max() <= 1  # the last bit of a float may round a pixel the other way
    ema = score.Run(manifest, tensors, digits.image_shape, cpu, 64).images(labels, replace(setting, weights="ema"))
    assert not ema.equal(large)


@pytest.mark.parametrize(
    ("backbone", "names"),
    [("dit(width=32,depth=1,heads=1)", ZOO), ("unet(width=16,attention=1)", FAMILIES["default"])],
    ids=["dit", "unet"],
)
def test_every_objective_trains_saves_loads_samples_and_scores(backbone, names, tiny, digits, cpu, tmp_path):
    judge = load_judge(digits, tmp_path, device=cpu)
    real = reference(judge, digits, tmp_path, cpu)
    setting = score.Setting(guidance=2.0, steps=2, n=40)
    for i, name in enumerate(names):
        folder = tmp_path / str(i)
        train.train(tiny(objective=name, backbone=backbone, images=16 * 2), folder, digits, cpu)
        run = score.Run(*checkpoint.find(folder), digits.image_shape, cpu, 52)
        row, images, labels = score.score(run, setting, digits, judge, real)
        assert len(images) == len(labels) == 40 + 2 * 6, name
        assert np.isfinite([row["fid"], row["fid_se"], row["acc"]]).all(), name
