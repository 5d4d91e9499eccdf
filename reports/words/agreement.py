"""Whether the order is the same by another score, on another backbone or data set, and earlier in training."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations

import numpy as np

from eval.ranks.board import KEYS
from eval.ranks.fronts import mean_fronts
from eval.ranks.ranking import Ranking, ranking
from eval.ranks.sensitivity import agreement
from eval.ranks.table import Control, Scores
from reports.read.run import Run
from reports.words.document import Code, Mark, Text
from reports.words.forms import FEW, names
from zoo.base.counts import counted

ALPHA = 0.05  # of a test that the backbones' ranks have anything in common
LEAST = 5  # objectives: with 4 even the same order comes about by chance with p = 1/12
AGREE = 0.8  # a tau from which two orders are called the same in the main


def by_fronts(scores: Scores, lead: str, tau: float | None) -> Text | None:
    """What ranking by Pareto fronts of FID and accuracy would change; None where they name the same first and agree.

    lead: the objective that is first by FID. tau: Kendall's, of the two orders.
    """
    fronts = mean_fronts(scores)
    if np.isnan(fronts).all():
        return None
    first = [scores.objectives[i] for i in np.flatnonzero(fronts == np.nanmin(fronts))]
    same = lead in first
    if same and (tau is None or tau >= AGREE):
        return None
    share = "" if tau is None else f" (Kendall's tau of the two orders: {tau:.2f})"
    text: tuple[Mark, ...] = ("The order depends on the score: by Pareto fronts of FID and accuracy ",)
    text += (Code(lead), " is first too, but the others change places") if same else (*names(first), " would be first")
    return (*text, f"{share}. The ranks above are by FID.")


def over_training(run: Run) -> Text | None:
    """Whether the objectives change places by FID between the first and the last scored point of training."""
    parts, changed = list[Mark](), False
    for part in (run.on(dataset) for dataset in run.datasets):
        for backbone in part.backbones:
            courses = {o: _course(part, backbone, o) for o in part.objectives}
            courses = {o: found for o, found in courses.items() if len(found) > 1}
            start = max((min(found) for found in courses.values()), default=0)
            both = {o: (found[start], found[max(found)]) for o, found in courses.items() if start in found}
            if len(both) < 3:
                continue
            found = agreement(*zip(*both.values(), strict=True))
            then, now = min(both, key=lambda o: both[o][0]), min(both, key=lambda o: both[o][1])
            end = max(max(courses[o]) for o in both)
            tau = f"Kendall's tau {found['tau']:.2f}" if found else "no tau"
            where = f"{backbone} on {part.datasets[0]}" if len(run.datasets) > 1 else backbone
            changed |= found is None or found["tau"] < 1
            who: tuple[Mark, ...] = (
                (Code(now), " has the lowest FID at both") if then == now else (Code(then), " led, now ", Code(now))
            )
            parts += ["; ", f"{where}: {tau} between {start:,} and {counted(end, 'image')}, ", *who]
    if not parts:
        return None
    head = "Objectives change places during training" if changed else "No objectives change places during training"
    return (f"{head} (", *parts[1:], ").")


def _course(run: Run, backbone: str, objective: str) -> dict[int, float]:
    """Images seen -> mean FID over the seeds that were scored there."""
    points: dict[int, list[float]] = {}
    for cell in run.group(backbone, objective):
        for one in (cell.result or {}).get("snapshots") or []:
            points.setdefault(one["images"], []).append(one["fid"])
    return {images: float(np.mean(fids)) for images, fids in points.items()}


def varies(scores: Scores, key: Callable[[Control], str], what: str) -> Text:
    """What the backbone (or the data set) changes: Kendall's tau of the ranks, and the largest change of rank."""
    places = list(dict.fromkeys(map(key, scores.controls)))
    if len(places) < 2:
        return f"There is one {what} to compare on, {places[0]}: whether another would rank alike is not known."
    if len(scores.objectives) < 2:
        return f"With one objective there is nothing to say of what the {what} changes in the order."
    controls = {name: {control for control in scores.controls if key(control) == name} for name in places}
    parts = {name: scores.part(own.__contains__) for name, own in controls.items()}
    rankings = {name: ranking(part, expected=0) for name, part in parts.items()}
    ranks = {name: found.rank for name, found in rankings.items()}
    text: list[Mark] = [*_agree(ranks, what)]
    changes = [(ranks[b] - ranks[a], a, b) for a in places for b in places if a != b]
    gains = [(float(gain[i]), i, a, b) for gain, a, b in changes for i in np.flatnonzero(np.isfinite(gain)).tolist()]
    gain, i, a, b = max(gains, key=lambda found: found[0], default=(0.0, 0, "", ""))
    if gain > 0:
        text += [" The largest change: ", Code(scores.objectives[i]),
                 f" has rank {ranks[a][i]:.0f} on {a} and {ranks[b][i]:.0f} on {b}"]  # fmt: skip
        text.append(_surely(rankings[a], rankings[b], i))
    return tuple(text)


