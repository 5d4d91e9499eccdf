"""The controlled pairs of a run as small experiments: each a question, what theory says, and the effect measured.

An effect is a difference of means, the changed objective minus the plain one, over the control settings of a backbone
and paired by seed: both saw the same images, noise and labels. FID below 0 and accuracy above 0 speak for the change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eval.ranks.board import KEYS
from eval.ranks.effects import Difference, holm
from eval.ranks.paired import sampled
from eval.ranks.sensitivity import paired
from eval.ranks.table import Scores, scores_of
from reports.read.cell import Cell
from reports.read.run import Run
from reports.read.setting import Setting
from reports.words.document import Block, Code, Heading, Paragraph, Table, Text
from reports.words.questions import AXES, Pair, asked
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.objectives.core import Objective
from zoo.registry import objective

LIMIT = 8  # pairs of one axis that a page shows
ALPHA = 0.05
METRICS = {"fid": 1, "acc": 100}  # -> the unit: accuracy is shown in points
HEADER = ("pair", "backbone", "FID says", "seeds", "FID", "accuracy, points")


@dataclass(frozen=True)
class Effect:
    """One pair on one backbone; survives: whether FID, accuracy hold after Holm's correction."""

    plain: str
    changed: str
    backbone: str
    fid: Difference | None
    acc: Difference | None
    survives: tuple[bool, bool] = (False, False)

    @property
    def size(self) -> float:
        """How large the difference in FID is beside its interval, to sort by."""
        found = self.fid
        if found is None or found.low is None or found.high is None or not found.beyond:
            return 0.0
        return abs(found.mean) / (found.high - found.low)


def pairs(run: Run, where: str = "", pictures: Sequence[Block] = ()) -> list[Block]:
    """The section of one data set (`run.on(..)`); where: the end of its heading. [] if the run has no such pair.

    pictures: what is shown above the tables.
    """
    if any(cell.variant for cell in run.cells):  # those differ in the recipe
        return []
    known, unknown = parsed(run.objectives)
    questions, axes = asked(known)
    if not run.done or not (questions or axes):
        return []
    settings = common(run)
    first = measured(run, settings, [pair for _, group in questions for pair in group])
    second = measured(run, settings, [pair for group in axes.values() for pair in group])
    blocks: list[Block] = [
        Heading(f"Controlled pairs{where}"),
        Paragraph(_how(run, settings)),
        Paragraph(_corrected(first, second)),
        *pictures,
    ]
    if unknown:
        names = [part for name in unknown for part in (", ", Code(name))][1:]
        blocks.append(Paragraph(("In no pair, for the registry does not know them: ", *names, "."), "note"))
    for question, group in questions:
        blocks += [Heading(question.text, 3), Paragraph(question.theory), _table(run, _of(first, group))]
    for axis, group in axes.items():
        rows = _of(second, group)
        sizes = [max(effect.size for effect in _of(rows, [pair])) for pair in group]
        order = sorted(zip(sizes, group, strict=True), key=lambda two: -two[0])
        shown = [pair for _, pair in order[:LIMIT]]
        blocks += [Heading(f"Other pairs: the {axis}", 3), Paragraph(_others(axis, group, shown))]
        blocks += [_table(run, [effect for pair in shown for effect in _of(rows, [pair])])]
    return blocks


def parsed(names: Sequence[str]) -> tuple[list[Objective], list[str]]:
    """(the objectives that the registry knows, the names that it does not: of plug-ins, say)."""
    known, unknown = [], []
    for name in names:
        try:
            found = replace(objective(name), name=name)
        except ZooError:
            unknown.append(name)
        else:
            known.append(found)
    return known, unknown


def common(run: Run) -> list[Setting]:
    """The headline settings of one sample size, the one that most cells have: FID at another is another score."""
    sizes = [setting.n for cell in run.done for setting in cell.by_setting if setting in run.headline]
    n = max(sizes, key=lambda size: (sizes.count(size), size), default=0)
    return [setting for setting in run.headline if setting.n == n]


def measured(run: Run, settings: Sequence[Setting], chosen: Sequence[Pair]) -> list[Effect]:
    """Every pair on every backbone, corrected as one family of tests: two scores each."""
    entries = [replace(entry, rows=[row for row in entry.rows if Setting.of(row) in settings]) for entry in run.entries]
    scores = scores_of(entries, KEYS, run.objectives)

    def on(backbone: str) -> Scores:
        return scores.part(lambda control: control.backbone == backbone)

    def effect(part: Scores, metric: str, a: Objective, b: Objective) -> Difference | None:
        return _effect(run, part, settings, metric, a.name, b.name)

    parts = {backbone: on(backbone) for backbone in run.backbones}
    found = [
        Effect(a.name, b.name, backbone, effect(part, "fid", a, b), effect(part, "acc", a, b))
        for a, b in chosen
        for backbone, part in parts.items()
    ]
    # a test over training runs needs two of them; sampling alone says nothing of what training again would change
    tests = [d.p if d and d.seeds > 1 else None for effect in found for d in (effect.fid, effect.acc)]
    holds = [p is not None and p <= ALPHA for p in holm(tests)]
    return [replace(e, survives=(holds[2 * i], holds[2 * i + 1])) for i, e in enumerate(found)]


