"""A step's batch, drawn while the step before it is computed: on a GPU by a stream of its own.

A batch is a pure function of the step, so that one drawn early is the same. On a CPU nothing runs beside the step, and
nothing is gained or lost.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor


class Ahead:
    """What steps take, by number; draw: k -> tensors and numbers."""

    def __init__(self, draw: Callable[[int], tuple[Any, ...]], device: torch.device):
        self.draw, self.device = draw, device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.kept: tuple[int, tuple[Any, ...]] | None = None

    def take(self, k: int) -> tuple[Any, ...]:
        """What step k takes, drawn before or now; what comes next on the current stream finds it complete."""
        if self.kept is None or self.kept[0] != k:
            self.prepare(k)
        (_, given), self.kept = self.kept, None  # type: ignore[misc]  # it was just prepared
        if self.stream:
            current = torch.cuda.current_stream(self.device)
            current.wait_stream(self.stream)
            for value in given:
                if isinstance(value, Tensor):  # else its memory could be taken for the next batch too early
                    value.record_stream(current)
        return given

    def prepare(self, k: int) -> None:
        """Begin to draw what step k takes."""
        with torch.cuda.stream(self.stream) if self.stream else nullcontext():
            self.kept = k, self.draw(k)
