"""What ranks depend on: agreement with other ranks, paired differences, and how other choices would have ranked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from eval.ranks.effects import Difference, student
from eval.ranks.ranking import METRICS, Scores, average, fronts, mean_ranks


def agreement(ours: Sequence[float], theirs: Sequence[float | None]) -> dict[str, Any] | None:
    """Kendall's tau-b and Spearman's rho, with p, of two lists of ranks, over whole pairs; None below three."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if b is not None and np.isfinite(a)]
    if len(pairs) < 3 or any(len(set(side)) < 2 for side in zip(*pairs, strict=True)):
        return None
    a, b = np.array(pairs).T
    tau, rho = stats.kendalltau(a, b), stats.spearmanr(a, b)
    return {
        "n": len(pairs), "tau": float(tau.statistic), "tau_p": float(tau.pvalue),
        "rho": float(rho.statistic), "rho_p": float(rho.pvalue),
    }  # fmt: skip


def paired(scores: Scores, metric: str, a: str, b: str) -> Difference | None:
    """`metric` of a minus that of b, seed by seed (both saw the same noise), averaged over the controls.

    None where no seed has both under all controls, and where a run diverged.
    """
    i, j = scores.objectives.index(a), scores.objectives.index(b)
    with np.errstate(invalid="ignore"):  # inf - inf of two runs that diverged
        each = (scores.values[metric][i] - scores.values[metric][j]).mean(0)
    each = np.where(np.isinf(scores.values[metric][[i, j]]).any((0, 1)), np.inf, each)
    each = each[~np.isnan(each)]
    if not len(each) or np.isinf(each).any():
        return None
    return student(each.tolist())


def sensitivity(scores: Scores) -> dict[str, float | None]:
    """Kendall's tau of the ranks with those that another choice would have given, by the choice; and two spreads.

    `run_spread` is the median over objectives and controls of the standard deviation of fid over seeds,
    `sampling_error` that of its standard error.
    """
    main = mean_ranks(scores)
    found = {
        "second judge": _tau(main, mean_ranks(scores, ("fid2", "acc2"))),
        "pixel distance as a third axis": _tau(main, mean_ranks(scores, ("fid", "acc", "pfd"))),
        "differences below one standard error as ties": _tau(main, _tied(scores)),
        "FID alone": _tau(main, mean_ranks(scores, ("fid",))),
    }
    left = [_tau(np.delete(main, i), mean_ranks(scores.without(name))) for i, name in enumerate(scores.objectives)]
    found["any one objective left out (the lowest)"] = min((tau for tau in left if tau is not None), default=None)
    fid = np.where(np.isfinite(scores.values["fid"]), scores.values["fid"], np.nan)
    several = fid[(~np.isnan(fid)).sum(2) > 1]
    spread = np.nanstd(several, axis=-1, ddof=1) if len(several) else np.array([])
    errors = scores.values["fid_se"][np.isfinite(scores.values["fid_se"])]
    found["run_spread"] = float(np.median(spread)) if len(spread) else None
    found["sampling_error"] = float(np.median(errors)) if len(errors) else None
    return found


def _tied(scores: Scores) -> np.ndarray:
    """Mean ranks where a difference in fid below its standard error does not count; acc's is left as it is."""
    costs = np.stack([average(scores.values[name] * METRICS[name]) for name in ("fid", "acc")], -1).swapaxes(0, 1)
    count = np.maximum(scores.seeds, 1)
    error = np.nan_to_num(average(scores.values["fid_se"]) / np.sqrt(count), nan=0.0, posinf=0.0).T  # [C, O]
    slack = np.hypot(error[:, :, None], error[:, None, :])
    return average(fronts(costs, np.stack([slack, np.zeros_like(slack)], -1)).T)


def _tau(a: np.ndarray, b: np.ndarray) -> float | None:
    found = agreement(list(a), [None if np.isnan(x) else x for x in b])
    return None if found is None else float(found["tau"])
