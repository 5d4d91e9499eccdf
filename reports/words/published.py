"""Stable Diffusion 3's study beside ours, and notes on what is as published: the scored step, EDM's sigma_data."""

from collections import Counter
from statistics import fmean

from eval.ranks.board import KEYS
from eval.ranks.published import BOTH, Agreement, compared
from eval.ranks.table import Scores, scores_of
from reports.read.run import Run
from reports.words.document import Block, Code, Heading, Paragraph, Text, table
from reports.words.forms import NONE
from reports.words.pairs import parsed
from zoo.base.counts import counted
from zoo.objectives.families import SD3, SD3_PRINTED, beside_the_study
from zoo.objectives.target import EDM

ONCE = (
    "Fewer than three seeds are complete, so that nothing is said of what training again would change here; the study "
    "trained each formulation once, too."
)
SELECTED = (
    "Ranks are made as in the study (arXiv 2403.03206): mean numbers of Pareto fronts over a backbone's control "
    "settings, among all objectives here, in FID and accuracy where the study had FID and CLIP score; without ties, "
    "unlike the mean fronts above. For both backbones it is the mean of the two ranks. The study prints the ranks of "
    "{n} of its 61 formulations, mostly the best of their families by these very ranks. So agreement is measured over "
    "a selected range, and says nothing of the rest. Ranks there are among 61 and here among {ours}: compare orders, "
    "not numbers. "
)
RESAMPLED = (
    "The last range holds tau in 95% of resamples of our seeds, jointly for all objectives. With three seeds it is "
    "narrower than a 95% interval, and the noise that resampling adds draws it towards 0. The study trained each "
    "formulation once; what training again would have changed there is not known."
)
TAUS = ["Kendall's tau", "Spearman's rho", "objectives", "settings", "tau over resampled seeds"]
BY_GUIDANCE = (
    "The same among the settings of one guidance scale. The ranks above are means over all settings, so that they are "
    "mostly those under the scale that most settings have."
)
FAMILIES = (
    "By family: of the members whose ranks are printed, the mean rank there and here; of all members here, the best."
)


def study(run: Run) -> list[Block]:
    """The section on SD3's printed ranks; [] unless the run holds enough of their objectives."""
    if not beside_the_study(run.objectives) or not run.done:
        return []
    printed = {name: rank for name in SD3_PRINTED if (rank := SD3[name].rank) is not None}
    scores = scores_of(run.entries, KEYS, run.objectives)
    found = compared(scores, printed)
    if not found:
        return []
    heads = [_head(one) for one in found]
    rows = [(name, SD3[name].name, f"{rank:.2f}", *_ours(found, name)) for name, rank in printed.items()]
    rows = [row for row in rows if row[0] in run.objectives]
    names = ["objective", "in the study", "rank there", *heads]
    return [
        Heading("Stable Diffusion 3's study"),
        Paragraph(SELECTED.format(n=len(printed), ours=len(run.objectives)) + _missing(run) + _ceiling(found)),
        Paragraph(RESAMPLED) if any(one.low is not None for one in found) else Paragraph(ONCE),
        table(["backbone", *TAUS], _taus(found)),
        *_by_guidance(scores, printed),
        table(names, rows, names=2),
        Paragraph(FAMILIES),
        _by_family(run, found, printed, heads),
    ]


def _by_guidance(scores: Scores, printed: dict[str, float]) -> list[Block]:
    """Agreement under each guidance scale; [] where there is one scale."""
    at = KEYS.index("guidance")
    scales = sorted({float(control.setting[at]) for control in scores.controls})
    if len(scales) < 2:
        return []
    rows: list[tuple[Text, ...]] = []
    for scale in scales:
        part = scores.part(lambda control, scale=scale: control.setting[at] == scale)  # type: ignore[misc]
        rows += [(f"{scale:g}", *row) for row in _taus(compared(part, printed))]
    return [Paragraph(BY_GUIDANCE), table(["guidance", "backbone", *TAUS], rows, names=2)]


def _missing(run: Run) -> str:
    """A sentence on runs that are not there yet, with a space behind."""
    missing = len(run.cells) - len(run.done)
    return (
        f"{counted(missing, 'run')} of {len(run.cells)} {'is' if missing == 1 else 'are'} missing. " if missing else ""
    )


