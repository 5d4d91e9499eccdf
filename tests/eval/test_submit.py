"""Submissions: packed, scored again from the weights, and refused for every way in which one can be wrong."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

import zoo
from eval import packing, submit, verify
from zoo import plugins
from zoo.base.errors import ZooError
from zoo.base.sealed import read_sealed, sealed, write_sealed

GRID = """
description = "one objective, three seeds"
dataset = "digits"
seeds = 3
objectives = ["rf"]
backbones = ["dit"]
[[budgets]]
name = "cpu"
datasets = ["digits"]
recipe = { batch = 16, compile = false, precision = "float32" }
score.n = 256
score.settings = [{ steps = 3 }]
sizes.dit = { size = "dit(width=32,depth=1)", images = 320, seconds = 1 }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(a run of three seeds, its submission, the data folder)."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "grid.toml").write_text(GRID)
    run = zoo.run_grid(folder / "grid.toml", out=folder / "run", data_dir=folder / "data", jobs=1, budget="cpu")
    assert run.not_done == ()
    packing.pack([run.folder], folder / "mine.zip")
    return run.folder, folder / "mine.zip", folder / "data"


def test_a_true_submission_holds_and_joins_a_board(made, tmp_path, inside):
    run, archive, data = made
    said = inside(verify.main, str(archive), "--data-dir", str(data), "--into", str(tmp_path / "board"))
    assert "3 cells, 3 scores: all numbers hold" in said
    assert said.count(": holds") == 3
    table = zoo.compare(tmp_path / "board")
    assert table.loc[0, "done"] == 3
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
    assert sum(name.endswith("result.json") for name in names) == 3
    assert not any("opt." in name or name.endswith((".pt", ".pkl")) for name in names)
    seed0 = next(run.rglob("seed0"))
    whole = sum(path.stat().st_size for path in seed0.glob("step-*.safetensors"))
    assert archive.stat().st_size / 3 < whole  # EMA weights of one step, no optimiser
    packing.pack([run], tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def altered(archive: Path, folder: Path, change) -> Path:
    """A copy of a submission, unpacked, changed and packed again."""
    packing.unpack(archive, folder / "x")
    change(folder / "x" / "cells")
    packing._zip(folder / "x", folder / "bad.zip")
    return folder / "bad.zip"


def rewrite(path: Path, change) -> None:
    facts = read_sealed(path)
    facts.pop("schema_version", None)
    change(facts)
    write_sealed(path, facts)


def better(cells: Path) -> None:
    rewrite(cells / "0001" / "result.json", lambda result: result["scores"][0].update(fid=0.5))


def sharper(cells: Path) -> None:
    rewrite(cells / "0001" / "result.json", lambda result: result["scores"][0].update(acc=0.99))


def unscored(cells: Path) -> None:
    rewrite(cells / "0001" / "result.json", lambda result: result.update(scores=[]))


def other_judge(cells: Path) -> None:
    rewrite(cells / "0000" / "result.json", lambda result: result["judge"].update(sha256="0" * 64))


def two_seeds(cells: Path) -> None:
    index = json.loads((cells.parent / packing.INDEX).read_text())
    index["cells"].pop()
    (cells.parent / packing.INDEX).write_text(json.dumps(index))


def one_training_thrice(cells: Path) -> None:
    for path in (cells / "0002").glob("step-*"):
        path.unlink()
    (manifest,) = (cells / "0001").glob("step-*.json")
    shutil.copy(manifest.with_suffix(".safetensors"), cells / "0002")
    facts = read_sealed(manifest)
    facts["config"]["seed"] = 2
    write_sealed(cells / "0002" / manifest.name, facts)


FAULTS = {better: "FID differs", sharper: "accuracy differs", other_judge: "not by a shipped judge",
          unscored: "fault: digits dit(width=32,depth=1) rf seed1, EMA, no guidance, 3 steps: not scored",
          two_seeds: "2 distinct seeds", one_training_thrice: "same weights"}  # fmt: skip


@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change.__name__)
def test_what_is_wrong_is_found(change, made, tmp_path, inside, capsys, monkeypatch):
    _, archive, data = made
    bad = altered(archive, tmp_path, change)
    monkeypatch.setattr("sys.argv", ["verify", str(bad), "--data-dir", str(data), "--into", str(tmp_path / "board")])
    assert verify.main() == 1
    assert FAULTS[change] in capsys.readouterr().out
    assert not (tmp_path / "board").exists()


