"""The page of a study of two resolutions whose shift is known."""

import numpy as np
import pytest

from reports.page import build, page
from reports.read.load import load
from reports.words.document import Heading, Table, plain
from reports.words.resolution import lead, pairings, resolution
from reports.words.sentences import title
from tests.eval.test_resolution import left
from tests.reports.test_reports import edit, write_run

NAMES = ["rf", "flow/flow+shift(2)"]
LEVELS = list(range(-10, 7, 2))
SETS = ("mnist(size=14)", "mnist")


def written(folder, seeds=(0, 1, 2), study="resolution", datasets=SETS):
    """Runs on both resolutions; the larger repeats every pixel four times, so that k is 2, up to noise."""
    made = write_run(folder, objectives=NAMES, backbones=["dit(patch=4)"], seeds=seeds, datasets=datasets, study=study)
    for number, cell in enumerate(made["cells"]):
        rng = np.random.default_rng(number)
        share = left(LEVELS, 4 if cell["dataset"] == "mnist" else 1) * np.exp(0.01 * rng.normal(size=len(LEVELS)))

        def known(result: dict, share: np.ndarray = share) -> None:
            result["validation"]["ema"] |= {"x0_logsnr": LEVELS, "x0_share": share.tolist()}

        edit(folder / cell["dir"] / "result.json", known)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load(written(tmp_path_factory.mktemp("resolution")))


def test_the_known_shift_is_found_with_its_interval(run):
    found = pairings(run)
    assert [one.objective for one in found] == NAMES
    assert [(one.small[0].datasets[0], one.large[0].datasets[0]) for one in found] == [SETS] * 2
    for one in found:
        assert one.expected == 2
        assert one.found.k == pytest.approx(2, rel=0.03)
        assert one.found.low < 2 < one.found.high


def test_the_page_says_it_first_and_shows_it_once(run, tmp_path):
    (said,) = lead(run)
    assert "14 x 14 and 28 x 28 pixels meet at shift(" in plain(said)
    assert "sqrt(n/m), 2.00, lies within it" in plain(said)
    blocks = page(run, [])
    assert plain(blocks[1].text) == plain(said)
    assert [plain(b.text) for b in blocks if isinstance(b, Heading)].count("Resolution") == 1
    (found,) = (block for block in resolution(run) if isinstance(block, Table))
    assert [plain(row[0]) for row in found.rows] == NAMES
    folder = written(tmp_path)
    build(folder)
    assert (folder / "figures" / "resolution.png").is_file()


def test_one_seed_is_a_sketch_and_other_runs_have_no_such_section(tmp_path):
    (said,) = lead(load(written(tmp_path / "one", seeds=(0,))))
    assert "From one seed: a sketch." in plain(said)
    assert resolution(load(written(tmp_path / "alone", datasets=("mnist",)))) == []
    assert resolution(load(written(tmp_path / "other", study=None))) == []
    folder = written(tmp_path / "bare", seeds=(0,))
    for path in folder.rglob("result.json"):
        edit(path, lambda result: result.pop("validation"))
    assert lead(load(folder)) == []
    assert plain(resolution(load(folder))[2].rows[0][3]) == "-"


def test_a_size_of_its_own_for_each_data_set_is_one_backbone(tmp_path):
    sizes = dict(zip(SETS, ("dit(patch=2)", "dit(patch=4)"), strict=True))
    write_run(tmp_path, objectives=NAMES, backbones=[*sizes.values()], datasets=SETS)
    edit(
        tmp_path / "grid.json",
        lambda grid: grid.update(cells=[one for one in grid["cells"] if one["backbone"] == sizes[one["dataset"]]]),
    )
    run = load(tmp_path)
    assert run.backbones == [*sizes.values()]
    assert title(run).startswith("mnist(size=14) and mnist: 2 diffusion objectives on 1 backbone (")
