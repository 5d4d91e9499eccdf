"""What a grid checks before its first cell is trained: teachers' weights, the data folder, the disk, the cores."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo import registry
from zoo.base import ranks
from zoo.base.counts import counted
from zoo.base.errors import DiskFull, ZooError
from zoo.base.lock import exclusive
from zoo.base.progress import say
from zoo.base.threads import cores, threads_asked
from zoo.config.cell import TrainConfig
from zoo.data import sets
from zoo.grid import slots
from zoo.grid.cell import Cell
from zoo.grid.plan import Plan, skipped

OVERHEAD = 1 << 20  # bytes of a cell's pictures, log and results
BYTES = 4  # of a number in a checkpoint
MORE = 1.5  # weights of a network, of the lower bound that is known
COPIES = 4  # of the weights in a checkpoint: themselves, their average, and at most two moments
SNAPSHOT_COPIES = 2  # themselves and their average


def check(plan: Plan, options: Any, say: Callable[[str], None] = say) -> None:
    """Raise ZooError for what would stop every cell, and say what will only slow them.

    Raises DiskFull where the estimate of what is left to write does not fit.
    """
    check_shares(plan, options)
    check_teachers(plan, options.retry == "failed")
    if why := unwritable(Path(options.data_dir)):
        say(
            f"the data folder {options.data_dir} cannot be written ({why}): what is kept there between cells is worked "
            "out again in each worker. --data-dir names another"
        )
    needed, free = to_write(plan), free_bytes(plan.out)
    if needed > free:
        raise DiskFull(
            f"the cells left would write about {size(needed)} (estimated) below {plan.out}, and {size(free)} are free. "
            "Make room, choose another --out, or fewer cells by --only"
        )
    if needed:
        say(f"about {size(needed)} will be written below {plan.out} (estimated); {size(free)} are free")
    threads = threads_asked() or 1
    if options.executor == "local" and plan.kind == "cpu" and plan.jobs * threads > cores():
        say(
            f"{counted(plan.jobs, 'cell')} at once, of {counted(threads, 'thread')} each, on "
            f"{counted(cores(), 'core')}: they wait for one another, and all take longer. Lower --jobs or "
            "OMP_NUM_THREADS"
        )


def check_shares(plan: Plan, options: Any) -> None:
    """Raise ZooError for a cell whose batches cannot be shared out over the ranks that are asked for."""
    for name in plan.budgets if options.executor == "ray" else ():
        path = getattr(sets.source(name), "path", None)
        if path is not None and not Path(path).is_absolute():
            raise ZooError(f"data set {name!r}: give a path from / on, under which every node sees the images")
    elsewhere = options.executor == "ray" and options.ray_address is not None  # a cluster of this process is one node
    if elsewhere and not options.shared_out and any(cell.teacher for cell in plan.chosen):
        raise ZooError("some cells begin from a teacher's weights, which other nodes see with --shared-out alone")
    count = slots.ranks(options)
    for cell in plan.chosen if count * options.accumulate != 1 else ():
        from zoo.training.spread import joined  # torch, which one process to a cell does without

        try:
            why = joined(registry.objective(cell.config.train.objective))
            ranks.check(cell.config.train.batch, count, options.accumulate, why)
        except ZooError as error:
            raise ZooError(f"{cell.name}: {error}") from None


def check_teachers(plan: Plan, retry: bool) -> None:
    """Raise ZooError for teachers of cells to do that count as done, and would be skipped, but have no weights here.

    So it is where a published run was unpacked, which holds results and manifests alone. retry: as `skipped`. A teacher
    that is to be trained again needs its own teacher's weights, too.
    """
    lacking: dict[Path, str] = {}
    for cell in plan.chosen:
        if skipped(plan.status(cell), retry) or _trained(plan, cell):
            continue
        teacher = cell.teacher
        while teacher and plan.status(teacher) == "done" and not _trained(plan, teacher):
            train = teacher.config.train
            lacking[plan.folder(teacher)] = f"{teacher.objective} on {train.backbone}, seed {train.seed}"
            teacher = teacher.teacher
    if lacking:
        lines = [
            f"the teacher {name}, is done, but its weights are not in {folder}: delete that folder, and it is trained "
            "again"
            for folder, name in lacking.items()
        ]
        raise ZooError("\n  ".join(lines))


def _trained(plan: Plan, cell: Cell) -> bool:
    """Whether the weights of a cell's last step are in its folder."""
    last = plan.folder(cell) / f"step-{cell.config.train.steps:06d}.safetensors"
    return last.is_file() and last.with_suffix(".json").is_file()


def unwritable(folder: Path) -> str:
    """Why a folder, made first, cannot be written and locked; "" if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / ".lock"):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def to_write(plan: Plan) -> int:
    """Bytes that the cells left will write, from above: checkpoints, and a little for all else.

    A cell keeps two checkpoints; while it is trained, a third and its snapshots are there too.
    """
    kept, meanwhile = 0, 0
    for cell in plan.chosen:
        if plan.status(cell) != "done":
            weights = _weight_bytes(cell.config.train)
            kept += 2 * COPIES * weights + OVERHEAD
            meanwhile = max(meanwhile, weights * (COPIES + SNAPSHOT_COPIES * cell.config.score.snapshots))
    return kept + plan.jobs * meanwhile


def _weight_bytes(config: TrainConfig) -> int:
    """About how many bytes a network's weights take; 0 where its size is not known."""
    least, _ = registry.backbone_size(config.backbone).least(config.shape(sets.source(config.dataset).spec))
    return round(BYTES * MORE * least)


def free_bytes(folder: Path) -> int:
    """Bytes that may be written below a folder, which need not be there yet."""
    return shutil.disk_usage(next(p for p in (folder, *folder.absolute().parents) if p.exists())).free


def size(count: int) -> str:
    """Bytes as 12 MB or 3.4 GB."""
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
