"""Our ranks beside those that Stable Diffusion 3's study printed (arXiv 2403.03206, tables 1 and 2).

A rank is the study's: the mean number of the Pareto front in FID and accuracy over a backbone's control settings, among
all objectives there, without ties. `both` is the mean of the backbones' ranks, so that one with more settings counts no
more. The study prints 16 of its 61 ranks, those of the best two of each family by these very ranks: agreement over them
is agreement over a selected range. Its interval is that of resampling our seeds, jointly for all objectives; nothing is
known of what training again would have done to the study's.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from eval.ranks.fronts import mean_fronts
from eval.ranks.sensitivity import agreement
from eval.ranks.table import Scores

REPLICATES = 1000
BOTH = "both"


@dataclass(frozen=True)
class Agreement:
    """Ranks on a backbone (its family's name, or BOTH) beside printed ones.

    ours: rank by objective, of all that have one; n: how many of them have a printed rank. tau, rho: Kendall's and
    Spearman's; low, high: tau's 95% interval over seeds, None with one seed.
    """

    backbone: str
    settings: int
    ours: dict[str, float]
    n: int
    tau: float
    rho: float
    low: float | None
    high: float | None


def compared(scores: Scores, printed: Mapping[str, float], seed: int = 0) -> list[Agreement]:
    """Each backbone's agreement, then both's if there are two; none where fewer than three ranks can be compared."""
    families = list(dict.fromkeys(scores.families[control.backbone] for control in scores.controls))
    parts = {name: _on(scores, name) for name in families}
    main = _with_both({name: mean_fronts(part, ties=False) for name, part in parts.items()})
    draws = _draws(parts, scores.values["level"].shape[2], np.random.default_rng(seed))
    found = []
    for name, ranks in main.items():
        ours = {one: float(rank) for one, rank in zip(scores.objectives, ranks, strict=True) if np.isfinite(rank)}
        taus = [tau for each, count in draws for tau in [_tau(scores, each[name], printed)] * count if tau is not None]
        if not (whole := agreement(list(ours.values()), [printed.get(one) for one in ours])):
            continue
        low, high = np.quantile(taus, [0.025, 0.975]).tolist() if taus else (None, None)
        settings = len(parts[name].controls) if name in parts else len(scores.controls)
        found.append(Agreement(name, settings, ours, whole["n"], whole["tau"], whole["rho"], low, high))
    return found


def _on(scores: Scores, family: str) -> Scores:
    return scores.part(lambda control: scores.families[control.backbone] == family)


def _with_both(ranks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return ranks | ({BOTH: np.mean(list(ranks.values()), axis=0)} if len(ranks) > 1 else {})


def _draws(parts: dict[str, Scores], seeds: int, rng: np.random.Generator) -> list[tuple[dict[str, np.ndarray], int]]:
    """(ranks by backbone, how often drawn) of every set of seeds that resampling gave; [] with one seed."""
    if seeds < 2:
        return []
    drawn = Counter(tuple(sorted(row)) for row in rng.integers(0, seeds, (REPLICATES, seeds)).tolist())
    return [
        (_with_both({name: mean_fronts(_of(part, chosen), ties=False) for name, part in parts.items()}), count)
        for chosen, count in sorted(drawn.items())
    ]


def _of(scores: Scores, seeds: tuple[int, ...]) -> Scores:
    """The scores with these seeds, each as often as it is named."""
    chosen = list(seeds)
    values = {name: array[:, :, chosen] for name, array in scores.values.items()}
    return replace(scores, values=values, blocks=scores.blocks[:, :, chosen])


def _tau(scores: Scores, ranks: np.ndarray, printed: Mapping[str, float]) -> float | None:
    found = agreement(list(ranks), [printed.get(name) for name in scores.objectives])
    return None if found is None else float(found["tau"])
