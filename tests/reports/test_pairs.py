"""Controlled pairs: which are found, what they are said to share, and their effects against scipy's own tests."""

import re
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from reports.read.load import load
from reports.words import pairs, questions
from reports.words.document import Code, Heading, Paragraph, Table, plain
from tests.reports.test_answer import give
from tests.reports.test_reports import BACKBONES, edit, fail, write_run
from zoo.objectives.families import DEFAULT, SD3
from zoo.objectives.theory import apart
from zoo.registry import ZOO, objective

PLAIN, CHANGED = "eps/cosine", "eps/cosine+minsnr(5)"


def tables(blocks) -> dict[str, Table]:
    """The tables by the heading above them."""
    found, title = {}, ""
    for block in blocks:
        title = plain(block.text) if isinstance(block, Heading) else title
        if isinstance(block, Table):
            found[title] = block
    return found


def test_the_pairs_of_the_design_are_asked():
    names = [
        "rf",
        "v/trig",
        "rf/cosmap",
        "eps/linear",
        "eps/linear+minsnr(5)",
        "v/linear",
        "eps/trig",
        "rf/lognorm(0,1)",
    ]
    asked, axes = questions.asked([objective(name) for name in names])
    found = {(a.name, b.name): question.text for question, group in asked for a, b in group}
    for pair in [
        ("rf", "v/trig"),
        ("v/trig", "rf/cosmap"),
        ("eps/linear", "eps/linear+minsnr(5)"),
        ("v/linear", "v/trig"),
        ("eps/trig", "v/trig"),
        ("rf", "rf/lognorm(0,1)"),
    ]:
        assert pair in found
    assert "min-SNR" in found["eps/linear", "eps/linear+minsnr(5)"]
    assert ("eps/linear", "eps/trig") in {(a.name, b.name) for a, b in axes["path"]}


def test_every_pair_of_the_zoo_that_differs_in_one_axis_is_found_once():
    known = [objective(name) for name in ZOO]
    asked, axes = questions.asked(known)
    found = [frozenset((a.name, b.name)) for _, group in asked for a, b in group]
    found += [frozenset((a.name, b.name)) for group in axes.values() for a, b in group]
    assert len(found) == len(set(found))
    single = {frozenset((a.name, b.name)) for a, b in combinations(known, 2) if len(apart(a, b)) == 1}
    assert single <= set(found)
    for question, group in asked:
        assert all(question.takes(*pair) for pair in group)


def test_of_a_pair_the_plainer_objective_comes_first():
    _, axes = questions.asked([objective(name) for name in ("rf+ot", "rf", "rf+contrast(0.05)", "rf/mode(1.29)")])
    firsts = {axis: group[0][0].name for axis, group in axes.items()}
    assert firsts == {"coupling": "rf", "auxiliary": "rf", "density": "rf"}


def test_no_pair_needs_torch(command):
    code = "import sys, reports.words.pairs, reports.words.answer, reports.changetables, reports.read.export; "
    code += "from zoo.registry import ZOO, objective; from reports.words.questions import asked; "
    code += "asked([objective(n) for n in ZOO]); print('torch' in sys.modules)"
    assert command("-c", code).stdout.strip() == "False"


@pytest.fixture
def seeds(tmp_path):
    rng = np.random.default_rng(3)
    values = {}

    def fid(cell, guidance):
        key = cell["backbone"], cell["objective"], cell["seed"], guidance
        values.setdefault(key, 20 + 5 * (cell["objective"] == PLAIN) + rng.normal())
        return values[key]

    grid = write_run(tmp_path, objectives=[PLAIN, CHANGED], seeds=(0, 1, 2, 3), size=8)
    give(tmp_path, grid, fid)
    return load(tmp_path), values


def test_effects_of_two_objectives_are_those_of_scipys_paired_test_on_fids_scale(seeds):
    run, values = seeds
    (table,) = tables(pairs.pairs(run)).values()
    assert len(table.rows) == len(BACKBONES)
    for row, backbone in zip(table.rows, BACKBONES, strict=True):
        s = 20 / 500**0.5
        means = {
            n: [np.mean([np.arcsinh(values[backbone, n, seed, g] / s) for g in (1.0, 2.0)]) for seed in range(4)]
            for n in (PLAIN, CHANGED)
        }
        test = stats.ttest_rel(means[CHANGED], means[PLAIN])
        middle = np.mean([means[CHANGED], means[PLAIN]])
        mean, low, high = (
            s * (np.sinh(middle + y / 2) - np.sinh(middle - y / 2))
            for y in (np.mean(means[CHANGED]) - np.mean(means[PLAIN]), *test.confidence_interval(0.95))
        )
        assert plain(row[0]) == f"{CHANGED} minus {PLAIN}"
        assert row[1:4:2] == (backbone, "4")
        told = [float(number) for number in re.findall(r"[+-]\d+\.\d+", row[4])]
        assert told == pytest.approx([mean, low, high], abs=0.03)  # the critical value is simulated
        assert (row[2].startswith("better"), row[2] == "no difference found") == (high < 0, low <= 0 <= high)


