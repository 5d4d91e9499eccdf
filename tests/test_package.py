"""The wheel: everything that the program reads at run time is in it, and nothing else."""

import os
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


@pytest.fixture(scope="module")
def wheel(tree) -> Path:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", tree / "out", tree], check=True)  # noqa: S603 (our own interpreter)
    (made,) = (tree / "out").glob("*.whl")
    return made


def test_the_wheel_holds_the_whole_tree(tree, wheel):
    files = (file for name in PACKAGES for file in (tree / name).rglob("*") if file.is_file())
    wanted = {str(file.relative_to(tree)) for file in files if "__pycache__" not in file.parts}
    assert {"zoo/grid/grids/default.toml", "reports/render/page.js", "eval/result.schema.json"} <= wanted
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entries,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert found == wanted | {"run_all.py"}
    assert "objective-zoo = run_all:command" in entries


def test_the_console_script_works_from_any_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = "import sys, run_all; sys.argv[0] = 'objective-zoo'; run_all.command()"
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-P", "-c", script, "--grid", "smoke", "--dataset", "digits", "--list"],
        cwd=tmp_path / "elsewhere", env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "6 cells on digits" in done.stdout
    assert list((tmp_path / "elsewhere").iterdir()) == []
