"""Effects on FID of target and density, plain and matched to one loss weight, where a grid's objectives cross them.

Shown only where every target is there under every density, plain and matched to one effective weight, on one path.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from eval.ranks.anatomy import Effect, Fit, Name, Point, fit
from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.crossed import KINDS, MATCHED, PLAIN, WEIGHTS, Parts, course, crossed, scored, whole_seeds
from reports.words.document import Block, Bold, Bullets, Code, Heading, Mark, Paragraph, Table, Text, table
from reports.words.forms import NONE
from reports.words.losses import settings_of
from reports.words.pairs import parsed
from zoo.base.counts import counted

LIMIT = 0.05
Factors = Mapping[str, Sequence[str]]
HOW = (
    "Every target was trained under every density of noise levels, in two ways. Plain: the loss is the mean squared "
    "error of the target. Matched: this error is weighted, so that a denoiser has the same expected loss as with ",
    ", whatever the target and the density. What is left of a difference then comes from what the network puts out, "
    "from how often each noise level is drawn, and from how gradients are scaled, not from which errors count most.",
)
READ = (
    "Numbers are ratios of FID, below 1 is better: a target's FID over that of {target}, a density's over that of "
    "{density}, all else equal on average, and the change of this ratio by matching. They are found by least squares "
    "on the logarithm of the final FIDs of {runs}. Where FID is near or below {s:.1f} the scale is no logarithm, and "
    "ratios are closer to 1 than those of the FIDs. Single scores lie off the fit by a factor of {spread:.2f} (one "
    "standard deviation), since the effect of one factor depends on the others."
)
INTERVALS = (
    "In brackets: 95% intervals over training runs, each by itself. Two levels are distinguished if p is at most 0.05 "
    "after Holm's correction for the number of pairs. The ratio of the worst to the best is above 1 by chance alone."
)
ONE_SEED = "One seed has no intervals: any of these differences may be chance."
CLIPPED = (
    "Clipped: the share of training steps whose gradient was longer than {clip:g} and was scaled down. Matching makes "
    "expected losses equal, not these steps: where they are many more one way than the other, a part of the difference "
    "may come from that."
)
DIVERGED = "Diverged and left out, so that the parts of these look better than they are: {names}."
OPEN = "Seeds in which objectives are still to come are left out."
BY_SETTING = (
    "Matched objectives under each way to draw samples, the same ratios: within a column loss weight, start and "
    "guidance are equal."
)
REST = (
    "Other factors, as a level's FID over that of the first. Weight is averaged over targets and densities. Less than "
    "all images: the same runs earlier, scored from fewer samples."
)


@dataclass(frozen=True)
class Study:
    """What the section is about: the fit with its factors, the cells and their parts, and the common objective."""

    fit: Fit
    factors: Factors
    cells: list[Cell]
    parts: dict[str, Parts]
    common: str


def _study(run: Run) -> Study | None:
    """That of one data set; None where the grid's objectives do not cross their factors."""
    if any(cell.variant for cell in run.cells):  # those differ in the recipe
        return None
    parts, common = crossed(parsed(run.objectives)[0])
    cells = whole_seeds(run, parts)
    points = scored(run, cells, parts)
    factors = _factors(points, parts, common)
    found = fit(points, factors)
    if found is None or not all(len(_levels(found, factors, kind)) > 1 for kind in KINDS):
        return None
    return Study(found, factors, cells, parts, common)


def answer(run: Run) -> list[Text]:
    """What stands first on the page of one or several data sets."""
    told: list[Text] = []
    for part in (run.on(dataset) for dataset in run.datasets):
        if study := _study(part):
            where = f" on {part.datasets[0]}" if len(run.datasets) > 1 else ""
            first, *rest = _answers(study.fit, study.factors)
            head = (f"Losses{where} are plain, or matched to one weight for all, that of ", Code(study.common), ". ")
            told += [(*head, *first), *rest]
    return told


