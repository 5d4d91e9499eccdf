"""What ranks depend on: agreement with other ranks, differences of pairs, and how other choices would have ranked.

No objective's level depends on which others are in the table, so that leaving one out changes no order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from eval.ranks.additive import fit
from eval.ranks.effects import Difference, between
from eval.ranks.fronts import mean_fronts
from eval.ranks.ranking import levels, sampling_share
from eval.ranks.scale import Arcsine, Asinh
from eval.ranks.table import Scores

MARGIN = 2  # one source of variance that is so many times the other rules it


def agreement(ours: Sequence[float], theirs: Sequence[float | None]) -> dict[str, Any] | None:
    """Kendall's tau-b and Spearman's rho, with p, of two lists of ranks, over whole pairs; None below three."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if b is not None and np.isfinite(a)]
    if len(pairs) < 3 or any(len(set(side)) < 2 for side in zip(*pairs, strict=True)):
        return None
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    tau, rho = stats.kendalltau(left, right), stats.spearmanr(left, right)
    return {
        "n": len(pairs), "tau": float(tau.statistic), "tau_p": float(tau.pvalue),
        "rho": float(rho.statistic), "rho_p": float(rho.pvalue),
    }  # fmt: skip


def paired(scores: Scores, metric: str, a: str, b: str) -> Difference | None:
    """`metric` (fid or acc) of a minus that of b over the controls and the seeds that both have, tested as one pair.

    By the additive model of all objectives in `scores`: both saw the same noise, and the others tell how much runs
    vary. None where no seed has both under all controls, and where a run of the two diverged.
    """
    scale = Asinh.of(scores.samples.min()) if metric == "fid" else Arcsine()
    values = scores.values["level"] if metric == "fid" else scale.forward(scores.values["acc"])
    i, j = scores.objectives.index(a), scores.objectives.index(b)
    if np.isinf(values[[i, j]]).any() or np.isnan(values[[i, j]]).any((0, 1)).all():
        return None
    whole = np.isfinite(values).any((1, 2)) & ~np.isinf(values).any((1, 2))
    place = np.cumsum(whole) - 1
    return between(fit(values[whole]), place[i], place[j], scale)


def sensitivity(scores: Scores) -> dict[str, float | None]:
    """Kendall's tau of the levels with the order that another choice would have given, by the choice; and variances.

    `run_spread` is the median over objectives and controls of the standard deviation of fid over seeds,
    `sampling_error` that of its standard error, `sampling_share` the share of sampling in the variance between runs.
    """
    main = levels(scores.values["level"])
    found = {name: _tau(main, other) for name, other in orders(scores).items()}
    fid = np.where(np.isfinite(scores.values["fid"]), scores.values["fid"], np.nan)
    several = fid[(~np.isnan(fid)).sum(2) > 1]
    spread = np.nanstd(several, axis=-1, ddof=1) if len(several) else np.array([])
    errors = scores.values["fid_se"][np.isfinite(scores.values["fid_se"])]
    found["run_spread"] = float(np.median(spread)) if len(spread) else None
    found["sampling_error"] = float(np.median(errors)) if len(errors) else None
    found["sampling_share"] = sampling_share(scores)
    return found


def orders(scores: Scores) -> dict[str, np.ndarray]:
    """What other choices rank the objectives by, [objective] each; low is good, nan unknown."""
    return {
        "KID": levels(_like_fid(scores)),
        "second judge": levels(scores.values["level2"]),
        "mean Pareto fronts of FID and accuracy": mean_fronts(scores),
        "fronts without ties": mean_fronts(scores, ties=False),
        "fronts with pixel distance as a third axis": mean_fronts(scores, ("level", "miss", "pfd")),
    }


def _like_fid(scores: Scores) -> np.ndarray:
    """KID [objective, control, seed], which is unbiased for any number of images, in FID's unit and on its scale."""
    kid, fid = scores.values["kid"], scores.values["fid"]
    both = np.isfinite(kid) & np.isfinite(fid) & (kid > 0) & (fid > 0)
    unit = float(np.median(fid[both] / kid[both])) if both.any() else 1.0
    scaled: np.ndarray = np.arcsinh(kid * unit / np.array([Asinh.of(n).s for n in scores.samples])[:, None])
    return scaled


def advice(share: float) -> str:
    """Which of the two a reader should buy more of, images or seeds, of the share of sampling in runs' variance."""
    part = "all" if share >= 1 else f"{100 * share:.0f}%"  # two estimates: the one may exceed the other
    told = f"Sampling is {part} of the variance between runs of one objective"
    if share >= MARGIN / (1 + MARGIN):
        return f"{told}: more images for each score narrow the intervals most, and cost less than more seeds."
    if share <= 1 / (1 + MARGIN):
        return f"{told}: more seeds narrow the intervals, more images hardly."
    return f"{told}: more images and more seeds narrow the intervals about alike."


def _tau(a: np.ndarray, b: np.ndarray) -> float | None:
    found = agreement(list(a), [None if np.isnan(x) else x for x in b])
    return found["tau"] if found else None
