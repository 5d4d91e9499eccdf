"""The 3-layer diffusion transformer (DiT, arXiv 2212.09748).

Patches of the image are tokens, joined by one token for the class; each block is adaLN-zero attention and
perceptron: h + gate * f(norm(h) * (1 + scale) + shift), where gate, scale and shift come from time and
class and start at zero, so that every block starts as the identity. A patch is told its place by DiT's fixed
sinusoids, and attention how far two patches are apart by 2D rotary positions (arXiv 2403.13298): centred digits want
both. Queries and keys are RMS-normalised (arXiv 2302.05442), unless the size says otherwise.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .conditioning import SpanEmbedding, TimeEmbedding  # relative: the file is exported too (zoo_dit.py)


def place_table(rows: int, columns: int, width: int) -> Tensor:
    """Sines and cosines of each patch's column, then of its row, [rows * columns, width] (DiT, as in MAE's code)."""
    quarter = width // 4
    frequency = 10_000.0 ** (-torch.arange(quarter, dtype=torch.float32) / quarter)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = [place.reshape(-1, 1) * frequency for place in (column, row)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)


def rotary_table(rows: int, columns: int, head: int) -> Tensor:
    """Angles of the 2D rotary positions, [1 + rows * columns, head / 2]; the class token stays unrotated."""
    quarter = head // 4
    frequency = 100.0 ** (-torch.arange(quarter, dtype=torch.float32) / quarter)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angle = torch.cat([row.reshape(-1, 1) * frequency, column.reshape(-1, 1) * frequency], dim=1)
    return torch.cat([torch.zeros(1, 2 * quarter), angle])


def rotate(h: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate each pair (h_i, h_{i + half}) of [B, heads, tokens, head] by its position's angle."""
    first, second = h.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k' / sqrt(head)) v over [B, heads, tokens, head].

    Written out on the CPU: there the fused kernel's backward pass is slower than the three products it replaces.
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v)
    scores: Tensor = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    return scores.softmax(dim=-1).to(v.dtype) @ v


Parts = tuple[Tensor, ...]


