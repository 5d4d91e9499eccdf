"""The answer first: which objectives lead, which cannot be told apart from the leader, what the backbone changes.

Where a grid is unfinished or runs failed, objectives are compared only where all of them have a run.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from eval.ranks.board import KEYS, board
from eval.ranks.effects import sampled
from eval.ranks.ranking import Control, Entry, Scores, mean_ranks, resampled, scores_of
from eval.ranks.sensitivity import agreement
from reports.read.run import Run
from reports.read.setting import Setting
from reports.words.document import Block, Bold, Bullets, Code, Mark, Paragraph, Text

MOST, FEW = 5, 3  # names in a row; below so many seeds no order is claimed
CHANCE = 0.1  # accuracy of guessing
DRAWS = 500  # for a share that is told in per cent
ALPHA = 0.05  # of a test that the backbones' ranks have anything in common


def answer(run: Run, running: bool = False) -> list[Block]:
    """What stands at the top of the page: the sentences, and how many cells they rest on.

    running: the grid is at work; cells without a file are still to come.
    """
    entries, objectives = ground(run.entries, run.objectives)
    kind = "note" if running else "plain"
    if not entries:
        return [Paragraph(_state(run, entries, objectives, (), running), kind)]
    found = run.board if len(entries) == len(run.cells) else board(entries, objectives)
    told = [Bullets(tuple(sentences(run, entries, objectives, found)))]
    lacking = [row["objective"] for row in found["rows"] if row["incomplete"]]
    return [*told, *_untrained(run), Paragraph(_state(run, entries, objectives, lacking, running), kind)]


def ground(entries: Sequence[Entry], objectives: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """(the runs that may be compared, their objectives).

    They are those on the data sets and backbones where the most objectives have a run, and on all others where the
    same ones do. A run that diverged counts: it ranks last.
    """
    ended: dict[tuple[str, str], set[str]] = {}
    for entry in entries:
        if entry.status == "diverged" or entry.rows:
            ended.setdefault((entry.dataset, entry.backbone), set()).add(entry.objective)
    scored = dict.fromkeys((entry.dataset, entry.backbone) for entry in entries if entry.rows)
    most = max((ended[place] for place in scored), key=len, default=set())
    places = [place for place in scored if ended[place] >= most]
    kept = [e for e in entries if (e.dataset, e.backbone) in places and e.objective in most]
    return kept, [name for name in objectives if name in most]


def sentences(run: Run, entries: Sequence[Entry], objectives: Sequence[str], found: dict[str, Any]) -> list[Text]:
    """Who leads; who cannot be told apart; what the backbone changes, and the data set if there are several.

    found: the board of these entries.
    """
    scores = scores_of(entries, KEYS, objectives)
    told = [_alone(run, objectives[0])] if len(objectives) == 1 else [_leader(found), _apart(found, entries)]
    told.append(_varies(scores, lambda control: scores.families[control.backbone], "backbone"))
    if len(found["datasets"]) > 1:
        told.append(_varies(scores, lambda control: control.dataset, "data set"))
    return told


def _state(
    run: Run, entries: Sequence[Entry], objectives: Sequence[str], lacking: Sequence[str], running: bool
) -> Text:
    """How many cells are done, and what of the run the sentences leave out."""
    states = [cell.status for cell in run.cells]
    others = sorted(set(states) - {"done"} - ({"missing"} if running else set()))
    rest = ", ".join(f"{states.count(state)} {state}" for state in others)
    text: list[Mark] = ["The grid is at work: "] if running else []
    text += [f"{len(run.done)} of {_count(len(states), 'cell')} are done"]
    text += [f"; {rest} (see Failures)." if rest else "."]
    text += [f" {states.count('missing')} to come; what stands here will change."] if running else []
    if not entries:
        return (*text, " Nothing can be compared yet.")
    places = dict.fromkeys(f"{e.backbone} on {e.dataset}" for e in run.entries if e.rows)
    used = dict.fromkeys(f"{e.backbone} on {e.dataset}" for e in entries)
    if out := [name for name in run.objectives if name not in objectives]:
        text += [" Left out above, for want of a run: ", *_names(out), "."]
    if unused := [place for place in places if place not in used]:
        text += [f" Left out, for not all objectives have a run there: {', '.join(unused)}."]
    if lacking:
        text += [" Runs are missing of ", *_names(lacking), ": these ranks are among what there is."]
    return tuple(text)


def _untrained(run: Run) -> list[Block]:
    """A warning of data sets and backbones where no objective has learned to draw what it is asked for."""
    blocks: list[Block] = []
    for part in (run.on(dataset) for dataset in run.datasets):
        for backbone in part.backbones:
            found = [part.stat(backbone, name, setting, "acc") for name in part.objectives for setting in part.settings]
            best = max((stat.mean for stat in found if stat), default=None)
            if best is not None and best < 2 * CHANCE:
                text = (
                    f"{backbone} on {part.datasets[0]} has not learned to draw what it is asked for, whatever the "
                    f"objective: accuracy is {100 * best:.0f}% at most, and chance is {100 * CHANCE:.0f}%. Ranks there "
                    "mean little."
                )
                blocks.append(Paragraph(text, "warning"))
    return blocks


def _alone(run: Run, name: str) -> Text:
    setting, parts = run.highest, []
    for part in (run.on(dataset) for dataset in run.datasets):
        for backbone in part.backbones:
            if stat := part.stat(backbone, name, setting, "fid"):
                error = "no error known" if not stat.se else f"standard error {stat.se:.2f}"
                parts.append(f"{stat.mean:.2f} ({error}) for {backbone} on {part.datasets[0]}")
    scores = f" FID with {setting.kind} weights, {run.label(setting)}: {'; '.join(parts)}." if parts else ""
    return (Bold(name), f" is the only objective that was scored, so there is nothing to rank.{scores}")


def _leader(found: dict[str, Any]) -> Text:
    """`rf leads 8 objectives with a mean rank of 1.38 (95% interval 1.12 to 1.88) over 8 control settings ..`"""
    rows = [row for row in found["rows"] if row["rank"] is not None]
    lead = rows[0]
    ties = [row["objective"] for row in rows if row["rank"] == lead["rank"]]
    interval = "" if lead["low"] is None else f" (95% interval {lead['low']:.2f} to {lead['high']:.2f})"
    places = f"{', '.join(found['families'])}; {', '.join(found['datasets'])}"
    rank = f"a mean rank of {lead['rank']:.2f}{interval} over {_count(found['settings'], 'control setting')} ({places})"
    if len(ties) > 1:
        text = (*_names(ties), f" share the first place of {len(rows)} objectives, each with {rank}")
    else:
        text = (Bold(lead["objective"]), f" leads {len(rows)} objectives with {rank}")
    if found["seeds"] < 2:
        return (*text, ". This is from one seed: a sketch without intervals. Training again may change the order.")
    if lead["low"] is None:
        return (*text, ". Some objectives have one run only, so that there are no intervals yet.")
    drawn = f", and comes first in {_percent(lead['first'])} of the draws" if len(ties) == 1 else ""
    few = f" {found['seeds']} seeds are too few to claim an order: such intervals come out too narrow."
    return (*text, f", from {found['seeds']} seeds drawn anew many times{drawn}.{few if found['seeds'] < FEW else ''}")


def _apart(found: dict[str, Any], entries: Sequence[Entry]) -> Text:
    """Who cannot be told apart from the first: by draws of the seeds, or for one seed by the error of sampling."""
    rows = [row for row in found["rows"] if row["rank"] is not None]
    lead, others = rows[0], [row["objective"] for row in rows[1:]]
    if lead["low"] is None:
        return _by_sampling(lead["objective"], others, entries, found["seeds"])
    alike = [name for name in lead["alike"] if name in others]
    behind, name = len(others) - len(alike), Code(lead["objective"])
    few = "" if found["seeds"] >= FEW else f"As far as {found['seeds']} seeds can tell, "
    if not alike:
        who = _all(behind) if few else _all(behind).capitalize()
        return (f"{few}{who} behind ", name, " in more than 95% of the draws.")
    each = "that one" if len(alike) == 1 else "each of them"
    rest = f" The other {'one comes' if behind == 1 else f'{behind} come'} behind it in more." if behind else ""
    told = f": it comes before {each} in no more than 95% of the draws.{rest}"
    return (f"{few}", name, " cannot be told apart from ", *_names(alike), told)


def _by_sampling(lead: str, others: Sequence[str], entries: Sequence[Entry], seeds: int) -> Text:
    """Whose FID is above the leader's by more than sampling explains, under every control setting that has both."""
    runs = {(e.objective, (e.dataset, e.backbone, e.seed)): {Setting.of(row): row for row in e.rows} for e in entries}
    clear, near = list[str](), list[str]()
    for name in others:
        tests = [
            found.low is not None and found.low > 0
            for (objective, cell), rows in runs.items()
            for setting, row in rows.items()
            if objective == lead
            and (other := runs.get((name, cell), {}).get(setting))
            and (found := sampled([(other, row)], "fid"))
        ]
        (clear if tests and all(tests) else near).append(name)
    runs_of = "one run of each" if seeds < 2 else "one run of some"
    why = f"What training again would change is not known from {runs_of}. By the error of sampling alone, "
    text: list[Mark] = [why]
    if not clear:
        return (*text, "no other objective has a higher FID than ", Code(lead), " under every control setting.")
    text += _names(clear) if near else [_all(len(others), "", "").strip()]
    text += [f" {'has' if len(clear) == 1 else 'have'} a higher FID than ", Code(lead), " under every control setting"]
    return (*text, "; not so ", *_names(near), ".") if near else (*text, ".")


