"""What a training step costs, counted and not timed: floating-point operations, bytes moved, kernels launched.

    floor = max(FLOP / (FLOP/s of a large matrix product), bytes / (bytes/s of a copy))

Bytes are those of eager operations: each reads its inputs from memory and writes its outputs, views apart. Compiled
code fuses neighbours and moves fewer, so the counts say how much there is to gain. Nothing is computed: the network
runs on torch's meta device.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from zoo.backbones.sizes import ImageShape
from zoo.registry import backbone


@dataclass(frozen=True)
class Cost:
    """A step's forward and backward pass on one batch."""

    flop: int
    bytes: int
    launches: int

    def floor(self, flop_per_s: float, bytes_per_s: float) -> float:
        """Seconds below which the step cannot come on a machine with these two ceilings, operation by operation."""
        return max(self.flop / flop_per_s, self.bytes / bytes_per_s)


class _Traffic(TorchDispatchMode):
    """Adds up the bytes that operations read and write, and counts them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without types
        self.bytes = self.launches = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if not func.is_view and outputs:
            inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in (*inputs, *outputs))
            self.launches += 1
        return result


def step_cost(name: str, image_shape: ImageShape, num_classes: int, batch: int, dtype: torch.dtype) -> Cost:
    """The cost of a backbone's forward and backward pass on a batch of images in this type.

    Raises ZooError for an unknown backbone, and for sizes that do not fit the images.
    """
    with torch.device("meta"):
        module = backbone(name, image_shape, num_classes).to(dtype)
        x = torch.zeros(batch, *image_shape, dtype=dtype)
        time, labels = torch.zeros(batch, dtype=dtype), torch.zeros(batch, dtype=torch.int64)
        with FlopCounterMode(display=False) as flop, _Traffic() as traffic:
            module(x, time, labels).square().mean().backward()
    return Cost(flop.get_total_flops(), traffic.bytes, traffic.launches)
