"""The text that `--help` prints: usage, what the command does, and its options in groups, for any width."""

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

NARROWEST, WIDEST = 40, 100  # columns that text is laid out for
LEFT = 26  # columns of an option's name on a wide terminal


class Entry(NamedTuple):
    """A line of the help: its group, an option with what stands for its value, and a sentence."""

    group: str
    name: str
    about: str


def columns() -> int:
    """Columns to lay text out for: the terminal's, 80 where there is none; never fewer than 40, nor more than 100."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((80, 24)).columns))


def terminal_columns() -> int | None:
    """Columns of the terminal that shows standard output, or COLUMNS, at least 40; None: no terminal, long lines."""
    if not (os.environ.get("COLUMNS") or sys.stdout.isatty()):
        return None
    return max(NARROWEST, shutil.get_terminal_size((80, 24)).columns)


def page(command: str, about: str, places: Sequence[str], entries: Sequence[Entry]) -> str:
    """The help of a command. places: its positional arguments. about: paragraphs, split by empty lines."""
    width = columns()
    options = [] if "COMMAND" in places else ["[options]"]
    lines = [*_wrapped(" ".join(["usage:", command, *places, *options]), "", "    ", width), ""]
    for paragraph in about.strip().split("\n\n"):
        shown = paragraph.splitlines()
        typed = any("  " in line.strip() for line in shown)  # a table of examples stays as it is written
        for text in shown if typed else [" ".join(shown)]:
            lines += _wrapped(text, "", "", width)
        lines.append("")
    group = ""
    for entry in entries:
        if entry.group != group:
            lines += ["", entry.group] if lines[-1] else [entry.group]
            group = entry.group
        lines += _entry(entry, width)
    return "\n".join(lines).rstrip()


def _entry(entry: Entry, width: int) -> list[str]:
    left = min(LEFT, width // 3)
    name = f"  {entry.name}"
    if len(name) + 2 <= left:
        return _wrapped(entry.about, name.ljust(left), " " * left, width)
    indent = " " * min(left, 8) if width < 60 else " " * left
    return [*_wrapped(name.strip(), "  ", "      ", width), *_wrapped(entry.about, indent, indent, width)]


def _wrapped(text: str, first: str, rest: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False, replace_whitespace=False
    ) or [first.rstrip()]
