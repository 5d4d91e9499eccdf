"""Tables and paragraphs as plain text for a terminal of any width.

A table is laid out as columns side by side. Where the terminal is too narrow for them, each row becomes a few lines.
"""

import textwrap
from collections.abc import Sequence

PROSE = 110  # columns of a paragraph where no terminal sets them


def paragraph(text: str, width: int | None = None, first: str = "", rest: str = "") -> str:
    """One paragraph, wrapped between words; a word longer than a line, such as a path, is left whole.

    width: of the terminal in columns, None for PROSE. first, rest: what the first line and the others begin with.
    """
    return textwrap.fill(
        text,
        min(width or PROSE, PROSE),
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    *,
    names: int = 1,
    sides: Sequence[str] | None = None,
) -> str:
    """Rows of text under a header, as columns or, where these are wider than the terminal, row by row.

    header: one text for each column, which may have several lines. width: of the terminal in columns; None: a table is
    as wide as it is. names: how many of the first columns say which row it is. sides: `left` or `right` for each
    column, all `left` if None.
    """
    from tabulate import tabulate  # here, because zoo.bench starts on a machine without it

    text = tabulate(rows, header, disable_numparse=True, colalign=sides if rows else None)
    if width is None or max(map(len, text.splitlines())) <= width:
        return text
    return "\n".join(_record(header, row, names, width) for row in rows)


def _record(header: Sequence[str], row: Sequence[str], names: int, width: int) -> str:
    """A row as lines: its names, then what the other columns hold, but for empty fields and `-`."""
    head = ", ".join(field for field in row[:names] if field.strip())
    columns = list(zip(header, row, strict=True))[names:]
    rest = [f"{' '.join(name.split())}: {' '.join(field.split())}" for name, field in columns if field.strip(" -")]
    lines = [paragraph(head, width)] if head else []
    return "\n".join([*lines, *([paragraph("; ".join(rest), width, "  ", "  ")] if rest else [])])
