"""How many CPU cores this process may use, and how many threads the user wants of each process."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


def cores(groups: Path = GROUPS, mounted: Path = CGROUPS) -> int:
    """CPU cores that this process may use: those it is bound to, or fewer where a control group grants less time.

    A container's limit (docker run --cpus 2) is such a group's quota; a part of a core is not counted, but for one.
    groups, mounted: the kernel's files about the process's groups, and where the groups are mounted.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, math.floor(min(_quotas(groups, mounted), default=bound))))


def threads_asked() -> int | None:
    """What OMP_NUM_THREADS says, `2` or the first of `2,1`; None where it says nothing."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def workers() -> int:
    """Processes that fill the cores: one for each, or for so many as each of them was given threads."""
    return max(1, cores() // (threads_asked() or 1))


def _quotas(groups: Path, mounted: Path) -> Iterator[float]:
    """Cores granted by each control group above this process, of either version of the kernel's interface."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        roots = [mounted / controllers, mounted / "cpu"] if controllers else [mounted, mounted / "unified"]
        for root in roots:
            inner = root / path.lstrip("/")  # within a container the path may be the host's, and the root its own
            for folder in {root, inner, *(p for p in inner.parents if root in p.parents)}:
                if (quota := _quota(folder)) is not None:
                    yield quota


def _quota(folder: Path) -> float | None:
    """Cores that a group's files grant; None where they set no limit."""
    try:
        if (folder / "cpu.max").exists():
            time, period = (folder / "cpu.max").read_text().split()
        else:
            time, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        found = math.nan if time.strip() == "max" else int(time) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return found if found > 0 else None
