"""The conditional U-Net: diffusers' `UNet2DModel` (DDPM's network, arXiv 2006.11239) with class embeddings.

Three resolutions (28, 14, 7 on MNIST), residual layers at each, self-attention at the lowest ones or at all.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from zoo.backbones.conditioning import TIME_SCALE, SpanEmbedding
from zoo.backbones.unet_lean import forward as lean_forward

if TYPE_CHECKING:
    from diffusers.models.attention_processor import Attention


class ByDevice:
    """diffusers' attention: written out on a CPU, where the fused kernel's backward pass is slower; fused elsewhere."""

    def __init__(self) -> None:
        from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

        self.written_out, self.fused = AttnProcessor(), AttnProcessor2_0()

    def __call__(
        self,
        attn: "Attention",
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        chosen: Callable[..., Tensor] = self.written_out if hidden_states.device.type == "cpu" else self.fused
        return chosen(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


class UNet(nn.Module):
    """forward(x [B, C, H, W], time [B] in [0, 1], labels [B] int64) -> [B, C, H, W]; label `num_classes` means "none".

    until: whether it takes a second time [B] after the labels. Sizes and their defaults:
    `zoo.backbones.sizes.UNetSize`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        width: int,
        layers: int,
        attention: int,
        head: int,
        until: bool = False,
    ):
        # Imported here: diffusers takes seconds to load, and `dit` does not need it.
        from diffusers.models.attention_processor import Attention
        from diffusers.models.unets.unet_2d import UNet2DModel

        super().__init__()
        self.lean = self.checkpointing = False
        channels, height, breadth = image_shape
        down = ["DownBlock2D"] * (3 - attention) + ["AttnDownBlock2D"] * attention
        self.net = UNet2DModel(
            sample_size=(height, breadth),
            in_channels=channels,
            out_channels=channels,
            block_out_channels=(width, 2 * width, 2 * width),
            layers_per_block=layers,
            down_block_types=tuple(down),
            up_block_types=tuple(kind.replace("Down", "Up") for kind in reversed(down)),
            attention_head_dim=head,
            # divides every layer's channels; a group of one channel would cancel what the time embedding adds
            norm_num_groups=min(math.gcd(width, 32), width // 2),
            num_class_embeds=num_classes + 1,
        )
        for module in self.net.modules():
            if isinstance(module, Attention):
                module.set_processor(ByDevice())  # type: ignore[arg-type]  # any callable of this form will do
        nn.init.zeros_(self.net.conv_out.weight)  # the network starts as the constant 0, as DDPM's and `dit` do
        nn.init.zeros_(self.net.conv_out.bias)
        self.span: SpanEmbedding | None = None
        if until:  # last: the weights above are those of one time
            condition = self.net.class_embedding.embedding_dim
            self.span, self.label = SpanEmbedding(condition), self.net.class_embedding
            self.net.class_embedding = nn.Identity()  # is given the class's vector, to which the span's is added

    def enable_gradient_checkpointing(self) -> None:
        """From now on, residual layers are computed again in the backward pass instead of kept (arXiv 1604.06174)."""
        self.net.enable_gradient_checkpointing()
        self.checkpointing = True

    def enable_lean(self) -> None:
        """From now on, images keep their layout from the first convolution to the last, unless checkpointing is on."""
        self.lean = True

    def hidden_matrices(self) -> list[nn.Parameter]:
        """What Muon may make orthogonal: all between the first convolution and the last but the embeddings.

        What adds the time embedding to a residual layer is among them: with AdamW for it, `eps/cosine` did far worse.
        """
        others = {"conv_in", "conv_out", "time_embedding", "class_embedding"}
        return [p for name, p in self.net.named_parameters() if p.ndim > 1 and others.isdisjoint(name.split("."))]

    def forward(self, x: Tensor, time: Tensor, labels: Tensor, until: Tensor | None = None) -> Tensor:
        given = labels
        if self.span is not None:
            given = self.label(labels) + (0 if until is None else self.span(time - until))
        if self.lean and not self.checkpointing:
            return lean_forward(self.net, x, TIME_SCALE * time, given)
        out: Tensor = self.net(x, TIME_SCALE * time, class_labels=given, return_dict=False)[0]
        return out
