"""What a training step costs, counted and not timed: floating-point operations, bytes moved, kernels launched.

    floor = max(FLOP / (FLOP/s of a large matrix product), bytes / (bytes/s of a copy))

Bytes are counted twice. All: every operation, as it stands in the code, reads its inputs from memory and writes its
outputs, views apart. Products: only matrix products, convolutions and attention do, and everything else is computed
where they read and write, which is the most that a compiler can fuse. Nothing is computed: the network runs on torch's
meta device, with attention as a GPU's flash kernel takes it. The optimiser and the average read and write float32.

python -m zoo.benchmark.count prints the table of zoo/training/README.md.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from zoo.backbones.sizes import ImageShape
from zoo.benchmark.tables import table as markdown
from zoo.registry import backbone

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution", "convolution_backward",
            "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_backward")  # fmt: skip
STATE_PASSES = 10  # float32 numbers of a weight that a step reads or writes: gradient, weight, average, two moments
BACKBONES = ("dit", "unet")
SHAPE, CLASSES, BATCH = (1, 28, 28), 12, 256  # MNIST with its blank images
CARD = "H200", 803e12, 4.3e12  # FLOP/s in bfloat16 and bytes/s of a copy, measured with a prototype


@dataclass(frozen=True)
class Cost:
    """A step's forward and backward pass on one batch: operations, bytes of all and of products, and how many."""

    flop: int
    bytes: int
    launches: int
    product_bytes: int = 0
    products: int = 0
    state_bytes: int = 0

    def floor(self, flop_per_s: float, bytes_per_s: float) -> float:
        """Seconds below which the step cannot come on a machine with these two ceilings, operation by operation."""
        return max(self.flop / flop_per_s, self.bytes / bytes_per_s)

    def fused_floor(self, flop_per_s: float, bytes_per_s: float) -> float:
        """The same with everything but products fused into them, and with the optimiser."""
        return max(self.flop / flop_per_s, (self.product_bytes + self.state_bytes) / bytes_per_s)


class _Traffic(TorchDispatchMode):
    """Adds up the bytes that operations read and write, and counts them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without types
        self.bytes = self.launches = self.product_bytes = self.products = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if not func.is_view and outputs:
            inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            moved = sum(tensor.numel() * tensor.element_size() for tensor in (*inputs, *outputs))
            self.bytes += moved
            self.launches += 1
            if func.overloadpacket.__name__ in PRODUCTS:
                self.product_bytes += moved
                self.products += 1
        return result


class _Flash(TorchFunctionMode):
    """Attention by the kernel that a GPU takes; torch's meta device would write it out."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            return torch.ops.aten._scaled_dot_product_flash_attention(*args)[0]
        return func(*args, **(kwargs or {}))


def step_cost(name: str, image_shape: ImageShape, num_classes: int, batch: int, dtype: torch.dtype) -> Cost:
    """The cost of a backbone's forward and backward pass on a batch of images in this type.

    Raises ZooError for an unknown backbone, and for sizes that do not fit the images.
    """
    with torch.device("meta"):
        module = backbone(name, image_shape, num_classes).to(dtype).to(memory_format=torch.channels_last)
        for layer in module.modules():
            if isinstance(layer, nn.RMSNorm):
                layer.float()  # as are the queries and keys that it is given
        x = torch.zeros(batch, *image_shape, dtype=dtype)
        time, labels = torch.zeros(batch, dtype=dtype), torch.zeros(batch, dtype=torch.int64)
        with FlopCounterMode(display=False) as flop, _Traffic() as traffic, _Flash():
            module(x, time, labels).square().mean().backward()
    state = 4 * STATE_PASSES * sum(p.numel() for p in module.parameters())
    return Cost(flop.get_total_flops(), traffic.bytes, traffic.launches, traffic.product_bytes, traffic.products, state)


def table() -> str:
    """The costs of both backbones and their floors on one card, as Markdown."""
    _, flop_per_s, bytes_per_s = CARD
    rows = []
    for name in BACKBONES:
        cost = step_cost(name, SHAPE, CLASSES, BATCH, torch.bfloat16)
        floors = cost.floor(flop_per_s, bytes_per_s), cost.fused_floor(flop_per_s, bytes_per_s)
        rows.append([
            name, f"{cost.flop / 1e9:,.0f}", f"{cost.bytes / 1e9:.1f}",
            f"{cost.launches:,}", f"{cost.product_bytes / 1e9:.1f}", f"{cost.products:,}",
            f"{1e3 * cost.flop / flop_per_s:.2f}", *(f"{1e3 * floor:.2f}" for floor in floors),
            *(f"{BATCH / floor:,.0f}" for floor in floors),
        ])  # fmt: skip
    header = ["", "GFLOP", "GB, all", "operations", "GB, products", "products", "ms by FLOP", "floor, all, ms",
              "floor, products, ms", "images/s, all", "images/s, products"]  # fmt: skip
    return markdown(header, rows)


if __name__ == "__main__":
    print(table())
