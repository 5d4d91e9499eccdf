"""`digits`: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, which come with that package and need no file.

Every fifth image of each class is a test image.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.spec import GREY, Arrays, Source, Spec

SIDE = 8
WHITE = 16  # scikit-learn's highest value


@dataclass(frozen=True)
class Digits(Source):
    """blanks: black and white images as two further classes."""

    blanks: bool = True
    fixed = True

    @property
    def spec(self) -> Spec:
        return Spec((GREY, SIDE, SIDE), tuple("0123456789"), self.blanks)

    def read(self, data_dir: Path, mirror: str | None) -> Arrays:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        images = np.round(bunch.images * (255 / WHITE)).astype(np.uint8)
        labels = bunch.target.astype(np.uint8)
        test = every_fifth(labels)
        return Arrays(images[~test], labels[~test], images[test], labels[test], stratified=True)


def every_fifth(labels: np.ndarray) -> np.ndarray:
    """Which of the labels [N] belong to test images, bool [N]: every fifth of each class, a fixed stratified split."""
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        test[np.flatnonzero(labels == label)[4::5]] = True
    return test
