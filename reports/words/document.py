"""What a page is made of, before it is Markdown or HTML: blocks of text, tables and figures.

A text is a string or a tuple of strings and marks; strings are plain, and each renderer escapes them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bold:
    """Text that stands out."""

    text: str


@dataclass(frozen=True)
class Code:
    """A name or a command within a line."""

    text: str


@dataclass(frozen=True)
class Link:
    """Text that leads to an address, or to a file beside the page."""

    text: str
    url: str


Mark = str | Bold | Code | Link
Text = Mark | tuple[Mark, ...]


@dataclass(frozen=True)
class Heading:
    """The title of the page (level 1), of a section (2) or of a part of one (3)."""

    text: Text
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Running text. kind: `plain`, `note` (an aside) or `warning` (nobody must miss it)."""

    text: Text
    kind: str = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Table:
    """A table; its first `names` columns hold text, the rest numbers. `long`: it may be filtered and sorted.

    foot: rows that stay below the others however those are sorted: totals, floors.
    """

    header: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    names: int = 1
    long: bool = True
    foot: tuple[tuple[Text, ...], ...] = ()


@dataclass(frozen=True)
class Picture:
    """A file of figures/, with what it shows in words ("" where the text above it says so)."""

    name: str
    caption: Text


@dataclass(frozen=True)
class Listing:
    """Commands or a file, to be copied."""

    text: str
    language: str = "sh"


Block = Heading | Paragraph | Bullets | Table | Picture | Listing


def table(
    header: Iterable[Text], rows: Sequence[Iterable[Text]], names: int = 1, foot: Sequence[Iterable[Text]] = ()
) -> Table:
    """A Table from rows of any kind of sequence."""
    return Table(tuple(header), tuple(map(tuple, rows)), names, foot=tuple(map(tuple, foot)))


def marks(text: Text) -> tuple[Mark, ...]:
    """A text's parts in order."""
    return text if isinstance(text, tuple) else (text,)


def one_line(value: object) -> str:
    """A value as text for a reader: what does not print, line breaks and runs of spaces are one space each."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in str(value)))


def plain(text: Text) -> str:
    """A text without its marks."""
    return "".join(one_line(getattr(part, "text", part)) for part in marks(text)).strip()


def leads_somewhere(url: str) -> bool:
    """Whether an address is one that a page may hold: http(s), a place on the page, or a file beside or below it."""
    return bool(re.match(r"https?://[^\s]+$|#[^\s]*$|(?![/\\.])[\w.@+-][^\s:\\]*$", url)) and ".." not in url.split("/")
