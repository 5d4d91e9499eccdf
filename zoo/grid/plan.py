"""A grid's plan on this machine: which data set, budget and cells, where they go, and how each of them stands.

torch is not imported here, so that `run_all.py --list` answers at once.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.base.counts import counted
from zoo.base.errors import ZooError, choose
from zoo.base.names import split
from zoo.base.progress import say
from zoo.base.sealed import read_sealed, write_sealed
from zoo.config.cell import differences
from zoo.config.fits import fit
from zoo.data import sets
from zoo.grid import available, estimate, slots
from zoo.grid import files as grid
from zoo.grid import wishes as asked
from zoo.grid.budgets import Budget
from zoo.grid.cell import Cell, select
from zoo.grid.device import require_device
from zoo.grid.files import Grid
from zoo.grid.held import holding

SHOWN = 6  # names in a sentence
UNREADABLE = "unreadable"  # the status of a cell with a damaged file


class Other(ZooError):
    """A finished cell of another configuration, which is as good as before."""


@dataclass(frozen=True)
class Plan:
    """Everything decided before the first cell starts. `cells` is the whole grid, `chosen` what --only leaves of it."""

    name: str
    grid: Grid
    budgets: dict[str, Budget]  # by data set
    dataset_requested: list[str]
    notice: str | None  # which data set was taken instead of the one that was hoped for
    cause: str | None  # why
    kind: str
    budget_requested: str
    seeds: int
    jobs: int
    out: Path
    cells: list[Cell]
    chosen: list[Cell]
    set: tuple[str, ...] = ()  # what --set changed
    pace: float | None = None  # what cells take here of their estimates, where that is known
    taken: frozenset[str] = frozenset()  # folders of cells whose weights another run gives

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of each chosen cell, from 1, by its folder."""
        return {cell.folder: number for number, cell in enumerate(self.chosen, 1)}

    def folder(self, cell: Cell) -> Path:
        """A cell's folder."""
        return self.out / cell.folder

    def head(self, cell: Cell) -> str:
        """What a line about a cell begins with."""
        train = cell.config.train
        place = f"[{self.places[cell.folder]}/{len(self.chosen)}]"
        return f"{place} {cell.objective} on {train.backbone}, seed {train.seed}"

    def status(self, cell: Cell) -> str:
        """done, failed, diverged, unreadable, started or to do."""
        folder = self.folder(cell)
        try:
            if self._result(cell):
                return "done"
            if (folder / "failed.json").is_file():
                return str(read_sealed(folder / "failed.json")["status"])
            if (folder / "cell.json").is_file():
                read_sealed(folder / "cell.json")
        except ZooError:
            return UNREADABLE
        return "started" if any(folder.glob("step-*.json")) else "to do"

    def problem(self, cell: Cell) -> str:
        """Which file of an unreadable cell is damaged, and what to do; "" for another cell."""
        folder = self.folder(cell)
        try:
            self._result(cell)
            for name in ("failed.json", "cell.json"):
                if (folder / name).is_file():
                    read_sealed(folder / name)
        except Other as error:
            return f"{error}: choose another --out, and it stays"
        except ZooError as error:
            return f"{error}. Delete it, and what it told is worked out again"
        return ""

    def seconds(self, cell: Cell) -> float:
        """What a finished cell took, or the estimate of what another still takes."""
        result = self.result(cell)
        return float(result["seconds"]["total"]) if result else self.left(cell) * (self.pace or 1.0)

    def left(self, cell: Cell) -> float:
        """The estimate for a cell that has not ended, not scaled, without the training that is done already."""
        train = cell.config.train
        kept = [path for path in self.folder(cell).glob("step-*.json") if path.with_suffix(".safetensors").is_file()]
        steps = max((int(path.stem.removeprefix("step-")) for path in kept), default=0)
        share = 1.0 if cell.folder in self.taken else min(steps / train.steps, 1.0)
        return cell.seconds * estimate.left(train.images, cell.config.score, share)

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """A finished cell's result; None if there is none, or one that cannot be used."""
        try:
            return self._result(cell)
        except ZooError:
            return None

    def _result(self, cell: Cell) -> dict[str, Any] | None:
        path = self.folder(cell) / "result.json"
        if not path.is_file():
            return None
        result = read_sealed(path)
        if result["key"] != cell.config.key:
            raise Other(f"{path} is the result of a cell of another configuration")
        return result

    def notes(self) -> list[str]:
        """What to know of the output folder: files that cannot be used, and cells of other grids in it."""
        told = [problem for cell in self.chosen if (problem := self.problem(cell))]
        ours = {cell.folder for cell in self.cells}
        others = [cell.folder for cell in holding(self.out, {}).cells if cell.folder not in ours]
        if others:
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            told.append(
                f"{counted(len(others), 'cell')} of another grid in {self.out}: nothing is done there, and the page "
                f"goes on to show what it holds: {', '.join(others[:SHOWN])}{more}"
            )
        return told


