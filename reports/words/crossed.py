"""Which of a run's objectives cross target, density and loss weight, and the FIDs by which these are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from eval.ranks.anatomy import Point
from reports.read.cell import Cell
from reports.read.run import Run
from reports.read.setting import Setting
from zoo import registry
from zoo.objectives.core import Objective
from zoo.objectives.density import Density
from zoo.objectives.match import Match
from zoo.objectives.target import Target
from zoo.objectives.theory import same_curve
from zoo.objectives.weight import Flat

PLAIN, MATCHED = "plain", "matched"
WEIGHTS = (PLAIN, MATCHED)
ENDED = ("done", "diverged")
KINDS = ("target", "density")


@dataclass(frozen=True)
class Parts:
    """An objective's target and density, and how its loss is weighted: one of WEIGHTS, or both where they are alike."""

    target: str
    density: str
    weights: tuple[str, ...]


def crossed(objectives: Sequence[Objective]) -> tuple[dict[str, Parts], str]:
    """(the parts of every objective by name, the objective that others are matched to); ({}, "") if not crossed."""
    likes = {one.weight.like for one in objectives if isinstance(one.weight, Match)}
    if len(likes) != 1 or len({one.path for one in objectives}) != 1:
        return {}, ""
    (common,) = likes
    parts = {}
    for one in objectives:
        if not isinstance(one.weight, Match | Flat):
            return {}, ""
        alike = WEIGHTS if same_curve(one, common) else (PLAIN,)
        weights = (MATCHED,) if isinstance(one.weight, Match) else alike
        parts[one.name] = Parts(_word("target", one.target), _word("density", one.density), weights)
    pairs = [{(p.target, p.density) for p in parts.values() if weight in p.weights} for weight in WEIGHTS]
    sizes = [len({pair[i] for pair in pairs[0]}) for i in range(2)]
    whole = pairs[0] == pairs[1] and len(pairs[0]) == sizes[0] * sizes[1] and min(sizes) > 1
    return (parts, common.name) if whole else ({}, "")


def _word(kind: str, part: Target | Density) -> str:
    """A part as names spell it, `lognorm(0,1)`; arguments that are the defaults are left out."""
    word = next(word for word, made in registry.TABLES[kind].items() if made is type(part))
    given: list[Any] = []
    if is_dataclass(part):
        given = [value for f in fields(part) if (value := getattr(part, f.name)) != f.default]
    return f"{word}({','.join(f'{value:g}' for value in given)})" if given else word


def whole_seeds(run: Run, parts: Mapping[str, Parts]) -> list[Cell]:
    """The cells of those seeds of a backbone in which every objective has been trained, be it until it diverged.

    In a seed where some are still to come the others are compared with runs that are not there.
    """
    cells = [cell for cell in run.cells if cell.objective in parts]
    open_ = {(cell.backbone, cell.seed) for cell in cells if cell.status not in ENDED}
    return [cell for cell in cells if (cell.backbone, cell.seed) not in open_]


def scored(
    run: Run, cells: Sequence[Cell], parts: Mapping[str, Parts], settings: Sequence[Setting] | None = None
) -> list[Point]:
    """The final FIDs under these settings, or every compared one."""
    kinds = {(setting.start, setting.guidance) for setting in run.compared}
    apart = len(run.compared) == len(kinds)  # nothing but start and guidance differs
    apart &= len(kinds) == len({start for start, _ in kinds}) * len({guidance for _, guidance in kinds})

    def how(setting: Setting) -> dict[str, str]:
        if apart:
            return {"start": f"{setting.start:g}", "guidance": f"{setting.guidance:g}"}
        return {"samples": run.label(setting)}

    return [
        Point(_name(cell), cell.seed, own | how(setting), row["fid"], setting.n)
        for cell in cells
        for setting, row in cell.by_setting.items()
        if setting in (settings or run.compared)
        for own in _own(cell, parts)
    ]


def course(cells: Sequence[Cell], parts: Mapping[str, Parts]) -> list[Point]:
    """The FIDs in the middle of training and at its end, all from as many images, fewer than the final ones."""
    found = []
    for cell in cells:
        shots = cell.facts.get("snapshots") or []
        for shot in shots:
            share = f"{100 * shot['images'] / shots[-1]['images']:.0f}%"
            n = shot.get("n") or cell.scores[0]["n"]
            found += [
                Point(_name(cell), cell.seed, {**own, "images": share}, shot["fid"], n) for own in _own(cell, parts)
            ]
    return found


def _name(cell: Cell) -> str:
    return f"{cell.objective} on {cell.backbone}"


def _own(cell: Cell, parts: Mapping[str, Parts]) -> list[dict[str, str]]:
    """A run's levels: twice where its loss is plain and matched, so that either way has all objectives."""
    own = parts[cell.objective]
    same = {"target": own.target, "density": own.density, "backbone": cell.backbone}
    return [{**same, "weight": weight} for weight in own.weights]
