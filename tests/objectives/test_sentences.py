"""An objective's five sentences: made of its parts, with the numbers of its curves."""

import pytest

from zoo import registry
from zoo.objectives.sentences import plainer, sentences


@pytest.mark.parametrize("name", [name for name in registry.ZOO if registry.objective(name).scheme is None])
def test_every_objective_has_five_whole_sentences(name):
    found = sentences(registry.objective(name))
    assert len(found) == 5
    for text in found:
        assert text[0].isupper()
        assert text.endswith(".")
        assert "nan" not in text


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("eps/cosine+minsnr(5)", "eps/cosine"),
        ("v/linear+ztsnr", "v/linear"),
        ("rf/lognorm(0,1)", "rf"),
        ("rf+shift(3)", "rf"),
        ("v/cosine", "eps/cosine"),
        ("rf", "eps/flow"),
        ("edm(-1.2,1.2)", "edm/trig"),
        ("eps/linear", None),
    ],
)
def test_what_an_objective_is_compared_with(name, plain):
    found = plainer(registry.objective(name))
    assert (found and found.name) == plain
    if plain:
        assert registry.objective(plain) == found


def test_min_snr_lowers_the_clean_levels_as_its_formula_says():
    """min(snr, 5) / snr at logsnr 4 is 5 e^-4 = 0.0916; below logsnr log 5 it is 1."""
    told = sentences(registry.objective("eps/cosine+minsnr(5)"))[3]
    assert "noisy levels (logsnr -4) count the same" in told
    assert "clean ones (logsnr 4) 0.0916 times" in told


def test_v_weighs_the_noise_as_its_determinant_says():
    """v's error is eps's over alpha^2 (cosine at any logsnr): (1 + e^4) / 2 = 27.8 at -4 beside 0, 0.509 at 4."""
    told = sentences(registry.objective("v/cosine"))[3]
    assert "count 27.8 times" in told
    assert "0.509 times" in told


def test_the_ends_are_those_of_the_paths():
    assert "ends in pure noise" in sentences(registry.objective("v/linear+ztsnr"))[4]
    linear = sentences(registry.objective("eps/linear"))[4]
    assert "logsnr -10.1" in linear  # alpha^2 = 4.04e-5 after DDPM's 1000 steps
    assert "0.64% of the image" in linear
    assert "148 times in the image" in linear  # exp(5)
