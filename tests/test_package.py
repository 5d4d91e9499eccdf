"""The wheel: everything that the program reads at run time is in it, and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("zoo", "eval", "reports")
STAYS = ("*.md", "*.ipynb", "__pycache__", "reference")  # for readers of the repository


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of what a wheel is built from, so that setuptools leaves nothing in the repository."""
    copy = tmp_path_factory.mktemp("tree")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(*STAYS))
    for name in ("run_all.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def test_the_wheel_holds_the_whole_tree(tree):
    wanted = {str(file.relative_to(tree)) for name in PACKAGES for file in (tree / name).rglob("*") if file.is_file()}
    assert {"zoo/grid/grids/default.toml", "reports/render/page.js", "eval/result.schema.json"} <= wanted
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", tree / "out", tree], check=True)  # noqa: S603 (our own interpreter)
    (wheel,) = (tree / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == wanted | {"run_all.py"}
