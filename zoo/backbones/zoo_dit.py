"""The DiT as a diffusers model: what `python -m zoo.export` writes beside the weights, with the files that it imports.

Imports of this project's own files are relative, so that the same files work in an exported folder.
"""

from typing import Any

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor

from .conditioning import TIME_SCALE
from .dit import DiT


class ZooDiT(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both are untyped in diffusers
    """forward(x [B, C, H, W], 1000 time [B], class labels [B]) -> [B, C, H, W]; label `num_classes` means "none"."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int = 12,
        width: int = 256,
        depth: int = 3,
        heads: int = 4,
        patch: int = 2,
        stream: str = "single",
        qk_norm: bool = True,
    ):
        super().__init__()
        channels, height, breadth = image_shape
        self.net = DiT(
            (channels, height, breadth),
            num_classes,
            width,
            depth,
            heads,
            patch,
            double=stream == "double",
            qk_norm=qk_norm,
        )

    def forward(self, hidden_states: Tensor, timestep: Tensor, class_labels: Tensor, return_dict: bool = True) -> Any:
        out = self.net(hidden_states, timestep / TIME_SCALE, class_labels)
        return Transformer2DModelOutput(sample=out) if return_dict else (out,)
