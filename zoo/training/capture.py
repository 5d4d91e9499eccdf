"""A training step recorded as one CUDA graph and replayed: a GPU is handed a whole step at once, not kernel by kernel.

What is recorded reads and writes the same memory every time: its tensors are copied into place before a replay, and
numbers that change from step to step are tensors there. It may not wait for the GPU, copy from the host or draw random
numbers; tests/test_capture.py checks the first two without a GPU.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

WARM = 3  # runs before the recording, in which kernels are tuned and buffers made


class Captured:
    """`work`, recorded on arguments like `given` (tensors on a GPU, ints, floats), to be called as it is.

    It is run WARM times for that: what it changes is to be put back. Raises RuntimeError if it cannot be recorded.
    """

    def __init__(self, work: Callable[..., None], given: tuple[Tensor | float, ...]):
        device = next(value.device for value in given if isinstance(value, Tensor))
        self.inputs = [value.clone() if isinstance(value, Tensor) else torch.tensor(value) for value in given]
        self.inputs = [value.to(device) for value in self.inputs]
        self.replay = record(lambda: work(*self.inputs), device)

    def __call__(self, *given: Tensor | float) -> None:
        for mine, value in zip(self.inputs, given, strict=True):
            mine.copy_(value) if isinstance(value, Tensor) else mine.fill_(value)
        self.replay()


def record(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """What replays `work` on a GPU.

    It is warmed up on the stream that records it: a weight's gradient is added on the stream on which the weight was
    first used, for as long as anything keeps that graph of autograd, and a recording may not touch another stream.
    """
    with torch.cuda.device(device), no_garbage():
        aside, here = torch.cuda.Stream(), torch.cuda.current_stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(WARM):
                work()
        here.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=aside):
                work()
        finally:
            torch.cuda.set_stream(here)  # torch's own way out of a recording that fails leaves its stream in use
    return graph.replay


@contextmanager
def no_garbage() -> Iterator[None]:
    """Garbage is collected before, and not within: graphs of autograd that a circle of references keeps, and kernels
    whose end would be an operation that a recording does not allow."""
    gc.collect()
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
