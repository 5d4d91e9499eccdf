"""Scales on which scores vary alike, whatever their level.

    FID     y = asinh(fid / s),  s = SCALE / sqrt(n)
    share   y = asin(sqrt(p))

Runs of one objective differ in FID by a share of it, b f, and near the floor by the error of sampling, a: the standard
deviation is about sqrt(a^2 + b^2 f^2), and the integral of its inverse is asinh(b f / a) / b. So it is a logarithm far
above s, a straight line near 0, and defined below 0, where a corrected distance may fall. s is a / b for n samples: on
MNIST and digits a is .2 at n = 300 and b between .1 and .2. It depends on n alone, so that another objective in the
table changes no one's score. The arcsine is the same for a share, whose variance is p (1 - p) / n.

A difference on a scale is told in the score's own unit, at the level halfway between the two:

    FID     f(m + d/2) - f(m - d/2) = 2 s cosh(m) sinh(d / 2)
    share   f(m + d/2) - f(m - d/2) = sin(2 m) sin(d)
"""

from dataclasses import dataclass

import numpy as np

SCALE = 20.0


@dataclass(frozen=True)
class Asinh:
    """FID's scale; s: where it turns from a straight line into a logarithm, in FID."""

    s: float

    @classmethod
    def of(cls, n: float) -> "Asinh":
        """That of scores from n samples."""
        return cls(SCALE / float(n) ** 0.5)

    def forward(self, fid: np.ndarray | float) -> np.ndarray:
        """y of FIDs of any shape and sign; inf stays inf and nan nan."""
        return np.arcsinh(np.asarray(fid, float) / self.s)

    def back(self, y: np.ndarray | float) -> np.ndarray:
        """The FID of a y."""
        return self.s * np.sinh(y)

    def slope(self, fid: np.ndarray | float) -> np.ndarray:
        """dy / dfid."""
        return 1 / np.hypot(self.s, np.asarray(fid, float))

    def apart(self, middle: float, difference: float) -> float:
        """A difference in y as one in FID, at the level `middle`, a y."""
        return float(2 * self.s * np.cosh(middle) * np.sinh(difference / 2))


@dataclass(frozen=True)
class Arcsine:
    """A share's scale."""

    def forward(self, share: np.ndarray | float) -> np.ndarray:
        """y of shares from 0 to 1, of any shape; what is outside (a run that diverged) becomes inf or -inf."""
        share = np.asarray(share, float)
        y = np.arcsin(np.sqrt(np.clip(share, 0, 1)))
        return np.where(np.isinf(share), share, y)

    def back(self, y: np.ndarray | float) -> np.ndarray:
        """The share of a y."""
        return np.sin(y) ** 2

    def slope(self, share: np.ndarray | float) -> np.ndarray:
        """dy / dshare, at 0 and 1 that of one in a thousand."""
        p = np.clip(np.asarray(share, float), 1e-3, 1 - 1e-3)
        return 1 / (2 * np.sqrt(p * (1 - p)))

    def apart(self, middle: float, difference: float) -> float:
        """A difference in y as one in shares, at the level `middle`; never beyond -1 and 1."""
        quarter = np.pi / 2
        ends = np.clip([middle - difference / 2, middle + difference / 2], 0, quarter)
        return float(np.diff(np.sin(ends) ** 2)[0])


Scale = Asinh | Arcsine
