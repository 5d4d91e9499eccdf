"""Scores of many runs as arrays [objective, control setting, seed].

A control setting is data set x backbone x weights x sampler setting. A run that diverged scores fid = inf and
acc = -inf, so that its objective comes after every finite one. A run that is missing is nan.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from eval.ranks.paired import influence
from eval.ranks.scale import Arcsine, Asinh

METRICS = {"fid": 1, "acc": -1, "fid_se": 1, "pfd": 1, "kid": 1, "fid2": 1, "acc2": -1}  # 1 if lower is better
BLOCKS = 20  # of the jackknife behind fid_leave_one_out
FULL = 10_000  # samples behind a row that does not say how many


@dataclass(frozen=True)
class Control:
    """One control setting: `place` (data set, backbone), `setting` its fields' values, `steps` of its sampler."""

    dataset: str
    backbone: str
    setting: tuple[Any, ...]
    steps: int

    @property
    def place(self) -> tuple[str, str]:
        return self.dataset, self.backbone


@dataclass(frozen=True)
class Entry:
    """One run: what it was, its status (done, diverged, or anything else for a missing one), and its rows of scores.

    ceiling: the judge's accuracy on real images, None where it is not known.
    """

    dataset: str
    backbone: str
    objective: str
    seed: int
    status: str
    rows: Sequence[dict[str, Any]] = ()
    ceiling: float | None = None


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores as arrays [objective, control, seed], by metric; nan where a run is missing.

    values: METRICS, and on scales on which they vary alike (eval/ranks/scale.py) `level` (FID), `level2` (FID of the
    second judge) and `miss` (minus accuracy, where what is above the real images' counts as equal to it).
    samples [control]: images behind each score. blocks [objective, control, seed, BLOCKS]: what each block of the
    jackknife does to `level`, nan where it is not known.
    """

    objectives: tuple[str, ...]
    controls: tuple[Control, ...]
    values: dict[str, np.ndarray]
    samples: np.ndarray
    blocks: np.ndarray

    def part(self, keep: Callable[[Control], bool]) -> "Scores":
        """The same for some of the controls."""
        chosen = [i for i, control in enumerate(self.controls) if keep(control)]
        values = {name: array[:, chosen] for name, array in self.values.items()}
        controls = tuple(self.controls[i] for i in chosen)
        return Scores(self.objectives, controls, values, self.samples[chosen], self.blocks[:, chosen])

    def matched(self, at: int) -> "Scores":
        """The part whose controls differ in field `at` of their settings and, value by value, in nothing else.

        A grid may not cross its fields: few steps under one guidance only would count as what that guidance does.
        """
        values: dict[tuple[Any, ...], set[Any]] = {}
        for control in self.controls:
            values.setdefault(_without(control, at), set()).add(control.setting[at])
        every = {place: set[Any]() for place in (control.place for control in self.controls)}
        for control in self.controls:
            every[control.place].add(control.setting[at])
        return self.part(lambda control: values[_without(control, at)] == every[control.place])

    @cached_property
    def seeds(self) -> np.ndarray:
        """[objective, control]: runs that have a score."""
        there: np.ndarray = (~np.isnan(self.values["fid"])).sum(2)
        return there

    @cached_property
    def families(self) -> dict[str, str]:
        """Backbone -> `dit` or `unet`, so that sizes for different data sets count as one; else its own name."""
        places = {control.place for control in self.controls}
        words = {backbone: backbone.split("(")[0] for _, backbone in places}
        alone = [(dataset, words[backbone]) for dataset, backbone in places]
        return {b: word if all(alone.count((d, word)) < 2 for d, _ in places) else b for b, word in words.items()}


def _without(control: Control, at: int) -> tuple[Any, ...]:
    """What a control is apart from one field of its setting."""
    return *control.place, *control.setting[:at], *control.setting[at + 1 :]


def scores_of(entries: Iterable[Entry], keys: Sequence[str], objectives: Sequence[str] = ()) -> Scores:
    """The arrays of some runs. keys: a row's fields that make up its setting; objectives: their order, if known."""
    entries = list(entries)
    names = list(dict.fromkeys([*objectives, *(entry.objective for entry in entries)]))
    seeds = sorted({entry.seed for entry in entries})
    controls: dict[tuple[Any, ...], Control] = {}
    samples: list[float] = []
    for entry in entries:
        for row in entry.rows:
            key = entry.dataset, entry.backbone, tuple(_plain(row[name]) for name in keys)
            if key not in controls:
                controls[key] = Control(*key, steps=row["steps"])
                samples.append(row.get("n") or FULL)
    place = {key: i for i, key in enumerate(controls)}
    shape = len(names), len(controls), len(seeds)
    values = {name: np.full(shape, np.nan) for name in (*METRICS, "level", "level2", "miss")}
    blocks = np.full((*shape, BLOCKS), np.nan)
    for entry in entries:
        at = names.index(entry.objective), seeds.index(entry.seed)
        if entry.status == "diverged":
            for i, control in enumerate(controls.values()):
                if control.place == (entry.dataset, entry.backbone):
                    for name, array in values.items():
                        array[at[0], i, at[1]] = METRICS.get(name, 1) * np.inf
        for row in entry.rows:
            i = place[entry.dataset, entry.backbone, tuple(_plain(row[key]) for key in keys)]
            for name in METRICS:
                if row.get(name) is not None:
                    values[name][at[0], i, at[1]] = row[name]
            for name, value in _scaled(row, entry.ceiling).items():
                values[name][at[0], i, at[1]] = value
            if len(row.get("fid_leave_one_out") or ()) == BLOCKS:
                slope = Asinh.of(row["n"]).slope(row["fid"])
                blocks[at[0], i, at[1]] = influence(row) * slope
    return Scores(tuple(names), tuple(controls.values()), values, np.array(samples, float), blocks)


def _scaled(row: dict[str, Any], ceiling: float | None) -> dict[str, float]:
    scale, found = Asinh.of(row.get("n") or FULL), {}
    for name, source in (("level", "fid"), ("level2", "fid2")):
        if row.get(source) is not None:
            found[name] = float(scale.forward(row[source]))
    if row.get("acc") is not None:
        found["miss"] = -float(Arcsine().forward(min(row["acc"], 1.0 if ceiling is None else ceiling)))
    return found


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def average(array: np.ndarray) -> np.ndarray:
    """The mean over the last axis of what is not nan; nan where nothing is, inf where anything is."""
    there = ~np.isnan(array)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(there.any(-1), np.where(there, array, 0.0).sum(-1) / there.sum(-1), np.nan)
