"""What cannot fit is refused before work, and the bounds are bounds: what a real network has is never less."""

import os

import pytest
import torch

from zoo.base import limits
from zoo.base.errors import ZooError
from zoo.config.cell import TrainConfig
from zoo.config.fits import fit_training
from zoo.registry import backbone, backbone_size

NAMES = [
    "dit",
    "dit(width=32,depth=1,heads=1)",
    "dit(patch=4)",
    "unet",
    "unet(width=32,attention=1)",
    "unet(layers=3,attention=0)",
]


@pytest.mark.parametrize("name", NAMES)
def test_bounds_of_a_backbone_are_lower_and_near(name):
    with torch.device("meta"):
        real = sum(p.numel() for p in backbone(name, (1, 28, 28), 12).parameters())
    least, kept = backbone_size(name).least((1, 28, 28))
    assert real / 4 < least <= real
    assert kept > 28 * 28


def test_memory_is_the_container_s_where_that_is_less(tmp_path, monkeypatch):
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    (tmp_path / "max").write_text("max\n")
    monkeypatch.setattr(limits, "CGROUPS", (tmp_path / "max", tmp_path / "none"))
    assert limits.memory() == whole
    (tmp_path / "max").write_text("1000000\n")
    assert limits.memory() == 1_000_000
    with pytest.raises(ZooError, match=r"training dit, .*needs at least .* MB of memory, and this machine has 1.0 MB"):
        fit_training(TrainConfig())


def test_disk_and_files(tmp_path, monkeypatch):
    limits.require_disk(tmp_path / "new" / "x.npz", 1, "x", "y")
    with pytest.raises(ZooError, match=r"1,000,000\.0 TB"):
        limits.require_disk(tmp_path / "x.npz", 10**18, "x", "y")
    limits.require_writable(tmp_path / "a" / "b" / "x.png", "--out")
    (tmp_path / "file").touch()
    with pytest.raises(ZooError, match=r"file is a file"):
        limits.require_writable(tmp_path / "file" / "x.png", "--out")
    monkeypatch.setattr(os, "access", lambda *_: False)  # a test that runs as root has every right
    with pytest.raises(ZooError, match=r"no right to write"):
        limits.require_writable(tmp_path / "x.png", "--out")


@pytest.mark.parametrize(
    ("count", "text"), [(5, "0.0 kB"), (1500, "1.5 kB"), (2 * 10**9, "2.0 GB"), (10**15, "1,000.0 TB")]
)
def test_sizes_in_words(count, text):
    assert limits.size(count) == text
