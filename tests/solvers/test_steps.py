"""Step grids against their definitions, and against diffusers' where it has one."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from zoo.base.errors import ZooError
from zoo.registry import ZOO, objective
from zoo.solvers.steps import STEP_GRIDS, step_grid

PATHS = list({objective(name).path: name for name in reversed(ZOO)}.values())


def ends(path) -> tuple[float, float]:
    low, high = path.span()
    return max(low, -10.0), min(high, 10.0)


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
    # its steps are whole numbers from 999, of 1000; ours end at logsnr -10, which is its step 993
    np.testing.assert_allclose(found * 999, scheduler.timesteps, atol=7.5)
    flow = step_grid("trailing").times(objective("rf").path, steps)
    torch.testing.assert_close(flow / flow[0], 1 - torch.arange(steps, dtype=torch.float64) / steps)


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("grid", STEP_GRIDS)
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_times_fall_and_stay_where_every_target_is_regular(grid, steps, name):
    path = objective(name).path
    times = step_grid(grid).times(path, steps)
    assert times.shape == (steps,)
    assert (times.diff() < 0).all()
    low, high = ends(path)
    logsnr = path.logsnr(times)
    assert logsnr.min() >= low - 1e-6
    assert logsnr.max() <= high + 1e-6


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("karas", "Did you mean 'karras'"),
        ("karras(0)", "rho must be above 0"),
        ("flow(2)", "does not fit"),
        ("7", "is not a name"),
    ],
)
def test_bad_names_are_refused(name, said):
    with pytest.raises(ZooError, match=said.replace("(", r"\(")):
        step_grid(name)
