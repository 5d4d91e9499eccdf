"""Step grids against their definitions, and against diffusers' where it has one."""

import math
import re
from contextlib import suppress

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.base.errors import ZooError
from zoo.registry import ZOO, objective
from zoo.solvers.steps import RHO, STEP_GRIDS, step_grid

PATHS = list({objective(name).path: name for name in reversed(ZOO)}.values())


def ends(path, start: float = -10.0) -> tuple[float, float]:
    low, high = path.span()
    return max(low, start), min(high, 10.0)


@pytest.mark.parametrize("name", PATHS)
def test_flow_steps_are_uniform_in_the_share_of_noise(name):
    path = objective(name).path
    alpha, sigma = path.at(step_grid("flow").times(path, 25))
    shares = [1 / (1 + math.exp(logsnr / 2)) for logsnr in ends(path)]
    expected = torch.linspace(*shares, 26, dtype=torch.float64)[:-1]
    torch.testing.assert_close(sigma / (alpha + sigma), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PATHS)
def test_logsnr_steps_are_uniform_in_it(name):
    path = objective(name).path
    found = path.logsnr(step_grid("logsnr").times(path, 25))
    torch.testing.assert_close(found, torch.linspace(*ends(path), 25, dtype=torch.float64), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("rho", [1, 7])
@pytest.mark.parametrize("name", PATHS)
def test_karras_steps_are_edm_s(name, rho):
    path = objective(name).path
    high, low = (math.exp(-logsnr / 2) for logsnr in ends(path))
    i = np.arange(18) / 17
    expected = (high ** (1 / rho) + i * (low ** (1 / rho) - high ** (1 / rho))) ** rho  # arXiv 2206.00364, equation 5
    found = (-path.logsnr(step_grid(f"karras({rho})").times(path, 18)) / 2).exp()
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-7)


@pytest.mark.parametrize("steps", [7, 10, 50])
def test_trailing_steps_are_diffusers_to_a_discrete_step(steps):
    scheduler = DDIMScheduler(beta_schedule="linear", timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    found = step_grid("trailing").times(objective("v/linear").path, steps)
    # its steps are whole numbers from 999, of 1000; ours begin at logsnr -10, which is its step 993
    np.testing.assert_allclose(found * 999, scheduler.timesteps, atol=7.5)
    flow = step_grid("trailing").times(objective("rf").path, steps)
    last = 1 / (1 + math.exp(10 / 2))  # the share of noise at logsnr 10, where the last part ends
    expected = torch.linspace(1 - last, last, steps + 1, dtype=torch.float64)[:-1]
    torch.testing.assert_close(flow, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("grid", STEP_GRIDS)
@pytest.mark.parametrize("steps", [1, 2, 30, 450])
@pytest.mark.parametrize("start", [-10.0, -5.4, 2.0])
def test_times_fall_from_the_start_and_stay_where_every_target_is_regular(start, steps, grid, name):
    path = objective(name).path
    times = step_grid(grid).times(path, steps, start)
    assert times.shape == (steps,)
    assert (times.diff() < 0).all()
    low, high = ends(path, start)
    logsnr = path.logsnr(times)
    assert float(logsnr[0]) == pytest.approx(low, abs=1e-6)
    assert logsnr.max() <= high + 1e-6


@given(
    st.sampled_from(PATHS),
    st.sampled_from(["flow", "logsnr", "trailing", "karras"]),
    st.floats(*RHO),
    st.floats(-10, 9.99),
    st.integers(1, 5000),
)
@settings(deadline=None)
def test_whatever_passes_the_checks_can_be_stepped_through(name, word, rho, start, steps):
    """Either an error that says why, or times at which every sampler's formula is finite."""
    path, grid = objective(name).path, step_grid(f"karras({rho})" if word == "karras" else word)
    times = None
    with suppress(ZooError):
        times = grid.times(path, steps, start)
    if times is None:
        assert start >= path.span()[1] or steps > 100
    else:
        logsnr = path.logsnr(times)
        assert logsnr.isfinite().all()
        assert (logsnr.diff() > 0).all()


def test_a_start_behind_the_path_s_end_is_refused():
    path = objective("eps/linear").path
    assert path.span()[1] < 9.5
    with pytest.raises(ZooError, match=r"starts at logsnr 9.5, and this path ends at 9.21"):
        step_grid("flow").times(path, 5, start=9.5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("karas", "Did you mean 'karras'"),
        ("karras(0)", "rho must lie within 0.1 .. 100, not be 0"),
        ("karras(0.001)", "rho must lie within 0.1 .. 100, not be 0.001"),
        ("karras(1e9)", "rho must lie within 0.1 .. 100, not be 1e+09"),
        ("flow(2)", "does not fit"),
        ("7", "is not a name"),
    ],
)
def test_bad_names_are_refused(name, said):
    with pytest.raises(ZooError, match=re.escape(said)):
        step_grid(name)
