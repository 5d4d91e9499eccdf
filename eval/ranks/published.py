"""Our ranks beside those that Stable Diffusion 3's study printed (arXiv 2403.03206, tables 1 and 2).

A rank is made as the study's: the mean number of the Pareto front over a backbone's control settings, among all
objectives there, without ties; in FID and accuracy, where the study had FID and CLIP score. `both` is the mean of the
backbones' ranks, so that one with more settings counts no more. The study prints 16 of its 61 ranks, mostly those of
the best of a family by these very ranks: agreement over them is agreement over a selected range. Seeds are resampled
jointly for all objectives. With few of them that range of tau is narrower than a 95% interval would be, and the noise
that resampling adds draws it towards 0; nothing is known of what training again would have done to the study's ranks.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from eval.ranks.fronts import mean_fronts
from eval.ranks.sensitivity import agreement
from eval.ranks.table import Scores, average

REPLICATES = 1000
FEW = 3  # seeds from which they are resampled
BOTH = "both"


@dataclass(frozen=True)
class Agreement:
    """Ranks on a backbone (its family's name, or BOTH) beside printed ones.

    ours: rank by objective, of all that have one; n: how many of them have a printed rank. tau, rho: Kendall's and
    Spearman's; low, high: between them lies tau in 95% of resamples of the seeds that all objectives have, None with
    fewer than FEW such seeds. ceiling: settings in which all have the same accuracy, as those above the real images'
    count as equal to it; there a front is a place by FID.
    """

    backbone: str
    settings: int
    ours: dict[str, float]
    n: int
    tau: float
    rho: float
    low: float | None
    high: float | None
    ceiling: int


def compared(scores: Scores, printed: Mapping[str, float], seed: int = 0) -> list[Agreement]:
    """Each backbone's agreement, then both's if there are two; none where fewer than three ranks can be compared."""
    families = list(dict.fromkeys(scores.families[control.backbone] for control in scores.controls))
    parts = {name: _on(scores, name) for name in families}
    main = _with_both({name: mean_fronts(part, ties=False) for name, part in parts.items()})
    whole_seeds = {name: _whole(part) for name, part in parts.items()}
    whole_seeds[BOTH] = set.intersection(*whole_seeds.values()) if parts else set()
    found = []

    @cache
    def resampled(family: str, chosen: tuple[int, ...]) -> np.ndarray:
        return mean_fronts(_of(parts[family], chosen), ties=False)

    for name, ranks in main.items():
        ours = {one: float(rank) for one, rank in zip(scores.objectives, ranks, strict=True) if np.isfinite(rank)}
        if not (whole := agreement(list(ours.values()), [printed.get(one) for one in ours])):
            continue
        own = parts if name == BOTH else {name: parts[name]}
        taus: list[float] = []
        for chosen, count in _draws(sorted(whole_seeds[name]), np.random.default_rng(seed)):
            each = _with_both({family: resampled(family, chosen) for family in own})
            taus += [tau] * count if (tau := _tau(scores, each[name], printed)) is not None else []
        low, high = np.quantile(taus, [0.025, 0.975]).tolist() if taus else (None, None)
        settings = sum(len(part.controls) for part in own.values())
        ceiling = sum(map(_alike, own.values()))
        found.append(Agreement(name, settings, ours, whole["n"], whole["tau"], whole["rho"], low, high, ceiling))
    return found


def _on(scores: Scores, family: str) -> Scores:
    return scores.part(lambda control: scores.families[control.backbone] == family)


def _with_both(ranks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return ranks | ({BOTH: np.mean(list(ranks.values()), axis=0)} if len(ranks) > 1 else {})


def _whole(scores: Scores) -> set[int]:
    """The seeds of which no objective lacks a score that another seed gives it."""
    there = ~np.isnan(scores.values["level"])  # [objective, control, seed]
    lacking = there.any(2, keepdims=True) & ~there
    return set(np.flatnonzero(~lacking.any((0, 1))).tolist())


def _alike(scores: Scores) -> int:
    """Settings in which all objectives that have a score have the same accuracy, the real images' at most."""
    miss = average(scores.values["miss"])  # [objective, control]
    known = [column[np.isfinite(column)] for column in miss.T]
    return sum(len(column) > 1 and np.ptp(column) == 0 for column in known)


def _draws(seeds: list[int], rng: np.random.Generator) -> list[tuple[tuple[int, ...], int]]:
    """(seeds, how often drawn) of every set of them that resampling gave; [] with fewer than FEW."""
    if len(seeds) < FEW:
        return []
    picked = rng.choice(seeds, (REPLICATES, len(seeds))).tolist()
    return sorted(Counter(tuple(sorted(row)) for row in picked).items())


def _of(scores: Scores, seeds: tuple[int, ...]) -> Scores:
    """The scores with these seeds, each as often as it is named."""
    chosen = list(seeds)
    values = {name: array[:, :, chosen] for name, array in scores.values.items()}
    return replace(scores, values=values, blocks=scores.blocks[:, :, chosen])


def _tau(scores: Scores, ranks: np.ndarray, printed: Mapping[str, float]) -> float | None:
    found = agreement(list(ranks), [printed.get(name) for name in scores.objectives])
    return None if found is None else float(found["tau"])
