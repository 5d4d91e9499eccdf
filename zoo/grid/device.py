"""Whether a device works, tried in a process of its own: torch is not imported here, and nothing of a GPU is held."""

import os
import subprocess
import sys
from pathlib import Path

from zoo.base.environment import has_gpu
from zoo.base.errors import ZooError

TRY = "from zoo.base import environment, errors; errors.run_main(lambda: environment.pick_device({!r}) and 0)"
ROOT = Path(__file__).parents[2]


def require_device(name: str) -> None:
    """Raise ZooError for a device that does not work here; the CPU always does."""
    if name == "cpu" or (name == "auto" and not has_gpu()):
        return
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    tried = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", TRY.format(name)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if tried.returncode:
        lines = [line for line in tried.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("error: ")), (lines or ["it gave no reason"])[-1])
        told = reason.removeprefix("error: ")
        raise ZooError(told if repr(name) in told else f"device {name!r} does not work here: {told}")
