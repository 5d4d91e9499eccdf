"""What a page is made of, before it is Markdown or HTML: blocks of text, tables and figures.

A text is a string or a tuple of strings and marks; strings are plain, and each renderer escapes them.
"""

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


Text = str | Bold | Code | Link | tuple["str | Bold | Code | Link", ...]


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
    """A table; its first `names` columns hold text, the rest numbers. `long`: it may be filtered and sorted."""

    header: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    names: int = 1
    long: bool = True


@dataclass(frozen=True)
class Picture:
    """A file of figures/, with what it shows in words."""

    name: str
    caption: Text


@dataclass(frozen=True)
class Listing:
    """Commands or a file, to be copied."""

    text: str
    language: str = "sh"


Block = Heading | Paragraph | Bullets | Table | Picture | Listing
