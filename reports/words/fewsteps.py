"""Quality against network evaluations: each objective's FID in 1, 2, 4 .. evaluations, and what its training cost.

At a number of evaluations an objective is taken under the sampler that serves it best, of those that were scored with
as many and without guidance: a map under `map`, a denoiser under a solver of higher order, if that is better.
"""

from collections.abc import Mapping
from dataclasses import replace
from statistics import median

from scipy import stats

from eval.ranks.effects import Difference
from eval.ranks.paired import sampled
from eval.ranks.sensitivity import paired
from eval.ranks.table import scores_of
from reports.read.run import Run, Stat
from reports.read.setting import Setting
from reports.words.document import Block, Bold, Bullets, Code, Heading, Mark, Paragraph, Picture, Table, Text, grouped
from reports.words.forms import NONE, decimals, fid_text, number
from zoo.base.counts import counted

FEW = 4  # evaluations up to which a number counts as few
SAME = {"setting": "best"}  # one name for each objective's own setting
LITTLE = 0.5  # of real images' recall, below which samples are said to be alike
ABOUT = (
    "FID in as many network evaluations an image as the column says, without guidance; of several samplers the one of "
    "the lowest FID for each objective. The sampler map takes the steps of an objective's own map, and Euler's where "
    "it has none. Seconds: of training, those of the teachers' runs added, the median over seeds; and over those of "
    "{usual} with the same seed, the median of these ratios. Runs share the machine, so both are rough. The two best "
    "are compared by the difference of their runs with equal seeds, without a correction for having been chosen as the "
    "best."
)
VARIETY = (
    "Recall of the same samples: the share of real images that lie among the samples. In one step an objective without "
    "a map draws about the mean image of a class, which the judge takes for a typical one: FID is low though all "
    "samples are alike, and recall says it.{real}"
)
CAPTION = (
    "Quality against network evaluations: FID under the sampler that serves the objective best at as many, without "
    "guidance; means over seeds."
)


def by_count(run: Run, backbone: str, objective: str) -> dict[int, tuple[Setting, Stat]]:
    """The setting of the lowest mean FID at each number of evaluations, guidance apart, and that FID."""
    found: dict[int, tuple[Setting, Stat]] = {}
    for setting in run.compared:
        asked = [score for cell in run.group(backbone, objective) if (score := cell.score(setting))]
        stat = run.stat(backbone, objective, setting, "fid")
        if setting.guidance != 1 or not asked or stat is None:
            continue
        count = asked[0]["evaluations"]
        if count not in found or stat.mean < found[count][1].mean:
            found[count] = setting, stat
    return dict(sorted(found.items()))


def is_about(run: Run) -> bool:
    """Whether the run asks the question: maps were drawn from with several numbers of steps."""
    return len({setting.steps for setting in run.compared if setting.sampler == "map" and setting.guidance == 1}) > 1


def fewest(run: Run) -> Setting:
    """The setting of an objective's own map in the fewest steps, without guidance."""
    return min((s for s in run.compared if s.sampler == "map" and s.guidance == 1), key=lambda s: s.steps)


def interval(stat: Stat) -> tuple[float, float]:
    """The 95% interval of a mean: over seeds, or of one seed that of sampling."""
    factor = stats.t.ppf(0.975, stat.seeds - 1) if stat.seeds > 1 else stats.norm.ppf(0.975)
    return stat.mean - factor * stat.se, stat.mean + factor * stat.se


def seconds(run: Run, backbone: str, objective: str) -> float | None:
    """Seconds of training with those of the teachers: the median over seeds, as some may have shared their cores."""
    took = _seconds(run, backbone, objective)
    return median(took.values()) if took else None


def times(run: Run, backbone: str, objective: str, usual: str) -> float | None:
    """Its seconds over those of another objective: the median over seeds of the ratio, as either may have waited."""
    took, base = (_seconds(run, backbone, name) for name in (objective, usual))
    ratios = [took[seed] / base[seed] for seed in took.keys() & base.keys() if base[seed]]
    return median(ratios) if ratios else None


def _seconds(run: Run, backbone: str, objective: str) -> dict[int, float]:
    took = {cell.seed: cell.result["train"] for cell in run.group(backbone, objective) if cell.result}
    return {seed: one["seconds"] + one.get("teacher_seconds", 0.0) for seed, one in took.items()}


def few_steps(run: Run, where: str, pictures: list[Picture]) -> list[Block]:
    """The section of one data set; [] where it is not asked. where: the end of its heading."""
    if not is_about(run):
        return []
    told = [_best(run, backbone, count) for backbone in run.backbones for count in _counts(run, backbone)]
    usual = _usual(run)
    blocks: list[Block] = [Heading(f"Few steps{where}"), Paragraph(ABOUT.format(usual=usual)), _table(run, usual)]
    if (found := _recalls(run)).rows:
        real = f" Real test images have {_real(run):.2f}." if _real(run) else ""
        blocks += [Paragraph(VARIETY.format(real=real)), found]
    return [*blocks, *pictures, Bullets(tuple(text for text in told if text))]


def one_step(run: Run) -> list[Text]:
    """For the answer: what to train with for one evaluation an image, and for many, on each data set and backbone."""
    told: list[Text] = []
    for part in (run.on(dataset) for dataset in run.datasets):
        for backbone in part.backbones if is_about(part) else ():
            counts = _counts(part, backbone)
            ends = [text for count in (counts[0], counts[-1]) if (text := _best(part, backbone, count))]
            told += [("On ", part.datasets[0], ": ", *text) if len(run.datasets) > 1 else text for text in ends]
    return told


