"""A page as GitHub Markdown; text is escaped, so that no name breaks a row, becomes HTML or marks anything up."""

import html
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from reports.words.document import (
    Bar,
    Block,
    Bold,
    Bullets,
    Code,
    Download,
    Facts,
    Fold,
    Heading,
    Link,
    Listing,
    Mark,
    Paragraph,
    Picture,
    Table,
    Text,
    leads_somewhere,
    marks,
    one_line,
    plain,
)


def render(blocks: Sequence[Block], more: Sequence[str] = ()) -> str:
    """The whole page, its contents before the second section. more: titles of sections that follow it in its file."""
    parts, listed = list[str](), False
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2 and not listed:
            parts, listed = [*parts, *_contents(blocks, more)], True
        parts.append(_block(block))
    return "\n\n".join(parts) + "\n"


def anchor(title: str) -> str:
    """What GitHub calls a heading of this text."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _contents(blocks: Sequence[Block], more: Sequence[str]) -> list[str]:
    titles = [plain(block.text) for block in blocks if isinstance(block, Heading) and block.level == 2]
    titles += more
    if len(titles) < 2:
        return []
    return ["Contents: " + " · ".join(f"[{md(title)}](#{anchor(title)})" for title in titles)]


def md(value: object) -> str:
    """Text that means itself in Markdown: one line, no HTML, no markup, no table bars."""
    return _escaped(one_line(value)).strip()


def table(header: Sequence[Text], rows: Sequence[Sequence[Text]], names: int = 1) -> str:
    """A Markdown table; the first `names` columns are aligned left, the others, numbers, right."""
    rule = ["---" if i < names else "---:" for i in range(len(header))]
    lines = [[_inline(field, bars=True) for field in line] for line in (header, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_inline(text)}"
        case Paragraph(text, "warning"):
            return f"> [!WARNING]\n> {_line(text)}"
        case Facts(items):
            return "\n".join(f"- {md(what)}: {_inline(value)}" for what, value in items)
        case Fold(title, inner):
            whole = "\n\n".join(_block(part) for part in inner)
            return f"<details>\n<summary>{html.escape(plain(title))}</summary>\n\n{whole}\n\n</details>"
        case Paragraph(text, kind):
            return f"{'> ' if kind == 'note' else ''}{_line(text)}"
        case Bullets(items):
            return "\n".join(f"- {_line(item)}" for item in items)
        case Table():
            rest = [""] * (len(block.header) - 1)
            rows: list[Sequence[Text]] = []
            for title, part in block.parts:
                rows += [[_bold(title), *rest], *part] if title else part
            return table(block.header, (*rows, *block.foot), block.names)
        case Picture(name, caption, alt):
            picture = f"![{md(alt or Path(name).stem)}](figures/{quote(name)})"
            return f"{picture}\n\n*{_inline(caption)}*" if plain(caption) else picture
        case Listing(text, language):
            fence = "`" * max(3, 1 + _longest(text))
            return f"{fence}{language}\n{text.strip()}\n{fence}"


def _bold(text: Text) -> Bold:
    return Bold(plain(text))


def _line(text: Text) -> str:
    """A text that begins a block, where a dash, a number or an equals sign would make it a list or a heading."""
    return re.sub(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=]))", r"\1\\", _inline(text))


def _inline(text: Text, bars: bool = False) -> str:
    """A text with its marks. bars: it stands in a table, where a bar inside a code span has to be escaped too."""
    return "".join(_mark(part, bars) for part in marks(text)).strip()


def _mark(part: Mark, bars: bool) -> str:
    if isinstance(part, Bold):
        return f"**{md(part.text)}**"
    if isinstance(part, Code):
        words = one_line(part.text).strip()
        tick = "`" * (1 + _longest(words))
        pad = " " if words.startswith("`") or words.endswith("`") else ""
        return f"{tick}{pad}{words.replace('|', chr(92) + '|') if bars else words}{pad}{tick}"
    if isinstance(part, Download):
        part = Link(part.text, part.name)
    if isinstance(part, Link):
        return (
            f"[{md(part.text)}]({quote(part.url, safe='/:?#=&%+,;@~')})" if leads_somewhere(part.url) else md(part.text)
        )
    return _escaped(one_line(part.text if isinstance(part, Bar) else part))


def _escaped(text: str) -> str:
    # an underscore within a word marks nothing up, and a name such as val_eps stays readable
    return re.sub(r"([\\`*\[\]|~#$]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", html.escape(text, quote=False))


def _longest(text: str) -> int:
    """The longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
