"""Checkpoints: what was written comes back, damage is named and survived, pickles are refused."""

import pickle
import resource
from pathlib import Path

import pytest
import torch

from zoo.base.errors import DiskFull, ZooError
from zoo.base.sealed import SCHEMA_VERSION
from zoo.training import checkpoint

MANIFEST = {"config": {"seed": 0}}


def tensors(step: int) -> dict[str, torch.Tensor]:
    return {"net.weight": torch.full((3, 2), float(step)), "ema.weight": torch.arange(6.0).view(2, 3).T}


@pytest.fixture
def folder(tmp_path) -> Path:
    for step in (10, 20, 30):
        checkpoint.save(tmp_path, step, tensors(step), MANIFEST)
    return tmp_path


def test_the_newest_two_are_kept_and_come_back_exactly(folder):
    assert [path.name for path in checkpoint.manifests(folder)] == ["step-000030.json", "step-000020.json"]
    assert len(list(folder.iterdir())) == 4
    manifest, found = checkpoint.find(folder)
    assert manifest["step"] == 30
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors(30).items())
    assert checkpoint.part(found, "net").keys() == {"weight"}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


DAMAGE = {
    "truncated weights": lambda weights, manifest: weights.write_bytes(weights.read_bytes()[:-5]),
    "a flipped bit": lambda weights, manifest: flip(weights),
    "weights gone": lambda weights, manifest: weights.unlink(),
    "empty manifest": lambda weights, manifest: manifest.write_bytes(b""),
    "garbled manifest": lambda weights, manifest: manifest.write_bytes(b'{"step": [}'),
    "a manifest that is a list": lambda weights, manifest: manifest.write_bytes(b"[]"),
    "a manifest without its step": lambda weights, manifest: manifest.write_bytes(b'{"schema_version": 1}'),
    "the older weights under the new name": lambda weights, manifest: weights.write_bytes(
        (weights.parent / "step-000020.safetensors").read_bytes()
    ),
}


def test_a_manifest_of_another_version_is_refused_by_its_number(folder):
    path = folder / "step-000030.json"
    path.write_text(path.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 1'))
    with pytest.raises(ZooError, match=rf"step-000030\.json has schema_version 1; this program reads {SCHEMA_VERSION}"):
        checkpoint.find(path)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_newest_is_named_and_the_one_before_used(folder, damage):
    damage(folder / "step-000030.safetensors", folder / "step-000030.json")
    said = []
    manifest, found = checkpoint.newest(folder, said.append)
    assert manifest["step"] == 20
    assert torch.equal(found["net.weight"], tensors(20)["net.weight"])
    assert len(said) == 1
    assert "step-000030" in said[0]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("within", ["", checkpoint.SELECTED])
def test_whoever_draws_from_a_folder_is_told_of_a_damaged_newest(within, damage, folder, capsys):
    """Scores of an older step are else taken for those of the last."""
    for step in (20, 25):
        checkpoint.save(folder / checkpoint.SELECTED, step, tensors(step), MANIFEST)
    place = folder / within
    newest = max(place.glob("step-*.json"))
    damage(newest.with_suffix(".safetensors"), newest)
    if not within:
        assert checkpoint.find(folder)[0]["step"] == 25
        assert capsys.readouterr() == ("", "")  # the selected one is whole
    manifest, _ = checkpoint.find(folder, selected=bool(within))
    said = capsys.readouterr()
    assert manifest["step"] == 20
    assert said.out == ""
    assert said.err.startswith("checkpoint left out: ")
    assert newest.stem in said.err
    assert f"that of step {manifest['step']} is taken" in said.err


def test_weights_without_a_manifest_do_not_count(folder):
    (folder / "step-000030.json").unlink()  # a crash between the two writes
    assert checkpoint.find(folder)[0]["step"] == 20


@pytest.mark.parametrize("name", ["step-000030.safetensors", "step-000030.json", ""])
def test_a_user_may_point_at_folder_weights_or_manifest(folder, name):
    assert checkpoint.find(folder / name)[0]["step"] == 30


def test_what_is_no_checkpoint_is_refused(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "notes.txt").write_text("hello")
    (other / "step-000001.safetensors").write_bytes(pickle.dumps({"a": 1}))
    torch.save({"a": 1}, other / "model.pt")
    cases = {
        other: "holds no checkpoint",
        other / "notes.txt": "is no checkpoint",
        other / "nothing": "does not exist",
        other / "step-000001.safetensors": "is a pickle",
        other / "model.pt": "is a pickle",
    }
    for path, message in cases.items():
        with pytest.raises(ZooError, match=message):
            checkpoint.find(path)


def test_a_grid_s_folder_names_a_run_below_it(tmp_path):
    cell = tmp_path / "digits" / "dit" / "rf" / "seed0"
    checkpoint.save(cell, 1, tensors(1), MANIFEST)
    with pytest.raises(ZooError) as error:
        checkpoint.find(tmp_path)
    assert str(error.value).endswith(f"Give one of the runs below it, such as {cell}")


def test_a_run_without_weights_is_not_named_as_one_to_give(tmp_path):
    """As where a published run was unpacked: all of its cells, or all but one."""
    bare, whole = (tmp_path / "digits" / "dit" / name / "seed0" for name in ("a", "b"))
    for cell in (bare, whole):
        checkpoint.save(cell, 1, tensors(1), MANIFEST)
    (bare / "step-000001.safetensors").unlink()
    with pytest.raises(ZooError, match=f"Give one of the runs below it, such as {whole}"):
        checkpoint.find(tmp_path)
    (whole / "step-000001.safetensors").unlink()
    with pytest.raises(ZooError, match=f"runs below it, such as {bare}, are without their weights: train them again"):
        checkpoint.find(tmp_path)


def test_an_unwritable_folder_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ZooError, match="cannot write"):
        checkpoint.save(tmp_path / "file" / "run", 1, tensors(1), MANIFEST)


def test_a_full_disk_loses_no_earlier_checkpoint(tmp_path):
    checkpoint.save(tmp_path, 1, tensors(1), MANIFEST)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # fails as a full disk does, in the middle of a file
    try:
        with pytest.raises(
            DiskFull, match=r"no space to save .*step-000002\.safetensors: \d+ bytes needed, [\d,]+ free"
        ):
            checkpoint.save(tmp_path, 2, tensors(2), MANIFEST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.find(tmp_path)[0]["step"] == 1
    assert len(list(tmp_path.iterdir())) == 2
