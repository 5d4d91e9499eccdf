"""result.json as a model: what a cell's result holds, checked before it is written, and its published JSON Schema.

    python -m eval.result > eval/result.schema.json        writes the schema again; a test compares the two

Numbers are finite: NaN and infinity are refused. The file is sealed (zoo/base/sealed.py): readers refuse one of another
schema version, and one that was changed after it was written.
"""

import json
from typing import Annotated, Literal

from pydantic import Field

from eval.facts import DataFacts, Hash, JudgeFacts, LatentFacts, Number, Seconds, Share, TrainFacts, Whole
from zoo.base.sealed import SchemaVersion
from zoo.config.cell import CellConfig
from zoo.config.control import Sampling, Setting
from zoo.config.schema import Count, Frozen


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


class Validation(Frozen):
    """Held-out errors by noise level, and their means.

    x0_share: squared error of the clipped x_hat over that of the class's mean image, at x0_logsnr; x0_high: its mean
    over the four noisiest levels.
    """

    val_target: Number
    val_eps: Number
    n: Count
    logsnr: tuple[Number, ...]
    target: tuple[Number, ...]
    eps: tuple[Number, ...]
    x0_logsnr: tuple[Number, ...]
    x0_share: tuple[Number, ...]
    x0_high: Number


class Fingerprint(Frozen):
    """By logsnr: how much of the training falls on it, and the effective weight; None where a number is not finite."""

    logsnr: tuple[Number, ...]
    density: tuple[Number | None, ...]
    weight: tuple[Number | None, ...]


class Point(Frozen):
    """A point of training: images seen, seconds, and what its weights score under the first control setting.

    loss: the EMA weights' validation loss there, where the grid asks for it.
    """

    images: Count
    seconds: Number
    n: Count
    fid: Number
    fid_se: Number
    acc: Number
    loss: Number | None = None


class Candidate(Frozen):
    """A step among which the scored one was chosen, and the EMA weights' validation loss there."""

    step: Count
    loss: Number


class Result(Frozen):
    """A finished cell."""

    schema_version: SchemaVersion
    status: Literal["done"]
    cell: CellConfig
    key: Hash
    train: TrainFacts
    judge: JudgeFacts
    second_judge: JudgeFacts
    data: DataFacts
    latents: LatentFacts | None = None
    real: Measured
    scores: tuple[Score, ...]
    best: Best | None
    unscored: tuple[Unscored, ...]
    snapshots: tuple[Point, ...]
    selection: tuple[Candidate, ...]
    fingerprint: Fingerprint
    validation: dict[Literal["ema", "raw"], Validation]
    seconds: Seconds
    tile: tuple[Count, Count]
    versions: dict[str, str]
    plugins: dict[str, str]
    git: str | None
    digest: Hash


def schema() -> str:
    """The JSON Schema of result.json, as the published file holds it."""
    found = Result.model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=1) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
