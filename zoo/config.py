"""What a cell is: everything that decides its numbers, frozen, checked, and hashed into its key.

The device, the folders and the number of threads are not in it. torch is not imported here.
"""

import hashlib
import json
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from zoo import registry
from zoo.errors import ZooError, choose

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ObjectiveName = Annotated[str, AfterValidator(lambda name: _named(lambda: registry.objective(name).name))]
BackboneName = Annotated[str, AfterValidator(lambda name: _named(lambda: registry.backbone_name(name)))]
DataName = Literal["mnist", "fashion", "digits"]
DATASETS = get_args(DataName)


class Frozen(BaseModel):
    """Immutable, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Recipe(Frozen):
    """How every objective is trained. Lengths in steps are shares of the run."""

    batch: Count = 64
    learning_rate: Positive = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Share = 0.05
    clip: Positive = 1.0
    ema: Annotated[Share, Field(gt=0)] = 0.05
    label_dropout: Share = 0.1
    augment: bool = False
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool | Literal["auto"] = "auto"


class TrainConfig(Recipe):
    """One run: a recipe, and what it is applied to for how many images seen."""

    dataset: DataName = "mnist"
    backbone: BackboneName = "dit"
    objective: ObjectiveName = "rf"
    seed: Annotated[int, Field(ge=0)] = 0
    images: Count = 60_000

    @property
    def steps(self) -> int:
        """Optimiser steps: images seen over the batch, rounded up."""
        return -(-self.images // self.batch)


class ScoreConfig(Frozen):
    """How a run is scored: every pair of weights and guidance is one control setting."""

    n: Annotated[int, Field(ge=40)] = 500
    steps: Count = 20
    guidance: Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)] = (1.0, 2.0)
    weights: Annotated[tuple[Literal["ema", "raw"], ...], Field(min_length=1, strict=False)] = ("ema", "raw")
    batch: Count = 128


class CellConfig(Frozen):
    """Training and scoring of one cell."""

    train: TrainConfig
    score: ScoreConfig

    @property
    def key(self) -> str:
        """SHA-256 of the canonical JSON: the same configuration has the same key on every machine."""
        return digest(self.model_dump(mode="json"))


def digest(value: object) -> str:
    """SHA-256 of a value's canonical JSON (sorted keys, no spaces)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differences(ours: dict, theirs: dict, prefix: str = "") -> list[str]:
    """`key: here .., there ..` for every entry in which two nested configurations differ."""
    lines = []
    for key in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(key), theirs.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            lines += differences(here, there, f"{prefix}{key}.")
        elif here != there:
            lines.append(f"{prefix}{key}: asked {here!r}, found {there!r}")
    return lines


def explain(error: ValidationError, model: type[BaseModel], source: str) -> ZooError:
    """All of a validation's findings in one error: source, key, value, what is allowed, the nearest known key."""
    lines = []
    for finding in error.errors(include_url=False):
        key = ".".join(str(part) for part in finding["loc"])
        if finding["type"] == "extra_forbidden":
            allowed = _fields_at(model, finding["loc"][:-1])
            lines.append(str(choose("key", key, [".".join([*map(str, finding["loc"][:-1]), f]) for f in allowed])))
        else:
            message = finding["msg"].removeprefix("Value error, ")
            value = "" if finding["type"] == "missing" else f" = {finding['input']!r}"
            lines.append(f"{key}{value}: {message}")
    return ZooError("\n  ".join([f"{source} cannot be used:", *lines]))


def _fields_at(model: type[BaseModel], where: tuple) -> list[str]:
    for part in where:
        if part in model.model_fields:  # list positions and keys of a table lead to the same model
            model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields)


def _model_in(annotation) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _named(parse):
    try:
        return parse()
    except ZooError as error:
        raise ValueError(str(error)) from None
