"""A page as one HTML file: styles, script and figures are inside it, and it asks for nothing from outside.

The template is page.html.j2; page.css and page.js go into it as they are. Everything else is escaped. A policy
(Content-Security-Policy) allows this style, this script and pictures from within the file, and nothing more, so that
text from a result file could load or run nothing even if it came through.
"""

import base64
import gzip
import hashlib
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.words.document import (
    Bar,
    Block,
    Bold,
    Code,
    Download,
    Heading,
    Link,
    Mark,
    Table,
    Text,
    leads_somewhere,
    marks,
    one_line,
    plain,
)
from zoo.base.figure import photographs

HERE = Path(__file__).parent
RELOAD_SECONDS = 30  # of a page whose grid is at work
WRAP = 28  # characters from which a column of a table may be broken into lines
TALL = 25  # rows from which a table scrolls within itself, under its header
LONG_HEADER = 12  # characters from which a column's name may be broken into lines
BAR = Markup(
    '{}<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
    '<rect width="{}" height="1"/></svg>'
)
RANGE = re.compile(r"(?<=[\d%]) (\([^()\s]+\.\.[^()\s]+\))")
RANGED = Markup('<span class="r"> {}</span>')
# packed, since a large grid's file is a few megabytes; the page's script unpacks it
DOWNLOAD = Markup('<a class="file" download="{}.gz" data-name="{}" href="data:application/gzip;base64,{}">{}</a>')


def render(
    blocks: Sequence[Block],
    figures: Mapping[str, bytes],
    running: bool = False,
    files: Mapping[str, bytes] | None = None,
) -> str:
    """The whole page.

    figures: PNG by file name, for the pictures among the blocks. running: it reloads itself. files: what can be
    downloaded from within the page, by name; a name that is not among them leads to the file beside the page.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    inline = partial(_inline, files=files or {})
    environment.filters |= {"inline": inline, "plain": plain, "kind": lambda block: type(block).__name__}
    environment.filters |= {"wraps": _wraps, "name": partial(_name, inline=inline)}
    environment.filters |= {"stem": lambda name: Path(name).stem}
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return environment.get_template("page.html.j2").render(
        blocks=blocks,
        anchors=_anchors(blocks),
        title=next((plain(b.text) for b in blocks if isinstance(b, Heading)), ""),
        pictures={name: (_size(data), base64.b64encode(data).decode(), _boxes(data)) for name, data in figures.items()},
        policy=f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'",
        tall=TALL,
        long_header=LONG_HEADER,
        reload=RELOAD_SECONDS if running else None,
        style=Markup(style),  # noqa: S704 (our own file)
        script=Markup(script),  # noqa: S704 (our own file)
    )


def _inline(text: Text, files: Mapping[str, bytes]) -> Markup:
    return Markup("").join(_mark(part, files) for part in marks(text)).strip()


def _mark(part: Mark, files: Mapping[str, bytes]) -> Markup:
    words = _ranges(one_line(getattr(part, "text", part)))
    if isinstance(part, Bold):
        return Markup("<strong>{}</strong>").format(words)
    if isinstance(part, Code):
        return Markup("<code>{}</code>").format(words)
    if isinstance(part, Bar):
        return BAR.format(words, round(100 * min(max(part.share, 0), 1)))
    if isinstance(part, Download) and part.name in files:
        packed = base64.b64encode(gzip.compress(files[part.name], mtime=0)).decode()
        return DOWNLOAD.format(part.name, part.name, packed, words)
    if isinstance(part, Download):
        part = Link(part.text, part.name)
    if isinstance(part, Link) and leads_somewhere(part.url):
        return Markup('<a href="{}">{}</a>').format(part.url, words)
    return words


def _ranges(words: str) -> Markup:
    """Text in which a range after a number, `14.6 (13.3..16.4)`, has a line of its own in tables."""
    parts = RANGE.split(words)
    return Markup("").join(RANGED.format(part) if i % 2 else part for i, part in enumerate(parts))


def _name(text: Text, inline: Callable[[Text], Markup]) -> Markup:
    """As `_inline`, but a name that is too long for its column is broken between its parts."""
    if not isinstance(text, str):
        return inline(text)
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


def _boxes(data: bytes) -> str:
    """The parts of a picture that a dark page leaves as they are, as an SVG path; "" for a chart."""
    return " ".join(f"M{x} {y}h{w}v{h}h-{w}z" for x, y, w, h in photographs(data))


def _digest(text: str) -> str:
    """What a policy calls an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
