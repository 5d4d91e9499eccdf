"""EDM2's learned uncertainty (arXiv 2312.02696, appendix A): a scalar function of the noise level, zero at first.

    u(logsnr) = w . sqrt(2 / n) cos(2 pi (f logsnr' + p)),  logsnr' = -logsnr / 8,  w = 0 at first

The frequencies f ~ N(0, 1) and phases p ~ U(0, 1) are fixed; the linear layer w alone is trained, with the network.
"""

import torch
from torch import Tensor, nn


class Uncertainty(nn.Module):
    """u(logsnr): fixed random Fourier features of log(sigma / alpha) / 4, and one linear layer that starts at zero."""

    frequency: Tensor
    phase: Tensor

    def __init__(self, features: int = 128):
        super().__init__()
        generator = torch.Generator().manual_seed(0)  # the same features in every run
        self.register_buffer("frequency", torch.randn(features, generator=generator), persistent=False)
        self.register_buffer("phase", torch.rand(features, generator=generator), persistent=False)
        self.linear = nn.Linear(features, 1, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, logsnr: Tensor) -> Tensor:
        """logsnr [B], any float type -> [B] float32; infinite levels (zero SNR) count as the nearest finite ones."""
        level = (-logsnr / 8).float().clamp(-10, 10).to(self.frequency.device)  # infinite at zero SNR
        angle = 2 * torch.pi * (level[:, None] * self.frequency + self.phase)
        with torch.autocast(level.device.type, enabled=False):
            out: Tensor = self.linear(2**0.5 * angle.cos() / len(self.frequency) ** 0.5)[:, 0]
            return out
