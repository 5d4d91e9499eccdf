"""The papers of a run: every id has an entry and no entry is idle; BibTeX that parses; exactly what was used."""

import re
from pathlib import Path

import pytest

from reports.read.load import load
from reports.words import bibtex
from reports.words.bibliography import PAPERS
from reports.words.document import Bullets, Link, Listing
from tests.conftest import ROOT
from tests.reports.test_reports import write_run
from zoo.registry import BACKBONES, COUPLINGS, DENSITIES, ENDS, SHIFTS, TABLES, ZOO, objective
from zoo.solvers import steps
from zoo.solvers.sampler import SAMPLERS


def named() -> set[str]:
    """Every id that the registry's parts name."""
    parts = [part for kind, table in TABLES.items() if kind not in ("backbone", "dataset") for part in table.values()]
    return {paper for part in parts for paper in part.papers}


def tables() -> set[str]:
    """Every id that reports/words/bibtex.py names itself."""
    groups = (bibtex.SAMPLERS, bibtex.STEP_GRIDS, bibtex.BACKBONES, bibtex.SCORES)
    rest = (*bibtex.ALWAYS, bibtex.RANKS, bibtex.GUIDANCE, bibtex.INTERVAL, bibtex.RESCALE)
    return {paper for group in groups for ids in group.values() for paper in ids} | set(rest)


def fields(entry: str) -> dict[str, str]:
    found = re.fullmatch(r"@misc\{([a-z0-9]+),\n((?:  \w+ = \{.*\},?\n)+)\}", entry)
    assert found, entry
    assert entry.count("{") == entry.count("}")
    pairs = re.findall(r"^  (\w+) = \{(.*)\},?$", found[2], flags=re.MULTILINE)
    return {"key": found[1], **dict(pairs)}


def test_every_paper_has_an_entry_and_every_entry_a_use():
    assert {paper for name in ZOO for paper in objective(name).papers} <= named()
    assert {*COUPLINGS, *DENSITIES, *ENDS, *SHIFTS} <= {word for table in TABLES.values() for word in table}
    assert named() | tables() == set(PAPERS)


def test_the_code_names_the_papers_where_they_are_used():
    text = "".join(path.read_text() for folder in ("zoo", "eval") for path in Path(ROOT, folder).rglob("*.py"))
    assert [paper for paper in PAPERS if paper not in text] == []


def test_every_sampler_step_grid_and_backbone_is_known():
    assert set(bibtex.SAMPLERS) == set(SAMPLERS)
    assert set(bibtex.BACKBONES) == set(BACKBONES)
    assert set(bibtex.STEP_GRIDS) <= set(steps.STEP_GRIDS)


def test_years_follow_from_the_ids_and_authors_are_names():
    for paper, found in PAPERS.items():
        assert re.fullmatch(r"\d{4}\.\d{4,5}", paper)
        assert found.year == 2000 + int(paper[:2])
        names = found.authors.split(", ")
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[^\W\d_][\w.'-]*( [\w.'-]+)+", name) for name in names), names
        assert found.title == found.title.strip()
        assert not found.title.endswith(".")


def test_entries_are_bibtex_and_their_keys_differ():
    found = [fields(bibtex.entry(paper)) for paper in PAPERS]
    assert len({entry["key"] for entry in found}) == len(PAPERS)
    rectified = next(entry for entry in found if entry["eprint"] == "2209.03003")
    assert rectified == {
        "key": "liu2022flow",
        "title": "{Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow}",
        "author": "Xingchao Liu and Chengyue Gong and Qiang Liu",
        "year": "2022",
        "eprint": "2209.03003",
        "archivePrefix": "arXiv",
        "url": "https://arxiv.org/abs/2209.03003",
    }
    assert bibtex.key(PAPERS["1801.01401"]) == "binkowski2018demystifying"
    assert bibtex.key(PAPERS["1904.06991"]) == "kynkaanniemi2019improved"
    assert fields(bibtex.entry("9912.34567"))["eprint"] == "9912.34567"  # a plug-in's paper


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path, objectives=["rf", "eps/linear+minsnr(5)", "no|such"], backbones=["dit(patch=4)"], size=8)
    return load(tmp_path)


def test_the_papers_are_those_of_what_the_run_used(run):
    groups = bibtex.used(run)
    assert groups["objectives"] == sorted({*objective("rf").papers, *objective("eps/linear+minsnr(5)").papers})
    assert groups["drawing"] == ["2010.02502", "2207.12598"]  # euler; guidance 2
    assert "2212.09748" in groups["networks"]
    everything = [paper for ids in groups.values() for paper in ids]
    assert len(set(everything)) == len(everything)
    assert not {"2211.01095", "2404.07724", "2305.08891", "2302.00482"} & set(everything)  # not in this run
    blocks = bibtex.papers(run)
    links = {
        part.url
        for b in blocks
        if isinstance(b, Bullets)
        for item in b.items
        for part in item
        if isinstance(part, Link)
    }
    assert links == {f"https://arxiv.org/abs/{paper}" for paper in everything}
    listing = next(block for block in blocks if isinstance(block, Listing))
    assert listing.language == "bibtex"
    assert sorted(fields(entry)["eprint"] for entry in listing.text.split("\n\n")) == sorted(everything)


def test_a_run_without_guidance_or_scores_names_less(tmp_path):
    grid = write_run(tmp_path, objectives=["rf"], backbones=["unet(width=16,attention=1)"], guidance=(1.0,), size=8)
    assert bibtex.used(load(tmp_path))["drawing"] == ["2010.02502"]
    (tmp_path / grid["cells"][0]["dir"] / "result.json").unlink()
    groups = bibtex.used(load(tmp_path))
    assert groups["drawing"] == groups["scores"] == []
    assert groups["objectives"] == ["2209.03003"]
