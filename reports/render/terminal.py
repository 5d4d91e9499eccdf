"""Blocks as plain text for a terminal. What does not print, escape sequences among it, becomes a space."""

import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from reports.words.document import Block, Bullets, Heading, Listing, Paragraph, Picture, Table, plain

WIDTH = 110


def render(blocks: Sequence[Block]) -> str:
    """The blocks, an empty line between them."""
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            title = plain(text)
            return f"{title}\n{('=' if level == 1 else '-') * len(title)}"
        case Paragraph(text):
            return _wrapped(plain(text))
        case Bullets(items):
            return "\n".join(_wrapped(plain(item), "- ", "  ") for item in items)
        case Table():
            rows = [[plain(field) for field in row] for row in (*block.rows, *block.foot)]
            sides = ["left" if i < block.names else "right" for i in range(len(block.header))]
            header = [plain(name) for name in block.header]
            return tabulate(rows, header, disable_numparse=True, colalign=sides if rows else None)
        case Picture(name, caption):
            return f"{name}: {plain(caption)}"
        case Listing(text):
            return textwrap.indent("\n".join(plain(line) for line in text.splitlines()), "  ")


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
