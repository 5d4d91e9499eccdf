"""What travels to a node and back: only what has to, nothing that leads out of a folder, and weights unchanged."""

import hashlib
import os

import pytest
import safetensors.torch
import torch

from zoo.base.errors import ZooError
from zoo.base.files import sha256
from zoo.base.sealed import read_sealed
from zoo.grid import parcel
from zoo.grid.needs import Needs
from zoo.training import checkpoint
from zoo.training import run as train


@pytest.fixture
def trained(tiny, digits, cpu, tmp_path):
    folder = tmp_path / "cell"
    train.train(tiny(), folder, digits, cpu)
    (folder / "cell.json").write_text("{}")
    (folder / ".lock").write_text("")
    (folder / "log.txt").write_text("done\n")
    (folder / "samples").mkdir()
    (folder / "samples" / "a.png").write_bytes(b"png")
    return folder


def test_a_finished_cell_brings_its_averaged_weights_and_the_hash_of_the_whole_file(trained, tmp_path):
    (tmp_path / "back").mkdir()
    parcel.unpack(parcel.pack(trained, finished=True, kinds=["ema"]), tmp_path / "back")
    manifest, tensors = checkpoint.find(tmp_path / "back")
    whole, before = checkpoint.find(trained)
    assert manifest["whole_sha256"] == whole["sha256"] == sha256(max(trained.glob("step-*.safetensors")))
    assert set(tensors) == {name for name in before if name.startswith("ema.")}
    assert all(torch.equal(tensors[name], before[name]) for name in tensors)
    assert (tmp_path / "back" / "samples" / "a.png").read_bytes() == b"png"
    assert not (tmp_path / "back" / ".lock").exists()
    assert len(list((tmp_path / "back").glob("step-*.json"))) == 1


def test_an_unfinished_cell_brings_its_whole_newest_checkpoint_and_goes_on(trained, tiny, digits, cpu, tmp_path):
    newest = max(trained.glob("step-*.json"))
    for file in (newest, newest.with_suffix(".safetensors")):
        file.unlink()
    there, here = parcel.pack(trained), tmp_path / "here"
    parcel.unpack(there, here)
    assert parcel.step(here) == parcel.step(trained) < 12
    train.train(tiny(), here, digits, cpu)
    train.train(tiny(), tmp_path / "calm", digits, cpu)
    found, wanted = (sha256(max((tmp_path / name).glob("step-*.safetensors"))) for name in ("here", "calm"))
    assert found == wanted


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a\0b"])
def test_a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_written(name, tmp_path):
    with pytest.raises(ZooError, match="leads out of it"):
        parcel.unpack({"fine": b"1", name: b"2"}, tmp_path / "cell")
    assert not (tmp_path / "cell").exists()


def test_weights_above_the_cap_stay_and_everything_else_travels(trained):
    made = parcel.pack(trained, finished=True, kinds=["ema"])
    assert parcel.fitting(made) == (made, "")
    light, why = parcel.fitting(made, cap=parcel.weight(made) - 1)
    assert set(made) - set(light) == {name for name in made if name.startswith("step-")}
    assert "weights stay on the node" in why and "--shared-out" in why


def test_the_selection_of_tensors_is_a_file_that_the_library_reads():
    torch.manual_seed(0)
    tensors = {f"{kind}.{i}": torch.randn(i + 1, 3) for kind in ("ema", "net", "opt") for i in range(4)}
    data = safetensors.torch.save(tensors)
    for prefixes in (["ema."], ["net.", "ema."], ["none."]):
        found = safetensors.torch.load(parcel.select(data, prefixes))
        wanted = {name for name in tensors if name.startswith(tuple(prefixes))}
        assert set(found) == wanted
        assert all(torch.equal(found[name], tensors[name]) for name in wanted)


def test_the_manifest_of_less_weights_describes_them(trained):
    made = parcel.pack(trained, finished=True, kinds=["ema", "net"])
    (name,) = (name for name in made if name.endswith(".safetensors"))
    (trained / "else").mkdir()
    manifest = trained / "else" / name.replace(".safetensors", ".json")
    manifest.write_bytes(made[name.replace(".safetensors", ".json")])
    assert read_sealed(manifest)["sha256"] == hashlib.sha256(made[name]).hexdigest()
    assert read_sealed(manifest)["kinds"] == ["ema", "net"]


@pytest.mark.parametrize(
    ("cpus", "gpus", "resources", "seats"),
    [
        (1, 0, {"CPU": 4.0}, 4),
        (3, 0, {"CPU": 8.0}, 2),
        (0.5, 0, {"CPU": 2.0}, 4),
        (1, 0.25, {"CPU": 64.0, "GPU": 8.0}, 32),
        (1, 0.4, {"CPU": 64.0, "GPU": 2.0}, 4),  # two to a GPU: a share is never of two GPUs
        (1, 4, {"CPU": 64.0, "GPU": 8.0}, 2),
        (8, 1, {"CPU": 16.0, "GPU": 8.0}, 2),
        (1, 1, {"CPU": 16.0}, 0),
    ],
)
def test_seats_of_a_node(cpus, gpus, resources, seats):
    assert Needs(cpus, gpus, None).seats(resources) == seats


def test_the_code_that_is_shipped_is_the_code_here(tmp_path):
    from tests.conftest import ROOT

    parcel.stage_code(ROOT, tmp_path)
    assert parcel.code_digest(tmp_path) == parcel.code_digest(ROOT)
    assert not [name for _, names, _ in os.walk(tmp_path) for name in names if name == "__pycache__"]
    (tmp_path / "zoo" / "train.py").write_text("# changed\n")
    assert parcel.code_digest(tmp_path) != parcel.code_digest(ROOT)
