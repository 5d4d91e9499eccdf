"""The parts of result.json that say what a cell was: its judge, training, data, auto-encoder and seconds."""

from typing import Annotated, Literal

from pydantic import Field

from zoo.config.schema import Count, Frozen

Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=0)]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


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
    """The auto-encoder of a run on latents: (channels, height, width) of a latent; PSNR in dB of the test images; its
    own training, which no other field counts; and what the judge says of n test images that it encoded and decoded."""

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
