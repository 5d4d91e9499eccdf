"""The head of a Ray cluster, which may be lost: an error message says so before Ray ends this process.

Ray's own calls to a head that is gone do not come back. After 60 s they end the process, without a word to the user.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zoo.base.errors import ZooError
from zoo.grid import connect

SECONDS = 30.0  # for a head that takes no connections to come back


class Head:
    """What is known of the head of the cluster that `ray` is connected to. gone: whether it was given up."""

    def __init__(self, ray: Any):
        self.ray, self.address = ray, ray.get_runtime_context().gcs_address
        self.heard, self.gone = time.monotonic(), False

    @contextmanager
    def asked(self) -> Iterator[None]:
        """For calls of Ray's: raise ZooError where the cluster does not answer any more."""
        try:
            yield
        except self.ray.exceptions.RayError as error:
            raise _silent(reason(error)) from None
        except OSError as error:
            if error.errno is not None:  # of a file; one that Ray raises for a lost connection has none
                raise
            self.gone = True
            raise _silent(reason(error)) from None

    def answers(self) -> bool:
        """Whether the head takes connections now; raise ZooError once it has not for SECONDS."""
        if connect.answers(self.address):
            self.heard = time.monotonic()
            return True
        if time.monotonic() - self.heard > SECONDS:
            self.gone = True
            raise _silent(f"nobody has answered at {self.address} for {SECONDS:.0f} s")
        return False


def _silent(why: str) -> ZooError:
    return ZooError(
        f"the Ray cluster does not answer any more ({why}). What its cells brought back is kept: start the cluster "
        "again, and the same command goes on"
    )


def reason(error: BaseException) -> str:
    """Ray's errors are pages long; the line that says most."""
    cause = getattr(error, "cause", None)
    lines = [line.strip() for line in str(cause or error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
