"""Densities: quantile functions against the laws that the papers state, taken from scipy."""

import pytest
import torch
from scipy import stats

from tests.oracle import ENDS, doubles
from zoo import registry
from zoo.base.errors import ZooError
from zoo.objectives.core import EDGE
from zoo.objectives.density import Atoms, CosMap, EDMLogNormal, Laplace, LogitNormal, Mode, Uniform
from zoo.objectives.path import ZeroTerminal

FLOW, TRIG = registry.PATHS["flow"](), registry.PATHS["trig"]()
U = torch.cat([doubles(1e-7, 1e-3), torch.linspace(0.01, 0.99, 99, dtype=torch.float64), doubles(1 - 1e-3, 1 - 1e-7)])
LOGNORMS = [(0, 1), (-1, 0.2), (1, 0.6), (-0.4, 1), (0.5, 2.2)]


def expect_law(density, path, law) -> None:
    """A share u of the times is earlier, hence has a higher logsnr: logsnr(quantile(u)) is the law's 1 - u quantile."""
    logsnr = path.logsnr(density.quantile(U, path))
    torch.testing.assert_close(logsnr, torch.from_numpy(law.isf(U.numpy())), rtol=1e-7, atol=1e-9)


def test_uniform_on_the_line_is_logistic():
    expect_law(Uniform(), FLOW, stats.logistic(scale=2))  # density sech^2(l / 4) / 8


def test_uniform_on_the_circle_is_hyperbolic_secant():
    expect_law(Uniform(), TRIG, stats.hypsecant(scale=2))  # density sech(l / 2) / (2 pi)


@pytest.mark.parametrize(("mean", "std"), LOGNORMS)
def test_logit_normal_on_the_line_is_normal_in_logsnr(mean, std):
    expect_law(LogitNormal(mean, std), FLOW, stats.norm(-2 * mean, 2 * std))


@pytest.mark.parametrize(("mean", "std"), LOGNORMS)
def test_logit_normal_has_a_normal_logit(mean, std):
    t = LogitNormal(mean, std).quantile(U, TRIG)
    torch.testing.assert_close(t.logit(), torch.from_numpy(stats.norm(mean, std).ppf(U.numpy())), rtol=1e-6, atol=1e-7)


def test_cosmap_on_the_line_draws_what_uniform_draws_on_the_circle():
    expect_law(CosMap(), FLOW, stats.hypsecant(scale=2))


@pytest.mark.parametrize("path", [FLOW, TRIG, registry.PATHS["sigmoid"]()], ids=repr)
@pytest.mark.parametrize(("mean", "std"), [(-1.2, 1.2), (0, 0.6), (1.2, 1.8)])
def test_edm_is_normal_in_logsnr_on_any_path(mean, std, path):
    expect_law(EDMLogNormal(mean, std), path, stats.norm(-2 * mean, 2 * std))


@pytest.mark.parametrize("path", [FLOW, TRIG], ids=repr)
@pytest.mark.parametrize(("mu", "b"), [(0, 0.5), (1, 0.8)])
def test_laplace_is_laplace_in_logsnr(mu, b, path):
    logsnr = path.logsnr(Laplace(mu, b).quantile(U, path)).sort().values
    torch.testing.assert_close(logsnr, torch.from_numpy(stats.laplace(mu, b).ppf(U)), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("s", [-1, -0.5, 0, 0.8, 1.291667, 1.75])
def test_mode_is_the_paper_s(s):
    """SD3, equation 20, typed as printed."""
    t = Mode(s).quantile(U, FLOW)
    torch.testing.assert_close(t, 1 - U - s * ((torch.pi / 2 * U).cos() ** 2 - 1 + U), rtol=0, atol=1e-15)


def test_mode_s_peak_at_its_upper_end():
    """mode(1.75) is nearly a point mass at t = 1/2, where its density is 904."""
    slope = (Mode(1.75).quantile(doubles(0.5 + 1e-6), FLOW) - Mode(1.75).quantile(doubles(0.5 - 1e-6), FLOW)) / 2e-6
    assert 1 / slope.abs().item() == pytest.approx(904, abs=1)


@pytest.mark.parametrize("name", ["rf/mode(1.76)", "rf/mode(-1.1)", "v/trig+laplace(0,0)", "edm(0,-1)"])
def test_arguments_without_a_law_are_refused(name):
    with pytest.raises(ZooError, match="must"):
        registry.objective(name)


@pytest.mark.parametrize("std", [0, -1])
def test_logit_normal_needs_a_spread(std):
    with pytest.raises(ValueError, match="standard deviation"):
        LogitNormal(0, std)
    with pytest.raises(ZooError, match="standard deviation"):
        registry.objective(f"rf/lognorm(0,{std})")


def test_atoms_hit_every_integer_step_alike():
    """4000 stratified numbers fall on each of DDPM's steps 0 .. 999 four times."""
    u = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    steps = Atoms().quantile(u, TRIG) * 999
    assert (steps - steps.round()).abs().max() < 1e-9
    assert torch.equal(steps.round().long().bincount(minlength=1000), torch.full((1000,), 4))


def test_atoms_keep_both_ends():
    assert Atoms().quantile(doubles(0, EDGE, 1 - EDGE, 1), TRIG).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("name", registry.ZOO)
def test_quantiles_rise_or_fall_and_stay_in_the_unit_interval(name):
    chosen = registry.objective(name)
    t = chosen.density.quantile(torch.cat([doubles(EDGE), U, doubles(1 - EDGE)]), chosen.path)
    assert ((t >= 0) & (t <= 1)).all()
    assert (t.diff() >= 0).all() or (t.diff() <= 0).all()
    assert t[0] != t[-1]


@pytest.mark.parametrize("name", registry.ZOO)
def test_drawn_levels_are_finite_at_the_ends_of_u(name):
    chosen = registry.objective(name)
    for dtype in (torch.float32, torch.float64):
        t = chosen.time(torch.tensor(ENDS, dtype=dtype))
        assert t.dtype == torch.float64
        assert ((t >= 0) & (t <= 1)).all()
        logsnr = chosen.path.logsnr(t)
        ends_in_noise = isinstance(chosen.path, ZeroTerminal) and chosen.density == Atoms()  # its last step has no snr
        assert (logsnr.isfinite() | ((t == 1) & ends_in_noise)).all()


def test_ddpm_paths_train_on_1000_steps_and_continuous_paths_do_not():
    """Finely stratified u: DDPM-like objectives see 1000 noise levels (arXiv 2006.11239), rectified flow all."""
    u = (torch.arange(5000, dtype=torch.float64) + 0.5) / 5000
    assert len(registry.objective("eps/linear").time(u).unique()) == 1000
    assert len(registry.objective("v/cosine").time(u).unique()) == 1000
    assert len(registry.objective("rf").time(u).unique()) == 5000
