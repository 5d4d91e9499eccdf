"""Our ranks beside the study's: tau and its interval over seeds against constructions with a known answer."""

import itertools

import numpy as np
import pytest
from scipy import stats

from eval.ranks.published import BOTH, compared
from eval.ranks.table import Entry, scores_of
from zoo.objectives.families import RANKS, SD3

PRINTED = {name: one.rank for name, one in SD3.items() if one.rank is not None}
SETTINGS = [{"weights": w, "steps": steps, "guidance": g} for w in ("ema", "raw") for steps, g in [(5, 5.0), (50, 1.0)]]
KEYS = ("weights", "steps", "guidance")


def entries(quality, seeds: int, noise: float, backbones=("dit(width=8)", "unet"), rng=None) -> list[Entry]:
    """Runs of the 61 whose FID is quality(backbone, name), with an error of the run."""
    made = []
    for backbone, name, seed in itertools.product(backbones, SD3, range(seeds)):
        fid = quality(backbone, name) * float(np.exp(rng.normal(0, noise) if noise else 0))
        rows = [
            {**setting, "fid": fid * (1 + 0.1 * i), "fid_se": 0.1, "acc": 0.9, "n": 600}
            for i, setting in enumerate(SETTINGS)
        ]
        made.append(Entry("mnist", backbone, name, seed, "done", rows))
    return made


def test_the_study_s_own_order_agrees_wholly_and_the_other_way_round_not_at_all():
    """On the DiT their order, on the U-Net the reverse; what was not printed lies behind."""
    far = {name: 100.0 + i for i, name in enumerate(SD3)}

    def quality(backbone: str, name: str) -> float:
        return (20 + PRINTED[name] * (1 if "dit" in backbone else -1)) if name in PRINTED else far[name]

    dit, unet = compared(scores_of(entries(quality, 3, 0), KEYS), PRINTED)  # both: all printed ranks are 8.5, no order
    assert [one.backbone for one in (dit, unet)] == ["dit", "unet"]
    assert (dit.tau, dit.low, dit.high, dit.n, dit.settings) == (1, 1, 1, 16, 4)
    assert (unet.tau, unet.rho) == pytest.approx((-1, -1))
    order = sorted(PRINTED, key=PRINTED.get)
    assert [dit.ours[name] for name in order] == list(range(1, 17))  # accuracy is the same, so fronts are FID's order


def test_both_is_the_mean_of_the_backbones_ranks_however_many_settings_each_has():
    runs = entries(lambda b, n: 10.0, 2, 0.5, rng=np.random.default_rng(0))
    fewer = [
        Entry(e.dataset, e.backbone, e.objective, e.seed, e.status, e.rows[: 1 if e.backbone == "unet" else 4])
        for e in runs
    ]
    dit, unet, both = compared(scores_of(fewer, KEYS), PRINTED)
    assert both.backbone == BOTH
    assert (dit.settings, unet.settings, both.settings) == (4, 1, 5)
    for name in SD3:
        assert both.ours[name] == (dit.ours[name] + unet.ours[name]) / 2


def test_ranks_are_among_all_and_agreement_over_the_printed():
    rng = np.random.default_rng(0)
    found, *_ = compared(scores_of(entries(lambda b, n: 10.0, 3, 0.5, ("unet",), rng), KEYS), PRINTED)
    assert len(found.ours) == 61
    assert found.n == len(RANKS) == 16
    ours, theirs = zip(*((found.ours[name], rank) for name, rank in PRINTED.items()), strict=True)
    assert found.tau == pytest.approx(stats.kendalltau(ours, theirs).statistic)
    assert found.low < found.tau < found.high


def test_two_seeds_have_no_interval_and_one_backbone_no_both():
    rng = np.random.default_rng(0)
    (one,) = compared(scores_of(entries(lambda b, n: 10.0, 2, 0.5, ("unet",), rng), KEYS), PRINTED)
    assert one.low is one.high is None
    assert compared(scores_of([], KEYS), PRINTED) == []


def test_a_seed_that_lacks_a_run_is_not_resampled():
    """A fourth seed with half of the objectives: the range is that of the three whole ones, and two have none."""
    rng = np.random.default_rng(0)
    runs = entries(lambda b, n: 10.0, 4, 0.5, ("unet",), rng)
    half = [e for e in runs if e.seed < 3 or e.objective in list(SD3)[::2]]
    whole = [e for e in half if e.seed < 3]
    (found,), (wanted,) = (compared(scores_of(some, KEYS), PRINTED) for some in (half, whole))
    assert (found.low, found.high) == (wanted.low, wanted.high)
    assert found.low < found.high
    (other,) = compared(scores_of([e for e in half if e.seed > 0], KEYS), PRINTED)
    assert other.low is None


def test_settings_are_counted_in_which_accuracy_decides_nothing():
    """All above the real images' accuracy in half of the settings, with different accuracies in the others."""
    runs = [
        Entry(e.dataset, e.backbone, e.objective, e.seed, e.status, rows, 0.95)
        for i, e in enumerate(entries(lambda b, n: 10.0, 1, 0.5, rng=np.random.default_rng(0)))
        for rows in [[{**row, "acc": 0.96 if row["steps"] == 5 else 0.5 + 0.001 * i} for row in e.rows]]
    ]
    dit, unet, both = compared(scores_of(runs, KEYS), PRINTED)
    assert (dit.ceiling, unet.ceiling, both.ceiling, both.settings) == (2, 2, 4, 8)


def test_resampling_is_of_seeds_jointly_for_all_objectives():
    """Seeds that raise every objective alike change no order, however much; an interval of width 0."""
    rise = [1.0, 3.0, 9.0]
    base = entries(lambda b, n: 20 + PRINTED.get(n, 40 + 0.1 * len(n)), 3, 0, ("unet",))
    shifted = [
        Entry(
            e.dataset,
            e.backbone,
            e.objective,
            e.seed,
            e.status,
            [{**r, "fid": r["fid"] * rise[e.seed]} for r in e.rows],
        )
        for e in base
    ]
    (found,) = compared(scores_of(shifted, KEYS), PRINTED)
    assert (found.low, found.high) == (found.tau, found.tau) == (1, 1)
