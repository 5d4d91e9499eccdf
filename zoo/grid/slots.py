"""How many cells are done at once on this machine, by how many processes each, and on which GPUs."""

from collections.abc import Sequence
from typing import Any

from zoo.base.environment import visible_gpus
from zoo.base.errors import ZooError, choose
from zoo.base.threads import workers

MOST_JOBS = 1024
EXECUTORS = ("local", "ray")
CLUSTER_ONLY = ("ray_address", "shared_out", "allow_mixed")


def check(options: Any) -> None:
    """Raise ZooError for options that are out of range, or do not go together."""
    if options.jobs is not None and not 1 <= options.jobs <= MOST_JOBS:
        raise ZooError(f"--jobs {options.jobs:,} must be at least 1, and at most {MOST_JOBS:,}")
    if options.executor not in EXECUTORS:
        raise choose("executor", options.executor, EXECUTORS)
    for name in CLUSTER_ONLY if options.executor == "local" else ():
        if getattr(options, name):
            raise ZooError(f"--{name.replace('_', '-')} is for --executor ray; give both, or neither")
    if not options.cpus_per_cell > 0:
        raise ZooError(f"--cpus-per-cell {options.cpus_per_cell:g} must be above 0")
    gpus = options.gpus_per_cell
    if gpus is not None and (gpus < 0 or (gpus > 1 and gpus != int(gpus))):
        raise ZooError(f"--gpus-per-cell {gpus:g} must be a whole number, or a share of one such as 0.25")
    if options.ranks is not None and gpus and gpus > 1 and options.ranks != gpus:
        raise ZooError(f"--ranks {options.ranks} and --gpus-per-cell {gpus:g} differ: a rank has one GPU")


def ranks(options: Any) -> int:
    """How many processes train a cell together: as asked, or one for each of its GPUs."""
    return options.ranks or max(1, int(options.gpus_per_cell or 1))


def jobs(options: Any, kind: str) -> int:
    """Cells at once: one on each GPU, or as many as its shares allow; on a CPU as many as fill up to four cores, by one
    thread each or as OMP_NUM_THREADS says. Raises ZooError as `check` does."""
    check(options)
    if options.jobs or kind == "cpu":
        return int(options.jobs) if options.jobs else max(1, min(4, workers()) // ranks(options))
    gpus = 1 if options.device.startswith("cuda:") else max(1, len(visible_gpus()))
    each = options.gpus_per_cell or ranks(options)
    return gpus * int(1 / each) if each < 1 else max(1, gpus // int(each))


def gpu_places(gpus: Sequence[str], jobs: int, each: float) -> list[dict[str, str]]:
    """The environments of `jobs` slots: a share of a GPU, one GPU, or `each` of them where that is more than one.

    gpus: as CUDA_VISIBLE_DEVICES names them; with less than two there is nothing to choose.
    """
    if len(gpus) < 2:
        return [{}] * jobs
    width = max(1, int(each))
    parts = [gpus[first : first + width] for first in range(0, len(gpus) - width + 1, width)]
    return [{"CUDA_VISIBLE_DEVICES": ",".join(parts[job % len(parts)])} for job in range(jobs)]
