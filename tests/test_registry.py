"""The registry: every name of the zoo is canonical, and what is not in the tables is refused with the nearest name."""

import re
import subprocess
import sys

import pytest

from zoo import registry
from zoo.base.errors import ZooError, choose
from zoo.objectives.core import Objective

ARXIV = re.compile(r"\d{4}\.\d{4,5}")


@pytest.mark.parametrize("name", registry.ZOO)
def test_names_of_the_zoo_are_canonical(name):
    chosen = registry.objective(name)
    assert isinstance(chosen, Objective)
    assert chosen.name == name


@pytest.mark.parametrize("name", registry.ZOO)
def test_objectives_cite_their_papers(name):
    papers = registry.objective(name).papers
    assert papers
    assert len(set(papers)) == len(papers)
    assert all(ARXIV.fullmatch(paper) for paper in papers)


def test_objectives_of_the_zoo_differ():
    assert len({registry.objective(name) for name in registry.ZOO}) == len(registry.ZOO)


@pytest.mark.parametrize(
    ("name", "papers"),
    [
        ("rf", {"2209.03003"}),
        ("rf/lognorm(0,1)", {"2209.03003", "2403.03206"}),
        ("eps/linear", {"2006.11239"}),
        ("eps/cosine+minsnr(5)", {"2102.09672", "2006.11239", "2303.09556"}),
        ("v/cosine", {"2102.09672", "2202.00512"}),
    ],
)
def test_papers_are_those_of_the_axes(name, papers):
    assert set(registry.objective(name).papers) == papers


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("eps/liner", "eps/linear"),
        ("epss/linear", "eps/linear"),
        ("v/cosin", "v/cosine"),
        ("rf/lognrm(0,1)", "rf/lognorm(0,1)"),
        ("eps/linear+minsr(5)", "eps/linear+minsnr(5)"),
    ],
)
def test_unknown_objective_names_the_nearest(wrong, nearest):
    with pytest.raises(ZooError, match=re.escape(f"Did you mean {nearest!r}")) as caught:
        registry.objective(wrong)
    assert repr(wrong) in str(caught.value)


def test_far_names_get_the_grammar():
    with pytest.raises(ZooError) as caught:
        registry.objective("zzzzzz")
    for table in (registry.TARGETS, registry.PATHS, *registry.MODIFIERS.values()):
        assert all(word in str(caught.value) for word in table)
    assert "python -m zoo.objective lists the zoo" in str(caught.value)
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("kind", registry.MODIFIERS)
def test_two_of_one_kind_are_refused(kind):
    first, *_, second = [*registry.MODIFIERS[kind], *registry.MODIFIERS[kind]]
    given = {"lognorm": "(0,1)", "edm": "(0,1)", "mode": "(1)", "shift": "(3)"}
    with pytest.raises(ZooError, match=re.escape(f"two of one kind ({kind})")):
        registry.objective(f"v/linear+{first}{given.get(first, '')}+{second}{given.get(second, '')}")


def test_wrong_arguments_show_the_usage():
    with pytest.raises(ZooError, match=re.escape("lognorm(mean, std)")):
        registry.objective("rf/lognorm(0)")


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        ("dit", "dit"),
        ("dit()", "dit"),
        ("dit(128)", "dit(width=128)"),
        ("dit(patch=2,width=128)", "dit(width=128)"),
        ("dit(depth=2, width=128)", "dit(width=128,depth=2)"),
        ("unet(width=64)", "unet"),
        ("unet(attention=0)", "unet(attention=0)"),
    ],
)
def test_backbone_names_have_one_spelling(spelled, canonical):
    assert registry.backbone_name(spelled) == canonical
    assert registry.backbone_size(spelled) == registry.backbone_size(canonical)


@pytest.mark.parametrize("wrong", ["dti", "unt", "unett"])
def test_unknown_backbone_names_the_nearest(wrong):
    with pytest.raises(ZooError, match=r"Did you mean '(dit|unet)'"):
        registry.backbone_size(wrong)


def test_choose_is_bad_input():
    error = choose("sampler", "eular", ["heun", "euler"])
    assert error.exit_code == 2
    assert str(error) == "unknown sampler 'eular'. Did you mean 'euler'? Allowed: euler, heun"


def test_names_are_parsed_without_torch():
    """Listing the zoo must not wait for torch to load."""
    code = (
        "import sys; from zoo import registry\n"
        "for name in registry.ZOO: registry.objective(name).papers\n"
        "for name in registry.BACKBONES: registry.backbone_name(name)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own text
