"""The forward pass of diffusers' `UNet2DModel` on images that keep their layout in memory.

diffusers asks for contiguous images before each shortcut and, from batches of 64 on, before each upsampling, and
torch's group norm gives contiguous ones on a GPU: with weights in channels-last, each is a copy there and one back.
Here group norm is written out, which a compiler fuses with what follows it, and nothing asks for a layout. The same
weights, the same function up to rounding.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d import UNet2DModel


def forward(net: "UNet2DModel", x: Tensor, time: Tensor, given: Tensor) -> Tensor:
    """What net(x [B, C, H, W], time [B] as it takes it, class_labels=given) is."""
    parts: Any = net  # diffusers' lists of modules have no types
    emb = F.silu(parts.time_embedding(parts.time_proj(time)) + parts.class_embedding(given))
    h = parts.conv_in(x)
    skips = [h]
    for block in parts.down_blocks:
        for layer, attention in zip(block.resnets, attentions(block), strict=True):
            h = attended(attention, residual(layer, h, emb))
            skips.append(h)
        for sampler in block.downsamplers or ():
            h = sampler.conv(h)
            skips.append(h)
    first, *others = parts.mid_block.resnets
    h = residual(first, h, emb)
    for layer, attention in zip(others, parts.mid_block.attentions, strict=True):
        h = residual(layer, attended(attention, h), emb)
    for block in parts.up_blocks:
        for layer, attention in zip(block.resnets, attentions(block), strict=True):
            h = attended(attention, residual(layer, torch.cat([h, skips.pop()], dim=1), emb))
        for sampler in block.upsamplers or ():
            h = sampler.conv(F.interpolate(h, scale_factor=2.0, mode="nearest"))
    out: Tensor = parts.conv_out(F.silu(grouped(parts.conv_norm_out, h)))
    return out


def attentions(block: Any) -> list[Any]:
    """The attention behind each residual layer of a block, None where there is none."""
    found = getattr(block, "attentions", None)
    return list(found) if found is not None else [None] * len(block.resnets)


def residual(layer: Any, h: Tensor, emb: Tensor) -> Tensor:
    """A residual layer on [B, C, H, W]; emb [B, D]: time and class behind their activation."""
    inner = layer.conv1(F.silu(grouped(layer.norm1, h))) + layer.time_emb_proj(emb)[:, :, None, None]
    inner = layer.conv2(F.silu(grouped(layer.norm2, inner)))
    out: Tensor = (h if layer.conv_shortcut is None else layer.conv_shortcut(h)) + inner
    return out


def attended(attention: Any, h: Tensor) -> Tensor:
    """h and what self-attention between its places adds, [B, C, H, W]; channels-last is read as tokens, not copied."""
    if attention is None:
        return h
    tokens = grouped(attention.group_norm, h).flatten(2).transpose(1, 2)
    layers = attention.to_q, attention.to_k, attention.to_v
    q, k, v = (layer(tokens).unflatten(2, (attention.heads, -1)).transpose(1, 2) for layer in layers)
    out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    found: Tensor = h + attention.to_out[0](out).transpose(1, 2).unflatten(2, h.shape[2:])
    return found


def grouped(norm: nn.GroupNorm, h: Tensor) -> Tensor:
    """Group norm of [B, C, H, W], in float32 as autocast has it, in the layout of h."""
    groups = h.float().unflatten(1, (norm.num_groups, -1))
    variance, mean = torch.var_mean(groups, dim=(2, 3, 4), correction=0, keepdim=True)
    normal: Tensor = ((groups - mean) * (variance + norm.eps).rsqrt()).flatten(1, 2)
    return normal * norm.weight[:, None, None] + norm.bias[:, None, None]
