"""Schemes: maps of two times and consistency models against the exact flow map of a mixture, and stages."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from tests.flowmaps import LINE, circle, exact, flow_map, mean_velocity, straight
from tests.oracle import doubles
from zoo import registry
from zoo.base.errors import ZooError
from zoo.objectives.auxiliary import Aid
from zoo.objectives.core import Objective
from zoo.objectives.describe import describe
from zoo.objectives.fingerprint import fingerprint
from zoo.objectives.flowmap import along
from zoo.sampling.denoiser import denoiser_of, sampler_of
from zoo.solvers.sampler import SAMPLERS, last, start
from zoo.solvers.steps import step_grid

TWO_TIMES = ("meanflow", "imeanflow", "shortcut(128)")


def batch(count: int, seed: int = 0):
    """(x, labels, u, eps, more) on the line, float64; u and more apart from their ends."""
    generator = torch.Generator().manual_seed(seed)
    x = LINE.sample(count, generator)
    eps = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    u, more = 0.002 + 0.996 * torch.rand((2, count), generator=generator, dtype=torch.float64)
    return x, torch.zeros(count, dtype=torch.int64), u, eps, more


def aid(more, net, progress=1.0, teacher=None) -> Aid:
    return Aid(more, progress, net, net, 10, teacher)


def smooth(x, time, labels, until=None):
    """Any smooth function of everything."""
    span = 0 if until is None else time - until
    return (0.7 * x.flatten() * (1 + span) + (2 * time + span).sin()).sin().view(x.shape)


def everywhere(name: str) -> Objective:
    """The objective with r < t for every image, so that the whole batch is a sample of what is new in it."""
    chosen = registry.objective(name)
    return replace(chosen, scheme=replace(chosen.scheme, every=1))


@pytest.mark.parametrize("name", registry.TAUGHT)
def test_names_are_canonical_and_cite_papers(name):
    chosen = registry.objective(name)
    assert chosen.name == name
    assert chosen.scheme.papers
    assert set(chosen.scheme.papers) <= set(chosen.papers)


@pytest.mark.parametrize("name", registry.TAUGHT)
def test_every_scheme_is_described_and_printed_as_far_as_its_numbers_hold(name):
    chosen, text = registry.objective(name), describe(registry.objective(name))
    assert chosen.scheme.formula in text
    assert chosen.scheme.taught in text
    assert all(f"arXiv {paper}" in text for paper in chosen.papers)
    assert ("effective weight  " in text) == chosen.scheme.weighed
    curves = fingerprint(chosen)
    assert any(curves["weight"]) == chosen.scheme.weighed
    assert any(curves["density"]) == chosen.scheme.drawn


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("shortcut(3)", "power of 2"),
        ("shortcut", "does not fit shortcut(steps, every)"),
        ("meanflow(every=0)", "at least 1"),
        ("meanflow+minsnr(5)", "one density and one coupling"),
        ("meanflow+ot+ot", "one density and one coupling"),
        ("reflow(eps/linear)", "no straight path"),
        ("reflow(meanflow)", "no straight path"),
        ("reflow(rf+ot)", "no place for a coupling"),
        ("reflow(rf)+ot", "within reflow(..)"),
        ("reflow", "takes an objective"),
        ("progressive(v/cosine,3)", "power of 2 below 16"),
        ("progressive(v/cosine,16)", "power of 2 below 16"),
        ("progressive(meanflow,4)", "no plain regression"),
        ("ect(q=1)", "must be above 1"),
        ("scm(diffusion=1)", "share of the run"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(ZooError, match=said.replace("(", r"\(").replace(")", r"\)").replace(".", r"\.")):
        registry.objective(wrong)


def test_a_name_gives_another_density_or_a_coupling():
    assert registry.objective("meanflow+lognorm(-0.4,1)").name == "meanflow"
    chosen = registry.objective("meanflow(power=0)+ot+lognorm(0,1)")
    assert chosen.name == "meanflow(power=0)+lognorm(0,1)+ot"
    assert chosen.density == registry.objective("rf/lognorm(0,1)").density
    assert registry.objective("reflow(rf/lognorm(0,1))").scheme.teacher == "rf/lognorm(0,1)"


def test_stages_name_the_run_before():
    chain = ["progressive(v/cosine,1)"]
    while (scheme := registry.objective(chain[-1]).scheme) is not None:
        chain.append(scheme.teacher)
    assert chain == [*(f"progressive(v/cosine,{n})" for n in (1, 2, 4, 8)), "v/cosine"]
    assert registry.objective("reflow(reflow(rf))").scheme.teacher == "reflow(rf)"


def test_the_exact_map_is_the_flow_s():
    """Against 2,000 steps of Heun on the exact denoiser."""
    t = torch.linspace(0.95, 0.2, 2001, dtype=torch.float64)
    x = torch.linspace(-2, 2, 21, dtype=torch.float64)
    at, to = ((1 - end.expand(21), end.expand(21)) for end in (t[0], t[-1]))
    found = x.view(-1, 1, 1, 1)

    def slope(x_t, now):
        x_hat, eps_hat = LINE.denoise(x_t, 1 - now.expand(21), now.expand(21))
        return eps_hat - x_hat

    for now, then in pairwise(t):
        first = slope(found, now)
        found = found + (then - now) * (first + slope(found + (then - now) * first, then)) / 2
    torch.testing.assert_close(flow_map(x, at, to), found.flatten(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["meanflow", "imeanflow"])
def test_without_a_span_the_error_is_the_ordinary_one(name):
    x, labels, u, eps, _ = batch(40)
    chosen = everywhere(name)
    ours = chosen.predict(smooth, x, labels, u, eps, aid(u, smooth))
    ordinary = replace(chosen, scheme=None).predict(smooth, x, labels, u, eps)
    torch.testing.assert_close(ours.error, ordinary.error, rtol=1e-12, atol=0)
    torch.testing.assert_close(chosen.eps_error(ours), chosen.eps_error(ordinary), rtol=1e-9, atol=0)


def test_of_a_batch_only_the_share_has_two_times():
    """Elsewhere the network is told its own time, and the loss is rectified flow's."""
    x, labels, u, eps, more = batch(64)
    for name, share in (("meanflow", 4), ("imeanflow", 4), ("shortcut(128)", 8)):
        chosen, told = registry.objective(name), []

        def net(x, time, labels, until, told=told):
            told.append(time > until + 1e-12)
            return smooth(x, time, labels, until)

        found = chosen.predict(net, x, labels, u, eps, aid(more, smooth))
        plain = replace(chosen, scheme=None).predict(smooth, x, labels, u, eps)
        two = torch.arange(64) % share == 0
        assert torch.equal(told[0], two)
        torch.testing.assert_close(found.error[~two], plain.error[~two], rtol=1e-12, atol=0)
        assert chosen.eps_error(found).isnan().equal(two)


