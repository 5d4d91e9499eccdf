"""Paths: strictly decreasing logsnr, an inverse that inverts, both ends included, tables equal to diffusers'."""

import math

import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr

from tests.oracle import ENDS, SCHEDULES, doubles, scheduler
from zoo import registry
from zoo.objectives.core import unwrap
from zoo.objectives.path import Circle, Flow, Table

WORDS = {word: make() for word, make in registry.PATHS.items()}
IN_ZOO = {repr(path): path for path in (registry.objective(name).path for name in registry.ZOO)}
PATHS = list({repr(path): path for path in [*WORDS.values(), *IN_ZOO.values()]}.values())
TIMES = torch.cat([doubles(*ENDS), torch.linspace(0, 1, 4001, dtype=torch.float64)]).unique()


@pytest.mark.parametrize("path", PATHS, ids=repr)
def test_logsnr_strictly_decreases_from_end_to_end(path):
    logsnr = path.logsnr(TIMES)
    assert (logsnr[1:] < logsnr[:-1]).all()
    assert path.span() == (logsnr[-1], logsnr[0])


@pytest.mark.parametrize("path", PATHS, ids=repr)
def test_inverse_inverts(path):
    torch.testing.assert_close(path.time(path.logsnr(TIMES)), TIMES, rtol=0, atol=1e-12)
    near_zero = doubles(0, 1e-12, 1e-7)  # relative to the distance from the end
    if math.isinf(path.span()[1]):
        torch.testing.assert_close(path.time(path.logsnr(near_zero)), near_zero, rtol=1e-9, atol=0)


@pytest.mark.parametrize("path", PATHS, ids=repr)
def test_inverse_stays_in_the_unit_interval(path):
    t = path.time(doubles(math.inf, 60, 0, -60, -math.inf))
    assert ((t >= 0) & (t <= 1)).all()
    assert t[0] == 0
    assert t[-1] == 1


@pytest.mark.parametrize("path", PATHS, ids=repr)
def test_curve(path):
    alpha, sigma = path.at(TIMES)
    total = alpha**2 + sigma**2 if isinstance(unwrap(path)[0], Circle) else alpha + sigma
    torch.testing.assert_close(total, torch.ones_like(TIMES), rtol=0, atol=1e-14)
    assert ((alpha >= 0) & (sigma >= 0)).all()
    torch.testing.assert_close(2 * (alpha.log() - sigma.log()), path.logsnr(TIMES), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("word", ["flow", "trig"])
def test_continuous_paths_are_what_the_papers_write(word):
    """Pure data at t = 0 and pure noise at t = 1, without rounding."""
    path = WORDS[word]
    alpha, sigma = path.at(TIMES)
    typed = (1 - TIMES, TIMES) if isinstance(path, Flow) else ((math.pi / 2 * TIMES).cos(), (math.pi / 2 * TIMES).sin())
    torch.testing.assert_close((alpha, sigma), typed, rtol=1e-13, atol=1e-15)
    assert [alpha[0], sigma[0], alpha[-1], sigma[-1]] == [1, 0, 0, 1]


@pytest.mark.parametrize("word", SCHEDULES)
def test_tables_are_diffusers_at_all_1000_steps(word):
    steps = torch.arange(1000, dtype=torch.float64) / 999
    alpha_bar = scheduler(word).alphas_cumprod
    alpha, sigma = WORDS[word].at(steps)
    torch.testing.assert_close(alpha**2, alpha_bar, rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(sigma**2, 1 - alpha_bar, rtol=1e-5, atol=1e-9)
    # diffusers keeps beta in float32: 1 - 0.999 is off by 6e-5 of itself
    torch.testing.assert_close(WORDS[word].logsnr(steps), (alpha_bar / (1 - alpha_bar)).log(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("path", [path for path in PATHS if isinstance(path, Table)], ids=repr)
def test_tables_are_linear_in_logsnr_between_steps(path):
    step = torch.arange(999, dtype=torch.float64)
    here, there, between = (path.logsnr((step + share) / 999) for share in (0, 1, 0.25))
    torch.testing.assert_close(between, 0.75 * here + 0.25 * there, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("word", SCHEDULES)
def test_zero_terminal_is_diffusers_rescale(word):
    """arXiv 2305.08891, algorithm 1, at all 1000 steps."""
    path = registry.objective(f"v/{word}+ztsnr").path
    betas = rescale_zero_terminal_snr(scheduler(word).betas.double())
    alpha_bar = (1 - betas).cumprod(0)
    alpha, _ = path.at(torch.arange(1000, dtype=torch.float64) / 999)
    torch.testing.assert_close(alpha, alpha_bar.sqrt(), rtol=1e-5, atol=1e-6)
    assert alpha[-1] == 0


def test_shift_on_the_line_is_sd3_s():
    """t <- k t / (1 + (k - 1) t) (arXiv 2403.03206, section 5.3.2)."""
    shifted = registry.objective("rf+shift(3)").path
    torch.testing.assert_close(shifted.at(TIMES)[1], 3 * TIMES / (1 + 2 * TIMES), rtol=1e-12, atol=1e-15)


def test_sigmoid_follows_the_paper_s_code():
    """alpha^2 = (S(3) - S(t 6 - 3)) / (S(3) - S(-3)) (arXiv 2212.11972, algorithm 1, start -3, end 3, tau 1)."""
    first, last = doubles(3.0).sigmoid(), doubles(-3.0).sigmoid()
    typed = (first - (6 * TIMES - 3).sigmoid()) / (first - last)
    torch.testing.assert_close(WORDS["sigmoid"].at(TIMES)[0] ** 2, typed, rtol=0, atol=1e-14)


def test_ldm_span():
    """Published for latent diffusion's schedule: logsnr 7.0694 .. -5.3640, sqrt(alpha_bar_T) = 0.06826."""
    assert WORDS["ldm"].span() == pytest.approx((-5.3640, 7.0694), abs=5e-5)
    assert WORDS["ldm"].at(doubles(1.0))[0].item() == pytest.approx(0.06826, abs=5e-6)


def test_ddpm_span_of_the_paper():
    """Published for DDPM's linear schedule: logsnr 9.2102 .. -10.1177, sqrt(alpha_bar_T) = 0.006353."""
    path = WORDS["linear"]
    assert path.span() == pytest.approx((-10.1177, 9.2102), abs=5e-5)
    assert path.at(doubles(1.0))[0].item() == pytest.approx(0.006353, abs=5e-7)


def test_cosine_follows_the_squared_cosine():
    """alpha_bar = f(t) / f(0), f(t) = cos^2((t + s) / (1 + s) pi / 2), at t = (i + 1) / 1000, until beta is clipped."""
    i = torch.arange(990, dtype=torch.float64)
    f = [((t + 0.008) / 1.008 * math.pi / 2).cos() ** 2 for t in ((i + 1) / 1000, doubles(0.0))]
    torch.testing.assert_close(WORDS["cosine"].at(i / 999)[0] ** 2, f[0] / f[1], rtol=1e-9, atol=0)
