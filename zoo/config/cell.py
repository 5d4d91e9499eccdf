"""What a cell is: everything that decides its numbers, frozen, checked, and hashed into its key.

The device, the folders and the number of threads are not in it. torch is not imported here.
"""

from itertools import product
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from zoo import registry
from zoo.base.sealed import digest
from zoo.config.control import SamplerName, Sampling, Setting, Start, Steps
from zoo.config.schema import Count, Frozen, Growing, Positive, Share, checked, distinct
from zoo.data import sets
from zoo.data.spec import Spec
from zoo.spaces import names as autoencoders

ObjectiveName = Annotated[str, AfterValidator(checked(lambda name: registry.objective(name).name))]
BackboneName = Annotated[str, AfterValidator(checked(registry.backbone_name))]
DataName = Annotated[str, AfterValidator(checked(sets.canonical))]
AutoencoderName = Annotated[str, AfterValidator(checked(autoencoders.canonical))]
SEVERAL = Field(min_length=1, strict=False)
Speedups = Annotated[tuple[Literal["lean", "ahead", "masters"], ...], Field(strict=False), AfterValidator(distinct)]
MIN_SAMPLES = 256  # twice the judge's features: from fewer, a small FID is wrong even after its correction
CANDIDATES = 8  # points of training among which the step of least validation loss is chosen, its last among them


class Recipe(Growing):
    """How every objective is trained. Lengths are shares of the run, but for `warmup_steps`.

    schedule: how the rate goes on after the warm-up, see `zoo/training/schedule.py`. warmup_steps: the warm-up in
    steps, in place of the share `warmup`. ema_start: until then the average is the weights themselves. standardise:
    pixels have mean 0 and variance 1; without it black is -1 and white 1, as in most trainers, and what is named by
    noise level means less: logsnr, the network's input scale and the start of sampling take a variance of 1 for
    granted. latents: the auto-encoder whose latents are trained on in place of pixels, see `zoo/spaces`; images are
    scored in pixels all the same. speedups: ways to compute that change rounding at most, see `zoo/training/ways.py`.
    """

    LATER: ClassVar = frozenset({"schedule", "warmup_steps", "ema_start", "standardise", "latents", "speedups"})

    batch: Count = 64
    optimizer: Literal["adamw", "muon"] = "muon"
    learning_rate: Positive = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Share = 0.05
    clip: Positive = 1.0
    ema: Annotated[Share, Field(gt=0)] = 0.05
    label_dropout: Share = 0.1
    augment: bool = False
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool | Literal["auto", "graphs"] = "auto"
    schedule: Literal["linear", "cosine", "constant", "onecycle"] = "linear"
    warmup_steps: Count | None = None
    ema_start: Share = 0.0
    standardise: bool = True
    latents: AutoencoderName | None = None
    speedups: Literal["auto"] | Speedups = "auto"
    checkpointing: bool = False  # activations are computed again in the backward pass: less memory, the same numbers


