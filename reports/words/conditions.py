"""Under which conditions an order of objectives holds: by control setting, by held-out loss, by judge and by seed."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
from scipy import stats

from eval.ranks.board import KEYS, board
from eval.ranks.effects import Difference
from eval.ranks.ranking import levels
from eval.ranks.scale import Asinh
from eval.ranks.sensitivity import agreement, orders, paired
from eval.ranks.table import Scores, scores_of
from reports.read.run import Run
from reports.read.setting import Setting
from reports.words.document import Code, Mark, Table, Text, table
from reports.words.forms import NONE, names, number
from reports.words.pairs import difference_text

Studies = Mapping[str, Run]
LOSSES = {"val_eps": "error of predicted noise", "x0_high": "error of x_hat at high noise"}
LEAST = 4  # objectives of which an order says something


def scored(run: Run, every: bool = False) -> Scores:
    """The compared settings' scores as arrays, or those of every setting."""
    shown = run.settings if every else run.compared
    entries = [replace(e, rows=[row for row in e.rows if Setting.of(row) in shown]) for e in run.entries]
    return scores_of(entries, KEYS, run.objectives)


def parts(run: Run, every: bool = False) -> Iterator[tuple[str, str, Scores]]:
    """(data set, backbone, scores there)."""
    whole = scored(run, every)
    for place in dict.fromkeys(control.place for control in whole.controls):
        yield *place, whole.part(lambda control, place=place: control.place == place)  # type: ignore[misc]


def by_setting(studies: Studies, key: str, form: str) -> Table | None:
    """What a field of the control settings does: FID on average, the first objective, and how the order changes.

    tau is Kendall's, with the order under the field's first value. Counted are settings that differ in this field
    alone. None where no study varies the field.
    """
    rows: list[list[Text]] = []
    at = KEYS.index(key)
    for study, run in studies.items():
        for dataset, backbone, whole in parts(run, every=key == "weights"):
            part = whole.matched(at)
            values = sorted({control.setting[at] for control in part.controls})
            if len(values) < 2 or len(part.objectives) < 2:
                continue
            found = {v: part.part(lambda control, v=v: control.setting[at] == v) for v in values}  # type: ignore[misc]
            level = {v: levels(one.values["level"]) for v, one in found.items()}
            for v, order in level.items():
                known = np.isfinite(order)
                mean = Asinh.of(found[v].samples.min()).back(order[known].mean())
                same = agreement(list(level[values[0]]), [None if np.isnan(x) else x for x in order])
                tau = NONE if v == values[0] or same is None else f"{same['tau']:.2f}"
                first = part.objectives[int(np.nanargmin(order))]
                rows.append([study, f"{backbone} on {dataset}", form.format(v), number(float(mean)), Code(first), tau])
    if not rows:
        return None
    header = ["study", "backbone", key, "FID, geometric mean", "lowest FID", "tau with the first"]
    return table(header, rows, names=3)


def by_loss(studies: Studies) -> Table | None:
    """Spearman's correlation over objectives of a held-out error with FID; None where no study has enough of them."""
    rows: list[list[Text]] = []
    for study, run in studies.items():
        for dataset, backbone, part in parts(run):
            level = dict(zip(part.objectives, levels(part.values["level"]), strict=True))
            for key, words in LOSSES.items():
                error = {name: _error(run.on(dataset), backbone, name, key) for name in part.objectives}
                both = [(e, level[name]) for name, e in error.items() if e is not None and np.isfinite(level[name])]
                if len(both) < LEAST:
                    continue
                rho = stats.spearmanr([e for e, _ in both], [fid for _, fid in both])
                place = f"{backbone} on {dataset}"
                rows.append([study, place, words, f"{rho.statistic:.2f}", f"{rho.pvalue:.2g}", f"{len(both)}"])
    header = ["study", "backbone", "held-out error", "Spearman's rho with FID", "p", "objectives"]
    return table(header, rows, names=3) if rows else None


def _error(run: Run, backbone: str, name: str, key: str) -> float | None:
    kind = run.compared[0].weights
    found = [((c.result or {}).get("validation") or {}).get(kind) or {} for c in run.group(backbone, name)]
    known = [one[key] for one in found if one.get(key) is not None]
    return fmean(known) if known else None


