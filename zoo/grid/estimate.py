"""How a cell's estimated seconds follow from its budget's: by what it trains and draws beside the budget's own cell.

Both are counted in network evaluations of one image, a training step's image as three of them, as a backward pass costs
two forward passes. So a cell of few images still takes what its scores take. torch is not imported here.
"""

from statistics import fmean

from zoo.config.cell import ScoreConfig
from zoo.config.control import Sampling
from zoo.solvers.sampler import TWICE

TRAINED = 3  # evaluations that an image of training costs
SELECTED = 64  # for each held-out image and candidate step, where the scored step is that of least validation loss


def seconds(estimated: float, usual: tuple[int, ScoreConfig], images: int, score: ScoreConfig) -> float:
    """Seconds of a cell that trains on so many images and is scored so.

    estimated: those of a cell of `usual` images and scores.
    """
    return estimated * evaluations(images, score) / evaluations(*usual)


def left(images: int, score: ScoreConfig, trained: float) -> float:
    """The share of a cell's seconds that it still takes when the share `trained` of its training is done."""
    return 1 - trained * TRAINED * images / evaluations(images, score)


def evaluations(images: int, score: ScoreConfig) -> float:
    """Network evaluations of one image that a cell costs."""
    each = [_drawing(setting) for setting in score.settings]
    mean = fmean(_drawing(score.best.at(place)) for place in score.best.places) if score.best else 0.0
    tries = score.best.tries if score.best else 0
    drawn = score.n * (len(score.weights) * sum(each) + mean) + score.few * (score.snapshots * each[0] + tries * mean)
    return TRAINED * images + drawn + SELECTED * score.n * score.candidates


def _drawing(sampling: Sampling) -> int:
    calls = 2 * sampling.steps - 1 if sampling.sampler in TWICE else sampling.steps
    return calls if sampling.guidance == 1 else 2 * calls