class TrainConfig(Recipe):
    """One run: a recipe, and what it is applied to for how many images seen."""

    dataset: DataName = "mnist"
    backbone: BackboneName = "dit"
    objective: ObjectiveName = "rf"
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    images: Count = 60_000

    @property
    def steps(self) -> int:
        """Optimiser steps: images seen over the batch, rounded up."""
        return -(-self.images // self.batch)

    def shape(self, spec: Spec) -> tuple[int, int, int]:
        """(C, H, W) of what the network sees of such images."""
        return spec.image_shape if self.latents is None else autoencoders.kind(self.latents).shape(spec.image_shape)


class BestCase(Frozen):
    """A small grid of ways to draw, of which each run may choose its own: every start with every guidance and sampler.

    tries: how many candidates are drawn for choosing, besides those that are control settings and scored anyway.
    """

    start: Annotated[tuple[Start, ...], SEVERAL, AfterValidator(distinct)] = (-10.0, -5.4)
    guidance: Annotated[tuple[Positive, ...], SEVERAL, AfterValidator(distinct)] = (1.0, 1.5, 2.0, 3.0)
    sampler: Annotated[tuple[SamplerName, ...], SEVERAL, AfterValidator(distinct)] = ("euler", "dpmpp_2m")
    steps: Steps = 20
    tries: Annotated[int, Field(ge=0)] = 16

    def at(self, place: tuple[int, int, int]) -> Sampling:
        """The candidate of these places in start, guidance and sampler."""
        start, guidance, sampler = place
        return Sampling(
            start=self.start[start], guidance=self.guidance[guidance], sampler=self.sampler[sampler], steps=self.steps
        )

    @property
    def places(self) -> list[tuple[int, int, int]]:
        """All of them."""
        return list(product(range(len(self.start)), range(len(self.guidance)), range(len(self.sampler))))


class ScoreConfig(Growing):
    """How a run is scored: n samples under every pair of weights and a way to draw, the control settings.

    select: the step whose weights are scored, the last one, or that of least validation loss of the EMA weights among
    CANDIDATES equally spaced ones (as in arXiv 2403.03206; it costs 64 network evaluations for each held-out image).
    n_few: samples of what needs fewer, the snapshots and the candidates for the best case. best: what each run's best
    case is chosen from; None for no best case. loss_curve: the validation loss at the snapshots too. pictures: samples
    after every epoch of training, in `epochs/` and in the run's tracker. The average of the weights alone is scored by
    default: the raw ones correlate with it so highly that they are hardly a second setting.
    """

    n: Annotated[int, Field(ge=MIN_SAMPLES)] = 500
    settings: Annotated[tuple[Sampling, ...], SEVERAL, AfterValidator(distinct)] = (
        *(Sampling(start=start, guidance=guidance) for start in (-10.0, -5.4) for guidance in (1.0, 2.0)),
    )
    weights: Annotated[tuple[Literal["ema", "raw"], ...], SEVERAL, AfterValidator(distinct)] = ("ema",)
    batch: Count = 128
    snapshots: Annotated[int, Field(ge=0)] = 0  # points of training before its end that are scored, under the first
    n_few: Annotated[int, Field(ge=MIN_SAMPLES)] = 256
    best: BestCase | None = None
    select: Literal["last", "validation"] = "last"
    loss_curve: bool = False
    pictures: bool = False

    LATER: ClassVar = frozenset({"loss_curve", "pictures"})

    @property
    def candidates(self) -> int:
        """How many points before the last step are candidates for being scored."""
        return CANDIDATES - 1 if self.select == "validation" else 0

    @property
    def few(self) -> int:
        """How many samples are few: never more than `n`."""
        return min(self.n, self.n_few)

    @property
    def ways(self) -> list[Sampling]:
        """Every way to draw that scoring may use: those of the settings, and the candidates for the best case."""
        return list(
            dict.fromkeys([*self.settings, *map(self.best.at, self.best.places)] if self.best else self.settings)
        )

    @property
    def controls(self) -> tuple[Setting, ...]:
        """The control settings, those of the first weights first."""
        return tuple(Setting(weights=kind, **how.model_dump()) for kind in self.weights for how in self.settings)


class CellConfig(Frozen):
    """Training and scoring of one cell."""

    train: TrainConfig
    score: ScoreConfig

    @property
    def key(self) -> str:
        """SHA-256 of the canonical JSON: the same configuration has the same key on every machine."""
        return digest(self.model_dump(mode="json"))


def differences(ours: dict[str, Any], theirs: dict[str, Any], prefix: str = "") -> list[str]:
    """`key: here .., there ..` for every entry in which two nested configurations differ."""
    lines = []
    for key in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(key), theirs.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            lines += differences(here, there, f"{prefix}{key}.")
        elif here != there:
            lines.append(f"{prefix}{key}: asked {here!r}, found {there!r}")
    return lines
