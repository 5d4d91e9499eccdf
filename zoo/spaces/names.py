"""Names of auto-encoders: their kind, the size of their latents, how they are trained. torch is not imported here.

    plain    plain(factor=2,channels=8)    kl(1e-6)    kl(1e-6,images=400000,seed=1)
    kl(1e-06)@0a1b2c3d4e5f     one with these very weights: the first digits of their file's SHA-256

A name says everything that an auto-encoder is trained by, and with the data set's images it says which one is meant.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from zoo.base.errors import ZooError
from zoo.base.names import parse_term, spelled

if TYPE_CHECKING:
    from zoo.spaces.net import Autoencoder

Shape = tuple[int, int, int]  # channels, height, width
MARK = 12  # digits of a SHA-256 in a name
PINNED = re.compile(rf"([^@]+)@([0-9a-f]{{{MARK}}})")
FACTORS = (2, 4, 8)
SMALL = 16  # pixels of a side below which an image is halved once, not twice, where no factor is given
WHOLE = 4  # a side of the latents is a multiple of it: what `unet` needs and `dit` can cut into patches
WORDS = "plain or kl(1e-6), with options: kl(1e-6,factor=2,channels=8)"  # for the help of options


class Kind(ABC):
    """An auto-encoder as its name says it: a frozen dataclass, whose fields are the name's arguments.

    factor: pixels of a side for each number of a latent's (0: 4, or 2 for images below 16 pixels); channels: of a
    latent; width: of the network, 2 width at the latents; images: seen in training; seed: of its weights and batches.
    """

    factor: int
    channels: int
    width: int
    images: int
    seed: int

    def __post_init__(self) -> None:
        if self.factor not in (0, *FACTORS):
            raise ValueError(f"factor={self.factor} is none of {', '.join(map(str, FACTORS))}")
        if self.channels < 1 or self.images < 1 or self.seed < 0:
            raise ValueError("channels and images are at least 1, and seed at least 0")
        if self.width < 8 or self.width % 8:
            raise ValueError(f"width={self.width} must be a multiple of 8")

    @property
    @abstractmethod
    def penalty(self) -> float | None:
        """The weight of the divergence from a normal law; None where latents are numbers and no law."""

    def halved(self, image_shape: Shape) -> int:
        """The factor for such images."""
        return self.factor or (2 if min(image_shape[1:]) < SMALL else 4)

    def padded(self, image_shape: Shape) -> tuple[int, int]:
        """(height, width) to which images are continued by their edges, so that the latents' sides suit backbones."""
        unit = WHOLE * self.halved(image_shape)
        height, width = (-(-side // unit) * unit for side in image_shape[1:])
        return height, width

    def shape(self, image_shape: Shape) -> Shape:
        """(channels, height, width) of the latents of such images."""
        factor = self.halved(image_shape)
        height, width = (side // factor for side in self.padded(image_shape))
        return self.channels, height, width

    def build(self, image_shape: Shape) -> "Autoencoder":
        """A fresh network, its weights from torch's generator."""
        from zoo.spaces.net import Autoencoder

        return Autoencoder(
            image_shape,
            self.padded(image_shape),
            self.halved(image_shape),
            self.channels,
            self.width,
            self.penalty is not None,
        )


@dataclass(frozen=True)
class Plain(Kind):
    """Trained by the squared error alone."""

    factor: int = 0
    channels: int = 4
    width: int = 16
    images: int = 60_000
    seed: int = 0

    @property
    def penalty(self) -> None:
        return None


@dataclass(frozen=True)
class KL(Kind):
    """A latent is drawn from a normal law in training, whose divergence from N(0, 1) counts (arXiv 1312.6114, with a
    small weight as in arXiv 2112.10752); a run takes the law's mean."""

    weight: float
    factor: int = 0
    channels: int = 4
    width: int = 16
    images: int = 60_000
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight <= 0:
            raise ValueError(f"weight={self.weight:g} must be above 0; the auto-encoder without it is plain")

    @property
    def penalty(self) -> float:
        return self.weight


AUTOENCODERS: dict[str, Callable[..., Kind]] = {"plain": Plain, "kl": KL}


@lru_cache
def kind(name: str) -> Kind:
    """The auto-encoder of a name. Raises ZooError for an unknown word, argument or value."""
    return parse_term(_parts(name)[0], "auto-encoder").call("auto-encoder", AUTOENCODERS)


def canonical(name: str) -> str:
    """The name's one spelling: `kl(1e-6, factor=0)` -> `kl(1e-06)`. Errors as `kind`."""
    plain, mark = _parts(name)
    made = kind(plain)
    return spelled(parse_term(plain, "auto-encoder").word, made) + (f"@{mark}" if mark else "")


def mark_of(name: str) -> str | None:
    """The first digits of the SHA-256 that a name asks for; None where it leaves open which weights."""
    return _parts(name)[1]


def _parts(name: str) -> tuple[str, str | None]:
    if "@" not in name:
        return name, None
    match = PINNED.fullmatch(name.replace(" ", ""))
    if not match:
        raise ZooError(
            f"auto-encoder {name!r}: behind @ stand the first {MARK} hexadecimal digits of its weights' SHA-256, as "
            "python -m zoo.latents list prints them"
        )
    return match[1], match[2]
