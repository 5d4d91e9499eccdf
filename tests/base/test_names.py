"""The grammar of names: one canonical spelling that parses back, folders that never collide, hostile names refused."""

import contextlib
import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import registry
from zoo.base.errors import ZooError
from zoo.base.names import Term, parse_term, slug

REPEATABLE = settings(deadline=None, derandomize=True, database=None)
FOLDER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
NUMBERS = st.one_of(
    st.integers(-2_000_000, 2_000_000).map(str),
    st.floats(-1e8, 1e8, allow_nan=False).map(lambda n: f"{n:.4g}"),
    st.floats(-2, 2).map(repr),  # all 17 digits
)
POSITIVE = NUMBERS.map(lambda text: text.removeprefix("-")).filter(lambda text: float(text) > 0)
LOGNORM = st.builds("lognorm({},{})".format, NUMBERS, POSITIVE)
MINSNR = st.builds("minsnr({})".format, POSITIVE)
HEADS = st.one_of(
    st.builds("{}/{}".format, st.sampled_from(sorted(registry.TARGETS)), st.sampled_from(sorted(registry.PATHS))),
    st.just("rf"),
)
MATCH = st.builds("match({}+{})".format, HEADS, LOGNORM)
NAMES = st.tuples(HEADS, st.none() | LOGNORM, st.none() | MINSNR | MATCH, st.booleans()).map(
    lambda parts: "+".join(filter(None, [parts[0], *(parts[1:3] if parts[3] else parts[2:0:-1])]))
)


@REPEATABLE
@given(NAMES)
def test_canonical_name_means_the_same_objective(name):
    first = registry.objective(name)
    again = registry.objective(first.name)
    assert again == first
    assert again.name == first.name


@REPEATABLE
@given(NAMES, NAMES)
def test_one_objective_one_name_one_folder(one, other):
    first, second = registry.objective(one), registry.objective(other)
    same = dataclasses.replace(first, name="") == dataclasses.replace(second, name="")
    assert same == (first.name == second.name) == (slug(first.name) == slug(second.name))


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        ("flow/flow", "rf"),
        ("flow/flow+lognorm(0,1)", "rf/lognorm(0,1)"),
        ("rf+lognorm(0, 1)", "rf/lognorm(0,1)"),
        ("rf/lognorm(mean=0,std=1.00)", "rf/lognorm(0,1)"),
        ("rf/lognorm(-0.0,1e0)", "rf/lognorm(0,1)"),
        ("rf/uniform", "rf"),
        ("v/trig+uniform+minsnr(5)", "v/trig+minsnr(5)"),
        ("eps/linear+uniform", "eps/linear+uniform"),
        ("eps/linear+minsnr(+5e+6)", "eps/linear+minsnr(5e+06)"),
        ("eps/linear+minsnr(5.00000001)", "eps/linear+minsnr(5)"),
        ("eps/linear+minsnr", "eps/linear+minsnr(5)"),
        ("eps/linear+minsnr(5.0)", "eps/linear+minsnr(5)"),
        ("eps/linear+minsnr(gamma=5)", "eps/linear+minsnr(5)"),
        ("v/trig+minsnr(5)+lognorm(-.5,.60)", "v/trig+lognorm(-0.5,0.6)+minsnr(5)"),
        ("v/trig+match(flow/flow + lognorm(0, 1.0))", "v/trig+match(rf/lognorm(0,1))"),
        ("v/trig+match(edm(-1.2,1.2)+minsnr)+cosmap", "v/trig+cosmap+match(edm(-1.2,1.2)+minsnr(5))"),
    ],
)
def test_spellings_of_one_objective(spelled, canonical):
    assert registry.objective(spelled) == registry.objective(canonical)
    assert registry.objective(spelled).name == canonical


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("rf", "rf"),
        ("rf/lognorm(0,1)", "rf-lognorm-0-1"),
        ("rf/lognorm(-1,0.2)", "rf-lognorm-m1-0.2"),
        ("rf/lognorm(1,0.2)", "rf-lognorm-1-0.2"),
        ("eps/linear+minsnr(1e+06)", "eps-linear-minsnr-1e06"),
        ("eps/linear+minsnr(1e-06)", "eps-linear-minsnr-1e-06"),
        ("eps/cosine+minsnr(5)", "eps-cosine-minsnr-5"),
        ("dit(width=128,depth=2)", "dit-width-128-depth-2"),
        ("v/trig+match(rf/lognorm(-1,1))", "v-trig-match-rf-lognorm-m1-1"),
        ("rf+match(edm(sigma_data=1)/trig+edm(-1.2,1.2))", "rf-match-edm-sigma_data-1-trig-edm-m1.2-1.2"),
    ],
)
def test_folders(name, folder):
    assert slug(name) == folder


