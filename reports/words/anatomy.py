"""What FID is made of, on a grid whose objectives cross target, density and weight: effects as ratios, with intervals.

Shown only where every target is there under every density, plain and matched to one effective weight, on one path.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from eval.ranks.anatomy import Effect, Point, decompose
from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.document import Block, Code, Heading, Paragraph, Table, Text, table
from reports.words.forms import NONE
from reports.words.pairs import parsed
from zoo import registry
from zoo.objectives.core import Objective
from zoo.objectives.density import Density
from zoo.objectives.match import Match
from zoo.objectives.target import Target
from zoo.objectives.theory import same_curve
from zoo.objectives.weight import Flat

PLAIN, MATCHED = "plain", "matched"
HOW = (
    "Every target was trained under every density of noise levels, with its plain loss and matched to the effective "
    "weight of {common}, so that the expected loss is the same for all. Least squares on FID's scale then separates "
    "the factors: a level's FID over that of its factor's first level, all else equal on average (below 1 is better). "
    "Near the floor, where the scale is no logarithm, the ratio is that of what lies above it. Intervals (95%) are "
    "those of training again with seeds as blocks: for target, density and weight from how much runs differ within a "
    "seed, for the rest from seed to seed."
)
LEFT = (
    "The same for plain and for matched objectives by themselves: what of a target's or a density's effect is left "
    "once the loss is equal."
)


@dataclass(frozen=True)
class Parts:
    """An objective's level of each factor that objectives differ in."""

    target: str
    density: str
    weight: str


def anatomy(run: Run, where: str = "") -> list[Block]:
    """The section of one data set (`run.on(..)`); [] where the grid's objectives do not cross their factors."""
    if any(cell.variant for cell in run.cells):  # those differ in the recipe
        return []
    known, _ = parsed(run.objectives)
    parts, common = crossed(known)
    if not parts or not run.done:
        return []
    points = observed(run, parts)
    factors = _factors(run, parts, points) if points else {}
    whole = decompose(points, factors)
    if not whole:
        return []
    before, after = HOW.split("{common}")
    blocks: list[Block] = [Heading(f"Anatomy{where}"), Paragraph((before, Code(common), after))]
    blocks += [_table(["factor", "level"], [(effect.factor, effect.level, effect) for effect in whole])]
    own = {weight: _within(points, factors, weight) for weight in (PLAIN, MATCHED)}
    if not all(own.values()):
        return blocks
    rows = [(effect.factor, effect.level, weight, effect) for weight, found in own.items() for effect in found]
    ranges = ", ".join(f"{_range(found, 'target'):.1f} times {weight}" for weight, found in own.items())
    text = f"{LEFT} Between the best and the worst target FID differs {ranges}."
    return [*blocks, Paragraph(text), _table(["factor", "level", "weight"], rows)]


def crossed(objectives: Sequence[Objective]) -> tuple[dict[str, Parts], str]:
    """(the parts of every objective by name, the objective that others are matched to); ({}, "") if not crossed."""
    matched = {one.weight.like for one in objectives if isinstance(one.weight, Match)}
    if len(matched) != 1 or len({one.path for one in objectives}) != 1:
        return {}, ""
    (common,) = matched
    parts = {}
    for one in objectives:
        if not isinstance(one.weight, Match | Flat):
            return {}, ""
        weight = MATCHED if isinstance(one.weight, Match) or same_curve(one, common) else PLAIN
        parts[one.name] = Parts(_word("target", one.target), _word("density", one.density), weight)
    pairs = {(part.target, part.density) for part in parts.values()}
    targets, densities = {target for target, _ in pairs}, {density for _, density in pairs}
    whole = {(part.target, part.density) for part in parts.values() if part.weight == MATCHED} == pairs
    whole &= len(pairs) == len(targets) * len(densities) and min(len(targets), len(densities)) > 1
    return (parts, common.name) if whole and PLAIN in {part.weight for part in parts.values()} else ({}, "")


