"""Whether an order of objectives holds elsewhere: on another backbone, another data set, in another study."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from eval.ranks.ranking import levels
from eval.ranks.sensitivity import agreement, paired
from eval.ranks.table import Scores
from reports.read.run import Run
from reports.words.conditions import LEAST, parts
from reports.words.document import Code, Table, Text, table

ABOUT = (
    "Kendall's tau between the orders of the objectives that two places have in common, over each place's own control "
    "settings. Two objectives are distinguished where the 95% interval of their difference leaves out 0, without a "
    "correction for the number of pairs. A pair is reversed where both places distinguish it, each with the other one "
    "ahead. An order that is about objectives, and not about one network and one kind of image, has few of these."
)
HEADER = ["place", "another place", "objectives", "Kendall's tau", "first there", "pairs distinguished by both",
          "of them reversed"]  # fmt: skip
MOST = 3  # reversed pairs that are named


def orders(studies: Mapping[str, Run]) -> Table | None:
    """One row for every two places (study, backbone, data set); None where no two share enough objectives."""
    rows = [row for a, b in combinations(list(_places(studies)), 2) if (row := _row(a, b))]
    return table(HEADER, rows, names=2) if rows else None


def _places(studies: Mapping[str, Run]) -> Iterator[tuple[str, Scores]]:
    for study, run in studies.items():
        for dataset, backbone, scores in parts(run):
            yield f"{study}: {backbone} on {dataset}", scores


def _row(a: tuple[str, Scores], b: tuple[str, Scores]) -> list[Text] | None:
    (here, first), (there, second) = a, b
    known = [dict(zip(s.objectives, levels(s.values["level"]), strict=True)) for s in (first, second)]
    common = [name for name in first.objectives if all(np.isfinite(one.get(name, np.nan)) for one in known)]
    same = agreement(*([one[name] for name in common] for one in known)) if len(common) >= LEAST else None
    if same is None:
        return None
    told = [(first_ahead, second_ahead) for pair in combinations(common, 2)
            if (first_ahead := ahead(first, *pair)) and (second_ahead := ahead(second, *pair))]  # fmt: skip
    turned = [(x, y) for x, y in told if x != y]
    best = min(common, key=known[1].__getitem__)
    return [here, there, f"{len(common)}", f"{same['tau']:.2f}", Code(best), f"{len(told)}", _reversed(turned)]


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
