"""What a driver tells every seat of a cluster, and what it asks of every node before a cell goes there."""

import hashlib
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.base.environment import COMMIT, git_hash
from zoo.base.files import write_atomic
from zoo.base.threads import threads_asked
from zoo.grid.needs import Wanted
from zoo.grid.seat import Order

COMPARED = ("code", "torch")  # what must be the same everywhere


def order(wanted: Wanted) -> Order:
    """What every seat is told."""
    run = hashlib.sha256(f"{socket.gethostname()}:{wanted.out.resolve()}".encode()).hexdigest()[:12]
    threads = threads_asked() or max(1, int(wanted.needs.cpus))  # by its own, Ray sets the number of its CPUs
    return Order(
        run=run,
        command=wanted.command,
        environment={"OMP_NUM_THREADS": str(threads), COMMIT: git_hash() or ""},
        timeout=wanted.timeout,
        fresh=wanted.fresh,
        plugin=(wanted.plugin.name, wanted.plugin.read_bytes()) if wanted.plugin else None,
        shared=str(wanted.out.resolve()) if wanted.shared else None,
        data_dir=str(wanted.data_dir) if wanted.data_dir else None,
    )


@contextmanager
def sign(out: Path) -> Iterator[str]:
    """A file in the shared folder by which nodes tell that it is the same one; it is there within the block."""
    file = out.resolve() / f".seen-{secrets.token_hex(8)}"
    write_atomic(file, b"")
    try:
        yield str(file)
    finally:
        file.unlink(missing_ok=True)


def differs(facts: Mapping[str, Any], own: Mapping[str, Any], wanted: Wanted, address: str) -> str:
    """Why a node may not be used, or "". facts: its seat's; own: the driver's."""
    if not facts["sees"]:
        return f"{facts['host']} ({address}) does not see {wanted.out}, which --shared-out needs"
    other = [key for key in COMPARED if facts[key] != own[key]]
    if not other or wanted.mixed:
        return ""
    told = {"code": "another version of this project", "torch": f"torch {facts['torch']}, not {own['torch']}"}
    return f"{facts['host']} ({address}) has {' and '.join(told[key] for key in other)}"
