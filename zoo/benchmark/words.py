"""Words of the form NAME=NUMBER, which set the fields of a small case."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from zoo.base.errors import ZooError, choose

MOST = 1e9


def numbers(case: Any, flag: str, words: tuple[str, ...], least: Mapping[str, float]) -> dict[str, float]:
    """Field -> its number. case: the dataclass; flag: the option that the words follow; least: of fields (else 1e-6).

    Raises ZooError for an unknown name, for what is no number, and for one out of range.
    """
    known, given = [field.name for field in fields(case)], {}
    for word in words:
        name, equals, number = word.partition("=")
        if name not in known or not equals:
            raise choose(f"word after {flag},", name, known)
        try:
            given[name] = float(number)
        except ValueError:
            raise ZooError(f"{flag} {word}: {number!r} is no number") from None
        low = least.get(name, 1e-6)
        if not low <= given[name] <= MOST:
            raise ZooError(f"{flag} {word}: at least {low:g}, and at most {MOST:g}")
    return given
