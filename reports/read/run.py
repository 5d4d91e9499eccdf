"""A run's result files, read once: cells, their scores under each control setting, and the same over seeds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from eval.ranks.board import board
from eval.ranks.table import Entry
from reports.read.cell import Cell
from reports.read.setting import Setting
from zoo.base.counts import counted
from zoo.base.files import read_rows
from zoo.data import sets
from zoo.data.spec import Spec

FULL = 10_000  # samples behind a column that is called plain "fid"
CELL = ("dataset", "backbone", "objective", "seed")
SECONDS = {  # parts of a cell's time -> a reader's words
    "start": "start", "setup": "setup", "train": "training", "sample": "sampling", "score": "scoring", "total": "total",
}  # fmt: skip
WIDE = 4  # settings side by side in a table of the page


@dataclass(frozen=True)
class Stat:
    """A number over seeds: mean, standard error, and what is drawn: mean -+ se for one seed, else min and max."""

    mean: float
    se: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class Run:
    """A run's grid and cells; cells in the grid's order of backbones, objectives and seeds, however they are listed."""

    folder: Path
    grid: dict[str, Any]
    cells: tuple[Cell, ...]
    whole: "Run | None" = None  # of a part the run that it is a part of
    notes: tuple[str, ...] = ()  # on which cells these are, and what could not be read

    @property
    def datasets(self) -> list[str]:
        return list(dict.fromkeys([*self.grid.get("datasets", []), *(c.dataset for c in self.cells)]))

    def on(self, dataset: str) -> "Run":
        """The part on a data set: what shares a table."""
        cells = tuple(cell for cell in self.cells if cell.dataset == dataset)
        backbones = list(dict.fromkeys(cell.backbone for cell in cells))
        return Run(self.folder, {**self.grid, "datasets": [dataset], "backbones": backbones}, cells, self.whole or self)

    @property
    def ranks_objectives(self) -> bool:
        """Whether the page ranks what was trained: not where a grid asks of arms that differ in size or recipe."""
        return not self.grid.get("claims") and self.grid.get("study") not in ("scaling", "switches")

    @property
    def objectives(self) -> list[str]:
        return list(dict.fromkeys([*self.grid.get("objectives", []), *(c.objective for c in self.cells)]))

    @property
    def backbones(self) -> list[str]:
        return list(dict.fromkeys([*self.grid.get("backbones", []), *(c.backbone for c in self.cells)]))

    @property
    def done(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.result]

    @property
    def judge(self) -> dict[str, Any]:
        """The one judge behind a data set's scores; the grid's own where nothing is scored yet, {} if there is none."""
        kept = (self.grid.get("judges") or {}).get(self.datasets[0]) if self.datasets else None
        return (self.done[0].facts["judge"] if self.done else kept) or {}

    @cached_property
    def spec(self) -> Spec:
        """Image shape and classes of the first data set, as its results tell. Raises ZooError where nothing does."""
        name = self.datasets[0]
        told: dict[str, Any] = next(
            (cell.facts["data"] for cell in self.done if cell.dataset == name and "data" in cell.facts), {}
        )
        return sets.known(name, told)

    @property
    def floor(self) -> dict[str, Any]:
        return self.judge.get("floor") or {}

    @property
    def ceiling(self) -> float | None:
        """The judge's accuracy on the real test images."""
        real = (self.done[0].facts.get("real") or {}) if self.done else {}
        accuracy: float | None = real.get("acc", self.floor.get("acc", self.judge.get("accuracy")))
        return accuracy

    def group(self, backbone: str, objective: str) -> list[Cell]:
        """The seeds of one row of a table."""
        return self.groups.get((backbone, objective), [])

    @cached_property
    def groups(self) -> dict[tuple[str, str], list[Cell]]:
        """The cells by (backbone, objective)."""
        found: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.cells:
            found.setdefault((cell.backbone, cell.objective), []).append(cell)
        return found

    @cached_property
    def settings(self) -> list[Setting]:
        """The control settings that have scores, EMA first."""
        found = {setting for cell in self.done for setting in cell.by_setting}
        return sorted(found, key=lambda s: (s.weights != "ema", s.weights, s.sampler != "euler", s.order()))

    @cached_property
    def compared(self) -> list[Setting]:
        """The settings that the comparison is about: those of the EMA weights, or of what there is instead."""
        found = self.settings
        return [setting for setting in found if setting.weights == found[0].weights]

    @cached_property
    def headline(self) -> list[Setting]:
        """Of many compared settings those of the most network evaluations before guidance, at most WIDE; else all."""
        found = self.compared
        if len(found) <= WIDE:
            return found
        cost = {setting: setting.steps * (2 if setting.sampler == "heun" else 1) for setting in found}
        return [setting for setting in found if cost[setting] >= 0.9 * max(cost.values())][:WIDE]

    def label(self, setting: Setting) -> str:
        """`guidance 2`, and what else of the setting is not the same for all."""
        words = {
            "sampler": "{}",
            "step_grid": "{} grid",
            "steps": "{}",
            "start": "start {:g}",
            "interval": "within {0[0]:g} to {0[1]:g} of noise",
            "rescale": "rescaled {:g}",
            "clip": "clipped {}",
            "n": "n {}",
        }
        varied = {key for key in words if len({getattr(other, key) for other in self.settings}) > 1}
        values = {key: getattr(setting, key) for key in words} | {"steps": counted(setting.steps, "step")}
        extra = [text.format(values[key]) for key, text in words.items() if key in varied]
        first = "no guidance" if setting.guidance == 1 else f"guidance {setting.guidance:g}"
        return ", ".join([first, *extra])

    def brief(self, setting: Setting) -> str:
        """The label without the guidance, where that is the same for all and something else is not."""
        _, _, rest = self.label(setting).partition(", ")
        return rest if rest and len({other.guidance for other in self.settings}) == 1 else self.label(setting)

    def stat(self, backbone: str, objective: str, setting: Setting, metric: str) -> Stat | None:
        """The metric over the seeds that are done; for one seed the standard error is the score's own (nan if none)."""
        asked = [cell.score(setting) for cell in self.group(backbone, objective)]
        scores = [score for score in asked if score and score.get(metric) is not None]
        values = [float(score[metric]) for score in scores]
        if not values:
            return None
        if len(values) > 1:
            return Stat(fmean(values), stdev(values) / math.sqrt(len(values)), min(values), max(values), len(values))
        score, value = scores[0], values[0]
        if metric == "acc":
            return Stat(value, math.nan, score.get("acc_low") or value, score.get("acc_high") or value, 1)
        error = score.get(f"{metric}_se") or 0.0
        return Stat(value, error, value - error, value + error, 1)

    @property
    def shown(self) -> list[Setting]:
        """The one or two settings that stand for all: the first of the headline, and that of the highest guidance."""
        return list(dict.fromkeys([self.headline[0], self.highest])) if self.headline else []

    @property
    def highest(self) -> Setting:
        """The first compared setting of the highest guidance, where the class asked for matters most."""
        return max(self.headline, key=lambda setting: setting.guidance)

    def by_fid(self, backbone: str, setting: Setting | None = None) -> list[str]:
        """The objectives with a score on this backbone, the lowest FID first; setting: the first headline if None."""
        if not self.compared:
            return []
        under = setting or self.headline[0]
        found = {o: stat.mean for o in self.objectives if (stat := self.stat(backbone, o, under, "fid"))}
        return sorted(found, key=found.__getitem__)

    @property
    def fid_name(self) -> str:
        """`fid`, or `fid@500` where every number is from fewer than the 10,000 samples behind the plain name."""
        sizes = {setting.n for setting in self.compared}
        return f"fid@{min(sizes)}" if len(sizes) == 1 and min(sizes) < FULL else "fid"

    @property
    def entries(self) -> list[Entry]:
        """The cells as eval/ranks/table.py takes them."""
        return [Entry(c.dataset, c.backbone, c.objective, c.seed, c.status, c.scores, c.ceiling) for c in self.cells]

    @cached_property
    def board(self) -> dict[str, Any]:
        """The leader board, `eval.compare.board`: seconds for a large grid, so it is made once."""
        return board(self.entries, self.objectives)

    @cached_property
    def ranked(self) -> list[str]:
        """The objectives by rank over the whole run, data sets together; the order of every table's rows."""
        if self.whole:
            return [name for name in self.whole.ranked if name in self.objectives]
        return [row["objective"] for row in self.board["rows"]] if self.done else self.objectives

    def outcome(self, backbone: str, objective: str) -> str:
        """What became of the seeds that are not done: `1 diverged, 1 missing`; "" if all are done."""
        states = [cell.status for cell in self.group(backbone, objective) if not cell.result]
        return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))

    def class_shares(self, backbone: str, objective: str, setting: Setting) -> dict[int, float]:
        """Accuracy per class, the samples of all seeds together."""
        scores = [score for cell in self.group(backbone, objective) if (score := cell.score(setting))]
        entries = [entry for score in scores for entry in score["classes"] if entry["n"]]
        labels = sorted({entry["label"] for entry in entries})
        return {label: share(entry for entry in entries if entry["label"] == label) for label in labels}

    def metrics(self, cell: Cell) -> list[dict[str, Any]]:
        """The whole lines of the cell's metrics.jsonl; a torn last line, as a killed run leaves it, is passed over."""
        found, _ = read_rows(self.folder / cell.folder / "metrics.jsonl")
        return [row for row in found if _finite(row.get("loss")) and _finite(row.get("images"))]


def share(classes: Iterable[dict[str, Any]]) -> float:
    """Correct samples over all samples of these classes."""
    classes = list(classes)
    count = sum(entry["n"] for entry in classes)
    return sum(entry["correct"] for entry in classes) / count if count else math.nan


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
