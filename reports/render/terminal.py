"""Blocks as plain text for a terminal. What does not print, escape sequences among it, becomes a space."""

import textwrap
from collections.abc import Callable, Sequence
from functools import partial

from tabulate import tabulate

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

WIDTH = 110


def render(blocks: Sequence[Block], width: int | None = None) -> str:
    """The blocks, an empty line between them. width: of the terminal in columns; None: tables are as wide as they are.

    A table that is wider becomes a few lines for each of its rows.
    """
    return "\n\n".join(_block(block, width) for block in blocks) + "\n"


def _block(block: Block, width: int | None) -> str:
    wrap = partial(_wrapped, width=width or WIDTH)
    match block:
        case Heading(text, level):
            title = plain(text)
            return f"{title}\n{('=' if level == 1 else '-') * len(title)}"
        case Paragraph(text):
            return wrap(plain(text))
        case Bullets(items):
            return "\n".join(wrap(plain(item), "- ", "  ") for item in items)
        case Facts(items):
            return "\n".join(wrap(f"{what}: {plain(value)}", "- ", "  ") for what, value in items)
        case Fold(title, inner):
            return "\n\n".join([plain(title), *(_block(one, width) for one in inner)])
        case Table():
            rest = [""] * (len(block.header) - 1)
            body = [row for title, part in block.parts for row in ([(title, *rest)] if title else []) + [*part]]
            rows = [[plain(field) for field in row] for row in (*body, *block.foot)]
            sides = ["left" if i < block.names else "right" for i in range(len(block.header))]
            header = [_lines(name) for name in block.header]
            text = tabulate(rows, header, disable_numparse=True, colalign=sides if rows else None)
            if width is None or max(map(len, text.splitlines())) <= width:
                return text
            return "\n".join(_record(header, row, block.names, wrap) for row in rows)
        case Picture(name, caption):
            return f"{name}: {plain(caption)}"
        case Listing(text):
            return textwrap.indent("\n".join(plain(line) for line in text.splitlines()), "  ")


def _lines(name: Text) -> str:
    """A column's head, which may be of several lines."""
    return "\n".join(map(plain, name.split("\n"))) if isinstance(name, str) else plain(name)


def _record(header: Sequence[str], row: Sequence[str], names: int, wrap: Callable[..., str]) -> str:
    """A row as lines: its names, then what the other columns hold."""
    head = ", ".join(field for field in row[:names] if field.strip())
    rest = [
        f"{' '.join(name.split())} {' '.join(field.split())}"
        for name, field in zip(header, row, strict=True)
        if field.strip()
    ]
    rest = rest[sum(bool(field.strip()) for field in row[:names]) :]
    return "\n".join([*([wrap(head)] if head else []), *([wrap("; ".join(rest), "  ", "  ")] if rest else [])])


def _wrapped(text: str, first: str = "", rest: str = "", width: int = WIDTH) -> str:
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