@pytest.mark.parametrize("backbone", ["dit(width=32,depth=2,heads=2)", "unet(width=16)"])
def test_the_derivative_is_that_of_forward_mode(backbone, monkeypatch):
    chosen = registry.objective("meanflow")
    torch.manual_seed(0)
    net = registry.backbone(backbone, (1, 8, 8), 10, until=True)
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    x, tangent = torch.randn(2, 3, 1, 8, 8)
    t, labels, until = doubles(0.3, 0.6, 0.9), torch.arange(3), doubles(0.1, 0.5, 0.9)
    pace = doubles(1.0, 0.5, 2.0)

    def output(x, t):
        return chosen.call(net, x, *chosen.path.at(t), labels, until)

    with monkeypatch.context() as patch:  # in torch 2.11 the forward mode of group norm needs contiguous images
        norm = nn.functional.group_norm
        patch.setattr(nn.functional, "group_norm", lambda given, *rest: norm(given.contiguous(), *rest))
        _, forward = torch.func.jvp(output, (x, t), (tangent, pace))
    ours = along(chosen, net, x, t, labels, until, tangent, pace)
    torch.testing.assert_close(ours, forward, rtol=1e-3, atol=1e-4 * float(forward.abs().max()))
    assert all(p.grad is None for p in net.parameters())


