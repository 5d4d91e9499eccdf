"""The Frechet distance against closed forms, scipy and torchmetrics; its correction against known Gaussians."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from eval.ranks.stats import wilson
from eval.scores.frechet import Moments, corrected, distance, moments
from zoo.base.errors import ZooError


def mixed(seed: int, n: int, d: int, offset: float = 0.0) -> np.ndarray:
    """n correlated, non-Gaussian features, as a ReLU leaves them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) / math.sqrt(d) + offset
    return np.maximum(x, 0.1 * x)


def covariance(seed: int, d: int) -> np.ndarray:
    root = np.random.default_rng(seed).standard_normal((d, 2 * d))
    return root @ root.T / (2 * d)


def gaussian(mean: np.ndarray, cov: np.ndarray) -> Moments:
    return Moments(np.asarray(mean, float), np.asarray(cov, float), 10_000)


class Identity(nn.Module):
    num_features = 24

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_torchmetrics_agrees():
    real, fake = mixed(1, 700, 24), mixed(2, 500, 24, offset=0.3)
    peer = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    for part in np.array_split(real, 3):
        peer.update(torch.from_numpy(part), real=True)
    peer.update(torch.from_numpy(fake), real=False)
    assert distance(moments(fake), moments(real)) == pytest.approx(peer.compute().item(), rel=1e-9)


@pytest.mark.parametrize("d", [1, 5, 60])
def test_scipy_square_root_agrees(d):
    a, b = moments(mixed(3, 400, d)), moments(mixed(4, 300, d, offset=0.2))
    root = scipy.linalg.sqrtm(a.cov @ b.cov)
    truth = np.sum((a.mean - b.mean) ** 2) + np.trace(a.cov + b.cov - 2 * np.real(root))
    assert distance(a, b) == pytest.approx(truth, rel=1e-9)


