"""A run killed at any event of the file system, or any moment, and run again, ends as if nothing had happened."""

import pytest

FAMILIES = {  # one of every family: targets, a coupling, an auxiliary loss, and learned parameters beside the network's
    "noise": "eps/cosine",
    "image": "x0/cosine",
    "velocity": "v/cosine",
    "flow": "rf/lognorm(0,1)",
    "edm": "edm(-1.2,1.2)",
    "coupling": "rf+ot",
    "contrast": "rf+contrast(0.05)",
    "learned": "v/cosine+learned",
}
BACKBONES = {"dit": "dit(width=32,depth=1,heads=1)", "unet": "unet(width=16)"}


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=BACKBONES.keys())
@pytest.mark.parametrize("objective", FAMILIES.values(), ids=FAMILIES.keys())
def test_every_crash_point_is_survived(objective, backbone, command, tmp_path):
    done = command("-m", "tests.crash", "events", objective, backbone, str(tmp_path), OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    print(f"{done.stdout.strip()} crash points")
    assert int(done.stdout) > 60  # six saves of two files each, and the old ones removed


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=BACKBONES.keys())
def test_kills_at_random_moments_are_survived(backbone, command, tmp_path):
    done = command("-m", "tests.crash", "random", "v/cosine+learned", backbone, str(tmp_path), OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    print(f"{done.stdout.strip()} kills")
    assert int(done.stdout) >= 30
