"""Files damaged at random: a resumed run ends with the same weights or a named error, a page holds the same numbers."""

import csv
import io
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.figures import curves, sheets
from reports.page import page
from reports.read.load import load
from reports.read.results import csv_bytes
from reports.render import markdown
from tests.reports.test_reports import fail, write_run
from tests.training.test_train import final, same
from zoo.base.errors import ZooError
from zoo.training import checkpoint
from zoo.training import run as train

EXAMPLES = 200
STEPS = 12
# fmt: off
OPERATIONS = ["truncate", "flip a bit", "flip bytes", "empty", "delete", "swap", "double", "a folder", "garble",
              "digit"]
# fmt: on


def damage(folder: Path, operation: str, first: int, second: int, seed: int) -> None:
    """One mutation of the file number `first`, by a number drawn by hypothesis."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    if not found:
        return
    path, other, rng = found[first % len(found)], found[second % len(found)], random.Random(seed)  # noqa: S311
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data)) if data else 0
    if operation == "truncate":
        data = data[:at]
    elif operation == "flip a bit" and data:
        data[at] ^= 1 << rng.randrange(8)
    elif operation == "flip bytes":
        data[at : at + 40] = rng.randbytes(40)
    elif operation == "empty":
        data = b""
    elif operation == "double":
        data = data + data
    elif operation == "garble":
        data = rng.randbytes(rng.randrange(2000))
    elif operation == "digit":  # the file stays one that parses
        digits = [i for i, byte in enumerate(data) if chr(byte).isdigit()]
        if digits:
            data[rng.choice(digits)] = ord(str(rng.randrange(10)))
    if operation in ("delete", "a folder"):
        path.unlink()
        if operation == "a folder":
            path.mkdir()
    elif operation == "swap":
        theirs = other.read_bytes()
        other.write_bytes(data)
        path.write_bytes(theirs)
    else:
        path.write_bytes(data)


def damaged(whole: Path, changes: list[tuple]) -> Path:
    """A copy of a folder, beside it, with these mutations."""
    folder = whole.parent / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    for change in changes:
        damage(folder, *change)
    return folder


number = st.integers(0, 10**6)
mutations = st.lists(st.tuples(st.sampled_from(OPERATIONS), number, number, number), min_size=1, max_size=3)
often = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@pytest.mark.slow
def test_a_damaged_run_ends_with_the_same_weights_or_a_named_error(tiny, digits, cpu, tmp_path, monkeypatch):
    config, outcomes = tiny(objective="v/cosine+learned", images=16 * STEPS), Counter()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "KEPT", STEPS)
        train.train(config, tmp_path / "whole", digits, cpu)
    expected = final(tmp_path / "whole")
    assert {"step-000006", "step-000008"} < {path.stem for path in checkpoint.manifests(tmp_path / "whole")}
    for path in checkpoint.manifests(tmp_path / "whole"):  # as a run leaves it that was killed behind step 8
        if path.stem not in ("step-000006", "step-000008"):
            path.unlink()
            path.with_suffix(".safetensors").unlink()

    @often
    @given(mutations)
    def check(changes):
        folder = damaged(tmp_path / "whole", changes)
        try:
            train.train(config, folder, digits, cpu)
        except ZooError as error:
            assert str(folder) in str(error)  # noqa: PT017
            outcomes["named error"] += 1
        else:
            assert same(final(folder), expected)
            outcomes["same weights"] += 1

    check()
    print(dict(outcomes))
    assert outcomes.total() >= EXAMPLES
    assert outcomes["same weights"] > EXAMPLES / 2


def numbers(folder: Path) -> tuple[dict[tuple, dict], str]:
    """(rows of results.csv by cell and setting, the page); the pictures and curves are read as for a page."""
    run = load(folder)
    for draw in (curves.loss, curves.eps_error):
        draw(run)
    sheets.copies(run)
    for backbone in run.backbones:
        sheets.paths(run, backbone)
        sheets.ema_beside_raw(run, backbone)
        for setting in run.settings:
            sheets.samples(run, backbone, setting)
    rows = csv.DictReader(io.StringIO(csv_bytes(run).decode()))
    return {(row["objective"], row["seed"], row["setting"]): row for row in rows}, markdown.render(page(run, []))


@pytest.mark.slow
def test_a_page_of_damaged_files_holds_no_other_numbers(tmp_path):
    grid = write_run(
        tmp_path / "whole", objectives=["rf", "v/cosine", "eps/linear"], backbones=["dit"], size=8, guidance=(1.0,)
    )
    fail(tmp_path / "whole" / grid["cells"][2]["dir"], "failed")
    (expected, _), outcomes = numbers(tmp_path / "whole"), Counter()

    @often
    @given(mutations)
    def check(changes):
        folder = damaged(tmp_path / "whole", changes)
        try:
            found, text = numbers(folder)
        except ZooError as error:
            assert "grid.json" in str(error)  # noqa: PT017
            outcomes["named error"] += 1
            return
        for key, row in found.items():
            assert row == expected.get(key) or row["status"] in ("unreadable", "missing"), row
            assert row["status"] in ("done", "failed") or row["status"] in text
        assert {key[0] for key in found} == {"rf", "v/cosine", "eps/linear"}  # none falls out of the denominators
        outcomes["the same numbers, or said to be missing"] += 1

    check()
    print(dict(outcomes))
    assert outcomes.total() >= EXAMPLES
