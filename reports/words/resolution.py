"""Two resolutions of the same pictures: the shift of the noise level that makes their losses meet, beside sqrt(n/m)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from eval.ranks.resolution import HEIGHTS, Curve, Shift, shift_between
from reports.read.run import Run
from reports.words.document import Block, Bold, Heading, Mark, Paragraph, Text, table
from reports.words.forms import NONE
from zoo.base.counts import counted

HOW = (
    "At one level of noise a picture of more pixels shows more of itself: neighbouring pixels tell the same twice, and "
    "their noise averages out. So the larger resolution's loss equals the smaller one's at more noise, at a logsnr "
    "lower by 2 log k, which is the path's shift(k). Here k is fitted to the error of x_hat on test images, over that "
    "of the class's mean image: the distance of both curves at the heights of the last columns, averaged over them "
    "and over seeds, with the 95% interval over seeds. If pixels only repeated, k would be sqrt(n/m), n and m being "
    "the numbers of pixels. Every data set is standardised by itself, and a small picture that is the mean of blocks "
    "of the large one has the lower deviation, which makes k smaller than that."
)


@dataclass(frozen=True)
class Pairing:
    """An objective on both resolutions: the parts of the run with the backbones, the smaller first, and its shift."""

    objective: str
    small: tuple[Run, str]
    large: tuple[Run, str]
    found: Shift | None

    @property
    def expected(self) -> float:
        """sqrt(n/m)"""
        return math.sqrt(pixels(self.large[0]) / pixels(self.small[0]))


def pixels(part: Run) -> int:
    """Pixels of a data set's images."""
    return prod(part.spec.image_shape[1:])


def asked(run: Run) -> bool:
    """Whether the grid is a study of resolutions, with scores of at least two."""
    done = [run.on(dataset) for dataset in run.datasets]
    return run.grid.get("study") == "resolution" and len({pixels(part) for part in done if part.done}) > 1


def pairings(run: Run) -> list[Pairing]:
    """Every objective on the smallest resolution beside each larger one, backbones paired in the grid's order."""
    if not asked(run):
        return []
    parts = sorted((part for part in (run.on(dataset) for dataset in run.datasets) if part.done), key=pixels)
    small, *others = parts
    return [
        Pairing(o, (small, one), (part, other), shift_between(curves(small, one, o), curves(part, other, o)))
        for part in others
        if pixels(part) > pixels(small)
        for one, other in zip(small.backbones, part.backbones, strict=False)
        for o in run.objectives
    ]


def curves(part: Run, backbone: str, objective: str) -> dict[int, Curve]:
    """By seed (logsnr, error of x_hat over that of the class's mean image) of the EMA weights."""
    found = {}
    for cell in part.group(backbone, objective):
        errors = (cell.facts.get("validation") or {}).get("ema") or {}
        if errors.get("x0_logsnr") and errors.get("x0_share"):
            found[cell.seed] = errors["x0_logsnr"], errors["x0_share"]
    return found


def resolution(run: Run, pictures: Sequence[Block] = ()) -> list[Block]:
    """The section; [] for a grid that does not ask for it."""
    found = pairings(run)
    if not found:
        return []
    header = ["objective", "smaller", "larger", "k", "sqrt(n/m)", "runs"]
    header += [f"k at {height:g}" for height in HEIGHTS]
    rows: list[list[Text]] = []
    for one in found:
        shift = one.found
        several = len(one.small[0].backbones) > 1
        names = [part.datasets[0] + (f", {b}" if several else "") for part, b in (one.small, one.large)]
        row = [one.objective, *names, _interval(shift), f"{one.expected:.2f}", str(shift.seeds) if shift else NONE]
        rows.append([*row, *([f"{k:.2f}" for k in shift.by_height] if shift else [NONE] * len(HEIGHTS))])
    return [Heading("Resolution"), Paragraph(HOW), table(header, rows, names=3), *pictures]


def lead(run: Run) -> list[Text]:
    """What stands first on the page: the shift of the first objective on each pair of resolutions."""
    return [_sentence(one) for one in pairings(run) if one.objective == run.objectives[0] and one.found]


def _sentence(one: Pairing) -> tuple[Mark, ...]:
    shift, sizes = one.found, [_size(part) for part, _ in (one.small, one.large)]
    if shift is None:
        return ()
    head = f"Losses at {sizes[0]} and {sizes[1]} pixels meet at shift({shift.k:.2f})"
    inside = shift.holds(one.expected)
    if inside is None:
        rest = f"; sqrt(n/m) is {one.expected:.2f}. From one seed: a sketch."
    else:
        what = "lies within" if inside else "lies outside"
        over = f"95% interval {shift.low:.2f} to {shift.high:.2f} over {counted(shift.seeds, 'seed')}"
        rest = f" ({over}); sqrt(n/m), {one.expected:.2f}, {what} it."
    return Bold(head), f"{rest} By {one.objective}."


def _size(part: Run) -> str:
    _, height, width = part.spec.image_shape
    return f"{height} x {width}"


def _interval(shift: Shift | None) -> str:
    if shift is None:
        return NONE
    ends = "" if shift.low is None or shift.high is None else f" ({shift.low:.2f} to {shift.high:.2f})"
    return f"{shift.k:.2f}{ends}"