def skipped(status: str, retry: bool) -> bool:
    """Whether nothing is done for a cell that stands so."""
    return status in ("done", UNREADABLE) or (status in ("failed", "diverged") and not retry)


def make(options: Any, fetch: bool, device: bool = True) -> Plan:
    """The plan for run_all's options. fetch: whether a data set may be downloaded; device: whether its device is tried.

    Raises ZooError for anything unknown, and for a device or a data set that was asked for and is not available.
    """
    loaded = grid.load(options.grid)
    if options.backbone:
        if options.backbone not in loaded.backbones:
            raise choose("backbone of this grid", options.backbone, loaded.backbones)
        loaded = loaded.model_copy(update={"backbones": (options.backbone,)})
    name = Path(options.grid).stem
    out = Path(options.out) if options.out else Path("runs") / name
    there = next(folder for folder in (out, *out.parents) if folder.exists())
    if not there.is_dir():
        raise ZooError(f"cannot write {out}: {there} is a file. Choose another --out")
    names = split(options.dataset, ",") if options.dataset else loaded.dataset
    wishes = [sets.check_name(name, more=(grid.AUTO,)) for name in names]
    wish = asked.budget(options.budget, options.device)
    jobs = slots.jobs(options, wish.kind)
    changes = asked.changes(options.set, loaded)
    if options.seeds is not None and options.seeds < 1:
        raise ZooError(f"--seeds {options.seeds} is too small: --seeds must be at least 1")
    if not options.timeout > 0:
        raise ZooError(f"--timeout {options.timeout:g} is too small: --timeout must be above 0 seconds")
    if device and options.executor == "local":
        require_device(options.device)
    earlier = _earlier(out)
    datasets, notice, cause = available.choose_sets(wishes, earlier, options, fetch)
    budgets = {dataset: loaded.budget(wish.kind, dataset) for dataset in datasets}
    amount = options.seeds, wish.images, wish.share, changes
    cells = [c for d, budget in budgets.items() for c in grid.cells(loaded, d, budget, *amount)]
    cells.sort(key=lambda cell: cell.config.train.seed)  # a grid cut short has whole seeds
    if earlier and set(earlier.get("datasets", ())) != set(datasets):
        found, wanted = (", ".join(names) for names in (earlier.get("datasets", ()), datasets))
        raise ZooError(f"{out} holds this grid on {found}; choose another --out for {wanted}")
    return Plan(
        name=name,
        grid=loaded,
        budgets=budgets,
        dataset_requested=wishes,
        notice=notice,
        cause=cause,
        kind=wish.kind,
        budget_requested=options.budget,
        seeds=options.seeds or loaded.seeds,
        jobs=jobs,
        out=out,
        cells=cells,
        chosen=select(cells, options.only),
        set=tuple(options.set),
    )


def _earlier(out: Path) -> dict[str, Any]:
    """grid.json of an earlier run in the folder; {} if there is none, or a damaged one, which is written again."""
    try:
        return read_sealed(out / "grid.json") if (out / "grid.json").is_file() else {}
    except ZooError as error:
        say(f"{error}. It is written again")
        return {}


def check(plan: Plan) -> None:
    """Say what there is to know of the output folder. Raise ZooError for a cell of another configuration, with the keys
    that differ, and for ways to draw that an objective's path has no times for."""
    grid.check_times(plan.chosen)
    for cell in plan.chosen:
        fit(cell.config)
        path = plan.folder(cell) / "cell.json"
        try:
            found = read_sealed(path)["config"] if path.is_file() else None
        except ZooError:  # the plan's notes name it, and the cell counts as unreadable
            found = None
        if found and (lines := differences(cell.config.model_dump(mode="json"), found)):
            head = f"{path.parent} holds a cell of another configuration; choose another --out:"
            raise ZooError("\n  ".join([head, *lines]))
    for note in plan.notes():
        say(note)


def prepare(plan: Plan) -> None:
    """Write every chosen cell's cell.json, before any work."""
    for cell in plan.chosen:
        path = plan.folder(cell) / "cell.json"
        if not path.is_file():
            config, more = cell.config.model_dump(mode="json"), {"variant": cell.variant, "teacher": cell.taught_in}
            write_sealed(path, {"key": cell.config.key, "config": config, **{k: v for k, v in more.items() if v}})
