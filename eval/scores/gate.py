"""The gate: what a version of the judge must show before scores may depend on it, and what is printed when one is new.

A good judge classifies the real test images well, also under slight noise; it sees left-over noise, so that FID rises
with it; and a second seed of the same recipe gives every corruption the same FID, up to a factor. FIDs are plain and in
floors: multiples of the FID of the untouched test images, the lowest value that a generator can be told from data at.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from eval.judging.net import Judge, judge_images
from eval.judging.recipe import NOISE_TESTED, accuracy, add_noise
from eval.judging.store import required
from eval.scores.frechet import Moments, distance, moments
from zoo.base.counts import counted
from zoo.data.dataset import Dataset, affine
from zoo.training.noise import generator


@dataclass(frozen=True)
class Gate:
    """Bounds on one data set. None: not asked of it."""

    accuracy: float
    worst_class: float | None = None
    noisy: float | None = None  # accuracy at noise 0.1
    seen: float | None = None  # floors at noise 0.05
    agreement: float | None = None  # the larger over the smaller of two seeds' floors, garbage apart


GATES = {
    "mnist": Gate(0.995, 0.990, 0.990, 1.5, 1.5),
    "digits": Gate(0.985),  # 355 test images are too few for the rest
}


def blur(images: Tensor, sigma: float = 0.6) -> Tensor:
    """Images [N, C, H, W] convolved with a Gaussian of this width in pixels."""
    taps = torch.exp(-(torch.arange(-2.0, 3.0) ** 2) / (2 * sigma**2))
    kernel = taps[:, None] * taps / taps.sum() ** 2
    channels = images.shape[1]
    return F.conv2d(images, kernel.expand(channels, 1, 5, 5), padding=2, groups=channels)


def garbage(images: Tensor, share: float) -> Tensor:
    """The first images of a random order replaced by uniform noise."""
    rng = generator(0, "corrupt-garbage")
    index = torch.randperm(len(images), generator=rng)[: round(share * len(images))]
    out = images.clone()
    out[index] = torch.rand(out[index].shape, generator=rng)
    return out


CORRUPTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # (pixels in [0, 1], labels) -> pixels
    "noise .05": lambda x, _: add_noise(to_bytes(x), 0.05) / 255,
    "noise .1": lambda x, _: add_noise(to_bytes(x), 0.1) / 255,
    "shift 1 px": lambda x, _: x.roll(1, dims=-1),
    "affine": lambda x, _: affine(x, generator(0, "corrupt-affine")),
    "blur .6": lambda x, _: blur(x),
    "dilate": lambda x, _: F.max_pool2d(x, 3, 1, 1),
    "erode": lambda x, _: -F.max_pool2d(-x, 3, 1, 1),
    "last class dropped": lambda x, labels: x[labels != labels.max()],
    "1,000 x 10": lambda x, _: x[torch.randperm(len(x), generator=generator(0, "corrupt-few"))[:1000].repeat(10)],
    "garbage 1%": lambda x, _: garbage(x, 0.01),
    "garbage": lambda x, _: garbage(x, 1.0),
}


def to_bytes(pixels: Tensor) -> Tensor:
    """Floats on the scale [0, 1] as uint8: clamp, times 255, round."""
    return pixels.clamp(0, 1).mul(255).round().to(torch.uint8)


def floors(judge: Judge, dataset: Dataset) -> dict[str, float]:
    """FID of each corruption of the test images against the training images, over that of the test images."""
    reference = _moments(judge, dataset.train)
    floor = distance(_moments(judge, dataset.test), reference)
    pixels = dataset.test.float() / 255
    result = {"floor (FID itself)": floor, "training images": _train_part(judge, dataset, reference) / floor}
    for name, corrupt in CORRUPTIONS.items():
        images = to_bytes(corrupt(pixels, dataset.test_labels))
        result[name] = distance(_moments(judge, images), reference) / floor
    return result


def _train_part(judge: Judge, dataset: Dataset, reference: Moments) -> float:
    """FID of as many training images as there are test images."""
    chosen = torch.randperm(len(dataset.train), generator=generator(0, "corrupt-train"))[: len(dataset.test)]
    return distance(_moments(judge, dataset.train[chosen]), reference)


def report(
    dataset: Dataset, judges: list[Judge], tell: Callable[[str], None] = print
) -> tuple[int, list[dict[str, float]]]:
    """Print the table of two judges, line by line; (1 if a bound is missed, else 0; each one's floors).

    Bounds are printed beside what they bound.
    """
    gate = GATES.get(dataset.name) or Gate(required(dataset))
    missed = []

    def row(name: str, values: list[float], form: str, bound: float | None = None, below: bool = False) -> None:
        text = "".join(f"{value:>12{form}}" for value in values)
        if bound is not None:
            good = all(value <= bound if below else value >= bound for value in values)
            text += f"   {'<=' if below else '>='} {bound:{form}} {'pass' if good else 'FAIL'}"
            missed.extend([] if good else [name])
        tell(f"{name:<22}{text}")

    tell(f"{dataset.name}: {counted(len(dataset.train), 'training image')}, {counted(len(dataset.test), 'test image')}")
    tell(f"{'seed':<22}" + "".join(f"{judge.info['seed']:>12}" for judge in judges) + "   bound")
    scores = [accuracy(judge, dataset.test, dataset.test_labels) for judge in judges]
    noisy = [accuracy(j, add_noise(dataset.test, NOISE_TESTED), dataset.test_labels)[0] for j in judges]
    row("accuracy", [score for score, _ in scores], ".2%", gate.accuracy)
    row("worst class", [min(each) for _, each in scores], ".2%", gate.worst_class)
    row(f"accuracy at noise {NOISE_TESTED}", noisy, ".2%", gate.noisy)
    same = [judge_images(judge, dataset.test)[1].argmax(1).cpu() for judge in judges]
    row("both seeds say alike", [(same[0] == same[-1]).double().mean().item()], ".2%")
    tables = [floors(judge, dataset) for judge in judges]
    tell("\nplain FID in floors")
    for name in tables[0]:
        pair = [table[name] for table in tables]
        seen = gate.seen if name == "noise .05" else None
        row(name, pair, ".3f", seen)
        if name in CORRUPTIONS:
            bound = None if name.startswith("garbage") else gate.agreement
            row("  larger / smaller", [max(pair) / min(pair)], ".3f", bound, below=True)
    tell(f"\nmissed: {', '.join(missed)}" if missed else "\nall bounds met")
    return int(bool(missed)), tables


def _moments(judge: Judge, images: Tensor) -> Moments:
    return moments(judge_images(judge, images)[0])
