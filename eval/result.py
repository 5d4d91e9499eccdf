"""result.json as a model: what a cell's result holds, checked before it is written, and its published JSON Schema.

    python -m eval.result > eval/result.schema.json        writes the schema again; a test compares the two

Numbers are finite: NaN and infinity are refused. The file is sealed (zoo/base/sealed.py): readers refuse one of another
schema version, and one that was changed after it was written.
"""

import json
from typing import Annotated, Literal

from pydantic import Field

from eval.scored import Best, Hash, Measured, Number, Score, Share, Unscored, Whole
from zoo.base.sealed import SchemaVersion
from zoo.config.cell import CellConfig
from zoo.config.schema import Count, Frozen


class Floor(Frozen):
    """The real test images' distance to the training images, and their number."""

    fid: Number
    se: Number
    plain: Number
    n: Count


class JudgeFacts(Frozen):
    """Who scored."""

    name: str
    sha256: Hash
    floor: Floor
    accuracy: Share


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


class TrainFacts(Frozen):
    """How the run went: seconds and rates of training without setup, and what it ran on.

    clipped: share of the steps whose gradient was longer than the recipe allows, and was shortened.
    selected_step: the step whose weights were scored. teacher_seconds: of training of the run that taught this one, and
    of its own teacher's; 0 where there is none.
    """

    images: Count
    step: Count
    steps: Count
    seconds: Number
    setup_seconds: Number
    peak_memory_bytes: Whole
    final_loss: Number | None
    clipped: Share
    parameters: Count
    selected_step: Count
    teacher_seconds: Number = 0.0
    precision: Literal["float32", "bfloat16"]
    compiled: bool
    device: str
    threads: Count
    images_per_s: Number
    flop_per_image: Number
    logsnr_edges: tuple[Number, ...]


class DataFacts(Frozen):
    """The data set, the hash of all its images and labels, their (channels, height, width), the names of the real
    classes, and whether black and white images are two further ones."""

    name: str
    sha256: Hash
    image_shape: tuple[Count, Count, Count]
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    blanks: bool


class LatentFacts(Frozen):
    """The auto-encoder whose latents a run was trained on: its name, the hash of its weights, (channels, height, width)
    of a latent, PSNR in dB of the test images, seconds of its own training, which no other field counts; and what the
    judge says of the n test images that it encoded and decoded."""

    name: str
    sha256: Hash
    shape: tuple[Count, Count, Count]
    psnr: Number
    seconds: Number
    n: Count
    fid: Number
    fid_se: Number
    acc: Share


class Seconds(Frozen):
    """Where a cell's time went: imports and data; building and compiling; training (over all the processes that it
    took); drawing images; judging them and all else; the sum."""

    start: Number
    setup: Number
    train: Number
    sample: Number
    score: Number
    total: Number


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
