"""What a cell is: everything that decides its numbers, frozen, checked, and hashed into its key.

The device, the folders and the number of threads are not in it. torch is not imported here.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from zoo import registry
from zoo.base.sealed import digest
from zoo.config.control import Sampling, Setting
from zoo.config.schema import Count, Frozen, Positive, Share, checked, distinct
from zoo.data.sets import DataName

ObjectiveName = Annotated[str, AfterValidator(checked(lambda name: registry.objective(name).name))]
BackboneName = Annotated[str, AfterValidator(checked(registry.backbone_name))]
MIN_SAMPLES = 128  # as many as the judge's features: fewer leave directions in which nothing is known


class Recipe(Frozen):
    """How every objective is trained. Lengths in steps are shares of the run."""

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


class ScoreConfig(Frozen):
    """How a run is scored: n samples under every pair of weights and a way to draw, the control settings."""

    n: Annotated[int, Field(ge=MIN_SAMPLES)] = 500
    settings: Annotated[tuple[Sampling, ...], Field(min_length=1, strict=False), AfterValidator(distinct)] = (
        Sampling(),
        Sampling(guidance=2.0),
    )
    weights: Annotated[
        tuple[Literal["ema", "raw"], ...], Field(min_length=1, strict=False), AfterValidator(distinct)
    ] = ("ema", "raw")
    batch: Count = 128
    snapshots: Annotated[int, Field(ge=0)] = 0  # points of training before its end that are scored, under the first

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
