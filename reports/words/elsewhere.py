"""Whether an order of objectives holds elsewhere: on another backbone, another data set, in another study."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from eval.ranks.ranking import Ranking, ranking
from eval.ranks.sensitivity import agreement, paired
from eval.ranks.table import Scores
from reports.read.run import Run
from reports.words.conditions import LEAST, parts
from reports.words.document import Code, Table, Text, table
from reports.words.forms import NONE

ABOUT = (
    "Kendall's tau between the ranks of the objectives that two places have in common, over each place's own control "
    "settings. Two objectives are distinguished where the 95% interval of their difference leaves out 0, without a "
    "correction for the number of pairs. A pair is reversed where both places distinguish it, each with the other one "
    "ahead. An order that is about objectives, and not about one network and one kind of image, has few of these."
)
HEADER = ["place", "another place", "objectives", "Kendall's tau", "first there", "pairs distinguished by both",
          "of them reversed"]  # fmt: skip
MOST = 3  # reversed pairs that are named


def orders(studies: Mapping[str, Run]) -> Table | None:
    """One row for every two places (study, backbone, data set); None where no two share enough objectives."""
    ranked = [(place, ranking(scores, expected=0)) for place, scores in _places(studies)]
    rows = [row for a, b in combinations(ranked, 2) if (row := _row(a, b))]
    return table(HEADER, rows, names=2) if rows else None


def _places(studies: Mapping[str, Run]) -> Iterator[tuple[str, Scores]]:
    for study, run in studies.items():
        for dataset, backbone, scores in parts(run):
            yield f"{study}: {backbone} on {dataset}", scores


def _row(a: tuple[str, Ranking], b: tuple[str, Ranking]) -> list[Text] | None:
    (here, one), (there, other) = a, b
    first, second = one.scores, other.scores
    ranks = [dict(zip(found.scores.objectives, found.rank, strict=True)) for found in (one, other)]
    fids = [dict(zip(found.scores.objectives, found.level, strict=True)) for found in (one, other)]
    common = [name for name in first.objectives if all(np.isfinite(known.get(name, np.nan)) for known in fids)]
    if len(common) < LEAST:
        return None
    same = agreement(*([known[name] for name in common] for known in ranks))
    tau = f"{same['tau']:.2f}" if same else NONE  # where all share one rank there is no order
    told = [(first_ahead, second_ahead) for pair in combinations(common, 2)
            if (first_ahead := ahead(first, *pair)) and (second_ahead := ahead(second, *pair))]  # fmt: skip
    turned = [(x, y) for x, y in told if x != y]
    best = min(common, key=fids[1].__getitem__)
    return [here, there, f"{len(common)}", tau, Code(best), f"{len(told)}", _reversed(turned)]


def ahead(scores: Scores, a: str, b: str) -> str | None:
    """Which of two objectives has the lower FID; None where they cannot be distinguished."""
    found = paired(scores, "fid", a, b)
    if found is None or not found.beyond or found.seeds < 2:
        return None
    return a if found.mean < 0 else b


def _reversed(turned: list[tuple[str, str]]) -> Text:
    """How many pairs the other place turns round, and the first of them as (ahead here, ahead there)."""
    if not turned:
        return "0"
    named = [mark for here, there in turned[:MOST] for mark in (Code(here), " behind ", Code(there), ", ")][:-1]
    return (f"{len(turned)} (there ", *named, ", ..)" if len(turned) > MOST else ")")
