"""Numbers in words, `1 cell`, `8 cells`, and as Python's own. No library, as command lines answer without torch."""

import re
from typing import Any

ES = re.compile(r"(s|x|ch|sh)$")
IES = re.compile(r"([^aeiou])y$")


def counted(number: int, noun: str, many: str = "") -> str:
    """`1 cell`, `8 cells`, `2,000 images`. noun: in the singular; its last word takes the plural.

    many: the words for any number but one, where that is not all, as in counted(n, "cell is", "cells are").
    """
    return f"{number:,} {noun if number == 1 else many or plural(noun)}"


def plural(noun: str) -> str:
    """The plural of a noun: process -> processes, query -> queries, data set -> data sets."""
    if ES.search(noun):
        return f"{noun}es"
    return IES.sub(r"\1ies", noun) if IES.search(noun) else f"{noun}s"


def plain(value: Any) -> Any:
    """A single number of numpy's or torch's, as Python's own; any other value as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