def survived(studies: Studies) -> Table | None:
    """How the order over all settings changes with another measure, and with one seed left out, and who is first then.

    Who is first with one seed left out: the objectives that share rank 1, and for how many of the seeds they do.
    """
    rows: list[list[Text]] = []
    for study, run in studies.items():
        found = run.board
        if len(found["rows"]) < LEAST:
            continue
        others = orders(scores_of(run.entries, KEYS, run.objectives))
        for what, tau in found["sensitivity"].items():
            if what in others and tau is not None:
                lowest = np.flatnonzero(others[what] == np.nanmin(others[what])).tolist()
                rows.append([study, what, f"{tau:.2f}", names([run.objectives[i] for i in lowest])])
        seeds = sorted({cell.seed for cell in run.done})
        if len(seeds) < 3:
            continue
        left = [board([e for e in run.entries if e.seed != seed], run.objectives) for seed in seeds]
        firsts = Counter(map(_firsts, left))
        taus = [same["tau"] for one in left if (same := _same(found, one))]
        low = f"{min(taus):.2f}" if taus else NONE
        told: list[Mark] = []
        for first, count in firsts.most_common():
            told += [*names(first), f" ({count} of {len(seeds)}), "]
        told[-1] = f" ({firsts.most_common()[-1][1]} of {len(seeds)})"
        rows.append([study, "one seed left out, the least agreement", low, tuple(told)])
    header = ["study", "instead", "Kendall's tau with the order", "first then"]
    return table(header, rows, names=2) if rows else None


def _firsts(found: Mapping[str, list[dict[str, Any]]]) -> tuple[str, ...]:
    return tuple(sorted(row["objective"] for row in found["rows"] if row["rank"] == found["rows"][0]["rank"]))


def _same(a: Mapping[str, list[dict[str, float]]], b: Mapping[str, list[dict[str, float]]]) -> dict[str, float] | None:
    other = {row["objective"]: row["fid"] for row in b["rows"]}
    return agreement([row["fid"] for row in a["rows"]], [other.get(row["objective"]) for row in a["rows"]])


@dataclass(frozen=True)
class Claim:
    """What a paper says of one objective against another: that `better` has a lower FID than `worse`."""

    text: str
    paper: str  # arXiv id
    better: str
    worse: str


CLAIMS = (
    Claim("log-normal times beat uniform ones in rectified flow (table 1)", "2403.03206", "rf/lognorm(0,1)", "rf"),
    Claim("rectified flow with log-normal times beats eps on LDM's path", "2403.03206", "rf/lognorm(0,1)", "eps/ldm"),
    Claim("rectified flow beats eps on the linear schedule", "2403.03206", "rf", "eps/linear"),
    Claim("velocity on a straight path beats noise on the VP path", "2401.08740", "rf", "eps/linear"),
    Claim("min-SNR weights help where eps is predicted", "2303.09556", "eps/cosine+minsnr(5)", "eps/cosine"),
    Claim("min-SNR weights help where eps is predicted", "2303.09556", "eps/linear+minsnr(5)", "eps/linear"),
    Claim("min-SNR weights help where v is predicted", "2303.09556", "v/cosine+minsnr(5)", "v/cosine"),
)


def claims(studies: Studies) -> list[list[Text]]:
    """One row for each claim, backbone and start: the difference in FID, its interval, and whether it agrees."""
    rows: list[list[Text]] = []
    told = set[Claim]()  # a claim's words stand in its first row
    at = KEYS.index("start")
    for claim in CLAIMS:
        for study, run in studies.items():
            if not {claim.better, claim.worse} <= set(run.objectives):
                continue
            for dataset, backbone, part in parts(run):
                for start in sorted({control.setting[at] for control in part.controls}):
                    own = part.part(_is(at, start))
                    found = paired(own, "fid", claim.better, claim.worse)
                    pair: Text = (Code(claim.better), " minus ", Code(claim.worse))
                    said: list[Text] = [f"{claim.text} (arXiv {claim.paper})", pair]
                    place = f"{study}: {backbone} on {dataset}, start {start:g}"
                    rows.append([*(["", ""] if claim in told else said), place])
                    rows[-1] += [difference_text(found), verdict(found)]
                    told.add(claim)
    return rows


def _is(at: int, value: object) -> Callable[..., bool]:
    return lambda control: control.setting[at] == value


def verdict(found: Difference | None) -> str:
    """Whether a difference that should be below 0 is."""
    if found is None or found.low is None or found.high is None or found.seeds < 2:
        return "too few runs"
    return "agrees" if found.high < 0 else "contradicts" if found.low > 0 else "cannot be told"