def test_folders_of_the_zoo_are_distinct():
    folders = [slug(name) for name in registry.ZOO]
    assert len(set(folders)) == len(folders)
    assert all(FOLDER.fullmatch(folder) for folder in folders)


def test_a_long_name_is_cut_and_stays_one_of_its_own():
    inner = "edm(sigma_data=1)/trig+edm(-0.506853,{})"
    names = [f"{inner.format(1.2)}+match({inner.format(number)})" for number in (1.2, 1.3)]
    assert all(registry.objective(name).name == name for name in names)
    folders = [slug(name) for name in names]
    assert all(len(folder) == 64 and FOLDER.fullmatch(folder) for folder in folders)
    assert folders[0] != folders[1]
    assert folders[0].startswith("edm-sigma_data-1-trig-edm-m0.506853-1.2-match-edm-sigma")


@REPEATABLE
@given(st.text())
def test_any_text_is_a_good_folder_or_refused(text):
    try:
        folder = slug(text)
    except ZooError:
        return
    assert FOLDER.fullmatch(folder)
    assert folder not in {".", ".."}


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "/", "+", "()", "a" * 65, "a\n", "a\0b", "-", ".hidden", "ä", "a\\b"]
)
def test_names_that_are_no_folder(name):
    with pytest.raises(ZooError):
        slug(name)


HOSTILE = (
    "",
    " ",
    "/",
    "rf/",
    "/rf",
    "rf//lognorm(0,1)",
    "rf/../../etc",
    "rf\n",
    "rf\0",
    "rf;ls",
    "RF",
    "rf(",
    "rf(1)",
    "rf)",
    "rf+",
    "+",
    "eps",
    "eps/",
    "linear/eps",
    "eps(1)/linear",
    "eps/linear(3)",
    "eps/linear/trig",
    "rf/lognorm",
    "rf/lognorm()",
    "rf/lognorm(0)",
    "rf/lognorm(0,1,2)",
    "rf/lognorm(0,one)",
    "rf/lognorm(0,nan)",
    "rf/lognorm(0,inf)",
    "rf/lognorm(0,1e999)",
    "rf/lognorm(-1e999,1)",
    "rf/lognorm(std=1)",
    "rf/lognorm(mean=0,1)",
    "rf/lognorm(0,mean=0)",
    "rf/lognorm(mean=0,mean=1,std=1)",
    "rf/lognorm(0,1,path=3)",
    "rf/lognorm((0),1)",
    "rf/lognorm(0;1)",
    "rf/lognorm(0,__import__)",
    "eps/linear+minsnr(=5)",
    "eps/linear+minsnr(self=5)",
    "eps/linear+minsnr(5",
    "eps/linear+minsnr(5)minsnr(5)",
    "eps/linear++minsnr(5)",
    "v/trig+match",
    "v/trig+match()",
    "v/trig+match(",
    "v/trig+match(rf",
    "v/trig+match(rf))",
    "v/trig+match((rf))",
    "v/trig+match(rf)(rf)",
    "v/trig+match(5)",
    "v/trig+match(like=rf)",
    "v/trig+match(rf,rf)",
    "v/trig+match(../rf)",
    "v/trig+match(rf)+minsnr(5)",
    "v/trig+match(rf+match(rf))",
    "v/trig+" + 3000 * "match(" + "rf" + 3000 * ")",
    "v/trig+match(rf+ot)",
    "v/trig+match(rf+learned)",
    "v/trig+minsnr(rf)",
    "rf/match(rf)",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(name):
    with pytest.raises(ZooError):
        registry.objective(name)


@REPEATABLE
@given(st.text(max_size=40) | st.text(alphabet="rfeps/v(),=+-.0123456789 ", max_size=30))
def test_any_text_parses_or_is_refused(text):
    for make in (registry.objective, registry.backbone_size):
        with contextlib.suppress(ZooError):  # and nothing but a ZooError
            make(text)


def test_term_in_parts():
    assert parse_term("lognorm(-0.5, .6)", "density") == Term("lognorm", (-0.5, 0.6))
    assert parse_term("dit(width=128,depth=2)", "backbone") == Term("dit", (), (("width", 128.0), ("depth", 2.0)))
    assert str(parse_term("dit( width = 1.28e2 )", "backbone")) == "dit(width=128)"
    assert str(parse_term("lognorm(-0.541667,1.4)", "density")) == "lognorm(-0.541667,1.4)"
