"""One grid under four executors: the same weights, and the same page but for times and hosts."""

import re
from pathlib import Path

import pytest

from tests.grid.nodes import Nodes, alone, weights, write

pytestmark = pytest.mark.slow
TIMED = re.compile(r"( s|/s|MiB)$")  # headers of columns that a clock or the memory of a process decides
OWN = ("| jobs |", "- minutes of all runs:")  # what was asked for, and what the clock decides outside the tables


@pytest.fixture(scope="module")
def outs(tmp_path_factory) -> dict[str, Path]:
    """Executor -> the run's folder, of the same 12 cells."""
    folder = tmp_path_factory.mktemp("same")
    grid = write(folder, backbones=("dit", "unet"), seeds=2, images=160)
    for jobs in (1, 2):
        alone(grid, folder / f"local{jobs}", "--jobs", str(jobs))
    alone(grid, folder / "ray1", "--executor", "ray", "--jobs", "2")
    for nodes in Nodes.both():
        driver = nodes.drive(grid, folder / "ray2", "--ray-address", nodes.address)
        said, _ = driver.communicate(timeout=600)
        assert driver.returncode == 0, said
        assert "Ray: 2 cells at once on 2 nodes" in said
    return {name: folder / name for name in ("local1", "local2", "ray1", "ray2")}


def page(folder: Path) -> list[str]:
    """The lines of a run's page, without the columns of times and what was asked of the executor."""
    found, header = [], []
    for line in (folder / "report.md").read_text().splitlines():
        fields = [field.strip() for field in line.split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = fields
        elif not line.startswith(OWN):
            line = "|".join("-" if TIMED.search(name) else field for name, field in zip(header, fields, strict=True))
        found += [] if line.startswith(OWN) else [line]
    return found


def test_the_weights_are_the_same(outs):
    found = {name: weights(folder) for name, folder in outs.items()}
    assert len(found["local1"]) == 12
    assert all(hashes == found["local1"] for hashes in found.values())


def test_the_pages_are_the_same_but_for_times(outs):
    first, *others = (page(folder) for folder in outs.values())
    assert sum(line.startswith("|") for line in first) > 100
    for other in others:
        assert other == first