def _counts(run: Run, backbone: str) -> list[int]:
    return sorted({count for o in run.objectives for count in by_count(run, backbone, o)})


def _best(run: Run, backbone: str, count: int) -> tuple[Mark, ...]:
    """`In 1 network evaluation an image on dit, meanflow has the lowest FID, 4.2 (..); then rf, ..`; () without any."""
    found = {o: each[count] for o in run.objectives if count in (each := by_count(run, backbone, o))}
    if not found:
        return ()
    first, *others = sorted(found, key=lambda o: found[o][1].mean)
    many = counted(count, "network evaluation")
    head: tuple[Mark, ...] = (f"In {many} an image on {backbone}, ", Bold(first), " has the lowest FID, ")
    said = _fid(run, backbone, first, *found[first])
    if not others:
        return (*head, f"{said}.")
    apart = _apart(difference(run, backbone, {o: setting for o, (setting, _) in found.items()}, others[0], first))
    real, recall = _real(run), recalled(run, backbone, first, found[first][0])
    alike = (
        f" Its samples are much alike: recall is {recall:.2f}, that of real images {real:.2f}."
        if real and recall is not None and recall < LITTLE * real
        else ""
    )
    return (
        *head,
        f"{said}; then ",
        Code(others[0]),
        f", {_fid(run, backbone, others[0], *found[others[0]])}.{apart}{alike}",
    )


def difference(run: Run, backbone: str, chosen: Mapping[str, Setting], a: str, b: str) -> Difference | None:
    """FID of a minus that of b, each under the setting that was chosen for it, paired by seed and by noise.

    For one seed with the interval of sampling alone.
    """
    entries = [
        replace(e, rows=[{**row, **SAME} for row in e.rows if Setting.of(row) == chosen[e.objective]])
        for e in run.entries
        if e.backbone == backbone and e.objective in chosen
    ]
    found = paired(scores_of(entries, tuple(SAME), list(chosen)), "fid", a, b)
    if found is None or found.seeds > 1:
        return found
    rows = {e.objective: e.rows[0] for e in entries if e.rows}
    return sampled([(rows[a], rows[b])], "fid")


def _apart(found: Difference | None) -> str:
    if found is None or found.low is None or found.high is None:
        return ""
    what = "" if found.seeds > 1 else " of sampling"
    ends = f"95% interval{what} {found.low:.2f} to {found.high:.2f}"
    told = f" On the scale of the ranks they are {found.mean:.2f} apart ({ends})"
    return f"{told}." if found.beyond else f"{told}: the two cannot be distinguished."


def _fid(run: Run, backbone: str, objective: str, setting: Setting, stat: Stat) -> str:
    low, high = (number(max(0.0, end), stat.se) for end in interval(stat))
    what = "over seeds" if stat.seeds > 1 else "of sampling, one seed"
    recall = recalled(run, backbone, objective, setting)
    told = "" if recall is None else f", recall {recall:.2f}"
    return f"{number(stat.mean, stat.se)} (95% interval {what} {low} to {high}; {setting.sampler}{told})"


def recalled(run: Run, backbone: str, objective: str, setting: Setting) -> float | None:
    """Recall under a setting, the mean over seeds."""
    stat = run.stat(backbone, objective, setting, "recall")
    return stat.mean if stat else None


def _real(run: Run) -> float | None:
    """Recall of real test images."""
    found: float | None = (run.done[0].facts.get("real") or {}).get("recall") if run.done else None
    return found


def _recalls(run: Run) -> Table:
    """Objective x evaluations, under the settings of the lowest FID."""
    counts = sorted({count for b in run.backbones for count in _counts(run, b)})
    groups = []
    for backbone in run.backbones:
        rows = []
        for o in run.objectives:
            each = by_count(run, backbone, o)
            found = [recalled(run, backbone, o, each[c][0]) if c in each else None for c in counts]
            if any(value is not None for value in found):
                rows.append([o, *(NONE if value is None else f"{value:.2f}" for value in found)])
        groups.append((backbone, rows))
    return grouped(["objective", *map(str, counts)], groups)


def _usual(run: Run) -> str:
    """The objective whose training seconds the others' are compared with: rf, or the first."""
    return "rf" if "rf" in run.objectives else run.objectives[0]


def _table(run: Run, usual: str) -> Table:
    counts = sorted({count for b in run.backbones for count in _counts(run, b)})
    header = ["objective", *(f"{count}" for count in counts), "training s", f"over {usual}'s"]
    groups = []
    for backbone in run.backbones:
        rows = []
        fids = {o: by_count(run, backbone, o) for o in run.objectives}
        lowest = {c: min(found[c][1].mean for found in fids.values() if c in found) for c in _counts(run, backbone)}
        order = sorted((o for o in fids if fids[o]), key=lambda o: min(stat.mean for _, stat in fids[o].values()))
        for o in order:
            took = seconds(run, backbone, o)
            cells: list[Text] = []
            for count in counts:
                stat = fids[o][count][1] if count in fids[o] else None
                text = fid_text(stat)
                cells.append(Bold(text) if stat and stat.mean == lowest[count] else text)
            ratio = times(run, backbone, o, usual)
            over = NONE if ratio is None else f"{ratio:.1f}"
            rows.append([o, *cells, NONE if took is None else f"{took:,.{decimals(took / 10, 1)}f}", over])
        groups.append((backbone, rows))
    return grouped(header, groups)
