"""What both backbones are told besides the image: the noise level and the class.

time in [0, 1] -> sinusoidal features -> two-layer perceptron (DiT, arXiv 2212.09748, section 3.2).
A class is a learned vector; label `num_classes` means "none" and is what guidance compares with.
"""

import math

import torch
from torch import Tensor, nn

TIME_SCALE = 1000.0  # sinusoids were tuned on DDPM's integer steps 0 .. 999 (arXiv 2006.11239)
SPAN_SCALE = 20.0  # a map is smooth in the span of its step, and its loss differentiates by it


def sinusoid(time: Tensor, width: int, scale: float = TIME_SCALE) -> Tensor:
    """Sinusoidal features of the network time.

    time: [B] in [0, 1]; returns [B, width] in float32, cosines first, periods of scale * time from 2 pi to 20000 pi.
    """
    half = width // 2
    frequency = torch.exp(-math.log(10_000) * torch.arange(half, device=time.device, dtype=torch.float32) / half)
    angle = scale * time.float()[:, None] * frequency
    return torch.cat([angle.cos(), angle.sin()], dim=1)


class TimeEmbedding(nn.Module):
    """[B] network time -> [B, width]."""

    def __init__(self, width: int, features: int = 256):
        super().__init__()
        self.features = features
        self.mlp = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: Tensor) -> Tensor:
        out: Tensor = self.mlp(sinusoid(time, self.features))
        return out


class SpanEmbedding(nn.Module):
    """[B] time that a step goes over, in [0, 1] -> [B, width], 0 at first: the second time of a map."""

    def __init__(self, width: int, features: int = 256):
        super().__init__()
        self.features = features
        last = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(features, width), nn.SiLU(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, span: Tensor) -> Tensor:
        out: Tensor = self.mlp(sinusoid(span, self.features, SPAN_SCALE))
        return out
