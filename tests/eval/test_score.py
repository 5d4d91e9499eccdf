"""Scores: labels in the training set's proportions, noise that is the same for all, the blank rule, the sheet."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from eval.judging.net import judge_images
from eval.scores import measure, reference, score
from eval.scores.frechet import corrected
from eval.scores.validation import validation
from tests.oracle import GaussianMixture
from zoo.base.errors import ZooError
from zoo.config.control import Setting
from zoo.data.dataset import Dataset, standardise
from zoo.data.sets import source
from zoo.registry import FAMILIES, ZOO
from zoo.sampling.model import Film, Model, image_noise
from zoo.training import checkpoint
from zoo.training import run as train

DIGITS = source("digits").spec
MNIST_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # yann.lecun.com/exdb/mnist


def test_labels_follow_the_training_set_by_largest_remainder(digits):
    labels = torch.arange(10).repeat_interleave(torch.tensor(MNIST_COUNTS))
    mnist = replace(digits, train_labels=labels)
    assert score.label_counts(10_000, mnist) == [987, 1124, 993, 1022, 974, 904, 986, 1044, 975, 991]
    for n in (40, 41, 500, 9_999):
        counts = score.label_counts(n, mnist)
        assert sum(counts) == n
        assert all(abs(count - n * total / 60_000) < 1 for count, total in zip(counts, MNIST_COUNTS, strict=True))


@pytest.fixture(scope="module")
def bench(digits, cpu, tmp_path_factory) -> score.Bench:
    return score.Bench.load(digits, tmp_path_factory.mktemp("bench"), cpu)


def test_an_image_s_noise_does_not_depend_on_its_batch():
    whole = image_noise(0, "sample", 0, 350, (1, 8, 8))
    for first, count in ((0, 30), (99, 2), (130, 220), (200, 100)):
        assert image_noise(0, "sample", first, count, (1, 8, 8)).equal(whole[first : first + count])
    assert not whole.equal(image_noise(1, "sample", 0, 350, (1, 8, 8)))
    assert not whole.equal(image_noise(0, "sample-1", 0, 350, (1, 8, 8)))
    assert whole.mean().abs() < 0.03
    assert whole.std() == pytest.approx(1, abs=0.03)


def test_blank_images_are_told_by_their_pixels():
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    images[1] = 12  # 12 / 255 = 0.047
    images[2] = 14  # 14 / 255 = 0.055
    images[3] = 250
    labels = torch.tensor([10, 10, 10, 11])
    assert score.blank_rows(images, labels, DIGITS) == [
        {"label": 10, "n": 3, "correct": 2},
        {"label": 11, "n": 1, "correct": 1},
    ]


def test_the_sheet_shows_the_first_four_of_each_class():
    labels = torch.arange(12).repeat_interleave(6)
    images = torch.randint(0, 256, (72, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sheet = np.array(Image.open(io.BytesIO(score.tile_png(images, labels, DIGITS))))
    assert sheet.shape == (4 * 8, 12 * 8)
    for label in range(12):
        for row in range(4):
            tile = sheet[row * 8 : row * 8 + 8, label * 8 : label * 8 + 8]
            assert np.array_equal(tile, images[label * 6 + row, 0].numpy())


def test_the_sheet_of_real_images_holds_test_images_and_blanks(digits):
    sheet = np.array(Image.open(io.BytesIO(score.real_png(digits))))
    assert sheet.shape == (4 * 8, 12 * 8)
    for label in range(10):
        column = sheet[:, label * 8 : label * 8 + 8].reshape(4, 8, 8)
        assert np.array_equal(column, digits.test[digits.test_labels == label][:4, 0].numpy())
    assert (sheet[:, 80:88] == 0).all()
    assert (sheet[:, 88:] == 255).all()


@pytest.mark.parametrize("how", ["euler", "heun"])
def test_a_film_is_the_trajectory_of_one_image_and_changes_none(how, tiny, digits, cpu, tmp_path):
    train.train(tiny(images=16 * 60), tmp_path, digits, cpu)
    model = Model(*checkpoint.find(tmp_path), cpu, 16)
    setting, labels = Setting(sampler=how, steps=10), score.all_labels(40, digits)
    film = Film(20)  # in the second batch
    images = model.images(labels, setting, film=film)
    assert images.equal(model.images(labels, setting))
    steps = list(model.trajectory(labels, setting))
    assert len(film.frames) == len(steps) == 10
    for (x, x_hat), (every_x, every_x_hat) in zip(film.frames, steps, strict=True):
        assert (x.int() - every_x[20].int()).abs().max() <= 1  # another batch: a float's last bit may round a pixel
        assert (x_hat.int() - every_x_hat[20].int()).abs().max() <= 1
    strip = np.array(Image.open(io.BytesIO(score.path_png(film))))
    assert strip.shape == (2 * 8, 8 * 8)
    assert np.array_equal(strip[:8, :8], film.frames[0][0][0].numpy())
    assert np.array_equal(strip[8:, -8:], images[20, 0].numpy())


@pytest.mark.parametrize("how", ["euler", "ancestral"])
def test_images_do_not_depend_on_the_batch(how, tiny, digits, cpu, tmp_path):
    train.train(tiny(images=16 * 60), tmp_path, digits, cpu)
    found = checkpoint.find(tmp_path)
    setting = Setting(weights="raw", sampler=how, guidance=2.0, steps=3)
    labels = score.all_labels(130, digits)
    small, large = (Model(*found, cpu, batch) for batch in (7, 64))
    whole = large.images(labels, setting)
    assert (small.images(labels, setting).int() - whole.int()).abs().max() <= 1  # a float's last bit may round a pixel
    part = small.images(labels[60:100], setting, first=60)  # a shard
    assert (part.int() - whole[60:100].int()).abs().max() <= 1
    assert not large.images(labels, setting.model_copy(update={"weights": "ema"})).equal(whole)
    assert not large.images(labels, setting, seed=5).equal(whole)
    *_, (_, last) = large.trajectory(labels[:9], setting)
    assert (last.int() - whole[:9].int()).abs().max() <= 1


def test_a_compiled_network_sees_one_shape_and_another_one_no_image_too_many(tiny, digits, cpu, tmp_path):
    train.train(tiny(), tmp_path, digits, cpu)
    labels, setting, seen, drawn = score.all_labels(130, digits), Setting(steps=2), [], []
    for one_shape in (False, True):
        model = Model(*checkpoint.find(tmp_path), cpu, 50)
        model.one_shape, net = one_shape, model.net
        model.net = lambda x, t, labels, net=net: (seen.append(len(x)), net(x, t, labels))[1]
        drawn.append((model.images(labels, setting), validation(model, "ema", digits, 130)))
    steps = len(labels) * setting.steps + 130 * (8 + 9)
    assert len(labels) == 142
    assert set(seen) == {50, 42, 30}
    assert sum(seen[: len(seen) // 2]) == steps
    assert set(seen[len(seen) // 2 :]) == {50}
    (images, errors), (padded_images, padded_errors) = drawn
    assert (images.int() - padded_images.int()).abs().max() <= 1
    assert padded_errors["eps"] == pytest.approx(errors["eps"], rel=1e-4)


def test_real_images_score_as_real_ones(digits, bench):
    """The training images themselves: at distance zero, all of them copies, and every one of them covered."""
    row, copies = measure.measure(digits.train, digits.train_labels, bench.judge, bench.real)
    assert row["fid_plain"] == pytest.approx(0, abs=1e-8)
    assert row["pfd"] == pytest.approx(0, abs=1e-6)
    assert (row["precision"], row["recall"], row["coverage"]) == (1, 1, 1)
    assert (row["mem"], row["duplicates"]) == (1, len(digits.train))
    assert row["cfid_max"] is not None
    assert row["acc"] > 0.99
    assert len(copies.pairs[0]) == 8


def test_a_swap_of_classes_shows_in_the_classes_alone(digits, bench):
    labels = digits.train_labels.clone()
    swapped = [(digits.train_labels == label).nonzero().flatten()[:30] for label in (3, 5)]
    labels[swapped[0]], labels[swapped[1]] = 5, 3
    row, _ = measure.measure(digits.train, labels, bench.judge, bench.real)
    fids = [each["fid"] for each in row["classes"]]
    assert min(fids[3], fids[5]) > 10 * max(fid for label, fid in enumerate(fids) if label not in (3, 5))
    assert row["cfid_max"] == max(fids)
    assert row["fid_plain"] == pytest.approx(0, abs=1e-8)
    assert row["confusion"][3][5] == row["confusion"][5][3] == 30


def test_small_classes_have_no_distance_of_their_own(digits, bench):
    row, _ = measure.measure(digits.test, digits.test_labels, bench.judge, bench.real)
    assert row["cfid_max"] is None
    assert all(each["fid"] is None and each["n"] < 40 for each in row["classes"])


def test_too_few_images_are_refused(digits, bench):
    with pytest.raises(ZooError, match=r"255 images are too few: the judge has 128 features.*at least 256"):
        measure.measure(digits.test[:255], None, bench.judge, bench.real)


def test_the_reference_is_cached_under_its_hashes(digits, bench, cpu, tmp_path, monkeypatch):
    first = reference.reference(bench.judge, digits, tmp_path, cpu)
    (path,) = (tmp_path / "cache").glob("*.safetensors")
    stamp = path.stat().st_mtime_ns
    again = reference.reference(bench.judge, digits, tmp_path, cpu)
    assert path.stat().st_mtime_ns == stamp
    assert again.row == first.row == bench.real.row
    np.testing.assert_array_equal(again.train.cov, first.train.cov)
    reference.reference(bench.second, digits, tmp_path, cpu)
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 2
    monkeypatch.setattr(reference, "sha256", lambda path: "other code")
    reference.reference(bench.judge, digits, tmp_path, cpu)
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 3
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))  # damaged: computed again
    assert reference.reference(bench.judge, digits, tmp_path, cpu).row == first.row
    assert path.stat().st_mtime_ns != stamp


def test_a_reference_that_another_process_computes_comes_last(digits, bench, cpu, tmp_path, monkeypatch):
    first = reference.reference(bench.judge, digits, tmp_path, cpu)
    (path,) = (tmp_path / "cache").glob("*.safetensors")
    path.unlink()
    other, order, compute = FileLock(path.with_suffix(".lock")), [], reference._compute

    def watched(judge, *rest):
        order.append(judge.sha256)
        other.release()  # the other process is done while this one computes
        return compute(judge, *rest)

    monkeypatch.setattr(reference, "_compute", watched)
    other.acquire()
    found = reference.references([bench.judge, bench.second], digits, tmp_path, cpu)
    assert order == [bench.second.sha256, bench.judge.sha256]
    assert [each.row for each in found] == [first.row, bench.second_real.row]


def test_the_floor_is_the_test_images_distance(digits, bench):
    features = judge_images(bench.judge, digits.test)[0]
    found = corrected(features, bench.real.train, digits.test_labels)
    assert bench.real.floor == {"fid": found.fid, "se": found.se, "plain": found.plain, "n": 355}
    assert abs(found.fid) < 3 * found.se  # both sets are drawn from one population


def test_validation_of_an_exact_network_is_the_irreducible_error(tiny, digits, cpu, tmp_path):
    """For data N(0, s^2) the best x_hat leaves alpha^2 s^2 of sigma^2 s^2 / (alpha^2 s^2 + sigma^2) of it unknown."""
    train.train(tiny(objective="v/cosine", images=16), tmp_path, digits, cpu)
    model = Model(*checkpoint.find(tmp_path), cpu, 100)
    x = standardise(digits.test, model.space.standard)
    normal = GaussianMixture(
        torch.full((1, 1, 8, 8), float(x.mean()), dtype=torch.float64), float(x.std()), torch.ones(1)
    )
    exact = normal.network(model.objective)
    model.net = lambda x, t, labels: exact(x.double(), t.double(), labels).float()
    found = validation(model, "ema", digits, 300)
    assert found["n"] == 300
    for logsnr, eps in zip(found["logsnr"], found["eps"], strict=True):
        snr = np.exp(logsnr)
        assert eps == pytest.approx(snr * normal.std**2 / (snr * normal.std**2 + 1), rel=0.1)
    assert found["val_eps"] == pytest.approx(np.mean(found["eps"]))
    assert found["logsnr"] == pytest.approx([2 * np.log(1 / s - 1) for s in (np.arange(8) + 0.5) / 8])


@pytest.fixture
def gaussian(tiny, digits, cpu, tmp_path) -> tuple[Model, Dataset, float]:
    """A model, data of ten Gaussian classes far from black and white, and their variance within a class (standardised).

    The model's network is the exact one of these data.
    """
    generator = torch.Generator().manual_seed(0)
    means = 128 + 20 * torch.randn(10, 1, 8, 8, generator=generator)
    labels = torch.arange(10).repeat(300)
    images = (means[labels] + 20 * torch.randn(len(labels), 1, 8, 8, generator=generator)).round().clamp(0, 255)
    train_part, test_part = images[:2000].to(torch.uint8), images[2000:].to(torch.uint8)
    data = replace(digits, train=train_part, train_labels=labels[:2000], test=test_part, test_labels=labels[2000:])
    train.train(tiny(objective="eps/cosine", images=16), tmp_path, digits, cpu)
    model = Model(*checkpoint.find(tmp_path), cpu, 100)
    centres = model.space.class_means(data)
    variance = float((standardise(data.test, model.space.standard) - centres[data.test_labels]).square().mean())

    def net(x, t, labels):
        cos, sin = ((math.pi / 2 * each).sin().view(-1, 1, 1, 1) for each in (1 - t, t))
        mean = centres[labels]
        x_hat = mean + cos * variance / (cos**2 * variance + sin**2) * (x - cos * mean)
        return (x - cos * x_hat) / sin  # eps

    model.net = net
    return model, data, variance


def test_the_share_of_an_exact_denoiser_is_known(gaussian):
    """Of the variance s^2 within a class, 1 / (1 + snr s^2) is left unknown."""
    model, data, variance = gaussian
    found = validation(model, "ema", data, 1000)
    assert found["x0_logsnr"] == [-10, -8, -6, -4, -2, 0, 2, 4, 6]
    for logsnr, share in zip(found["x0_logsnr"], found["x0_share"], strict=True):
        assert share == pytest.approx(1 / (1 + math.exp(logsnr) * variance), rel=0.02)
    assert found["x0_high"] == pytest.approx(np.mean(found["x0_share"][:4]))


def test_a_network_that_is_bad_at_high_noise_comes_last_by_x0_and_not_by_eps(gaussian):
    model, data, _ = gaussian
    exact = model.net
    planted = {  # the error that is added to eps_hat, by the share of noise
        "exact": lambda t: 0 * t,
        "bad at high noise": lambda t: 0.1 * (t > 0.94),  # from logsnr -4.7 down
        "bad at low noise": lambda t: 0.15 * (t < 0.5),
        "a little bad everywhere": lambda t: 0.005 + 0 * t,
    }
    high, eps = {}, {}
    for name, error in planted.items():
        model.net = lambda x, t, labels, error=error: exact(x, t, labels) + error(t).view(-1, 1, 1, 1)
        found = validation(model, "ema", data, 500)
        high[name], eps[name] = found["x0_high"], found["val_eps"]
    assert max(high, key=high.get) == "bad at high noise"
    assert high["bad at high noise"] > 5 * high["bad at low noise"]
    assert max(eps, key=eps.get) == "bad at low noise"
    assert eps["bad at high noise"] < 1.05 * eps["exact"]


def test_a_path_that_ends_early_is_asked_at_its_end(tiny, digits, cpu, tmp_path):
    train.train(tiny(objective="eps/ldm", images=16), tmp_path, digits, cpu)
    model = Model(*checkpoint.find(tmp_path), cpu, 100)
    found = validation(model, "ema", digits, 100)
    low = model.objective.path.span()[0]
    assert low == pytest.approx(-5.4, abs=0.05)
    assert found["x0_logsnr"] == pytest.approx([low, low, low, -4, -2, 0, 2, 4, 6])
    assert np.isfinite(found["x0_share"]).all()


@pytest.mark.parametrize(
    ("backbone", "names"),
    [("dit(width=32,depth=1,heads=1)", ZOO), ("unet(width=16,attention=1)", FAMILIES["default"])],
    ids=["dit", "unet"],
)
def test_every_objective_trains_saves_loads_samples_and_scores(backbone, names, tiny, digits, cpu, bench, tmp_path):
    how = [Setting(guidance=2.0, steps=2, sampler=s) for s in ("euler", "heun", "ancestral", "dpmpp_2m")]
    for i, name in enumerate(names):
        folder = tmp_path / str(i)
        train.train(tiny(objective=name, backbone=backbone, images=16 * 2), folder, digits, cpu)
        model = Model(*checkpoint.find(folder), cpu, 71)
        assert np.isfinite(validation(model, "raw", digits, 50)["eps"]).all(), name
        model.use("ema")
        drawn = model.images(torch.arange(24) % 12, how[i % 4])
        assert len(drawn.unique()) > 10, name
        if i % 7 == 0:  # scores are about images, whatever drew them
            scored = score.score(model, how[i % 4], 256, bench)
            assert len(scored.images) == len(scored.labels) == 256 + 2 * 6, name
            numbers = [v for v in scored.row.values() if isinstance(v, float)]
            assert np.isfinite(numbers).all(), name