def _effect(run: Run, part: Scores, settings: Sequence[Setting], metric: str, a: str, b: str) -> Difference | None:
    """b minus a over seeds; for one seed with the interval of sampling alone."""
    found = paired(part, metric, b, a) if part.controls else None
    if found is None or found.seeds > 1:
        return found
    backbone = part.controls[0].backbone
    cells: list[dict[int, Cell]] = [{c.seed: c for c in run.group(backbone, name) if c.result} for name in (b, a)]
    for seed in sorted(cells[0].keys() & cells[1].keys()):
        there = [s for s in settings if any(c.score(s) for c in run.done if c.backbone == backbone)]
        both = [(cells[0][seed].score(s), cells[1][seed].score(s)) for s in there]
        rows = [(x, y) for x, y in both if x and y]
        if len(rows) == len(both) and (one := sampled(rows, metric)):
            return one
    return found


def _of(effects: Sequence[Effect], group: Sequence[Pair]) -> list[Effect]:
    names = {(a.name, b.name) for a, b in group}
    return [effect for effect in effects if (effect.plain, effect.changed) in names]


def _table(run: Run, effects: Sequence[Effect]) -> Table:
    rows = []
    for effect in effects:
        pair = (Code(effect.changed), " minus ", Code(effect.plain))
        seeds = f"{effect.fid.seeds}" if effect.fid else "-"
        texts = [difference_text(d, unit) for d, unit in zip((effect.fid, effect.acc), METRICS.values(), strict=True)]
        marks = [f"{text} *" if survives else text for text, survives in zip(texts, effect.survives, strict=True)]
        rows.append((pair, effect.backbone, _verdict(run, effect), seeds, *marks))
    return Table(HEADER, tuple(rows), names=3, long=len(rows) > LIMIT)


def difference_text(found: Difference | None, unit: float = 1) -> str:
    """`-3.20 (-5.10..-1.30)` over seeds, `-3.20 [-4.00..-2.40]` where the interval is that of sampling alone."""
    if found is None:
        return "-"
    mean = f"{unit * found.mean:+.{1 if unit == 100 else 2}f}"
    if found.low is None or found.high is None:
        return mean
    low, high = (f"{unit * end:+.{1 if unit == 100 else 2}f}" for end in (found.low, found.high))
    return f"{mean} ({low}..{high})" if found.seeds > 1 else f"{mean} [{low}..{high}]"


def _verdict(run: Run, effect: Effect) -> Text:
    found = effect.fid
    if found is None:
        lacking = {name: run.outcome(effect.backbone, name) for name in (effect.changed, effect.plain)}
        parts = [part for name, text in lacking.items() if text for part in ("; ", Code(name), f": {text}")][1:]
        return tuple(parts) or "no seed has both"
    if found.low is None:
        return "no interval"
    if not found.beyond:
        return "no difference found" if found.seeds > 1 else "within the error of sampling"
    better = "better" if found.mean < 0 else "worse"
    if found.seeds == 1:
        return f"{better} in this one run"
    return better if effect.survives[0] else f"{better}, if this were the only test"


def _how(run: Run, settings: Sequence[Setting]) -> str:
    words = "; ".join(run.label(setting) for setting in settings)
    kind = settings[0].kind if settings else "EMA"
    several = (
        f"averaged over {counted(len(settings), 'control setting')}"
        if len(settings) > 1
        else "under one control setting"
    )
    return (
        f"Two objectives that differ in little make an experiment. Its effect is the first minus the second, {several} "
        f"({kind} weights; {words}) and paired by seed: both saw the same images, noise and labels. FID below 0 and "
        "accuracy above 0 speak for the first. In round brackets 95% intervals over seeds, by an additive model; in "
        "square brackets, where there is one seed, the error of sampling alone, which leaves out what training again "
        "would change."
    )


def _corrected(first: Sequence[Effect], second: Sequence[Effect]) -> str:
    """How many tests were made, and how many hold after the correction."""
    parts = []
    for effects, name in ((first, "asked beforehand"), (second, "that differ in one axis besides")):
        tests = sum(d is not None and d.seeds > 1 and d.p is not None for e in effects for d in (e.fid, e.acc))
        pairs_of = len({(e.plain, e.changed) for e in effects})
        if not pairs_of:
            continue
        hold = sum(sum(effect.survives) for effect in effects)
        number = f"{counted(pairs_of, 'pair')} {name}"
        told = (
            f"{hold} of {counted(tests, 'test holds', 'tests hold')}"
            if tests
            else "none is tested, for want of a second seed"
        )
        parts.append(f"{number}: {told}")
    return (
        f"Holm's correction keeps the chance of even one false finding in a family of tests below 5%; what holds after "
        f"it is marked *. {'. '.join(parts)}."
    )


def _others(axis: str, group: Sequence[Pair], shown: Sequence[Pair]) -> str:
    cut = ""
    if len(shown) < len(group):
        cut = (
            f" Shown are {len(shown)} of {counted(len(group), 'pair')}, those of the largest difference in FID beside "
            "its interval: the first of many are large by chance too."
        )
    return f"{AXES[axis]}{cut}"