def anatomy(run: Run, where: str = "") -> list[Block]:
    """The section of one data set (`run.on(..)`); [] where the grid's objectives do not cross their factors."""
    if (study := _study(run)) is None:
        return []
    found, factors, cells, parts, common = study.fit, study.factors, study.cells, study.parts, study.common
    blocks: list[Block] = [Heading(f"Anatomy{where}"), Paragraph((HOW[0], Code(common), HOW[1]))]
    blocks += [Bullets(tuple(_answers(found, factors))), _main(found, factors, cells, parts)]
    blocks += [Paragraph(text) for text in _notes(run, found, factors, cells, parts)]
    if len(run.compared) > 1:
        blocks += [Paragraph(BY_SETTING), _by_setting(run, found, cells, parts, factors)]
    return [*blocks, Paragraph(REST), _rest(found, factors, course(cells, parts))]


def _factors(points: Sequence[Point], parts: Mapping[str, Parts], common: str) -> dict[str, list[str]]:
    """The levels of each factor, the reference first: the common objective's own, and the whole training."""
    found: dict[str, list[str]] = {"weight": list(WEIGHTS)}
    for kind in KINDS:
        levels = dict.fromkeys(getattr(one, kind) for one in parts.values())
        first = [getattr(parts[common], kind)] if common in parts else []
        found[kind] = list(dict.fromkeys([*first, *levels]))
    for factor in dict.fromkeys(factor for point in points for factor in point.levels):
        if factor not in found:
            levels = dict.fromkeys(point.levels[factor] for point in points)
            found[factor] = sorted(levels, key=float) if factor in ("start", "guidance") else list(levels)
    return found


def _levels(found: Fit, factors: Factors, kind: str) -> list[str]:
    """A factor's levels of which the fit knows, the reference first."""
    known = {level for factor, level, _ in found.names if factor == kind}
    return [factors[kind][0], *(level for level in factors[kind] if level in known)]


def _answers(found: Fit, factors: Factors) -> list[tuple[Mark, ...]]:
    """How much targets and densities differ plain and matched, and what matching does on average."""
    texts: list[tuple[Mark, ...]] = []
    for kind in KINDS:
        levels = _levels(found, factors, kind)
        text: list[Mark] = [Bold(kind.capitalize()), ": "]
        for weight in WEIGHTS:
            ratio = {level: found.effect({(kind, level, weight): 1.0}).ratio for level in levels}
            best, *_, worst = sorted(levels, key=lambda level: ratio[level])
            text += [f"{weight}, the FID of ", Code(worst), f" is {ratio[worst] / ratio[best]:.2f} times that of "]
            rest = sorted(ratio[level] for level in levels if level != worst)
            more = f" (without the worst {rest[-1] / rest[0]:.2f} times)" if len(rest) > 1 else ""
            text += [Code(best), more, "; " if weight == PLAIN else "."]
        if found.freedom[0]:
            count = len(levels) * (len(levels) - 1) // 2
            told = [f"{_distinguished(found, kind, levels, weight)} {weight}" for weight in WEIGHTS]
            text.append(f" Pairs that are distinguished, of {count}: {told[0]}, {told[1]}.")
        texts.append(tuple(text))
    effect = found.effect(_weight(found, factors))
    return [*texts, (Bold("Loss weight"), f": matching multiplies FID by {_told(effect)}, averaged over both.")]


def _distinguished(found: Fit, kind: str, levels: Sequence[str], weight: str) -> int:
    return sum(p is not None and p <= LIMIT for p in found.pairs(kind, levels, weight))


def _weight(found: Fit, factors: Factors) -> dict[Name, float]:
    """The contrast of matched against plain objectives, averaged over targets and densities."""
    parts: dict[Name, float] = {("weight", MATCHED, ""): 1.0}
    for kind in KINDS:
        levels = _levels(found, factors, kind)
        for level in levels[1:]:
            parts |= {(kind, level, MATCHED): 1 / len(levels), (kind, level, PLAIN): -1 / len(levels)}
    return parts


