"""Scores as models: what a cell's result holds of a set of images, checked before it is written.

`eval/result.py` holds the rest of the result. torch is not imported here.
"""

from typing import Annotated

from pydantic import Field

from zoo.config.control import Sampling, Setting
from zoo.config.schema import Count, Frozen

Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=0)]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ClassScore(Frozen):
    """One class: how many samples were asked for and how many were right; FID to its own training images, if known."""

    label: Whole
    n: Whole
    correct: Whole
    fid: Number | None = None
    fid_se: Number | None = None


class Measured(Frozen):
    """Scores of a set of images; reports/read/results.py explains the columns.

    fid_leave_one_out: the plain distances without one of the jackknife's blocks each. right: a bit an image, 1 where
    the judge saw the class asked for, as hexadecimal digits, the first image in the highest bit.
    """

    n: Count
    fid: Number
    fid_se: Number
    fid_plain: Number
    fid_leave_one_out: tuple[Number, ...]
    pfd: Number
    kid: Number
    precision: Share
    recall: Share
    density: Number
    coverage: Share
    inception_score: Number = Field(alias="is")
    mem: Share
    duplicates: Whole
    acc: Share
    acc_low: Share
    acc_high: Share
    right: Annotated[str, Field(pattern="^([0-9a-f]{2})+$")]
    cfid_max: Number | None
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[Whole, ...], ...]


class Score(Measured, Setting):
    """Scores under one control setting."""

    setting: str
    evaluations: Count
    fid2: Number
    fid2_se: Number
    acc2: Share
    seconds: Number
    measure_seconds: Number
    images_per_s: Number


class Tried(Sampling):
    """A way to draw that a run's best case was chosen from: FID of n samples, None where they were not finite."""

    fid: Number | None
    n: Count


class Best(Frozen):
    """A run's best case: the candidates in the order found, which was chosen, and its scores on samples of its own."""

    candidates: Annotated[tuple[Tried, ...], Field(min_length=1)]
    chosen: Whole
    score: Score


class Unscored(Setting):
    """A control setting under which no images could be drawn or judged, and why."""

    setting: str
    n: Count
    reason: str
