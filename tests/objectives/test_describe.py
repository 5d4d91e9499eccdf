"""python -m zoo.objective: what it prints of an objective and of the zoo, and the picture."""

import pytest
import torch
from PIL import Image

from zoo import objective as command_line
from zoo import registry
from zoo.objectives import fingerprint
from zoo.objectives.describe import describe


@pytest.mark.parametrize("name", registry.ZOO)
def test_every_objective_is_described(name):
    chosen = registry.objective(name)
    text = describe(chosen)
    assert text.startswith(name)
    assert all(f"arXiv {paper}" in text for paper in chosen.papers)
    for part in (chosen.path, chosen.density, chosen.target, chosen.weight, chosen.coupling, chosen.auxiliary):
        assert part.formula
        assert part.formula in text
    assert "nan" not in text


def test_quantiles_are_those_of_the_draws():
    """Of a density that rises with u and of one that falls: here both draw the same law."""
    shares = (0.05, 0.5, 0.95)
    typed = [-2 * float(torch.special.ndtri(torch.tensor(1 - share, dtype=torch.float64))) for share in shares]
    for name in ("rf/lognorm(0,1)", "edm(0,1)"):
        assert fingerprint.quantiles(registry.objective(name), shares) == pytest.approx(typed, rel=1e-6)
    assert fingerprint.quantiles(registry.objective("rf/mode(1)"), shares) == sorted(
        fingerprint.quantiles(registry.objective("rf/mode(1)"), shares)
    )


def test_the_command_prints_and_draws(inside, tmp_path):
    said = inside(command_line.main, "eps/ldm", "--plot", str(tmp_path / "one.png"))
    assert "SD3's study calls it eps/linear, rank 2.88 over all settings" in said
    with Image.open(tmp_path / "one.png") as image:
        assert min(image.size) > 300


def test_without_a_name_it_lists_the_zoo(command):
    done = command("-m", "zoo.objective")
    assert done.returncode == 0, done.stderr
    first = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert set(registry.ZOO) <= first


def test_an_unknown_name_is_one_message(refused):
    assert "Did you mean 'eps/linear'" in refused(command_line.main, "eps/linaer")