def _main(found: Fit, factors: Factors, cells: Sequence[Cell], parts: Mapping[str, Parts]) -> Table:
    """Target and density: their effects plain and matched, the change, and how often gradients were clipped."""
    rows = []
    for kind in KINDS:
        for level in _levels(found, factors, kind):
            plain, matched = ((kind, level, weight) for weight in WEIGHTS)
            each = [{plain: 1.0}, {matched: 1.0}, {matched: 1.0, plain: -1.0}]
            own = [cell for cell in cells if getattr(parts[cell.objective], kind) == level]
            clipped = [_clipped([c for c in own if weight in parts[c.objective].weights]) for weight in WEIGHTS]
            rows.append((kind, level, *(_told(found.effect(contrast)) for contrast in each), *clipped))
    header = ["factor", "level", *WEIGHTS, "matched over plain", *(f"clipped, {weight}" for weight in WEIGHTS)]
    return table(header, rows, names=2)


def _clipped(cells: Sequence[Cell]) -> str:
    shares = [share for cell in cells if (share := (cell.facts.get("train") or {}).get("clipped")) is not None]
    return f"{100 * fmean(shares):.0f}%" if shares else NONE


def _notes(run: Run, found: Fit, factors: Factors, cells: Sequence[Cell], parts: Mapping[str, Parts]) -> list[str]:
    """How to read the table, and what is not in it."""
    done = [cell for cell in cells if cell.result]
    runs = f"{counted(len(done), 'run')} ({counted(len({cell.seed for cell in done}), 'seed')})"
    reference = {kind: factors[kind][0] for kind in KINDS}
    told = READ.format(**reference, runs=runs, s=found.s, spread=math.exp(found.spread))
    notes = [told, INTERVALS if found.freedom[0] else ONE_SEED]
    if clips := {settings_of(cell)["clip"] for cell in done if "clip" in settings_of(cell)}:
        notes.append(CLIPPED.format(clip=max(clips)))
    if lost := sorted({f"{cell.objective} on {cell.backbone}" for cell in cells if not cell.result}):
        notes.append(DIVERGED.format(names=", ".join(lost)))
    if len(cells) < sum(cell.objective in parts for cell in run.cells):
        notes.append(OPEN)
    return notes


def _by_setting(run: Run, found: Fit, cells: Sequence[Cell], parts: Mapping[str, Parts], factors: Factors) -> Table:
    """The effects of target and density among matched objectives under each compared setting."""
    own, fits = {factor: factors[factor] for factor in (*KINDS, "backbone")}, {}
    for setting in run.compared:
        points = [p for p in scored(run, cells, parts, [setting]) if p.levels["weight"] == MATCHED]
        if one := fit(points, own):
            fits[run.label(setting)] = one
    rows = []
    for kind in KINDS:
        for level in _levels(found, factors, kind):
            names = (kind, level, "")
            first = level == factors[kind][0]
            rows.append(
                (
                    kind,
                    level,
                    *(
                        _told(one.effect({names: 1.0})) if first or names in one.names else NONE
                        for one in fits.values()
                    ),
                )
            )
    return table(["factor", "level", *fits], rows, names=2)


def _rest(found: Fit, factors: Factors, points: Sequence[Point]) -> Table:
    """Weight, backbone, start, guidance, and images seen, which only the points of training tell."""
    rows = [("weight", PLAIN, "1"), ("weight", MATCHED, _told(found.effect(_weight(found, factors))))]
    for factor in factors:
        if factor not in (*KINDS, "weight") and any(name[0] == factor for name in found.names):
            rows.append((factor, factors[factor][0], "1"))
            rows += [
                (f, level, _told(found.effect({(f, level, w): 1.0}))) for f, level, w in found.names if f == factor
            ]
    shares = sorted({point.levels["images"] for point in points}, key=lambda share: -float(share.rstrip("%")))
    own = {factor: factors[factor] for factor in ("weight", *KINDS, "backbone")} | {"images": shares}
    if len(shares) > 1 and (during := fit(points, own)):
        rows.append(("images", shares[0], "1"))
        rows += [("images", share, _told(during.effect({("images", share, ""): 1.0}))) for share in shares[1:]]
    return table(["factor", "level", "FID, over the first level's"], rows, names=2)


def _told(effect: Effect) -> str:
    """`0.61 (0.55 to 0.68)`, or `1` for the reference."""
    if effect.low is None:
        return "1" if effect.ratio == 1 else f"{effect.ratio:.2f}"
    return f"{effect.ratio:.2f} ({effect.low:.2f} to {effect.high:.2f})"