def test_meanflow_s_target_is_that_of_finite_differences():
    x, labels, u, eps, more = batch(200)
    chosen, step = everywhere("meanflow(power=0)"), 1e-5
    one, other = chosen.time(u), chosen.time(more)
    t, r = one.maximum(other), one.minimum(other)

    def u_of(x_t, t):
        return chosen.call(smooth, x_t, 1 - t, t, labels, chosen.angle(r))

    at = lambda t: (1 - t).view(-1, 1, 1, 1) * x + t.view(-1, 1, 1, 1) * eps  # noqa: E731
    rate = (u_of(at(t + step), t + step) - u_of(at(t - step), t - step)) / (2 * step)
    y = eps - x - (t - r).view(-1, 1, 1, 1) * rate
    error = (u_of(at(t), t) - y).square().flatten()
    found = chosen.predict(smooth, x, labels, u, eps, aid(more, smooth)).error
    torch.testing.assert_close(found, error, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("name", ["meanflow", "imeanflow", "scm(steady=1e+06)"])  # a tangent over its size is no mean
def test_the_truth_is_where_the_loss_is_stationary(name):
    """E[(y_hat - y) g(x_t, t, r)] = 0 for every g, y the target: measured on 12,000 draws, for four g."""
    chosen = everywhere(name) if "scm" not in name else registry.objective(name)
    net = exact(chosen)
    x, labels, u, eps, more = batch(12_000)
    probe = torch.zeros_like(x).requires_grad_()

    def moved(x_in, time, labels, *until):
        return net(x_in, time, labels, *until) + probe

    # half the gradient of |y_hat - y|^2 by y_hat is y_hat - y, image by image
    prediction = chosen.predict(moved, x, labels, u, eps, aid(more, net))
    (gradient,) = torch.autograd.grad(prediction.error.sum(), probe)
    gradient, level = gradient.flatten(), prediction.logsnr.clamp(-12, 12)
    sigma = chosen.path.coefficients(prediction.logsnr)[1]
    x_t = (x.flatten() * chosen.path.coefficients(prediction.logsnr)[0] + eps.flatten() * sigma).sin()
    for test in (torch.ones_like(level), x_t, level / 6, x_t * level / 6):
        product = gradient * test
        assert abs(product.mean()) < 4.5 * product.std() / math.sqrt(len(x))
    false = LINE.network(chosen) if name.startswith("scm") else lambda *given: 1.15 * net(*given)
    wrong = chosen.predict(lambda *given: false(*given) + probe, x, labels, u, eps, aid(more, false))
    (off,) = torch.autograd.grad(wrong.error.sum(), probe)
    products = [off.flatten() * test for test in (x_t, x_t * level / 6)]
    assert max(abs(p.mean()) / (p.std() / math.sqrt(len(x))) for p in products) > 6  # and the test sees a false one


def test_scm_is_a_diffusion_model_first_and_its_derivative_is_the_averaged_network_s():
    """With r = 0 the loss is v's, as a number; a recorded step, whose progress is a tensor, has the same numbers."""
    chosen = registry.objective("scm")
    x, labels, u, eps, more = batch(60)
    plain = chosen.predict_at(smooth, x, labels, eps, chosen.path.logsnr(chosen.time(u)))
    asked = []

    def average(x, time, labels):
        asked.append(len(x))
        return 0.5 * smooth(x, time, labels)

    given = replace(aid(more, smooth, 0.2), eager_average=average)
    first = chosen.predict(smooth, x, labels, u, eps, given)
    torch.testing.assert_close(first.error, plain.error)
    assert not asked
    for progress in (0.2, 0.8):
        number = chosen.predict(smooth, x, labels, u, eps, replace(given, progress=progress))
        tensor = chosen.predict(smooth, x, labels, u, eps, replace(given, progress=torch.tensor(progress).double()))
        torch.testing.assert_close(tensor.error, number.error, rtol=1e-6, atol=1e-9)
    assert asked
    own = chosen.predict(smooth, x, labels, u, eps, aid(more, smooth, 0.8))
    assert not torch.allclose(own.error, number.error)


def test_scm_s_network_is_told_a_time_that_its_features_follow_slowly():
    """Its loss differentiates by time: at the other objectives' scale the fastest feature turns 159 times."""
    chosen, told = registry.objective("scm"), []
    x, labels, u, eps, more = batch(50)

    def net(x, time, labels):
        told.append(time)
        return smooth(x, time, labels)

    chosen.predict(net, x, labels, u, eps, aid(more, net))
    alpha, sigma = chosen.path.at(chosen.time(u))
    for time in told:
        torch.testing.assert_close(1000 * time, sigma.atan2(alpha))
    chosen.denoise(net, x, chosen.time(u), labels)
    torch.testing.assert_close(told[-1], told[0])
    others = [registry.objective(name) for name in registry.TAUGHT if not name.startswith("scm")]
    assert {one.time_scale for one in (registry.objective("rf"), *others)} == {1.0}


def test_a_shortcut_over_a_short_span_is_the_flow():
    chosen = registry.objective("shortcut(128)")
    x, labels, _, eps, _ = batch(30)
    t = torch.linspace(0.1, 0.95, 30, dtype=torch.float64)
    x_t = (1 - t).view(-1, 1, 1, 1) * x + t.view(-1, 1, 1, 1) * eps
    x_hat, eps_hat = LINE.denoise(x_t, 1 - t, t)
    gaps = []
    for half in (1 / 64, 1 / 128, 1 / 4096):
        found = chosen.scheme.halves(chosen, mean_velocity, x_t, t, torch.full_like(t, half), labels)
        gaps.append(float((found - (eps_hat - x_hat)).abs().max()))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 2e-3


def test_two_exact_halves_are_the_exact_whole():
    chosen = registry.objective("shortcut(128)")
    x, labels, _, eps, _ = batch(30)
    t, half = torch.full((30,), 0.75, dtype=torch.float64), torch.full((30,), 0.25, dtype=torch.float64)
    x_t = 0.25 * x + 0.75 * eps
    found = chosen.scheme.halves(chosen, mean_velocity, x_t, t, half, labels)
    whole = chosen.call(mean_velocity, x_t, 1 - t, t, labels, chosen.angle(t - 2 * half))
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-8)
    x, labels, u, eps, more = batch(400)
    fine = everywhere("shortcut(65536)")  # whose shortest step alone is the flow's, and not exact
    assert fine.predict(mean_velocity, x, labels, u, eps, aid(more, mean_velocity)).error.max() < 1e-8
    assert fine.predict(smooth, x, labels, u, eps, aid(more, mean_velocity)).error.max() > 0.1


