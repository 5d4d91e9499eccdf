"""What a backbone costs, counted and not timed."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from zoo import registry
from zoo.data import NUM_CLASSES


def forward_flop(name: str, image_shape: tuple[int, int, int]) -> int:
    """Floating-point operations of one image's forward pass (a multiply-add counts two); training takes about three
    times as many. Counted on torch's meta device: nothing is computed."""
    with torch.device("meta"):
        module = registry.backbone(name, image_shape, NUM_CLASSES)
        x, time, labels = torch.zeros(1, *image_shape), torch.zeros(1), torch.zeros(1, dtype=torch.int64)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(x, time, labels)
    return counter.get_total_flops()
