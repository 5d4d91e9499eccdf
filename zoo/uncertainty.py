"""EDM2's learned uncertainty (arXiv 2312.02696, appendix A): a scalar function of the noise level, zero at first."""

import torch
from torch import Tensor, nn


class Uncertainty(nn.Module):
    """u(logsnr): fixed random Fourier features of log(sigma / alpha) / 4, and one linear layer that starts at zero."""

    def __init__(self, features: int = 128):
        super().__init__()
        generator = torch.Generator().manual_seed(0)  # the same features in every run
        self.register_buffer("frequency", torch.randn(features, generator=generator), persistent=False)
        self.register_buffer("phase", torch.rand(features, generator=generator), persistent=False)
        self.linear = nn.Linear(features, 1, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, logsnr: Tensor) -> Tensor:
        """[B] -> [B] float32."""
        level = (-logsnr / 8).float().clamp(-10, 10)  # infinite at zero SNR
        angle = 2 * torch.pi * (level[:, None] * self.frequency + self.phase)
        with torch.autocast(logsnr.device.type, enabled=False):
            return self.linear(2**0.5 * angle.cos() / len(self.frequency) ** 0.5)[:, 0]