class Block(nn.Module):
    """One adaLN-zero block on [B, tokens, width]."""

    def __init__(self, width: int, heads: int, qk_norm: bool = True):
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 6 * width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm = head_norm(width // heads) if qk_norm else nn.Identity()
        self.k_norm = head_norm(width // heads) if qk_norm else nn.Identity()
        self.out = nn.Linear(width, width)
        # DiT's tanh form of GELU differs by 5e-4 at most, and takes a CPU twice as long
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, h: Tensor, condition: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        (q, k, v), rest = self.ask(h, condition, cos, sin)
        return self.answer(h, attention(q, k, v), rest)

    def ask(self, h: Tensor, condition: Tensor, cos: Tensor, sin: Tensor) -> tuple[Parts, Parts]:
        """(queries, keys and values [B, heads, tokens, head], what `answer` needs besides)."""
        shift_a, scale_a, *rest = self.modulation(F.silu(condition))[:, None].chunk(6, dim=-1)
        qkv = self.qkv(self.norm(h) * (1 + scale_a) + shift_a)
        q, k, v = rearrange(qkv, "b n (three heads d) -> three b heads n d", three=3, heads=self.heads)
        q = rotate(self.q_norm(q.float()), cos, sin).to(v.dtype)
        k = rotate(self.k_norm(k.float()), cos, sin).to(v.dtype)
        return (q, k, v), tuple(rest)

    def answer(self, h: Tensor, attended: Tensor, rest: Parts) -> Tensor:
        """The tokens after attention [B, heads, tokens, head] and perceptron."""
        gate_a, shift_m, scale_m, gate_m = rest
        attended = rearrange(attended, "b heads n d -> b n (heads d)")
        h = h + gate_a * self.out(attended)
        h = h + gate_m * self.mlp(self.norm(h) * (1 + scale_m) + shift_m)
        return h


def head_norm(head: int) -> nn.RMSNorm:
    """The norm of a head's queries or keys."""
    return nn.RMSNorm(head, eps=1e-6)


class KeysValues(nn.Module):
    """What the last double block needs of the class token, which has no output: its keys and values."""

    def __init__(self, width: int, heads: int, qk_norm: bool):
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.kv = nn.Linear(width, 2 * width)
        self.k_norm = head_norm(width // heads) if qk_norm else nn.Identity()
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, h: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale = self.modulation(F.silu(condition))[:, None].chunk(2, dim=-1)
        kv = self.kv(self.norm(h) * (1 + scale) + shift)
        k, v = rearrange(kv, "b n (two heads d) -> two b heads n d", two=2, heads=self.heads)
        return self.k_norm(k.float()).to(v.dtype), v


class DoubleBlock(nn.Module):
    """The block of MM-DiT (arXiv 2403.03206, section 4) on [B, 1 + tokens, width], the class token first.

    The class token and the image tokens have weights of their own, and attend to all tokens of both. last: behind the
    block nothing reads the class token, of which only keys and values are made, and which stays as it is.
    """

    def __init__(self, width: int, heads: int, qk_norm: bool, last: bool):
        super().__init__()
        self.image = Block(width, heads, qk_norm)
        self.label: KeysValues | Block = KeysValues(width, heads, qk_norm) if last else Block(width, heads, qk_norm)

    def forward(self, h: Tensor, condition: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        label, image = h[:, :1], h[:, 1:]
        (q, k, v), rest = self.image.ask(image, condition, cos[1:], sin[1:])
        if isinstance(self.label, KeysValues):
            own_k, own_v = self.label(label, condition)
        else:
            (own_q, own_k, own_v), own_rest = self.label.ask(label, condition, cos[:1], sin[:1])
            q = torch.cat([own_q, q], dim=2)
        attended = attention(q, torch.cat([own_k, k], dim=2), torch.cat([own_v, v], dim=2))
        image = self.image.answer(image, attended[:, :, -image.shape[1] :], rest)
        if isinstance(self.label, Block):
            label = self.label.answer(label, attended[:, :, :1], own_rest)
        return torch.cat([label, image], dim=1)


class DiT(nn.Module):
    """forward(x [B, C, H, W], time [B] in [0, 1], labels [B] int64) -> [B, C, H, W]; label `num_classes` means "none".

    until: whether it takes a second time [B] after the labels. Sizes and their defaults: `zoo.backbones.sizes.DiTSize`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        width: int,
        depth: int,
        heads: int,
        patch: int,
        double: bool = False,
        qk_norm: bool = True,
        until: bool = False,
    ):
        super().__init__()
        channels, height, breadth = image_shape
        self.patch, self.rows, self.columns = patch, height // patch, breadth // patch
        self.checkpointing = self.lean = False
        self.embed = nn.Linear(channels * patch * patch, width)
        self.time = TimeEmbedding(width)
        self.label = nn.Embedding(num_classes + 1, width)
        self.label_token = nn.Embedding(num_classes + 1, width)
        self.blocks = nn.ModuleList(
            DoubleBlock(width, heads, qk_norm, last=i == depth - 1) if double else Block(width, heads, qk_norm)
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, channels * patch * patch)
        angle = rotary_table(self.rows, self.columns, width // heads)
        self.register_buffer("place", place_table(self.rows, self.columns, width), persistent=False)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        for table in (self.label, self.label_token):
            nn.init.normal_(table.weight, std=0.02)
        for layer in (self.modulation, self.out):  # the network starts as the constant 0
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.span = SpanEmbedding(width) if until else None  # last: the weights above are those of one time

    def enable_gradient_checkpointing(self) -> None:
        """From now on, blocks are computed again in the backward pass instead of kept (arXiv 1604.06174)."""
        self.checkpointing = True

    def enable_lean(self) -> None:
        """From now on, tokens are kept in the type of the matrix products: half the bytes, under autocast."""
        self.lean = True

    def hidden_matrices(self) -> list[nn.Parameter]:
        """What Muon may make orthogonal: what the tokens pass between the first layer and the last.

        Not the modulations, which read time and class: by AdamW they take less time and come out no worse.
        """
        return [p for name, p in self.blocks.named_parameters() if p.ndim > 1 and ".modulation." not in name]

    def forward(self, x: Tensor, time: Tensor, labels: Tensor, until: Tensor | None = None) -> Tensor:
        condition = self.time(time) + self.label(labels)
        if self.span is not None and until is not None:
            condition = condition + self.span(time - until)
        tokens = rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=self.patch, q=self.patch)
        embedded = self.embed(tokens)
        h = torch.cat([self.label_token(labels)[:, None], embedded + self.place], dim=1)
        h = h.to(embedded.dtype) if self.lean else h
        for block in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                given = h, condition, self.cos, self.sin
                h = checkpoint(block, *given, use_reentrant=False, preserve_rng_state=False)  # nothing is random
            else:
                h = block(h, condition, self.cos, self.sin)
        shift, scale = self.modulation(F.silu(condition))[:, None].chunk(2, dim=-1)
        out: Tensor = self.out(self.norm(h[:, 1:]) * (1 + scale) + shift)
        p, rows, columns = self.patch, self.rows, self.columns
        return rearrange(out, "b (h w) (c p q) -> b c (h p) (w q)", h=rows, w=columns, p=p, q=p)
