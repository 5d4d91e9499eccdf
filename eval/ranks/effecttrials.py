"""Simulated studies with known effects of target, density and loss weight, for the statistics of `anatomy.py`."""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.ranks.anatomy import SPLIT, Name, Point, fit

FACTORS = {
    "weight": ("plain", "matched"),
    "target": ("eps", "v", "x0", "flow", "edm"),
    "density": ("uniform", "lognorm(0,1)", "cosmap"),
    "backbone": ("dit", "unet"),
    "start": ("-10", "-5.4"),
    "guidance": ("1", "2"),
}
TRUE = {  # log ratios to the first level
    "weight": (0, 0.25),
    "target": (0, -0.3, 0.2, -0.5, -0.1),
    "density": (0, -0.4, -0.2),
    "backbone": (0, -1.0),
    "start": (0, -0.6),
    "guidance": (0, 0.3),
}
HALF = {"target": 0.5, "density": 1.0}  # what matching leaves of the effects of target and density
NOTHING = {"target": 0.0, "density": 0.0}
RUN = ("target", "density", "weight", "backbone")
SHIFTED = ("backbone", "start", "guidance")  # whose effects differ from seed to seed, for all runs alike
HIGH = 300.0  # a FID so far above the scale's turn that the scale is a logarithm
ROW = 0.02  # standard deviation of a score about its run's, in log FID
SHIFT = 0.1  # of what a seed does to all runs
LIMIT = 0.05


@dataclass(frozen=True)
class Trial:
    """Shares. false: of studies in which any pair of matched targets is distinguished though all are alike, or that of
    densities if it is larger; found: of pairs of plain targets, which all differ, that are distinguished; covered: of
    intervals that hold the truth."""

    false: float
    found: float
    covered: float


def truth(name: Name, left: Mapping[str, float] = HALF) -> float:
    """The log ratio of a level to its factor's first one, under a weight."""
    factor, level, weight = name
    return TRUE[factor][FACTORS[factor].index(level)] * (left.get(factor, 1.0) if weight == "matched" else 1.0)


def simulated(
    rng: np.random.Generator,
    seeds: int,
    run: float,
    row: float,
    shared: float,
    drop: Callable[[tuple[Any, ...]], bool] = lambda key: False,
    left: Mapping[str, float] = HALF,
) -> list[Point]:
    """The final scores of a whole study: runs with errors of their own (U-Nets half of them), scores with theirs, and
    shifts that a seed's runs share; all standard deviations in log FID. drop: (seed, target, density, weight, backbone)
    of runs that are not there."""
    levels = [(s, factor, level) for s in range(seeds) for factor in FACTORS for level in FACTORS[factor]]
    shifts = {key: rng.normal(0, shared) for key in levels}
    points = []
    for s in range(seeds):
        for key in itertools.product(*(FACTORS[factor] for factor in RUN)):
            own = rng.normal(0, run * (0.5 if key[3] == "unet" else 1))
            for setting in itertools.product(FACTORS["start"], FACTORS["guidance"]):
                at = dict(zip((*RUN, "start", "guidance"), (*key, *setting), strict=True))
                y = sum(truth((f, level, at["weight"]), left) for f, level in at.items()) + own + rng.normal(0, row)
                y += sum(shifts[s, factor, at[factor]] for factor in SHIFTED)
                if not drop((s, *key)):
                    points.append(Point("/".join(key), s, at, HIGH * math.exp(y), 600))
    return points


def trial(seeds: int, run: float, replicates: int, seed: int) -> Trial:
    """Studies in which matching leaves nothing of what targets and densities do. run: standard deviation of a DiT's
    log FID over seeds."""
    rng, false, found, covered = np.random.default_rng(seed), [], [], []
    for _ in range(replicates):
        study = fit(simulated(rng, seeds, run, ROW, SHIFT, left=NOTHING), FACTORS)
        if study is None:
            raise ValueError("effects of a whole study can be separated, and these were not")
        matched = [study.pairs(kind, FACTORS[kind], "matched") for kind in SPLIT]
        false.append([any(p is not None and p <= LIMIT for p in pairs) for pairs in matched])
        found += [p is not None and p <= LIMIT for p in study.pairs("target", FACTORS["target"], "plain")]
        for name in study.names:
            effect = study.effect({name: 1.0})
            if effect.low is not None and effect.high is not None:
                covered.append(effect.low <= math.exp(truth(name, NOTHING)) <= effect.high)
    return Trial(float(np.mean(false, 0).max()), float(np.mean(found)), float(np.mean(covered)))
