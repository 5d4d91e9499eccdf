"""python -m zoo.objective: what it prints of an objective and of the zoo, and the picture."""

import contextlib
from dataclasses import dataclass, replace

import pytest
import torch
from PIL import Image

from zoo import objective as command_line
from zoo import registry
from zoo.objectives import fingerprint
from zoo.objectives.describe import describe, equation, listing
from zoo.objectives.weight import MinSNR, Weight


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


def test_no_number_is_minus_zero_or_rounding():
    texts = [describe(registry.objective(name)) for name in registry.ZOO]
    texts.append(listing(map(registry.objective, registry.ZOO), registry.FAMILIES))
    for text in texts:
        for word in text.replace(",", " ").split():
            with contextlib.suppress(ValueError):
                number = float(word)
                assert number == 0 or abs(number) > 1e-9, text
                assert not (number == 0 and word.startswith("-")), text


def test_a_part_without_a_formula_shows_its_docstring(monkeypatch):
    @dataclass(frozen=True)
    class Told(MinSNR):
        """Twice min(snr, gamma).

        More of it.
        """

    @dataclass(frozen=True)
    class Silent(Weight):
        def log_factor(self, logsnr, log_x0_error):
            return 0 * logsnr

    for made, said in ((Told(5.0), "Twice min(snr, gamma)  "), (Silent(), "Silent\n")):
        lines = equation(replace(registry.objective("rf"), weight=made))
        assert said in "\n".join(f"{line}  " if made != Silent() else line.rstrip() for line in lines) + "\n"
        assert "min(snr, gamma) on the error" not in "".join(lines)


def test_the_command_prints_and_draws(inside, tmp_path):
    said = inside(command_line.main, "eps/ldm", "--plot", str(tmp_path / "one.png"))
    assert "SD3's study calls it eps/linear, rank 2.88 over all settings" in said
    with Image.open(tmp_path / "one.png") as image:
        assert min(image.size) > 300


@pytest.mark.parametrize(
    ("ending", "head"), [("png", b"\x89PNG"), ("PNG", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_the_picture_is_what_its_name_says(ending, head, inside, tmp_path):
    for name in "ab":
        inside(command_line.main, "rf", "--plot", str(tmp_path / f"{name}.{ending}"))
    first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in "ab")
    assert first.startswith(head)
    assert first == second


def test_without_a_name_the_zoo_is_short_and_with_all_it_is_whole(inside, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    short = inside(command_line.main).splitlines()
    assert len(short) < 45
    assert max(map(len, short)) <= 80
    for family, members in registry.FAMILIES.items():
        assert f"{family} ({len(members)} objectives)" in short
    words = " ".join(short)
    assert all(word in words for table in registry.TABLES.values() for word in table)
    first = {line.split()[0] for line in inside(command_line.main, "--all").splitlines() if line.strip()}
    assert set(registry.EVERY) <= first


def test_an_unknown_name_is_one_message(refused):
    assert "Did you mean 'eps/linear'" in refused(command_line.main, "eps/linaer")
