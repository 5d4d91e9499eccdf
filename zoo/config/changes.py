"""`--set train.learning_rate=1e-3`: any field of a run's or a cell's configuration, changed by name.

A value is written as in TOML; a word that is none there is a text. torch is not imported here.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from zoo.base.counts import plain
from zoo.base.errors import ZooError, choose
from zoo.config.cell import ScoreConfig, TrainConfig
from zoo.config.schema import model_in, validated

M = TypeVar("M", bound=BaseModel)
Changes = dict[str, dict[str, Any]]  # train or score -> nested fields -> value
PARTS: dict[str, type[BaseModel]] = {"train": TrainConfig, "score": ScoreConfig}
NAMES = {  # fields that are a cell's name, and what chooses them
    "train.objective": "--objective, or of a grid --only",
    "train.backbone": "--backbone",
    "train.dataset": "--dataset",
    "train.seed": "--seed, or of a grid --seeds",
}
WORDS = {"True": True, "False": False}


def names(parts: Sequence[str] = ("train", "score")) -> list[str]:
    """Every field that may be set, by its full name."""
    return [name for part in parts for name in _fields(part, PARTS[part]) if name not in NAMES]


def _fields(prefix: str, model: type[BaseModel]) -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        listed = "tuple" in str(field.annotation)  # a list of models is set as a whole
        found += _fields(f"{prefix}.{name}", inner) if inner and not listed else [f"{prefix}.{name}"]
    return found


def read(texts: Sequence[str], parts: Sequence[str] = ("train", "score")) -> Changes:
    """What FIELD=VALUE texts ask for. Raises ZooError for an unknown field, with the nearest, and for one set twice."""
    found: Changes = {}
    seen: set[str] = set()
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if name in NAMES:
            raise ZooError(f"--set {name}: it is chosen by {NAMES[name]}")
        if name not in (allowed := names(parts)):
            near = next((one for one in allowed if one.split(".", 1)[1] == name), None)
            if near:
                raise ZooError(f"--set {name!r}: write its full name, {near}=VALUE")
            raise choose("field for --set", name, allowed)
        if not equals or not value:
            raise ZooError(f"--set {text!r}: write FIELD=VALUE, as in --set train.learning_rate=1e-3")
        if name in seen:
            raise ZooError(f"--set {name} is given twice. Give one value")
        seen.add(name)
        place: dict[str, Any] = found
        *path, last = name.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = _value(name, value)
    return found


def text_of(name: str, value: Any) -> str:
    """A field and a Python value as `--set` takes them. Raises ZooError for a value that TOML has no word for."""
    return f"{name}={_toml(value, name)}"


def _toml(value: Any, name: str) -> str:
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(inner, name)}' for key, inner in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(inner, name) for inner in value)}]"
    raise ZooError(f"{name} = {value!r}: give a number, a text, True, False, or a list or dictionary of these")


def _value(name: str, text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        if text[0] in "[{":
            raise ZooError(
                f'--set {name}={text} cannot be read: {error}. Words in a list stand in quotes, as in \'["a", "b"]\''
            ) from None
        return text


def changed(config: M, changes: Mapping[str, Any], part: str) -> M:
    """A configuration with these fields changed. part: what the fields' names begin with.

    Raises ZooError with every finding.
    """
    if not changes:
        return config
    merged = _merged(config.model_dump(), changes, part)
    model = type(config)
    return validated(model, merged, "--set")


def _merged(given: dict[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    merged = dict(given)
    for name, value in changes.items():
        inner = given.get(name)
        if isinstance(value, Mapping) and inner is None:
            raise ZooError(f"--set {where}.{name}: this grid has none, so there is nothing to change in it")
        number = isinstance(value, int) and not isinstance(value, bool) and isinstance(inner, float)
        merged[name] = (
            _merged(inner or {}, value, f"{where}.{name}")
            if isinstance(value, Mapping)
            else float(value)
            if number
            else value
        )
    return merged