def _varies(scores: Scores, key: Callable[[Control], str], what: str) -> Text:
    """What the backbone (or the data set) changes: Kendall's tau of the ranks, and the largest change of rank."""
    names = list(dict.fromkeys(map(key, scores.controls)))
    if len(names) < 2:
        return f"There is one {what} to compare on, {names[0]}: whether another would rank alike is not known."
    if len(scores.objectives) < 2:
        return f"With one objective there is nothing to say of what the {what} changes in the order."
    controls = {name: {control for control in scores.controls if key(control) == name} for name in names}
    parts = {name: scores.part(own.__contains__) for name, own in controls.items()}
    ranks = {name: mean_ranks(part) for name, part in parts.items()}
    text: list[Mark] = [*_agree(ranks, what)]
    changes = [(ranks[b] - ranks[a], a, b) for a in names for b in names if a != b]
    gains = [(float(gain[i]), i, a, b) for gain, a, b in changes for i in np.flatnonzero(np.isfinite(gain)).tolist()]
    gain, i, a, b = max(gains, key=lambda found: found[0], default=(0.0, 0, "", ""))
    if gain > 0:
        text += [" The largest change: ", Code(scores.objectives[i]),
                 f" has a mean rank of {ranks[a][i]:.2f} on {a} and {ranks[b][i]:.2f} on {b}"]  # fmt: skip
        text.append(_surely(parts[a], parts[b], i))
    return tuple(text)


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
    degree = "show no agreement beyond chance" if low["tau_p"] > ALPHA else (
        "agree on the order" if low["tau"] >= 0.8 else "agree in part" if low["tau"] > 0 else "rank against each other"
    )  # fmt: skip
    value = f"{low['tau']:.2f}" if len(known) == 1 else f"{low['tau']:.2f} to {high['tau']:.2f}"
    chance = f", p {_probability(low['tau_p'])}" if len(known) == 1 else ""
    return [
        f"The {what}s ({', '.join(ranks)}) {degree}: Kendall's tau between their ranks is {value} over {low['n']} "
        f"objectives (1: the same order, 0: no relation{chance}), and {same} first."
    ]


def _surely(better: Scores, worse: Scores, i: int) -> str:
    """In how many draws of the seeds the change has this sign, where there are seeds enough."""
    if any((part.seeds[~np.isnan(mean_ranks(part))] < FEW).any() for part in (better, worse)):
        return ", from too few seeds to say how surely."
    share = float((resampled(better, DRAWS)[:, i] < resampled(worse, DRAWS, seed=1)[:, i]).mean())
    return f", and ranks better there in {_percent(share)} of the draws."


def _names(names: Sequence[str]) -> tuple[Mark, ...]:
    """`a`, `b` and `c`; of many the first."""
    ends: list[Mark] = [Code(name) for name in names[:MOST]]
    ends += [f"{len(names) - MOST} more"] if len(names) > MOST else []
    joints = ["", *[", "] * (len(ends) - 2), " and "] if len(ends) > 1 else [""]
    return tuple(part for pair in zip(joints, ends, strict=True) for part in pair if part)


def _all(count: int, one: str = "comes", many: str = "come") -> str:
    return f"the other one {one}" if count == 1 else f"all {count} others {many}"


def _percent(share: float) -> str:
    return "more than 99%" if share > 0.99 else "less than 1%" if share < 0.01 else f"{100 * share:.0f}%"


def _probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
