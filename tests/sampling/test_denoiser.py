"""Guidance and clipping: what they change, what they keep, and what peers make of the same numbers."""

import pytest
import torch
from diffusers.guiders.guider_utils import rescale_noise_cfg

from tests.solvers.test_sampler import some_noise
from zoo.registry import objective
from zoo.sampling.denoiser import clipped, from_x_hat, guided

PATH = objective("v/cosine").path
T = torch.tensor(0.4, dtype=torch.float64)
SHARE = float(PATH.at(T)[1] / sum(PATH.at(T)))


def labelled(x_t, t, labels):
    """Says each image's label for x_hat, and a little of x_t."""
    return from_x_hat(PATH, x_t, t, labels.double().view(-1, 1, 1, 1) + 0.1 * x_t)


def test_guidance_is_linear_in_its_scale_and_keeps_x_t():
    x_t, labels = some_noise(3), torch.tensor([0, 1, 2])
    assert guided(labelled, PATH, 1, none_label=12) is labelled
    x_hat, eps_hat = guided(labelled, PATH, 2.5, none_label=12)(x_t, T, labels)
    expected = 12 + 2.5 * (labels.double() - 12)  # none + scale (class - none)
    torch.testing.assert_close(x_hat, expected.view(-1, 1, 1, 1) + 0.1 * x_t)
    alpha, sigma = PATH.at(T)
    torch.testing.assert_close(alpha * x_hat + sigma * eps_hat, x_t)


@pytest.mark.parametrize(
    ("interval", "inside"),
    [((0, 1), True), ((SHARE - 0.01, SHARE + 0.01), True), ((0, SHARE - 0.01), False), ((SHARE + 0.01, 1), False)],
)
def test_guidance_is_applied_within_its_interval_of_noise(interval, inside):
    x_t, labels = some_noise(3), torch.tensor([0, 1, 2])
    plain, everywhere = labelled(x_t, T, labels), guided(labelled, PATH, 3, 12)(x_t, T, labels)
    found = guided(labelled, PATH, 3, 12, interval)(x_t, T, labels)
    for each, expected in zip(found, everywhere if inside else plain, strict=True):
        torch.testing.assert_close(each, expected)


@pytest.mark.parametrize("rescale", [0.3, 1.0])
def test_rescaling_is_diffusers(rescale):
    x_t, labels = some_noise(4), torch.tensor([0, 1, 2, 3])

    def spread(x, t, labels):
        return from_x_hat(PATH, x, t, (1 + labels.double().view(-1, 1, 1, 1)) * x)

    with_class, without = (spread(x_t, T, each)[0] for each in (labels, torch.full_like(labels, 5)))
    expected = rescale_noise_cfg(without + 2.5 * (with_class - without), with_class, guidance_rescale=rescale)
    x_hat, eps_hat = guided(spread, PATH, 2.5, 5, rescale=rescale)(x_t, T, labels)
    torch.testing.assert_close(x_hat, expected)
    alpha, sigma = PATH.at(T)
    torch.testing.assert_close(alpha * x_hat + sigma * eps_hat, x_t)


def test_clipping_keeps_the_data_s_range_and_x_t():
    path, t, x_t = objective("rf").path, torch.tensor(0.3, dtype=torch.float64), some_noise(20)
    x_hat, eps_hat = clipped(lambda x, t, labels: (3 * x, x), path, -0.5, 0.75)(x_t, t, None)
    torch.testing.assert_close(x_hat, (3 * x_t).clamp(-0.5, 0.75))
    torch.testing.assert_close(0.7 * x_hat + 0.3 * eps_hat, x_t)
