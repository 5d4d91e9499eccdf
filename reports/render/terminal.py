"""Blocks as plain text for a terminal. What does not print, escape sequences among it, becomes a space."""

import textwrap
from collections.abc import Sequence
from functools import partial

from reports.words.document import (
    Block,
    Bullets,
    Facts,
    Fold,
    Heading,
    Listing,
    Paragraph,
    Picture,
    Table,
    Text,
    plain,
)
from zoo.base import texttable


def render(blocks: Sequence[Block], width: int | None = None) -> str:
    """The blocks, an empty line between them. width: of the terminal in columns; None: a table is as wide as it is."""
    return "\n\n".join(_block(block, width) for block in blocks) + "\n"


def _block(block: Block, width: int | None) -> str:
    wrap = partial(texttable.paragraph, width=width)
    match block:
        case Heading(text, level):
            title = plain(text)
            return f"{title}\n{('=' if level == 1 else '-') * len(title)}"
        case Paragraph(text):
            return wrap(plain(text))
        case Bullets(items):
            return "\n".join(wrap(plain(item), first="- ", rest="  ") for item in items)
        case Facts(items):
            return "\n".join(wrap(f"{what}: {plain(value)}", first="- ", rest="  ") for what, value in items)
        case Fold(title, inner):
            return "\n\n".join([plain(title), *(_block(one, width) for one in inner)])
        case Table():
            rest = [""] * (len(block.header) - 1)
            body = [row for title, part in block.parts for row in ([(title, *rest)] if title else []) + [*part]]
            rows = [[plain(field) for field in row] for row in (*body, *block.foot)]
            sides = ["left" if i < block.names else "right" for i in range(len(block.header))]
            header = [_lines(name) for name in block.header]
            return texttable.table(header, rows, width, names=block.names, sides=sides)
        case Picture(name, caption):
            return f"{name}: {plain(caption)}"
        case Listing(text):
            return textwrap.indent("\n".join(plain(line) for line in text.splitlines()), "  ")


def _lines(name: Text) -> str:
    """A column's head, which may be of several lines."""
    return "\n".join(map(plain, name.split("\n"))) if isinstance(name, str) else plain(name)
