"""The judge: a small classifier whose features measure images, and whose classes measure conditional samples.

    x = (image / 255 - mean) / std
    x -> 5 x [conv 3x3, BN, ReLU] (32, 32 stride 2, 64, 64 stride 2, 128) -> average -> FC 128, BN, ReLU = h -> FC K
    features = c h,  with c such that tr cov(features of the training images) = 128

The training is in recipe.py, the bounds that a version must meet in gate.py, the versions themselves in store.py.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.data.spec import Spec

FEATURES = 128


class Judge(nn.Module):
    """The network. `name`, `sha256` (of the weights' file), `info` (the sidecar) and `made` (when that was
    written) are set by loading."""

    mean: Tensor  # these of the training pixels
    std: Tensor
    scale: Tensor

    def __init__(self, spec: Spec):
        super().__init__()
        self.spec, self.name, self.sha256, self.made = spec, "untrained", "", 0.0
        self.info: dict[str, Any] = {}
        widths, strides = (spec.image_shape[0], 32, 32, 64, 64, 128), (1, 2, 1, 2, 1)
        layers: list[nn.Module] = []
        for before, after, stride in zip(widths, widths[1:], strides, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.convs = nn.Sequential(*layers)
        self.neck = nn.Sequential(nn.Linear(widths[-1], FEATURES, bias=False), nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, spec.real)
        for name in ("mean", "std", "scale"):  # of the training pixels, and c above; part of the file that is hashed
            self.register_buffer(name, torch.ones(()))

    def raw(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(h [B, 128], logits [B, K]) of float pixels [B, C, H, W] in [0, 1]: for training, without any check."""
        h = self.neck(self.convs((pixels - self.mean) / self.std).mean(dim=(2, 3)))
        return h, self.head(h)

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(features [B, 128], logits [B, K]), float32, of uint8 images [B, C, H, W], whatever autocast or TF32 say.

        Raises ZooError in training mode, or for images of another type or size.
        """
        if any(module.training for module in self.modules()):
            raise ZooError(f"judge {self.name} is in training mode, where scores are meaningless. Call judge.eval()")
        if images.dtype != torch.uint8:
            raise ZooError(
                f"judge {self.name} takes uint8 images, not {images.dtype}. "
                "Clamp to [0, 1], multiply by 255, round, and convert to torch.uint8"
            )
        if images.ndim != 4 or tuple(images.shape[1:]) != self.spec.image_shape:
            wanted = ", ".join(map(str, self.spec.image_shape))
            raise ZooError(f"judge {self.name} takes images [B, {wanted}], not {list(images.shape)}")
        with exact_float32(images.device):
            h, logits = self.raw(images.float() / 255)
        return h * self.scale, logits

    def features(self, images: Tensor) -> Tensor:
        """Scaled features [B, 128] float32 of uint8 images [B, C, H, W]. Errors as `forward`."""
        found: Tensor = self(images)[0]
        return found

    def logits(self, images: Tensor) -> Tensor:
        """Class scores [B, K] float32 of uint8 images [B, C, H, W]. Errors as `forward`."""
        found: Tensor = self(images)[1]
        return found


def judge_images(judge: Judge, images: Tensor, batch: int = 100) -> tuple[Tensor, Tensor]:
    """(features [N, 128], class scores [N, K]) float32, on the judge's device, of uint8 images [N, C, H, W] anywhere.

    The scores do not depend on `batch`; small batches stay in a CPU's cache. Errors as `forward`.
    """
    device = judge.scale.device
    features, logits = zip(*(judge(part.to(device)) for part in images.split(batch)), strict=True)
    return torch.cat(features), torch.cat(logits)


@contextlib.contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """Inside, matrix products and convolutions are true float32: no autocast, no TF32, no bfloat16 passes."""
    settings = [getattr(library, kind) for library, kind in _PRECISIONS if hasattr(library, kind)]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


_PRECISIONS = [
    (torch.backends.cuda, "matmul"),
    (torch.backends.cudnn, "conv"),
    (torch.backends.mkldnn, "matmul"),
    (torch.backends.mkldnn, "conv"),
]
