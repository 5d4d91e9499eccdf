"""A run killed at any event of the file system, and run again, ends as if nothing had happened."""

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "backbone"),
    [("v/cosine+learned", "dit(width=32,depth=1,heads=1)")],  # a run with parameters of its own beside the network's
)
def test_every_crash_point_is_survived(objective, backbone, command, tmp_path):
    done = command("-m", "tests.crash", objective, backbone, str(tmp_path), OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60  # six saves of two files each, and the old ones removed