def _ceiling(found: list[Agreement]) -> str:
    """On how many settings accuracy decides nothing."""
    whole = found[-1]  # both backbones, or the only one
    if not whole.ceiling:
        return "In every setting some objectives differ in accuracy."
    return (
        f"In {whole.ceiling} of {counted(whole.settings, 'setting')} all have the accuracy of real images or more, "
        "which counts as equal: there a front is the place by FID."
    )


def _head(one: Agreement) -> str:
    return "rank on both" if one.backbone == BOTH else f"rank on {one.backbone}"


def _taus(found: list[Agreement]) -> list[tuple[Text, ...]]:
    def interval(one: Agreement) -> str:
        return NONE if one.low is None else f"{one.low:.2f} to {one.high:.2f}"

    return [
        (one.backbone, f"{one.tau:.2f}", f"{one.rho:.2f}", f"{one.n}", f"{one.settings}", interval(one))
        for one in found
    ]


def _ours(found: list[Agreement], name: str) -> list[str]:
    return [NONE if name not in one.ours else f"{one.ours[name]:.2f}" for one in found]


def family(name: str) -> str:
    """The study's family of a formulation: `rf/lognorm`, `edm` for its log-normal rows, else its target's rows."""
    head = name.split("(")[0]
    return head if head.startswith("rf") or "(" in name else f"{head.split('/')[0]}/PATH"


def _by_family(run: Run, found: list[Agreement], printed: dict[str, float], heads: list[str]) -> Block:
    rows: list[list[str]] = []
    for kind in dict.fromkeys(map(family, SD3)):
        members = [name for name in SD3 if family(name) == kind and name in run.objectives]
        known = [name for name in members if name in printed]
        if not known:
            continue
        row = [kind, f"{len(members)}", f"{fmean(printed[name] for name in known):.2f}"]
        for one in found:
            ours = [one.ours[name] for name in known if name in one.ours]
            row.append(f"{fmean(ours):.2f}" if ours else NONE)
        ranked = {name: found[-1].ours[name] for name in members if name in found[-1].ours}
        best = min(ranked, key=ranked.__getitem__, default=None)
        rows.append([*row, NONE if best is None else f"{best} ({ranked[best]:.2f})"])
    rows.sort(key=lambda row: float(row[2]))
    names = ["family", "members here", "rank there", *heads, f"best here, by {heads[-1]}"]
    return table(names, rows)


def notes(run: Run) -> list[Block]:
    """Notes on the step that was scored and on EDM's sigma_data, where a run has something to say of them."""
    return [Paragraph(text, "note") for text in (_steps(run), _edm(run)) if text]


def _steps(run: Run) -> Text | None:
    """At which step runs were scored, where that was chosen."""
    chosen = [result for cell in run.done if (result := cell.result or {}).get("selection")]
    if not chosen:
        return None
    points = Counter(len(result["selection"]) for result in chosen).most_common(1)[0][0]
    shares = [result["train"]["selected_step"] / result["train"]["steps"] for result in chosen]
    last = sum(share == 1 for share in shares)
    return (
        f"Scored is each run's step of least validation loss of the EMA weights, among {points} equally spaced ones: "
        f"the last in {last} of {counted(len(chosen), 'run')}, the earliest after {100 * min(shares):.0f}% of the "
        "training."
    )


def _edm(run: Run) -> Text | None:
    """Which sigma_data an `edm` of this page has."""
    known, _ = parsed(run.objectives)
    found = sorted({one.target.sigma_data for one in known if isinstance(one.target, EDM)})
    if not found:
        return None
    published = EDM().sigma_data
    which: tuple[str | Code, ...]
    if found == [published]:
        which = (Code("edm"), " is shown with sigma_data 0.5 as published, which is the deviation of other data.")
    elif published in found:
        which = (Code("edm"), " is shown with sigma_data 0.5 as published, and where its name says so with another.")
    else:
        which = (Code("edm"), f" is shown with sigma_data {', '.join(f'{s:g}' for s in found)}, not 0.5 as published.")
    return (*which, " The images here have unit deviation, for which EDM's formulas ask for sigma_data 1.")
