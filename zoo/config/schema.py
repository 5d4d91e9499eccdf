"""What checked configurations are built of: frozen models, their field types, and errors that name every finding."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from zoo.base.counts import counted, plain
from zoo.base.errors import ZooError, choose, nearest

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LONGEST = 200  # characters of a value that an error shows
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Frozen(BaseModel):
    """Immutable, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)  # built when first used


class Growing(Frozen):
    """A model whose `LATER` fields are left out of its dumps, and so of keys, while they hold their defaults.

    A field that is added here changes neither the keys nor the files of configurations that do not use it.
    """

    LATER: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        known: dict[str, Any] = dump(self)
        unused = {name for name in self.LATER if getattr(self, name) == type(self).model_fields[name].default}
        return {name: value for name, value in known.items() if name not in unused}


def checked(parse: Callable[[str], str]) -> Callable[[str], str]:
    """A field's validator from a parser of names that raises ZooError."""

    def validate(name: str) -> str:
        try:
            return parse(name)
        except ZooError as error:
            raise ValueError(str(error)) from None

    return validate


def distinct(names: tuple[T, ...]) -> tuple[T, ...]:
    """A field's validator: nothing is given twice."""
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"named twice: {', '.join(twice)}")
    return names


def validated(model: type[M], given: dict[str, Any], source: str) -> M:
    """A checked configuration; a number may be numpy's. Raises ZooError with every finding at once."""
    try:
        return model(**{name: plain(value) for name, value in given.items()})
    except ValidationError as error:
        raise explain(error, model, source) from None


def explain(error: ValidationError, model: type[BaseModel], source: str) -> ZooError:
    """All of a validation's findings in one error: source, key, value, what is allowed, the nearest known key."""
    lines = []
    for finding in _causes(error.errors(include_url=False)):
        key = ".".join(str(part) for part in finding["loc"])
        if finding["type"] == "extra_forbidden":
            allowed = _fields_at(model, finding["loc"][:-1])
            lines.append(str(choose("key", key, [".".join([*map(str, finding["loc"][:-1]), f]) for f in allowed])))
        else:
            message = _plain(finding)
            if finding["type"] == "literal_error":
                near = nearest(str(finding["input"]), re.findall(r"'([^']*)'", finding["ctx"]["expected"]))
                message += f".{near}" if near else ""
            given = repr(finding["input"])
            shown = given if len(given) <= LONGEST else f"{given[:LONGEST]}.."
            lines.append(f"{key}{'' if finding['type'] == 'missing' else f' = {shown}'}: {message}")
    return ZooError("\n  ".join([f"{source} cannot be used:", *lines]))


def _plain(finding: Any) -> str:
    """What is wrong with a value, as a reader of TOML or of options would say it."""
    if finding["type"] == "missing":
        return "is missing"
    if finding["type"] in ("tuple_type", "list_type"):
        return "should be a list, in [ ]"
    if finding["type"] == "too_short":
        least = finding["ctx"]["min_length"]
        return f"should have at least {counted(least, 'item')}"
    return str(finding["msg"]).removeprefix("Value error, ")


def _causes(findings: Sequence[Any]) -> list[Any]:
    """The findings without those that only follow from another: a tuple counts as too short for its bad items, and a
    value that may be of several types is refused once for each of them, which becomes one finding."""
    places = [finding["loc"] for finding in findings]
    kept: list[Any] = []
    unions: dict[tuple[int | str, ...], Any] = {}
    for finding in findings:
        where = finding["loc"]
        within = any(other[: len(where)] == where and len(other) > len(where) for other in places)
        if finding["type"] == "too_short" and within:
            continue
        branches = [other for other in places if other[:-1] == where[:-1] and _is_branch(other)]
        if not _is_branch(where) or len(branches) < 2:
            kept.append(finding)
        elif where[:-1] not in unions:
            allowed = []
            for other in findings:
                if other["loc"] in branches:
                    allowed.append(other.get("ctx", {}).get("expected") or "True or False")
            message = f"Input should be {', or '.join(dict.fromkeys(allowed))}"
            unions[where[:-1]] = {**finding, "type": "union", "loc": where[:-1], "msg": message}
            kept.append(unions[where[:-1]])
    return kept


def _is_branch(where: tuple[int | str, ...]) -> bool:
    """Whether a place ends with the name that pydantic gives to one type of a union, which is no field's."""
    last = where[-1] if where else None
    return isinstance(last, str) and re.match(r"(bool|int|float|str|literal\[.*)$", last) is not None


def _fields_at(model: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    for part in where:
        if part in model.model_fields:  # list positions and keys of a table lead to the same model
            model = model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def model_in(annotation: object) -> type[BaseModel] | None:
    """The model that a field's type is, or holds; None where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part))), None)
