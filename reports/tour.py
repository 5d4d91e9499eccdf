"""The notebook reports/tour.ipynb from reports/tour.md: python -m reports.tour

Every ```python block of the text is a code cell, what is between them a text cell. The cells are run in a folder of
their own on the CPU, and the notebook is written with what they show. nbformat, nbclient and ipykernel are needed:
they come with the extra `test`.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.base.errors import ZooError, run_main
from zoo.base.files import write_atomic
from zoo.base.options import read

if TYPE_CHECKING:
    from nbformat import NotebookNode

HERE = Path(__file__).parent
SOURCE, NOTEBOOK = HERE / "tour.md", HERE / "tour.ipynb"
CODE = re.compile(r"^```python\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
SECONDS = 600  # that one cell may take
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
METADATA = {"kernelspec": KERNEL, "language_info": {"name": "python"}}


def cells(text: str) -> list[tuple[str, str]]:
    """(`markdown` or `code`, source) of each cell of a text, in order."""
    parts = CODE.split(text)
    kinds = ("markdown", "code")
    return [(kinds[i % 2], part.strip("\n")) for i, part in enumerate(parts) if part.strip()]


def notebook(text: str) -> "NotebookNode":
    """The cells of a text, not run yet. Their names are their places, so that the same text gives the same file."""
    import nbformat.v4

    v4: Any = nbformat.v4  # its functions have no type hints
    makers: dict[str, Any] = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    made = [makers[kind](source, id=f"cell-{place}") for place, (kind, source) in enumerate(cells(text))]
    book: NotebookNode = v4.new_notebook(
        cells=made, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    return book


@dataclass
class Options:
    """There are none."""


def execute(book: "NotebookNode", folder: Path) -> None:
    """Run the cells in a folder and keep what they show. Raises nbclient's CellExecutionError if one fails."""
    from nbclient import NotebookClient

    root = str(HERE.parent)  # the kernel imports this source tree, wherever it runs
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    client = NotebookClient(book, timeout=SECONDS, kernel_name=KERNEL["name"], record_timing=False)
    with tempfile.TemporaryDirectory() as settings:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "CUDA_VISIBLE_DEVICES": "",
            "MPLCONFIGDIR": settings,
        }
        # The pictures depend neither on the user's matplotlibrc nor on a broken list of fonts.
        # The list is made before the first cell: matplotlib warns of what takes long, and the notebook would keep that.
        subprocess.run(
            [sys.executable, "-c", "import matplotlib.font_manager"], env=environment, check=True, capture_output=True
        )
        client.execute(cwd=str(folder), env=environment)
    book.metadata = METADATA


def main() -> None:
    """Make the notebook again, run it, and print its path."""
    read(Options, "python -m reports.tour", (__doc__ or "").strip())
    try:
        import nbclient  # noqa: F401
        import nbformat.v4
    except ImportError as error:
        raise ZooError(f"the package {error.name} is not installed: pip install '.[test]'") from None
    writes: Any = nbformat.writes
    book = notebook(SOURCE.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        execute(book, Path(folder))
    write_atomic(NOTEBOOK, (writes(book) + "\n").encode())
    print(NOTEBOOK)


if __name__ == "__main__":
    run_main(main)
