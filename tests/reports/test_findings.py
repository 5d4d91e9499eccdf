"""The published studies: what is copied, and a README that their archives alone determine."""

import gzip
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from eval.ranks.effects import Difference
from reports import publish
from reports.read import archive
from reports.read.load import load
from reports.render.markdown import anchor
from reports.words import conditions, findings
from reports.words.document import plain
from tests.reports.test_reports import write_run
from zoo.base.errors import ZooError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, seeds=(0, 1, 2))
    return folder


@pytest.fixture(scope="module")
def place(run, tmp_path_factory):
    place = tmp_path_factory.mktemp("reference")
    publish.publish(run, place, "one")
    return place


def test_the_archive_gives_the_run_back(run, place):
    before = load(run)
    with archive.unpacked(place / "one" / archive.NAME) as after:
        assert after.board == before.board
        assert [cell.result for cell in after.cells] == [cell.result for cell in before.cells]
    assert archive.pack(before) == (place / "one" / archive.NAME).read_bytes()


def test_the_archive_holds_no_weights_and_no_pictures(place):
    with tarfile.open(place / "one" / archive.NAME) as tar:
        assert {Path(name).suffix for name in tar.getnames()} == {".json"}


def test_weights_are_listed_as_the_last_checkpoint_says(run, tmp_path):
    folder = tmp_path / "run"
    write_run(folder, seeds=(0,))
    cell = load(folder).cells[0].folder
    for step, sha in ((50, "aa"), (100, "bb")):
        (folder / cell / f"step-{step:06d}.json").write_text(f'{{"sha256": "{sha}"}}')
    assert archive.weights(load(folder)) == {cell: "bb"}


def test_a_published_folder_replaces_an_older_one(run, place):
    (place / "one" / "old.txt").write_text("old")
    publish.publish(run, place, "one")
    assert {path.name for path in (place / "one").iterdir()} == {
        "report.md", "figures", "results.csv", "results.json.gz", "cells.tar.gz", "weights.txt",
    }  # fmt: skip
    packed = (place / "one" / "results.json.gz").read_bytes()
    assert gzip.decompress(packed) == (run / "results.json").read_bytes()


def test_what_cannot_be_published(tmp_path):
    with pytest.raises(ZooError, match="no grid.json"):
        publish.publish(tmp_path, tmp_path / "place")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / archive.NAME).write_bytes(b"no archive")
    with pytest.raises(ZooError, match="cannot be unpacked"):
        publish.readme(tmp_path)


def test_an_archive_that_leaves_its_folder_is_refused(tmp_path):
    path = tmp_path / "evil" / archive.NAME
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo("../outside.json")
        tar.addfile(entry, io.BytesIO())
    with pytest.raises(ZooError, match="cannot be unpacked"), archive.unpacked(path):
        pass


def test_the_committed_readme_is_what_the_committed_studies_say():
    assert (publish.PLACE / "README.md").read_text(encoding="utf-8") == publish.readme(publish.PLACE)


def test_the_contents_lead_to_every_section_of_the_notes_too():
    text = (publish.PLACE / "README.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("Contents: "))
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert re.findall(r"\(#([^)]+)\)", line) == [anchor(title) for title in titles]
    sections = {anchor(title) for title in re.findall(r"^##+ (.+)$", text, re.MULTILINE)}
    for page in ("README.md", "zoo/README.md", "eval/README.md", "reports/README.md"):
        said = (publish.PLACE.parents[1] / page).read_text(encoding="utf-8")
        assert set(re.findall(r"reference/README\.md#([\w-]+)", said)) <= sections


def test_the_order_by_guidance_is_that_of_the_mean_scores(run):
    """A setting's first objective has the least mean of asinh(FID / s) over seeds, and tau is scipy's."""
    found = load(run)
    table = conditions.by_setting({"one": found}, "guidance", "{:g}")
    s = 20 / 500**0.5
    for backbone in found.backbones:
        level = {}
        for guidance in (1.0, 2.0):
            level[guidance] = [
                np.mean([
                    np.arcsinh(score["fid"] / s)
                    for cell in found.group(backbone, name)
                    for score in cell.scores
                    if score["guidance"] == guidance and score["weights"] == "ema"
                ])
                for name in found.objectives
            ]  # fmt: skip
        rows = [row for row in table.rows if row[1] == f"{backbone} on mnist"]
        for row, guidance in zip(rows, (1.0, 2.0), strict=True):
            assert plain(row[4]) == found.objectives[int(np.argmin(level[guidance]))]
            assert float(row[3]) == pytest.approx(s * np.sinh(np.mean(level[guidance])), abs=0.006)
        assert float(rows[1][5]) == pytest.approx(stats.kendalltau(level[1.0], level[2.0]).statistic, abs=0.006)


def test_a_loss_that_is_the_fid_predicts_it(run, monkeypatch):
    found = load(run)
    place = found.backbones[0]
    fids = {name: np.mean([row["fid"] for cell in found.group(place, name) for row in cell.scores]) for name in
            found.objectives}  # fmt: skip
    monkeypatch.setattr(conditions, "_error", lambda run, backbone, name, key: fids[name])
    rows = conditions.by_loss({"one": found}).rows
    assert float(rows[0][3]) > 0.7
    monkeypatch.setattr(conditions, "_error", lambda run, backbone, name, key: -fids[name])
    assert float(conditions.by_loss({"one": found}).rows[0][3]) == -float(rows[0][3])


def test_verdicts():
    assert conditions.verdict(Difference(-2, -3, -1, 3)) == "agrees"
    assert conditions.verdict(Difference(2, 1, 3, 3)) == "contradicts"
    assert conditions.verdict(Difference(0, -1, 1, 3)) == "cannot be told"
    assert conditions.verdict(Difference(-2, -3, -1, 1)) == "too few runs"
    assert conditions.verdict(None) == "too few runs"


def test_numbers_of_steps_stand_by_size(tmp_path):
    write_run(tmp_path, steps=(25, 1, 4), guidance=(1.0,))
    rows = conditions.by_setting({"one": load(tmp_path)}, "steps", "{}").rows
    assert [row[2] for row in rows] == ["1", "4", "25"] * 2


def test_verdicts_are_counted_by_claim():
    rows = [
        ["a", "x", "dit, start -10", "-1", "agrees"], ["", "", "dit, start -5.4", "+1", "contradicts"],
        ["b", "y", "dit, start -10", "-1", "agrees"],
        ["c", "x", "dit, start -10", "-1", "agrees"],  # another paper's claim of the same pair: no further evidence
    ]  # fmt: skip
    _, text, found, fold = findings._published(rows)
    assert plain(text.text).endswith("Over 3 comparisons of 2 pairs of networks: agrees 2 times, contradicts 1 time.")
    assert found.header[2:] == ("agrees", "contradicts")
    assert [row[2:] for row in found.rows] == [("1", "1"), ("1", "0"), ("1", "0")]
    assert len(fold.blocks[0].rows) == 4


def test_the_readme_tells_every_study_with_its_command(run, place):
    text = publish.readme(place)
    assert "[one](one/report.md)" in text
    assert "`python run_all.py --grid default`" in text
    assert "one seed left out" in text
