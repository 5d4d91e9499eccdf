"""Densities: quantile functions against the laws that the papers state, taken from scipy."""

import pytest
import torch
from scipy import stats

from tests.oracle import ENDS, doubles
from zoo import registry
from zoo.base.errors import ZooError
from zoo.objectives.core import EDGE
from zoo.objectives.density import Atoms, CosMap, EDMLogNormal, Laplace, LogitNormal, Mode, Uniform
from zoo.objectives.families import BEYOND, SD3
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


# The median share of noise sigma / (alpha + sigma) in training, typed from the paper that the objective is named for:
# JiT 2511.13720: z = t x + (1 - t) e, logit t ~ N(-0.8, 0.8^2), so that the median t = 0.310026 is the share of data
# SD3 2403.03206: z = (1 - t) x + t eps, logit t ~ N(m, s^2), sigmoid(m); mode, cosmap and uniform are symmetric
# EDM 2206.00364: ln sigma ~ N(-1.2, 1.2^2), sigma = 0.301194 beside data, 0.301194 / 1.301194
# Laplace 2407.03297: logsnr ~ Laplace(0, 0.5); v/sigmoid (2212.11972) and v/trig are symmetric about snr 1
# SD3's shift by 3 (section 5.3.2): 3 t / (1 + 2 t) at t = 0.5
# DDPM 2006.11239: abar at step 500 of 1000 is 0.0786, sqrt(0.9214) / (sqrt(0.0786) + sqrt(0.9214))
MEDIANS = {
    "x0/flow+lognorm(0.8,0.8)+flowloss(0.05)": 0.689974,
    "x0/flow+flowloss(0.05)": 0.5,
    "rf/ushape(4)+huber(0.00054)": 0.5,
    "rf": 0.5,
    "rf/lognorm(0,1)": 0.5,
    "rf/lognorm(0.5,0.6)": 0.622459,
    "rf/lognorm(1,0.6)": 0.731059,
    "rf/lognorm(-1,0.2)": 0.268941,
    "rf/lognorm(-0.5,2.2)": 0.377541,
    "rf/mode(1.29167)": 0.5,
    "rf/mode(-1)": 0.5,
    "rf/cosmap": 0.5,
    "rf+shift(3)": 0.75,
    "rf/lognorm(0,1)+shift(3)": 0.75,
    "edm(-1.2,1.2)": 0.231475,
    "edm(0,0.6)": 0.5,
    "edm(0.6,1.2)": 0.645656,
    "edm(1.2,1.8)": 0.768525,
    "edm(sigma_data=1)/trig+edm(0,1)": 0.5,
    "edm(sigma_data=1)/trig+edm(-1.2,1.2)": 0.231475,
    "edm(sigma_data=1)/trig+edm(-0.506853,1.2)": 0.375931,  # sigma = 0.301194 / 0.5
    "edm/flow": 0.5,
    "edm/trig": 0.5,
    "v/trig": 0.5,
    "eps/trig": 0.5,
    "v/trig+laplace(0,0.5)": 0.5,
    "eps/cosine+laplace(0,0.5)": 0.5,
    "v/sigmoid": 0.5,
    "eps/linear": 0.7740,
}


@pytest.mark.parametrize("name", MEDIANS)
def test_median_noise_is_the_paper_s(name):
    chosen = registry.objective(name)
    alpha, sigma = chosen.path.at(chosen.time(doubles(0.5)))
    assert (sigma / (alpha + sigma)).item() == pytest.approx(MEDIANS[name], abs=2e-3 if "linear" in name else 1e-6)


OF_MEAN = {  # the same by the first number: sigmoid(m) of SD3's 30 lognorms, and of its 15 edm rows
    "rf/lognorm": {-1: 0.268941, -0.5: 0.377541, 0: 0.5, 0.5: 0.622459, 1: 0.731059},
    "edm": {-1.2: 0.231475, -0.6: 0.354344, 0: 0.5, 0.6: 0.645656, 1.2: 0.768525},
}


def test_median_noise_of_all_of_the_study_s_densities():
    seen = 0
    for name in SD3:
        chosen = registry.objective(name)
        alpha, sigma = chosen.path.at(chosen.time(doubles(0.5)))
        head, _, numbers = name.partition("(")
        expected = OF_MEAN[head][float(numbers.split(",")[0])] if head in OF_MEAN else 0.5
        if not name.endswith("/ldm"):  # discrete steps, held above by DDPM's
            assert (sigma / (alpha + sigma)).item() == pytest.approx(expected, abs=1e-6), name
            seen += 1
    assert seen == 59


def test_every_density_beyond_the_study_s_has_its_median_here():
    """Of each name in BEYOND that gives a density numbers of its own, and of no name that the zoo does not hold."""
    given = {
        n
        for n in BEYOND
        if n in registry.ZOO
        and any(word in n.split("+match")[0] for word in ("lognorm(", "+edm(", "edm(-", "laplace(", "mode("))
    }
    plain = {name.removesuffix("+learned").removesuffix("+shift(3)") for name in given}
    assert plain <= MEDIANS.keys()
    assert MEDIANS.keys() <= {*registry.ZOO}


def test_no_kind_of_density_goes_without_a_median():
    held = {type(registry.objective(name).density) for name in MEDIANS}
    assert {type(registry.objective(name).density) for name in registry.ZOO} == held


@pytest.mark.parametrize("name", registry.ZOO)
def test_share_is_the_inverse_of_the_quantile_function(name):
    chosen = registry.objective(name)
    density = getattr(chosen.density, "base", chosen.density)
    low, high = chosen.path.span()
    u = torch.linspace(0.001, 0.999, 201, dtype=torch.float64)
    t = density.quantile(u, chosen.path)
    inner = (t > 0) & (t < 1)  # a law of logsnr is cut off where a path ends
    torch.testing.assert_close(density.share(t, chosen.path)[inner], u[inner], rtol=1e-7, atol=1e-9)
    assert inner.sum() > 150
    assert low < high


def test_the_u_shape_is_the_paper_s():
    """p(t) ~ exp(a t) + exp(a (1 - t)) (arXiv 2405.20320): the share below t by its integral, typed."""
    a = 4.0
    density, t = registry.DENSITIES["ushape"](a), torch.linspace(0, 1, 21, dtype=torch.float64)
    integral = (a * t).exp() - (a * (1 - t)).exp()
    wanted = (integral - integral[0]) / (integral[-1] - integral[0])
    torch.testing.assert_close(density.share(t, registry.PATHS["flow"]()), wanted)
    torch.testing.assert_close(density.quantile(wanted, registry.PATHS["flow"]()), t, rtol=0, atol=1e-9)
