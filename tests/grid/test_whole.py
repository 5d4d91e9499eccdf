"""The grids of claims and studies run whole through the command line, each cell on a few images."""

import json
import os

import pytest

SECTIONS = {  # grid -> (images seen by a cell, a heading of its page)
    "practice": (3200, "Comparison"),
    "claims": (64, "Claims"),
    "qknorm": (64, "Claims"),
    "clipping": (64, "Claims"),
    "scaling": (64, "Scaling"),
    "switches": (128, "Switches"),
    "nine": (64, "Comparison"),
    "fewsteps": (192, "Few steps"),
    **({"resolution": (64, "Resolution")} if "ZOO_MIRROR" in os.environ else {}),  # of MNIST alone
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SECTIONS)
def test_the_grid_runs_whole(command, tmp_path, name):
    images, heading = SECTIONS[name]
    out = tmp_path / name
    datasets = "mnist(size=14),mnist" if name == "resolution" else "digits"
    asked = ["--dataset", datasets, "--seeds", "1", "--budget", str(images), "--out", str(out), "--set", "score.n=260"]
    done = command("run_all.py", "--grid", name, *asked)
    assert done.returncode == 0, done.stderr
    grid = json.loads((out / "grid.json").read_text())
    assert len(list(out.rglob("result.json"))) == len(grid["cells"]) > 1
    page = (out / "report.md").read_text()
    assert f"\n## {heading}" in page
    for entry in grid["claims"].get("digits", []):
        assert entry["text"] in page
    pictures = {path.parent.name for path in out.rglob("epochs/*.png")}
    assert pictures == ({"epochs"} if name == "practice" else set())
