"""The notebook: the same cells as its text, small, with pictures, without this machine's paths, and it runs whole."""

import json
from pathlib import Path

import pytest
from matplotlib import font_manager

from reports import tour

BYTES = 500_000
PICTURES = 5


def outputs(book: dict) -> list[dict]:
    return [output for cell in book["cells"] if cell["cell_type"] == "code" for output in cell["outputs"]]


def pictures(book: dict) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(book))


@pytest.fixture(scope="module")
def committed() -> dict:
    return json.loads(tour.NOTEBOOK.read_text(encoding="utf-8"))


def test_a_text_is_cut_into_its_cells():
    text = "# Title\n\nwords\n\n```python\na = 1\n\nb = 2\n```\n\n```sh\nls\n```\n\n```python\nc\n```\n"
    wanted = [
        ("markdown", "# Title\n\nwords"),
        ("code", "a = 1\n\nb = 2"),
        ("markdown", "```sh\nls\n```"),
        ("code", "c"),
    ]
    assert tour.cells(text) == wanted


def test_the_notebook_is_that_of_its_text(committed):
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in committed["cells"]]
    assert found == tour.cells(tour.SOURCE.read_text(encoding="utf-8"))


def test_the_notebook_is_small_shows_pictures_and_no_error(committed):
    assert tour.NOTEBOOK.stat().st_size < BYTES
    assert sum(cell["cell_type"] == "code" for cell in committed["cells"]) >= 10
    assert pictures(committed) >= PICTURES
    assert {output["output_type"] for output in outputs(committed)} <= {"display_data", "execute_result"}
    folder = str(tour.HERE.parent)
    assert folder not in json.dumps(outputs(committed))


def without_fonts(folder: Path) -> Path:
    """A folder of matplotlib's settings whose list of fonts is empty, as one has it that was interrupted."""
    wanted = f"fontlist-v{font_manager.FontManager.__version__}.json"
    fonts = {"_version": font_manager.FontManager.__version__, "default_size": None, "afmlist": [], "ttflist": []}
    fonts |= {"__class__": "FontManager", "_FontManager__default_weight": "normal"}
    folder.mkdir()
    (folder / wanted).write_text(json.dumps(fonts | {"defaultFamily": {"ttf": "DejaVu Sans", "afm": "Helvetica"}}))
    return folder


def test_the_notebook_runs_whole_whatever_the_users_fonts(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLCONFIGDIR", str(without_fonts(tmp_path / "settings")))
    book = tour.notebook(tour.SOURCE.read_text(encoding="utf-8"))
    tour.execute(book, tmp_path)  # raises where a cell fails
    assert pictures(book) >= PICTURES
    texts = [output["text"] for output in outputs(book) if output["output_type"] == "stream"]
    assert texts == []
    assert {output["output_type"] for output in outputs(book)} <= {"display_data", "execute_result"}
    assert len(list((tmp_path / "runs" / "tour" / "grid").rglob("result.json"))) == 3