def test_ect_s_levels_are_the_paper_s():
    """r = t (1 - (1 + 8 sigmoid(-t)) / q^(stage + 1)), typed, at sigma = t of data of deviation 0.5."""
    scheme = registry.objective("ect(stages=8)").scheme
    for t, progress, stage in ((2.0, 0.3, 2), (80.0, 0.0, 0), (0.5, 0.99, 7), (1e-3, 0.5, 4)):
        logsnr = -2 * doubles(t / 0.5).log()
        r = t * (1 - (1 + 8 / (1 + math.exp(t))) / 2 ** (stage + 1))
        level = float(0.5 * (-scheme.lower(logsnr, progress) / 2).exp())
        assert level == pytest.approx(max(r, 0.0), rel=1e-9)
    assert scheme.lower(doubles(8.0), 0.0) == math.inf


def test_ect_at_r_0_draws_x_hat_to_the_image():
    chosen = registry.objective("ect")
    x, labels, _, eps, more = batch(20)
    u = torch.linspace(0.02, 0.3, 20, dtype=torch.float64)  # low levels of noise, in the first stage
    found = chosen.predict(smooth, x, labels, u, eps, aid(more, smooth, 0.0))
    t = chosen.time(u)
    low = chosen.scheme.lower(chosen.path.logsnr(t), 0.0) == math.inf
    assert low.sum() > 5
    alpha, sigma = (c.view(-1, 1, 1, 1) for c in chosen.path.at(t))
    x_hat, _ = chosen.denoise(smooth, alpha * x + sigma * eps, t, labels)
    corner = 0.00108
    distance = ((x_hat - x).square().flatten() + corner**2).sqrt() - corner
    torch.testing.assert_close(found.error[low], distance[low], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", TWO_TIMES)
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_an_exact_map_draws_exactly_in_any_number_of_steps(name, steps):
    chosen = registry.objective(name)
    times = step_grid("flow").times(chosen.path, steps)
    eps = torch.linspace(-2, 2, 25, dtype=torch.float64).view(-1, 1, 1, 1)
    x = start(chosen.path, times[0], eps)
    labels = torch.zeros(25, dtype=torch.int64)
    steps_of = sampler_of(chosen, "map")
    drawn = last(steps_of(denoiser_of(chosen, mean_velocity), chosen.path, times, x, labels, lambda _: x))
    ends = [tuple(c.expand(25) for c in chosen.path.at(t)) for t in (times[0], torch.zeros_like(times[0]))]
    torch.testing.assert_close(drawn.flatten(), flow_map(x.flatten(), *ends), rtol=0, atol=1e-8)


def test_the_map_of_an_objective_without_one_is_euler_s_step():
    assert sampler_of(registry.objective("rf"), "map") is SAMPLERS["euler"]
    assert sampler_of(registry.objective("reflow(rf)"), "map") is SAMPLERS["euler"]
    assert sampler_of(registry.objective("ect"), "map") is SAMPLERS["renoise"]
    assert sampler_of(registry.objective("meanflow"), "map") is SAMPLERS["map"]
    assert sampler_of(registry.objective("meanflow"), "euler") is SAMPLERS["euler"]


def test_renoised_steps_of_an_exact_consistency_model_draw_the_mixture():
    chosen = registry.objective("ect")
    times = step_grid("flow").times(chosen.path, 3)
    generator = torch.Generator().manual_seed(0)
    noise = lambda _=0: torch.randn(6000, 1, 1, 1, generator=generator, dtype=torch.float64)  # noqa: E731
    labels = torch.zeros(6000, dtype=torch.int64)
    x = start(chosen.path, times[0], noise())
    drawn = last(SAMPLERS["renoise"](denoiser_of(chosen, exact(chosen)), chosen.path, times, x, labels, noise))
    real = LINE.sample(6000, torch.Generator().manual_seed(1))
    points = torch.linspace(-2, 2, 17, dtype=torch.float64)
    shares = [(each.flatten()[:, None] < points).double().mean(0) for each in (drawn, real)]
    assert (shares[0] - shares[1]).abs().max() < 0.03  # 3.3 standard errors of the difference at most


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_progressive_s_target_is_one_step_for_two_of_the_sampler_s(steps):
    """From each of the student's times; the teacher is exact, and its two steps are Euler's on the sampler's grid."""
    chosen = registry.objective(f"progressive(v/cosine,{steps})")
    teacher = LINE.network(chosen)
    fine = step_grid("flow").times(chosen.path, 2 * steps)
    x, labels, _, eps, more = batch(steps)
    u = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    alpha, sigma = (c.view(-1, 1, 1, 1) for c in chosen.path.at(fine[::2]))
    z = alpha * x + sigma * eps
    wanted = []
    for i in range(steps):
        times = fine[2 * i : 2 * i + 3]
        denoise = denoiser_of(chosen, teacher)
        if len(times) == 2:  # the last step ends at the image
            x_hat = last(SAMPLERS["euler"](denoise, chosen.path, times, z[i : i + 1], labels[:1], lambda _: z))
        else:
            (x_t, _), (_, _), (end, _) = SAMPLERS["euler"](denoise, chosen.path, times, z[i : i + 1], labels[:1], None)
            to = chosen.path.at(times[-1])
            ratio = to[1] / sigma[i]
            x_hat = (end - ratio * x_t) / (to[0] - ratio * alpha[i])
        wanted.append(x_hat)
    goal = torch.cat(wanted)
    y = alpha * ((z - alpha * goal) / sigma) - sigma * goal
    found = chosen.predict(lambda *_: y, x, labels, u, eps, aid(more, teacher, teacher=teacher))
    torch.testing.assert_close(found.error, torch.zeros_like(found.error), rtol=0, atol=1e-16)
    snr = (alpha / sigma).flatten().square()
    torch.testing.assert_close(found.factor, snr.clamp(min=1) * sigma.flatten() ** 2, rtol=1e-6, atol=0)


class Perceptron(nn.Module):
    """A function of a number, a time and a span, on images of one pixel."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, x, time, labels, until=None):
        until = 0 * time if until is None else until
        cos, sin = circle(time)
        features = torch.stack([x.flatten(), cos, sin, time - until, (3 * (time - until)).sin()], dim=1)
        return self.layers(features.to(x.dtype)).view(x.shape)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("meanflow(power=0)", 0.12), ("imeanflow(power=0)", 0.12), ("scm", 0.15)])
def test_a_tiny_network_learns_the_exact_map(name, most):
    """One step from noise ends within `most` of the exact end on average; one of the exact flow's errs by 0.6."""
    chosen = everywhere(name) if name != "scm" else registry.objective(name)
    torch.manual_seed(0)
    net = Perceptron()
    auxiliary = chosen.auxiliary.module()
    trained = [*net.parameters(), *(auxiliary.parameters() if auxiliary else [])]
    optimizer, steps = torch.optim.Adam(trained, 3e-3, (0.9, 0.99)), 1500
    if name != "scm":
        chosen = replace(chosen, scheme=replace(chosen.scheme, every=2))
    for k in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, 2 * (1 - k / steps))
        x, labels, u, eps, more = batch(256, seed=k + 1)
        prediction = chosen.predict(net, x.float(), labels, u, eps.float(), aid(more, net, k / steps))
        chosen.auxiliary.loss(prediction, auxiliary).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    eps = torch.linspace(-2, 2, 41).view(-1, 1, 1, 1)
    labels = torch.zeros(41, dtype=torch.int64)
    t = chosen.path.time(torch.full((41,), -8.0, dtype=torch.float64))
    at, to = chosen.path.at(t), chosen.path.at(0 * t)
    with torch.no_grad():
        x_hat, _ = chosen.denoise(net, eps, t, labels, 0 * t)
    error = (x_hat.flatten() - flow_map(eps.double().flatten(), at, to)).abs().mean()
    euler, _ = LINE.denoise(eps.double(), *at)
    assert (euler.flatten() - flow_map(eps.double().flatten(), at, to)).abs().mean() > 0.6
    assert error < most, float(error)


