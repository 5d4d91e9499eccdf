"""The sizes of the backbones: what a name like `dit(width=128)` sets, with its defaults, checked without torch."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import nn

ImageShape = tuple[int, int, int]  # channels, height, width
STREAMS = ("single", "double")


class Backbone(ABC):
    """Sizes of one kind of network. tells_until: whether one can be built that is told a second time."""

    tells_until: ClassVar[bool] = False

    @abstractmethod
    def check(self, image_shape: ImageShape) -> None:
        """Raise ValueError if a network of these sizes cannot take such images."""

    @abstractmethod
    def build(self, image_shape: ImageShape, num_classes: int) -> "nn.Module":
        """A fresh network; label `num_classes` means "none"."""

    def build_told(self, image_shape: ImageShape, num_classes: int) -> "nn.Module":
        """The same network that takes (x, time, labels, until) and begins without regard to `until`."""
        raise NotImplementedError

    def least(self, image_shape: ImageShape) -> tuple[int, int]:
        """Lower bounds: (parameters, numbers that training keeps of an image); (0, 0) where nothing is known."""
        return 0, 0

    def forward_flop(self, image_shape: ImageShape, num_classes: int) -> int:
        """Floating-point operations of one image's forward pass (a multiply-add counts two).

        Training takes about three times as many. Counted on torch's meta device: nothing is computed.
        """
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        with torch.device("meta"):
            module = self.build(image_shape, num_classes)
            x, time, labels = torch.zeros(1, *image_shape), torch.zeros(1), torch.zeros(1, dtype=torch.int64)
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                module(x, time, labels)
        return int(counter.get_total_flops())


@dataclass(frozen=True)
class DiTSize(Backbone):
    """`dit`: width of a token, depth in blocks, heads (0: one for each 64 of width), patch in pixels.

    stream: `single`, or `double` for weights of the class token's own beside those of the image tokens. qk_norm:
    whether queries and keys are RMS-normalised.
    """

    width: int = 256
    depth: int = 3
    heads: int = 0
    patch: int = 2
    stream: str = "single"
    qk_norm: bool = True
    tells_until: ClassVar = True

    def __post_init__(self) -> None:
        if self.stream not in STREAMS:
            raise ValueError(f"stream={self.stream} must be {' or '.join(STREAMS)}")
        if min(self.width, self.depth, self.patch) < 1 or self.heads < 0:
            raise ValueError(
                "width, depth and patch are at least 1, and heads at least 0 (0: one for each 64 of width)"
            )
        heads = self.head_count
        if self.width % heads or (self.width // heads) % 4:
            raise ValueError(f"width={self.width} over {heads} heads must give heads of a multiple of 4")

    @property
    def head_count(self) -> int:
        return self.heads or max(1, self.width // 64)

    def check(self, image_shape: ImageShape) -> None:
        _, height, width = image_shape
        if height % self.patch or width % self.patch:
            raise ValueError(f"patch={self.patch} does not divide the image's {height} x {width} pixels")

    def least(self, image_shape: ImageShape) -> tuple[int, int]:
        _, height, width = image_shape
        tokens = height * width // self.patch**2
        return 12 * self.depth * self.width**2 * (1 + (self.stream == "double")) - self._cut, 4 * tokens * self.width

    @property
    def _cut(self) -> int:
        """Weights that the last double block lacks: of the class token it only needs keys and values."""
        return 10 * self.width**2 if self.stream == "double" else 0

    def build(self, image_shape: ImageShape, num_classes: int) -> "nn.Module":
        return self._made(image_shape, num_classes, until=False)

    def build_told(self, image_shape: ImageShape, num_classes: int) -> "nn.Module":
        return self._made(image_shape, num_classes, until=True)

    def _made(self, image_shape: ImageShape, num_classes: int, until: bool) -> "nn.Module":
        from zoo.backbones.dit import DiT

        sizes = self.width, self.depth, self.head_count, self.patch
        double = self.stream == "double"
        return DiT(image_shape, num_classes, *sizes, double=double, qk_norm=self.qk_norm, until=until)


@dataclass(frozen=True)
class UNetSize(Backbone):
    """`unet`: channels (width, 2 width, 2 width), residual layers of a resolution, attention at how many of the lowest
    resolutions, channels of an attention head."""

    width: int = 64
    layers: int = 1
    attention: int = 2
    head: int = 32
    tells_until: ClassVar = True

    def __post_init__(self) -> None:
        if self.width < 16 or self.width % 16 or self.layers < 1:
            raise ValueError("width must be a multiple of 16, and layers at least 1")
        if not 0 <= self.attention <= 3:
            raise ValueError(f"attention={self.attention} must be 0, 1, 2 or 3, the number of resolutions")
        if self.head < 1 or (2 * self.width) % self.head:
            raise ValueError(f"head={self.head} must divide 2 * width = {2 * self.width}")
        if self.attention == 3 and self.width % self.head:
            raise ValueError(f"head={self.head} must divide width = {self.width}, the channels at full resolution")

    def check(self, image_shape: ImageShape) -> None:
        _, height, width = image_shape
        if height % 4 or width % 4:
            raise ValueError(f"unet halves the image twice: {height} x {width} pixels are not multiples of 4")

    def least(self, image_shape: ImageShape) -> tuple[int, int]:
        _, height, width = image_shape
        return 400 * (1 + self.layers) * self.width**2, 4 * height * width * self.width

    def build(self, image_shape: ImageShape, num_classes: int) -> "nn.Module":
        return self._made(image_shape, num_classes, until=False)

    def build_told(self, image_shape: ImageShape, num_classes: int) -> "nn.Module":
        return self._made(image_shape, num_classes, until=True)

    def _made(self, image_shape: ImageShape, num_classes: int, until: bool) -> "nn.Module":
        from zoo.backbones.unet import UNet

        return UNet(image_shape, num_classes, self.width, self.layers, self.attention, self.head, until)
