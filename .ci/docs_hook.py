"""Gathers the documentation's pages from where they are kept: each README beside its code, grids, and the notebook.

A README keeps its place in the tree, so links between them hold. What they link to besides pages (folders, code,
schemas) is no part of the site: such a link becomes its text.
"""

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
READMES = (
    "README.md",
    "zoo/README.md",
    "zoo/data/README.md",
    "zoo/grid/README.md",
    "zoo/training/README.md",
    "eval/README.md",
    "reports/README.md",
    "reports/reference/README.md",
    "tests/README.md",
)
PICTURES = ("reports/reference/front.png", "reports/reference/page.png")
GRIDS, NOTEBOOK = ROOT / "zoo" / "grid" / "grids", ROOT / "reports" / "tour.ipynb"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name in (*READMES, *(picture for picture in PICTURES if (ROOT / picture).is_file())):
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    files.append(File.generated(config, "grids.md", content=grids()))
    files.append(File.generated(config, "notebook.md", content=notebook(json.loads(NOTEBOOK.read_text("utf-8")))))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to what is no part of the site become their text; the notebook's is to its page."""
    folder = posixpath.dirname(page.file.src_uri)

    def kept(match: re.Match[str]) -> str:
        target = match[3]
        if "://" in target or target.startswith(("#", "mailto:", "data:")):
            return match[0]
        path, _, _ = target.partition("#")
        where = posixpath.normpath(posixpath.join(folder, path))
        if where == "reports/tour.ipynb":
            return f"[{match[2]}]({posixpath.relpath('notebook.md', folder or '.')})"
        return match[0] if where in files.src_uris else match[2]

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(kept, part) for part in parts)


def grids() -> str:
    """Every grid file that comes with the project."""
    parts = ["# Grids\n\nEach is a file in `zoo/grid/grids/`; `--grid FILE.toml` takes your own.\n"]
    for path in sorted(GRIDS.glob("*.toml")):
        parts.append(f"## {path.stem}\n\n```toml\n{path.read_text('utf-8').rstrip()}\n```\n")
    return "\n".join(parts)


def notebook(found: dict[str, Any]) -> str:
    """A Jupyter notebook as Markdown: its text, code, and outputs as text or pictures."""
    parts = []
    for cell in found["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
            continue
        parts.append(f"```python\n{text}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                image = "".join(data["image/png"]).replace("\n", "")
                parts.append(f'<img alt="output of the cell above" src="data:image/png;base64,{image}">')
            else:
                said = "".join(output.get("text", data.get("text/plain", ())))
                parts.append(f"```text\n{said.rstrip()}\n```" if said.strip() else "")
    return "\n\n".join(part for part in parts if part)