def test_moments_are_numpys():
    x = mixed(5, 50, 7)
    found = moments(torch.from_numpy(x))
    np.testing.assert_allclose(found.mean, np.mean(x, axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.cov, np.cov(x.T), rtol=1e-12)
    assert found.n == 50


def test_closed_forms():
    cov, shift = covariance(0, 12), np.linspace(-1, 2, 12)
    a = gaussian(np.zeros(12), cov)
    assert distance(a, a) == pytest.approx(0, abs=1e-12)
    assert distance(a, gaussian(shift, cov)) == pytest.approx(shift @ shift, rel=1e-12)
    # axis-parallel Gaussians: |shift|^2 + sum of (s - t)^2 over the deviations
    s, t = np.linspace(0.1, 2, 12), np.linspace(3, 0.5, 12)
    found = distance(gaussian(shift, np.diag(s**2)), gaussian(np.zeros(12), np.diag(t**2)))
    assert found == pytest.approx(shift @ shift + np.sum((s - t) ** 2), rel=1e-12)
    # C against k^2 C: (1 - k)^2 tr C
    assert distance(a, gaussian(np.zeros(12), 9 * cov)) == pytest.approx(4 * np.trace(cov), rel=1e-12)


def test_rotation_changes_nothing_and_scale_is_quadratic():
    a, b = mixed(6, 90, 10), mixed(7, 80, 10, offset=1)
    rotation = scipy.stats.ortho_group.rvs(10, random_state=0)
    truth = distance(moments(a), moments(b))
    assert distance(moments(a @ rotation), moments(b @ rotation)) == pytest.approx(truth, rel=1e-10)
    assert distance(moments(3 * a), moments(3 * b)) == pytest.approx(9 * truth, rel=1e-12)
    assert distance(moments(b), moments(a)) == pytest.approx(truth, rel=1e-12)


def test_fewer_samples_than_features():
    # Both sets live in a 6-dimensional subspace, where the distance is that of their coordinates.
    rng = np.random.default_rng(8)
    basis = scipy.stats.ortho_group.rvs(40, random_state=1)[:6]
    a, b = rng.standard_normal((30, 6)), 2 * rng.standard_normal((25, 6)) + 1
    inside, outside = distance(moments(a), moments(b)), distance(moments(a @ basis), moments(b @ basis))
    assert outside == pytest.approx(inside, rel=1e-6)  # roots of rounding errors: sqrt(1e-16) for each dead dimension
    found, truth = corrected(a @ basis, moments(b @ basis)), corrected(a, moments(b))
    assert (found.fid, found.se) == pytest.approx((truth.fid, truth.se), rel=1e-5)


def test_dead_features_add_nothing():
    a, b = mixed(9, 60, 8), mixed(10, 70, 8)
    padded = [moments(np.pad(x, ((0, 0), (2, 3)))) for x in (a, b)]
    assert distance(*padded) == pytest.approx(distance(moments(a), moments(b)), rel=1e-10)


def test_offset_cancels():
    a, b = mixed(11, 200, 8), mixed(12, 200, 8)
    near, far = corrected(a, moments(b)), corrected(a + 1000, moments(b + 1000))
    assert (far.fid, far.se, far.plain) == pytest.approx((near.fid, near.se, near.plain), rel=1e-9)


def test_jackknife_is_unbiased():
    d, n, draws = 12, 500, 50
    cov, mean = covariance(1, d), np.full(d, 0.05)
    reference = gaussian(np.zeros(d), np.eye(d))
    truth = distance(gaussian(mean, cov), reference)
    rng = np.random.default_rng(2)
    found = [corrected(rng.multivariate_normal(mean, cov, n), reference) for _ in range(draws)]
    fid, plain, se = (np.array([getattr(f, name) for f in found]) for name in ("fid", "plain", "se"))
    error = fid.std(ddof=1) / math.sqrt(draws)
    assert abs(fid.mean() - truth) < 2 * error
    assert plain.mean() - truth > 5 * error  # what the correction is for
    assert np.sqrt(np.mean(se**2)) == pytest.approx(fid.std(ddof=1), rel=0.35)


@pytest.mark.parametrize(("n", "blocks"), [(200, 20), (60, 5)])
def test_jackknife_is_the_textbooks_for_equal_blocks(n, blocks):
    x, reference = mixed(13, n, 6), moments(mixed(14, 300, 6, offset=0.1))
    found = corrected(x, reference, blocks=blocks)
    order = np.random.default_rng(0).permutation(n).reshape(-1, blocks).T
    plain = distance(moments(x), reference)
    left = [distance(moments(np.delete(x, block, axis=0)), reference) for block in order]
    pseudo = blocks * plain - (blocks - 1) * np.array(left)
    assert found.plain == pytest.approx(plain, rel=1e-10)
    assert found.fid == pytest.approx(pseudo.mean(), rel=1e-8)
    assert found.se == pytest.approx(scipy.stats.sem(pseudo), rel=1e-8)


def test_the_correction_knows_chosen_labels():
    """Two classes far apart, 40% and 60% of 300 samples: no spread between them to correct for, if it is told so."""
    d, counts, draws = 6, (120, 180), 60
    means = np.stack([np.zeros(d), np.full(d, 2.0)])
    shares = np.array(counts) / sum(counts)
    between = means[1] - means[0]
    cov = np.eye(d) + shares[0] * shares[1] * np.outer(between, between)
    reference, labels = gaussian(shares @ means, cov), torch.tensor([0] * 120 + [1] * 180)
    rng = np.random.default_rng(3)
    sets = [rng.standard_normal((300, d)) + means[labels.numpy()] for _ in range(draws)]
    told, untold = (np.array([corrected(x, reference, strata).fid for x in sets]) for strata in (labels, None))
    error = told.std(ddof=1) / math.sqrt(draws)
    assert abs(told.mean()) < 3 * error
    assert untold.mean() < -5 * error
    drawn = [means[(rng.random(300) < 0.6).astype(int)] + rng.standard_normal((300, d)) for _ in range(draws)]
    free = np.array([corrected(x, reference).fid for x in drawn])
    assert abs(free.mean()) < 3 * free.std(ddof=1) / math.sqrt(draws)  # labels that were drawn need no telling


def test_blocks_follow_the_classes_asked_for_not_those_that_came_out():
    """Three of ten samples are of a class by chance. Which class they are of is part of what varies from sample to
    sample: blocks that hold the resulting classes in equal parts do not see it, correct too little, and claim an error
    that is too small."""
    d, n, draws = 6, 300, 80
    means = np.stack([np.zeros(d), np.full(d, 2.0)])
    between = means[1] - means[0]
    reference = gaussian(means.mean(axis=0), np.eye(d) + np.outer(between, between) / 4)
    rng, asked = np.random.default_rng(5), np.arange(n) % 2
    found: dict[str, list[float]] = {"asked": [], "became": []}
    claimed: dict[str, list[float]] = {"asked": [], "became": []}
    for _ in range(draws):
        became = np.where(rng.random(n) < 0.6, rng.integers(0, 2, n), asked)
        x = rng.standard_normal((n, d)) + means[became]
        for name, strata in (("asked", asked), ("became", became)):
            one = corrected(x, reference, torch.from_numpy(strata))
            found[name].append(one.fid)
            claimed[name].append(one.se)
    error = np.std(found["asked"], ddof=1) / math.sqrt(draws)
    assert abs(np.mean(found["asked"])) < 3 * error
    assert np.mean(found["became"]) > 3 * error
    assert np.mean(claimed["became"]) < np.mean(claimed["asked"])


def test_two_sets_are_both_corrected_for():
    d, draws = 8, 60
    cov, rng = covariance(5, d), np.random.default_rng(4)
    truth = distance(gaussian(np.full(d, 0.2), cov), gaussian(np.zeros(d), np.eye(d)))
    pairs = [(rng.multivariate_normal(np.full(d, 0.2), cov, 300), rng.standard_normal((200, d))) for _ in range(draws)]
    found = [corrected(a, b) for a, b in pairs]
    fid, plain = (np.array([getattr(f, name) for f in found]) for name in ("fid", "plain"))
    error = fid.std(ddof=1) / math.sqrt(draws)
    assert abs(fid.mean() - truth) < 3 * error
    assert plain.mean() - truth > 5 * error


def test_unequal_blocks_leave_no_bias():
    # To a point at 0 the estimate is a quadratic form x^T Q x of the n values, with the expectation
    # var tr(Q) + mean^2 1^T Q 1; the truth is var + mean^2. So both numbers must be 1, here for blocks of 2 and 3.
    n, point = 47, gaussian(np.zeros(1), np.zeros((1, 1)))
    trace = sum(corrected(unit[:, None], point, blocks=20).fid for unit in np.eye(n))
    assert trace == pytest.approx(1, rel=1e-10)
    assert corrected(np.ones((n, 1)), point, blocks=20).fid == pytest.approx(1, rel=1e-12)


def test_bad_features_are_refused():
    good = mixed(16, 40, 4)
    broken = good.copy()
    broken[[3, 8], 1] = np.nan, np.inf
    for call in (moments, lambda x: corrected(x, moments(good))):
        with pytest.raises(ZooError, match="2 of 40 images are not finite"):
            call(broken)
        with pytest.raises(ZooError, match=r"\[N, d\]"):
            call(good[0])
    with pytest.raises(ZooError, match="at least 20 samples, not 19"):
        corrected(good[:19], moments(good))
    with pytest.raises(ZooError, match="at least 2 samples"):
        moments(good[:1])
    with pytest.raises(ZooError, match="4 and 3 features"):
        distance(moments(good), moments(good[:, :3]))
    assert math.isfinite(corrected(good[:20], moments(good)).fid)


def test_float32_features_on_any_type_are_widened():
    x = torch.from_numpy(mixed(17, 64, 5)).float()
    assert moments(x).cov.dtype == np.float64
    np.testing.assert_array_equal(moments(x).cov, moments(x.double().numpy()).cov)


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    # Newcombe, Stat. Med. 17 (1998), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_the_published_interval(correct, n, low, high):
    assert wilson(correct, n) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson(n - correct, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_wilson_refuses_impossible_counts():
    for correct, n in ((0, 0), (3, 2), (-1, 4)):
        with pytest.raises(ZooError, match="a share needs"):
            wilson(correct, n)