def test_a_board_is_extended_by_all_cells_or_none(made, tmp_path):
    """Recipes of one pairing have folders of their own; two cells of one folder are refused before any is copied."""
    packed = packing.unpack(made[1], tmp_path / "x")
    for i, cell in enumerate(packed):
        rewrite(cell.folder / "cell.json", lambda facts, i=i: facts.update(variant=f"recipe {i}"))
    assert "rf [recipe 1] seed1" in packed[1].name
    verify.add(packed, tmp_path / "board")
    assert len(list((tmp_path / "board").rglob("result.json"))) == 3
    assert not list((tmp_path / "board").glob(".added*"))
    with pytest.raises(ZooError, match="is there already"):
        verify.add(packed, tmp_path / "board")
    with pytest.raises(ZooError, match="two cells of the submission would both be"):
        verify.add([packed[0], packed[0]], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_place_that_is_taken_is_told_before_anything_is_scored(made, tmp_path, monkeypatch):
    taken = verify.places(packing.unpack(made[1], tmp_path / "x"), tmp_path / "board")[0]
    taken.mkdir(parents=True)
    monkeypatch.setattr(verify, "score_again", lambda *_: pytest.fail("scored"))
    monkeypatch.setattr("sys.argv", ["verify", str(made[1]), "--into", str(tmp_path / "board")])
    with pytest.raises(ZooError, match="is there already"):
        verify.main()


def test_archives_that_are_none_are_refused(made, tmp_path):
    def archive(name: str, **files: str) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            for where, text in files.items():
                file.writestr(where, text)
        return tmp_path / name

    index = json.dumps({"format": packing.FORMAT, "version": packing.VERSION, "cells": [{"dir": "../x"}]})
    bad = {
        archive("a.zip", **{"../x": ""}): "is refused",
        archive("b.zip", **{"/x": ""}): "is refused",
        archive("c.zip", x=""): "no submission.json",
        archive("d.zip", **{packing.INDEX: "{}"}): "none of format",
        archive("e.zip", **{packing.INDEX: index}): "is no cell of the archive",
        archive("f.zip", **{packing.INDEX: index.replace('{"dir": "../x"}', "")}): "holds no cell",
        archive("h.zip", **{packing.INDEX: index.replace("../x", "x" * 5000)}): "is no cell of the archive",
        archive("i.zip", **{packing.INDEX: index.replace("../x", "x\\u0000")}): "is no cell of the archive",
    }
    torn = tmp_path / "torn.zip"
    with zipfile.ZipFile(torn, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(packing.INDEX, index * 100)
    data = bytearray(torn.read_bytes())
    data[60:70] = b"\xff" * 10  # within the packed bytes
    torn.write_bytes(data)
    bad[torn] = "cannot be read as .zip"
    (tmp_path / "g.zip").write_bytes(b"PK\x03\x04")
    bad[tmp_path / "g.zip"] = "cannot be read as .zip"
    for number, (path, said) in enumerate(bad.items()):
        with pytest.raises(ZooError, match=said):
            packing.unpack(path, tmp_path / f"out{number}")
    altered(made[1], tmp_path, lambda cells: None)
    path = tmp_path / "x" / "cells" / "0000" / "result.json"
    path.write_text(path.read_text().replace('"done"', '"fine"'))
    packing._zip(tmp_path / "x", tmp_path / "edited.zip")
    with pytest.raises(ZooError, match="damaged or was edited"):
        packing.unpack(tmp_path / "edited.zip", tmp_path / "y")


def test_seeds_that_are_lacking_are_told_when_a_submission_is_packed(made, tmp_path, inside):
    run, _, _ = made
    said = inside(submit.main, str(next(run.rglob("seed0"))), "--out", str(tmp_path / "one.zip"))
    assert "1 cell. Check it as others will" in said
    assert "that will be a fault: rf on dit" in said
    assert "1 distinct seed, and 3 are needed" in said
    assert "fault" not in inside(submit.main, str(run), "--out", str(tmp_path / "all.zip"))


def test_what_cannot_be_packed(made, tmp_path, refused):
    run, _, _ = made
    assert "which cells" in refused(submit.main)
    assert "end in .zip" in refused(submit.main, str(run), "--out", "x.tar")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ZooError, match="no finished cell"):
        packing.cells_of([tmp_path / "empty"])
    with pytest.raises(ZooError, match="is no folder"):
        packing.cells_of([tmp_path / "nothing"])
    with pytest.raises(ZooError, match="give it by --plugin"):
        packing._check_plugins({"mine.py": "a" * 64}, None, run)
    assert sealed("x", {})["schema_version"]


def test_a_difference_counts_by_its_error():
    told = {"n": 300, "fid": 2.0, "fid_se": 0.1, "acc": 0.9, "acc_low": 0.88, "acc_high": 0.92}
    assert verify.differing(told, {**told, "fid": 2.19, "acc": 0.885}, fresh=False) == []
    assert "FID differs by 0.210" in verify.differing(told, {**told, "fid": 2.21}, fresh=False)[0]
    assert "accuracy differs" in verify.differing(told, {**told, "acc": 0.87}, fresh=False)[0]
    assert "not 200" in verify.differing(told, {**told, "n": 200}, fresh=False)[0]
    assert verify.differing(told, {**told, "fid": 2.4}, fresh=True) == []
    assert verify.differing(told, {**told, "fid": 2.5}, fresh=True) != []


def test_a_plug_in_that_is_not_given_is_named_before_the_words_that_it_lacks(made, tmp_path, refused, monkeypatch):
    """As an archive of an objective of one's own is: its configuration has a word that only the plug-in knows."""
    text = b"# an objective of one's own"
    version = hashlib.sha256(text).hexdigest()

    def own(cells: Path) -> None:
        (cells.parent / "plugins").mkdir()
        (cells.parent / "plugins" / "own.py").write_bytes(text)
        rewrite(cells / "0001" / "result.json", lambda result: result.update(plugins={"own.py": version}))
        rewrite(cells / "0001" / "cell.json", lambda cell: cell["config"]["train"].update(objective="v/cosine+own"))

    bad = altered(made[1], tmp_path, own)
    said = refused(verify.main, str(bad), "--data-dir", str(made[2])).strip()
    need = f"error: {bad} was made with the plug-in own.py (SHA-256 {version[:12]})"
    assert said == f"{need}: read plugins/own.py in it, and give it by --plugin"
    monkeypatch.setitem(plugins.LOADED, "own.py", "f" * 64)
    said = refused(verify.main, str(bad), "--data-dir", str(made[2])).strip()
    assert said.startswith(f"{need}, and the one given is another (ffffffffffff): read plugins/own.py in it")
    monkeypatch.setitem(plugins.LOADED, "own.py", version)
    said = refused(verify.main, str(bad), "--data-dir", str(made[2]))
    assert said.startswith(f"error: {bad}: cells/0001/cell.json cannot be used:") and "'v/cosine+own'" in said
