"""The scores besides FID, against double loops, the published packages, and planted answers."""

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from eval.scores import metrics
from eval.scores.metrics import copies, inception_score, kid, prdc


def features(seed: int, n: int, d: int = 6, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", 7)


def slow_kid(a, b, labels=None) -> float:
    """Pairs of two images, every pair of classes by its share; of one class, when the labels were drawn."""

    def kernel(x, y):
        return (float(x @ y) / len(x) + 1) ** 3

    a, b = a.double().numpy(), b.double().numpy()
    labels = np.zeros(len(a), int) if labels is None else np.asarray(labels)
    aa = 0.0
    for c in set(labels):
        for e in set(labels):
            ours, theirs = np.flatnonzero(labels == c), np.flatnonzero(labels == e)
            pairs = [kernel(a[i], a[j]) for i in ours for j in theirs if i != j]
            aa += len(ours) * len(theirs) / len(a) ** 2 * np.mean(pairs)
    bb = np.mean([kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    return aa + bb - 2 * np.mean([kernel(x, y) for x in a for y in b])


def test_kid_is_a_double_loop(small_blocks):
    a, b = features(0, 23), features(1, 17, shift=0.3)
    assert kid(a, b) == pytest.approx(slow_kid(a, b), rel=1e-12, abs=1e-12)
    labels = torch.arange(23) % 4
    assert kid(a, b, labels) == pytest.approx(slow_kid(a, b, labels), rel=1e-12, abs=1e-12)
    assert kid(a, b, torch.arange(23)) == kid(a, b)  # classes of one image have no pairs of their own


def test_kid_is_torchmetrics_on_the_whole_set():
    a, b = features(0, 60), features(1, 60, shift=0.5)
    peer = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=1, subset_size=60)
    peer.inception.num_features = 6
    peer.update(b, real=True)
    peer.update(a, real=False)
    assert kid(a, b) == pytest.approx(float(peer.compute()[0]), rel=1e-5)


def test_kid_has_no_bias_however_the_labels_came():
    """On two classes far apart, of which 40% and 60% are asked for; the truth is 0."""
    generator = torch.Generator().manual_seed(0)

    def draw(labels):
        return torch.randn(len(labels), 4, generator=generator) + 3 * labels[:, None]

    chosen = torch.tensor([0] * 16 + [1] * 24)
    fixed = [kid(draw(chosen), draw((torch.rand(400, generator=generator) < 0.6).long()), chosen) for _ in range(200)]
    naive = [kid(draw(chosen), draw((torch.rand(400, generator=generator) < 0.6).long())) for _ in range(200)]
    error = np.std(fixed) / np.sqrt(200)
    assert abs(np.mean(fixed)) < 3 * error
    assert np.mean(naive) < -5 * error


@pytest.mark.parametrize("k", [1, 5])
def test_precision_and_its_kin_are_the_published_packages(k, small_blocks):
    real, samples = features(0, 80), 0.8 * features(1, 60) + 0.4
    found = prdc(real, samples, k)
    assert found == pytest.approx(compute_prdc(real.numpy(), samples.numpy(), k), abs=1e-12)
    assert 0 < found["precision"] < 1
    assert 0 < found["recall"] < 1


def test_the_inception_score_is_torchmetrics_without_splits():
    logits = 2 * features(0, 50, 10)
    peer = InceptionScore(feature=torch.nn.Identity(), splits=1)
    peer.update(logits)
    assert inception_score(logits) == pytest.approx(float(peer.compute()[0]), rel=1e-5)
    assert inception_score(torch.zeros(5, 10)) == pytest.approx(1)
    assert inception_score(200 * torch.eye(10)) == pytest.approx(10)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 1.0])
def test_planted_copies_are_found(share, digits):
    planted = round(share * len(digits.test))
    samples = digits.test.clone()
    slight = digits.train[:planted].int() + torch.randint(
        -3, 4, (planted, 1, 8, 8), generator=torch.Generator().manual_seed(0)
    )
    samples[:planted] = slight.clamp(0, 255).to(torch.uint8)
    plain = copies(digits.test, digits.train).mem
    assert plain <= 0.003
    assert copies(samples, digits.train).mem == pytest.approx(planted / len(samples), abs=0.003)


def test_copies_name_their_pairs_and_count_duplicates(digits, small_blocks):
    samples = digits.test[:60].clone()
    samples[[7, 30, 44]] = digits.train[[100, 5, 700]]
    found = copies(samples, digits.train)
    assert found.duplicates == 3
    assert list(zip(*found.pairs, strict=True))[:3] == [(7, 100), (30, 5), (44, 700)]
    assert len(found.pairs[0]) == metrics.PAIRS


def test_distances_are_exact_where_float32_is_not():
    """Two bright images that differ in one pixel by one: their squared distance is 1 beside norms of 5e7."""
    train = torch.full((4, 1, 28, 28), 255, dtype=torch.uint8)
    train[1, 0, 0, 0] = 254
    train[2], train[3] = 0, 100
    sample = train[:1].clone()
    sample[0, 0, 5, 5] = 254
    first, second, nearest = next(metrics._two_nearest(sample, train))
    assert (first.tolist(), second.tolist(), nearest.tolist()) == ([1.0], [2.0], [0])