def by_guidance(scores: Scores) -> Text | None:
    """Who is first without and with guidance, all else being equal, and who cannot be distinguished from that.

    None where it is the same.
    """
    at = KEYS.index("guidance")
    scores = scores.matched(at)
    values = sorted({float(control.setting[at]) for control in scores.controls})
    if len(values) < 2 or len(scores.objectives) < 2:
        return None
    parts = [ranking(scores.part(partial(_has, at, value)), expected=0) for value in values]
    firsts = [np.flatnonzero(found.rank == np.nanmin(found.rank)).tolist() for found in parts]
    alike = [found.alike(first[0]) if len(first) else [] for found, first in zip(parts, firsts, strict=True)]
    if not all(firsts) or len({tuple(sorted({*x, *y})) for x, y in zip(firsts, alike, strict=True)}) == 1:
        return None
    who = len({tuple(first) for first in firsts}) > 1
    text: list[Mark] = [f"{'Who is first' if who else 'How clear the first place is'} depends on guidance."]
    for value, found, first, others in zip(values, parts, firsts, alike, strict=True):
        text += [" Without it " if value == 1 else f" At guidance {value:g} ", *_marks(scores, first)]
        text.append(" is first" if len(first) == 1 else " share the first place")
        rest = [i for i in others if i not in first]
        if not rest and len(first) == 1 and not np.isnan(found.low[first[0]]):
            text.append(" alone")
        text.append(".")
        if rest:
            text += [" Not distinguished from that: ", *_marks(scores, rest), "."]
    return tuple(text)


def _has(at: int, value: object, control: Control) -> bool:
    return bool(control.setting[at] == value)


def _marks(scores: Scores, chosen: Sequence[int]) -> list[Mark]:
    return list(names([scores.objectives[i] for i in chosen]))


def _agree(ranks: dict[str, np.ndarray], what: str) -> list[str]:
    """`The backbones agree in part: Kendall's tau between their ranks is 0.64 ..`, and whether one is first on all."""
    firsts = {name: tuple(np.flatnonzero(r == np.nanmin(r))) for name, r in ranks.items()}
    same = "the same objective is" if len(set(firsts.values())) == 1 else "another objective is"
    taus = [
        agreement(list(x), [None if np.isnan(rank) else rank for rank in y]) for x, y in combinations(ranks.values(), 2)
    ]
    known = sorted((found for found in taus if found), key=lambda found: found["tau"])
    if not known:
        return [f"On the {what}s ({', '.join(ranks)}) {same} first; too few are ranked to say more of how they agree."]
    low, high = known[0], known[-1]
    degree = (
        "cannot be compared by so few objectives"
        if low["n"] < LEAST
        else "show no agreement beyond chance"
        if low["tau_p"] > ALPHA
        else "agree on the order"
        if low["tau"] >= AGREE
        else "agree in part"
        if low["tau"] > 0
        else "rank against each other"
    )
    value = f"{low['tau']:.2f}" if len(known) == 1 else f"{low['tau']:.2f} to {high['tau']:.2f}"
    chance = f", p {_probability(low['tau_p'])}" if len(known) == 1 else ""
    return [
        f"The {what}s ({', '.join(ranks)}) {degree}: Kendall's tau between their ranks is {value} over "
        f"{counted(low['n'], 'objective')} (1: the same order, 0: no relation{chance}), and {same} first."
    ]


def _surely(better: Ranking, worse: Ranking, i: int) -> str:
    """Whether the confidence sets of the two ranks have anything in common, where there are seeds enough."""
    if any(found.scores.values["level"].shape[2] < FEW or np.isnan(found.low[i]) for found in (better, worse)):
        return ", from too few seeds to say how surely."
    common = better.high[i] >= worse.low[i]
    return f"; the 95% confidence sets of the two {'overlap' if common else 'do not overlap'}."


def _probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