def test_what_survives_the_correction_is_marked(seeds):
    run, _ = seeds
    known, _ = pairs.parsed(run.objectives)
    effects = pairs.measured(run, pairs.common(run), [tuple(known)])
    tests = [d.p for effect in effects for d in (effect.fid, effect.acc)]
    bound = [p <= 0.05 / (len(tests) - rank) for rank, p in enumerate(sorted(tests))]  # Holm, step by step
    held = next((i for i, fine in enumerate(bound) if not fine), len(bound))
    assert sum(sum(effect.survives) for effect in effects) == held
    text = " ".join(plain(block.text) for block in pairs.pairs(run) if isinstance(block, Paragraph))
    assert f"1 pair asked beforehand: {held} of 4 tests hold" in text


def test_one_seed_gives_the_error_of_sampling_and_marks_nothing(tmp_path):
    grid = write_run(tmp_path, objectives=[PLAIN, CHANGED], backbones=BACKBONES[:1], size=8)
    give(tmp_path, grid, lambda cell, guidance: 20 - 9 * (cell["objective"] == CHANGED), se=0.5)
    blocks = pairs.pairs(load(tmp_path))
    ((row,),) = (table.rows for table in tables(blocks).values())
    half = stats.t.ppf(0.975, 19) * 0.5 * 2**0.5
    assert row[4] == f"-9.00 [{-9 - half:+.2f}..{-9 + half:+.2f}]"
    assert (row[2], row[3]) == ("better in this one run", "1")
    text = " ".join(plain(block.text) for block in blocks if isinstance(block, Paragraph))
    assert "none is tested, for want of a second seed" in text


def test_missing_and_diverged_runs_are_named_where_they_lack(tmp_path):
    grid = write_run(tmp_path, objectives=[PLAIN, CHANGED], backbones=BACKBONES[:1], seeds=(0, 1), size=8)
    fail(tmp_path / grid["cells"][2]["dir"], "diverged")
    ((row,),) = (table.rows for table in tables(pairs.pairs(load(tmp_path))).values())
    assert plain(row[2]) == f"{CHANGED}: 1 diverged"
    assert row[3:] == ("-", "-", "-")
    for cell in grid["cells"]:
        (tmp_path / cell["dir"] / "result.json").unlink(missing_ok=True)
    assert pairs.pairs(load(tmp_path)) == []


def test_samples_of_another_number_are_not_mixed_in(tmp_path):
    grid = write_run(tmp_path, objectives=[PLAIN, CHANGED], backbones=BACKBONES[:1], size=8)
    give(tmp_path, grid, lambda cell, guidance: 20.0)
    path = tmp_path / grid["cells"][0]["dir"] / "result.json"
    edit(path, lambda result: [score.update(n=10_000) for score in result["scores"]])
    ((row,),) = (table.rows for table in tables(pairs.pairs(load(tmp_path))).values())
    assert row[2:5] == ("no seed has both", "-", "-")


def test_a_study_of_61_shows_some_of_many_and_says_so(tmp_path):
    write_run(tmp_path, objectives=list(SD3), backbones=BACKBONES[:1], guidance=(1.0,), size=8)
    blocks = pairs.pairs(load(tmp_path))
    found = tables(blocks)
    density = found["Other pairs: the density"]
    assert len(density.rows) == pairs.LIMIT
    said = next(plain(b.text) for b in blocks if isinstance(b, Paragraph) and "Shown are" in plain(b.text))
    total = int(re.search(rf"Shown are {pairs.LIMIT} of (\d+) pairs", said)[1])
    known = [objective(name) for name in SD3]
    asked = {frozenset(pair) for _, group in questions.asked(known)[0] for pair in group}
    truth = [p for p in combinations(known, 2) if apart(*p) == ("density",) and frozenset(p) not in asked]
    assert total == len(truth)
    sizes = [abs(float(row[4].split()[0])) for row in density.rows]
    assert sizes[0] > 0
    assert len(known) == 61


def test_names_that_the_registry_lacks_are_in_no_pair_and_said(tmp_path):
    hostile = ["<script>|x", "=1+1", *DEFAULT[:2]]
    write_run(tmp_path, objectives=hostile, backbones=BACKBONES[:1], size=8)
    blocks = pairs.pairs(load(tmp_path), " on mnist")
    assert blocks[0] == Heading("Controlled pairs on mnist")
    note = next(block for block in blocks if isinstance(block, Paragraph) and block.kind == "note")
    assert [part.text for part in note.text if isinstance(part, Code)] == hostile[:2]
    assert len(tables(blocks)) == 1