def _word(kind: str, part: Target | Density) -> str:
    """A part as names spell it, `lognorm(0,1)`; arguments that are the defaults are left out."""
    word = next(word for word, made in registry.TABLES[kind].items() if made is type(part))
    given: list[Any] = []
    if is_dataclass(part):
        given = [value for f in fields(part) if (value := getattr(part, f.name)) != f.default]
    return f"{word}({','.join(f'{value:g}' for value in given)})" if given else word


def observed(run: Run, parts: dict[str, Parts]) -> list[Point]:
    """Every FID of the compared settings, and those of the points of training, which are from fewer images."""
    pairs = {(setting.start, setting.guidance) for setting in run.compared}
    apart = len(pairs) == len({start for start, _ in pairs}) * len({guidance for _, guidance in pairs})
    found = []
    for cell in run.done:
        if cell.objective not in parts:
            continue
        own = vars(parts[cell.objective]) | {"backbone": cell.backbone}
        name = f"{cell.objective} on {cell.backbone}"
        for setting, row in cell.by_setting.items():
            if setting in run.compared:
                levels = own | _drawn(setting.start, setting.guidance, apart) | {"images": "100%"}
                extra = f"{setting.sampler} {setting.step_grid} {setting.steps}"
                found.append(Point(name, cell.seed, levels, row["fid"], setting.n, extra))
        found += _course(cell, name, own, apart)
    return found


def _drawn(start: float, guidance: float, apart: bool) -> dict[str, str]:
    """The levels of start and guidance, of one factor where a grid changes both together."""
    if apart:
        return {"start": f"{start:g}", "guidance": f"{guidance:g}"}
    return {"start and guidance": f"{start:g}, {guidance:g}"}


def _course(cell: Cell, name: str, own: dict[str, str], apart: bool) -> list[Point]:
    points, first = (cell.result or {}).get("snapshots") or [], cell.scores[0]
    if not points:
        return []
    levels = own | _drawn(first["start"], first["guidance"], apart)
    whole = points[-1]["images"]
    shares = [f"{100 * point['images'] / whole:.0f}%" for point in points]
    return [
        Point(name, cell.seed, {**levels, "images": share}, point["fid"], first["n"], "points of training")
        for share, point in zip(shares, points, strict=True)
    ]


def _factors(run: Run, parts: dict[str, Parts], points: Sequence[Point]) -> dict[str, list[str]]:
    """The levels of each factor, the reference first: in the order of names, the whole training before its parts."""

    def levels(factor: str) -> list[str]:
        return list(dict.fromkeys(point.levels[factor] for point in points))

    def kinds(factor: str) -> list[str]:
        return list(dict.fromkeys(getattr(parts[name], factor) for name in run.objectives if name in parts))

    return {
        "target": kinds("target"),
        "density": kinds("density"),
        "weight": [PLAIN, MATCHED],
        "backbone": levels("backbone"),
        **{kind: sorted(levels(kind), key=float) for kind in ("start", "guidance") if kind in points[0].levels},
        **{kind: sorted(levels(kind)) for kind in ("start and guidance",) if kind in points[0].levels},
        "images": sorted(levels("images"), key=lambda share: -float(share.rstrip("%"))),
    }


def _within(points: Sequence[Point], factors: dict[str, list[str]], weight: str) -> list[Effect]:
    """The effects of target and density among the objectives of one weight."""
    chosen = [point for point in points if point.levels["weight"] == weight]
    return [effect for effect in decompose(chosen, factors) if effect.factor in ("target", "density")]


def _range(effects: Sequence[Effect], factor: str) -> float:
    """The largest ratio over the smallest."""
    ratios = [effect.ratio for effect in effects if effect.factor == factor]
    return max(ratios) / min(ratios)


def _table(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Table:
    def cells(row: tuple[Any, ...]) -> tuple[Text, ...]:
        *told, effect = row
        ratio = "1" if effect.low is None and effect.ratio == 1 else f"{effect.ratio:.2f}"
        interval = NONE if effect.low is None else f"{effect.low:.2f} to {effect.high:.2f}"
        return (*told, ratio, interval)

    return table([*names, "FID, over the first level's", "95% interval"], list(map(cells, rows)), names=len(names))
