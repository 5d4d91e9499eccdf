"""The Python API of grids: run one with its page, and compare what a folder holds."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from zoo.api import PathLike
from zoo.base.counts import plain
from zoo.base.environment import data_folder, mirror_place
from zoo.base.errors import ZooError
from zoo.base.progress import progress_shown
from zoo.config.changes import text_of

if TYPE_CHECKING:
    import pandas as pd

    from zoo.grid.plan import Plan

WORKER = (sys.executable, "-P", "-m", "eval.worker", "-")  # -P: nothing in the working directory is imported


@dataclass(frozen=True)
class GridRun:
    """A grid that was run: its folder, its page, and one line for each cell that is not done."""

    folder: Path
    page: Path
    not_done: tuple[str, ...]
    report_seconds: float = 0.0  # that the page took

    @property
    def table(self) -> "pd.DataFrame":
        """The ranks, as `compare` gives them."""
        return compare(self.folder)

    @property
    def results(self) -> "pd.DataFrame":
        """results.csv: one row for each cell and control setting."""
        import pandas as pd

        return pd.read_csv(self.folder / "results.csv")


def compare(folder: PathLike) -> "pd.DataFrame":
    """The objectives of a run's folder by rank, one row an objective, as `python -m eval.compare` ranks them.

    Columns: objective, rank, its 95% confidence set (low, high), first (the chance of being first), incomplete, done,
    diverged, runs, alike (the objectives from which it cannot be distinguished), a column for each kind of backbone
    and number of steps if there are several, published (the rank in Stable Diffusion 3's study). Raises ZooError for a
    folder without cells, or whose cells were scored by different judges.

    >>> import zoo
    >>> grid = zoo.run_grid(tiny, out=folder, data_dir=data)
    >>> list(zoo.compare(folder).columns[:3])
    ['objective', 'rank', 'low']
    """
    import pandas as pd

    from eval.ranks.board import board, read

    if not Path(folder).is_dir():
        raise ZooError(f"{folder} is no folder. Give that of a run, as in runs/default")
    found = board(read(Path(folder)))
    rows = []
    for row in found["rows"]:
        plain = {key: value for key, value in row.items() if key not in ("families", "steps")}
        several = [row[kind] for kind in ("families", "steps") if len(row[kind]) > 1]
        rows.append(plain | {name: value for parts in several for name, value in parts.items()})
    return pd.DataFrame(rows)


def run_grid(
    grid: PathLike = "default",
    *,
    dataset: str | Sequence[str] | None = None,
    seeds: int | None = None,
    only: str | None = None,
    backbone: str | None = None,
    budget: str | int = "auto",
    changes: Mapping[str, Any] | None = None,
    out: PathLike | None = None,
    weights: PathLike | None = None,
    retry_failed: bool = False,
    jobs: int | None = None,
    timeout: float = 1800.0,
    device: str = "auto",
    data_dir: PathLike | None = None,
    mirror: str | None = None,
    plugin: PathLike | None = None,
    track: str | None = None,
    progress: bool = False,
    executor: str = "local",
    ray_address: str | None = None,
    shared_out: bool = False,
    allow_mixed: bool = False,
    cpus_per_cell: float = 1.0,
    gpus_per_cell: float | None = None,
    ranks: int | None = None,
    accumulate: int = 1,
) -> GridRun:
    """Train, score and compare the cells of a grid: the same cells, files and page as `python run_all.py`.

    grid: a name, as `python run_all.py --help` lists them, or a TOML file. only: cells whose name contains this.
    budget: auto, cpu, gpu, the number of images that each cell sees, a share of the grid's ("0.5x"), or a time for all
    cells ("45min"). changes: fields of every cell's configuration, {"train.learning_rate": 1e-3}. out: the folder
    (default: runs/GRID). weights: another run's folder, whose cells that were trained alike are only scored here, in
    other ways. Finished cells are skipped, so the same call continues an interrupted one; retry_failed: try
    failed cells again. executor: local or ray, and what follows it, as the options of `run_all.py`
    (zoo/grid/README.md). Raises ZooError before any work for whatever is not allowed; cells that fail are listed in
    `not_done`. KeyboardInterrupt passes through when the running cells have saved their states.

    >>> import zoo
    >>> grid = zoo.run_grid(tiny, out=folder, data_dir=data)
    >>> grid.page.name, len(grid.table), grid.not_done
    ('report.html', 2, ())
    """
    from zoo import plugins
    from zoo.training.track import check_tracker

    seeds, jobs, ranks, accumulate = map(plain, (seeds, jobs, ranks, accumulate))
    timeout, cpus_per_cell, gpus_per_cell = map(plain, (timeout, cpus_per_cell, gpus_per_cell))
    _check_types(
        seeds=(seeds, int | None), jobs=(jobs, int | None), timeout=(timeout, int | float), only=(only, str | None),
        backbone=(backbone, str | None), changes=(changes, Mapping | None), ranks=(ranks, int | None),
        accumulate=(accumulate, int), cpus_per_cell=(cpus_per_cell, int | float),
        gpus_per_cell=(gpus_per_cell, int | float | None), dataset=(dataset, str | Sequence | None),
    )  # fmt: skip
    if dataset is not None and not isinstance(dataset, str):
        _check_types(**{f"dataset[{i}]": (name, str) for i, name in enumerate(dataset)})
    plugins.load(None if plugin is None else str(plugin))
    check_tracker(track)
    options = SimpleNamespace(
        grid=str(grid), dataset=dataset if dataset is None or isinstance(dataset, str) else ",".join(dataset),
        seeds=seeds, only=only, backbone=backbone, budget=str(budget), budget_asked=None,
        set=tuple(text_of(name, value) for name, value in (changes or {}).items()),
        out=None if out is None else str(out), weights=None if weights is None else str(weights),
        retry="failed" if retry_failed else None, jobs=jobs, timeout=timeout, device=device, verbose=False,
        data_dir=str(data_folder(data_dir)), mirror=mirror_place(mirror), track=track,
        plugin=None if plugin is None else str(plugin),
        executor=executor, ray_address=ray_address, shared_out=shared_out, allow_mixed=allow_mixed,
        cpus_per_cell=cpus_per_cell, gpus_per_cell=gpus_per_cell, ranks=ranks, accumulate=accumulate,
    )  # fmt: skip
    with progress_shown(progress):
        return run(plan_of(options), options)


def _check_types(**given: tuple[Any, Any]) -> None:
    """Raises ZooError for an argument that is not of its type; True and False are no numbers."""
    for name, (value, kind) in given.items():
        if not isinstance(value, kind) or isinstance(value, bool):
            words = str(getattr(kind, "__name__", kind)).replace("collections.abc.", "").replace("typing.", "")
            raise ZooError(f"{name} = {value!r} should be {words}, and is {type(value).__name__}")


def plan_of(options: Any, fetch: bool = True, device: bool = True) -> "Plan":
    """The plan for run_all's options, with the arguments of `plan.make`.

    A budget in time becomes a share of the grid's images, by measuring this machine, or as it was found when the run in
    the folder began. Raises ZooError for what is not allowed.
    """
    from zoo.grid import plan, speed, trained, wishes

    wishes.one_number(options.budget, options.set)
    if (seconds := wishes.seconds_of(options.budget)) is not None:
        from eval import pace

        options.budget_asked = options.budget
        options.budget = pace.share_for(seconds, options, fetch)
    made = plan.make(options, fetch, device)
    if options.weights:
        trained.check(made, Path(options.weights))
    return speed.scaled(made, Path(options.data_dir))


def run(made: "Plan", options: Any) -> GridRun:
    """Do what is left of a plan, with its page kept up to date. KeyboardInterrupt passes through, the page written."""
    from reports.live import LivePage
    from reports.page import build
    from zoo.grid import driver

    try:
        with _terminate_as_interrupt(), LivePage(made.out) as page:
            not_done = driver.run(made, list(WORKER), options, finished=page.refresh)
    except KeyboardInterrupt:
        with contextlib.suppress(ZooError):  # the page is no longer that of a grid at work
            build(made.out)
        raise
    began = time.perf_counter()
    page_path = build(made.out).with_suffix(".html")
    return GridRun(made.out, page_path, tuple(not_done), time.perf_counter() - began)


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM is the same as Ctrl-C: the running cells save first. Signals belong to a process's main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ending(found: GridRun) -> str:
    """What the terminal shows at the end of a grid: times, ranks, the verdict, and the page's path."""
    from reports.read.load import load
    from reports.render import terminal
    from reports.words import ending as words
    from reports.words.tables import time_table
    from zoo.base.helptext import terminal_columns

    run = load(found.folder)
    blocks = [*time_table(run, report=found.report_seconds), *words.ending(run, found.page)]
    return f"\n{terminal.render(blocks, terminal_columns()).rstrip()}"
