"""A page as one HTML file: styles, script and figures are inside it, and it asks for nothing from outside.

The template is page.html.j2; page.css and page.js go into it as they are. Everything else is escaped. A policy
(Content-Security-Policy) allows this style, this script and pictures from within the file, and nothing more, so that
text from a result file could load or run nothing even if it came through.
"""

import base64
import hashlib
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.words.document import (
    Block,
    Bold,
    Code,
    Heading,
    Link,
    Table,
    Text,
    leads_somewhere,
    marks,
    one_line,
    plain,
)

HERE = Path(__file__).parent
RELOAD_SECONDS = 30  # of a page whose grid is at work
WRAP = 28  # characters from which a column of a table may be broken into lines
TALL = 25  # rows from which a table scrolls within itself, under its header


def render(blocks: Sequence[Block], figures: dict[str, bytes], running: bool = False) -> str:
    """The whole page. figures: PNG by file name, for the pictures among the blocks; running: it reloads itself."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"inline": _inline, "plain": plain, "kind": lambda block: type(block).__name__}
    environment.filters |= {"wraps": _wraps, "name": _name, "stem": lambda name: Path(name).stem}
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return environment.get_template("page.html.j2").render(
        blocks=blocks,
        anchors=_anchors(blocks),
        title=next((plain(b.text) for b in blocks if isinstance(b, Heading)), ""),
        pictures={name: (_size(data), base64.b64encode(data).decode()) for name, data in figures.items()},
        policy=f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'",
        tall=TALL,
        reload=RELOAD_SECONDS if running else None,
        style=Markup(style),  # noqa: S704 (our own file)
        script=Markup(script),  # noqa: S704 (our own file)
    )


def _inline(text: Text) -> Markup:
    return Markup("").join(_mark(part) for part in marks(text)).strip()


def _mark(part: str | Bold | Code | Link) -> Markup:
    words = one_line(getattr(part, "text", part))
    if isinstance(part, Bold):
        return Markup("<strong>{}</strong>").format(words)
    if isinstance(part, Code):
        return Markup("<code>{}</code>").format(words)
    if isinstance(part, Link) and leads_somewhere(part.url):
        return Markup('<a href="{}">{}</a>').format(part.url, words)
    return escape(words)


def _name(text: Text) -> Markup:
    """As `_inline`, but a name that is too long for its column is broken between its parts."""
    if not isinstance(text, str):
        return _inline(text)
    return Markup("<wbr>").join(re.split(r"(?<=[,/+])(?=[a-z])", one_line(text).strip()))


def _wraps(table: Table) -> list[bool]:
    """Of each column, whether its text is so long that it has to be broken into lines."""
    rows = (*table.rows, *table.foot)
    return [any(len(plain(row[i])) > WRAP for row in rows) for i in range(len(table.header))]


def _anchors(blocks: Sequence[Block]) -> dict[int, str]:
    """The place of each section's heading among the blocks -> its id, each once."""
    found: dict[int, str] = {}
    for i, block in enumerate(blocks):
        if isinstance(block, Heading) and block.level > 1:
            name = re.sub(r"[^a-z0-9]+", "-", plain(block.text).lower()).strip("-") or "section"
            found[i] = name if name not in found.values() else f"{name}-{i}"
    return found


def _size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG, in pixels."""
    return struct.unpack(">II", data[16:24])


def _digest(text: str) -> str:
    """What a policy calls an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
