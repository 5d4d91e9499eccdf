"""A small convolutional auto-encoder, and how well it gives images back.

Each halving moves 2 x 2 pixels into channels and mixes them, each doubling is the reverse, so that no layer works at
the images' full size. It has no attention: a latent knows its neighbourhood, and images of any layout come back.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHUNK = 250  # images encoded or decoded at once
GROUPS = 8  # of a normalisation
LOGVAR = (-30.0, 20.0)  # what the logarithm of a variance may be
WHITE = 255


class Residual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), [N, width, H, W]."""

    def __init__(self, width: int):
        super().__init__()
        layers = [(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)) for _ in range(2)]
        self.body = nn.Sequential(*(layer for pair in layers for layer in pair))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class Autoencoder(nn.Module):
    """Images [N, C, H, W] in [0, 1] to latents [N, channels, H' / factor, W' / factor] and back.

    padded: (H', W'), to which images are continued by their edges. sampled: whether a latent has a variance, too.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        padded: tuple[int, int],
        factor: int,
        channels: int,
        width: int,
        sampled: bool,
    ):
        super().__init__()
        self.image_shape, self.sampled = image_shape, sampled
        self.more = padded[0] - image_shape[1], padded[1] - image_shape[2]
        stages = int(math.log2(factor))
        widths = [width] * (stages > 1) + [2 * width] * (stages - (stages > 1))
        inward, outward = list[nn.Module](), list[nn.Module]()
        before = image_shape[0]
        for own in widths:
            inward += [nn.PixelUnshuffle(2), nn.Conv2d(4 * before, own, 3, padding=1), Residual(own)]
            outward = [Residual(own), nn.Conv2d(own, 4 * before, 3, padding=1), nn.PixelShuffle(2), *outward]
            before = own
        out = channels * (1 + sampled)
        self.encoder = nn.Sequential(
            *inward, nn.GroupNorm(GROUPS, before), nn.SiLU(), nn.Conv2d(before, out, 3, padding=1)
        )
        self.decoder = nn.Sequential(nn.Conv2d(channels, before, 3, padding=1), *outward)

    def law(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """(mean, logarithm of the variance or None) of the latents of images in [0, 1]."""
        down, right = self.more
        top, left = down // 2, right // 2
        whole = F.pad(2 * images - 1, (left, right - left, top, down - top), mode="replicate")
        found = self.encoder(whole)
        if not self.sampled:
            return found, None
        mean, logvar = found.chunk(2, dim=1)
        return mean, logvar.clamp(*LOGVAR)

    def pixels(self, latents: Tensor) -> Tensor:
        """Images on the scale [0, 1], not clamped."""
        whole = self.decoder(latents)
        (down, right), (_, height, width) = self.more, self.image_shape
        top, left = down // 2, right // 2
        cut: Tensor = whole[..., top : top + height, left : left + width]
        return (cut + 1) / 2

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """The latents of uint8 images, or floats in [0, 1], on this network's device: float32, of a law its mean."""
        place = next(self.parameters()).device
        return torch.cat([self.law(_floats(part.to(place)))[0] for part in images.split(CHUNK)])

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """uint8 images of latents."""
        parts = [self.pixels(part).clamp(0, 1).mul(WHITE).round().to(torch.uint8) for part in latents.split(CHUNK)]
        return torch.cat(parts)


def _floats(images: Tensor) -> Tensor:
    return images.float() / WHITE if images.dtype == torch.uint8 else images.float()


def psnr(images: Tensor, others: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of uint8 images: 10 log10(255^2 / mean squared error over all of them).

    Infinite where they are equal.
    """
    error = (images.cpu().double() - others.cpu().double()).square().mean().item()
    return 10 * math.log10(WHITE**2 / error) if error else math.inf
