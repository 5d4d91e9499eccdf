"""What a page is made of, before it is Markdown or HTML: blocks of text, tables and figures.

A text is a string or a tuple of strings and marks; strings are plain, and each renderer escapes them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

EMPTY = ("", "-")  # what a field holds that has no value


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


@dataclass(frozen=True)
class Bar:
    """A number in a table with a small bar beside it. share: of the bar's full length, 0 to 1."""

    text: str
    share: float


@dataclass(frozen=True)
class Download:
    """Text that leads to a file of the run, which a page in one file holds within itself."""

    text: str
    name: str


Mark = str | Bold | Code | Link | Bar | Download
Text = Mark | tuple[Mark, ...]


@dataclass(frozen=True)
class Heading:
    """The title of the page (level 1), of a section (2) or of a part of one (3)."""

    text: Text
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Running text. kind: `plain`, `lead` (the answer), `note` (an aside) or `warning` (nobody must miss it)."""

    text: Text
    kind: str = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Table:
    """A table; its first `names` columns hold text, the rest numbers. `long`: it may be filtered and sorted.

    foot: rows that stay below the others however those are sorted: totals, floors. groups: (title, number of rows) of
    each part, in order and for all rows; rows are sorted within their part. () for a table of one part.
    """

    header: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    names: int = 1
    long: bool = True
    foot: tuple[tuple[Text, ...], ...] = ()
    groups: tuple[tuple[Text, int], ...] = ()

    @property
    def parts(self) -> list[tuple[Text, tuple[tuple[Text, ...], ...]]]:
        """(title, rows) of each part; one part without a title for a table that has none."""
        if not self.groups:
            return [("", self.rows)]
        ends = list(accumulate(count for _, count in self.groups))
        return [(title, self.rows[end - count : end]) for (title, count), end in zip(self.groups, ends, strict=True)]


@dataclass(frozen=True)
class Picture:
    """A file of figures/, with its caption ("" where the text above says it) and what is seen in it (alt)."""

    name: str
    caption: Text
    alt: str = ""


@dataclass(frozen=True)
class Listing:
    """Commands or a file, to be copied."""

    text: str
    language: str = "sh"


@dataclass(frozen=True)
class Facts:
    """A row of facts: (what, value)."""

    items: tuple[tuple[str, Text], ...]


@dataclass(frozen=True)
class Fold:
    """Blocks that a reader opens by a click on their title; headings among them are of level 3."""

    title: Text
    blocks: tuple["Block", ...]


Block = Heading | Paragraph | Bullets | Table | Picture | Listing | Facts | Fold


def table(
    header: Iterable[Text], rows: Sequence[Iterable[Text]], names: int = 1, foot: Sequence[Iterable[Text]] = ()
) -> Table:
    """A Table from rows of any kind of sequence."""
    return Table(tuple(header), tuple(map(tuple, rows)), names, foot=tuple(map(tuple, foot)))


def grouped(
    header: Iterable[Text],
    groups: Iterable[tuple[Text, Sequence[Iterable[Text]]]],
    names: int = 1,
    foot: Sequence[Iterable[Text]] = (),
) -> Table:
    """A Table of several parts, each with its title; parts without rows are left out."""
    kept = [(title, [tuple(row) for row in rows]) for title, rows in groups if rows]
    rows = tuple(row for _, found in kept for row in found)
    parts = tuple((title, len(found)) for title, found in kept)
    return Table(tuple(header), rows, names, foot=tuple(map(tuple, foot)), groups=parts)


def filled(found: Table) -> Table:
    """The table without the columns of numbers in which no row has any."""
    keep = [
        i for i in range(len(found.header)) if i < found.names or any(plain(row[i]) not in EMPTY for row in found.rows)
    ]
    if not found.rows or len(keep) == len(found.header):
        return found

    def cut(row: tuple[Text, ...]) -> tuple[Text, ...]:
        return tuple(row[i] for i in keep)

    return replace(found, header=cut(found.header), rows=tuple(map(cut, found.rows)), foot=tuple(map(cut, found.foot)))


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