def test_straight_is_the_line_at_the_network_s_time():
    t = doubles(0.1, 0.5, 0.9)
    alpha, sigma = straight(registry.objective("rf").angle(t))
    torch.testing.assert_close(sigma, t)
    torch.testing.assert_close(alpha, 1 - t)


def test_model_guidance_adds_the_class_s_difference_to_the_target():
    """y + (y_hat - y_hat without class), a constant, but where the label was dropped (arXiv 2502.12154)."""
    chosen = registry.objective("guided(rf,scale=0.7)")
    x, _, u, eps, more = batch(30)
    labels = torch.where(torch.arange(30) % 5 == 0, 10, torch.arange(30) % 10)

    def net(x, time, labels):
        return smooth(x, time, labels) + 0.1 * labels.view(-1, 1, 1, 1)

    found = chosen.predict(net, x, labels, u, eps, aid(more, net))
    t = u.view(-1, 1, 1, 1)
    y_hat = chosen.call(net, (1 - t) * x + t * eps, 1 - u, u, labels)
    shift = 0.7 * 0.1 * (labels - 10).view(-1, 1, 1, 1)
    torch.testing.assert_close(found.error, (y_hat - (eps - x + shift)).square().flatten(), rtol=1e-6, atol=1e-8)
    assert (shift.flatten()[::5] == 0).all()
    with pytest.raises(ZooError, match="no plain regression"):
        registry.objective("guided(meanflow)")
