"""The pages of claims, scaling and switches, from runs whose answers are known."""

import math
from dataclasses import replace

import pytest

from eval.ranks.scaling import Law
from reports.page import build, page
from reports.read.load import load
from reports.words.claims import answers, claims, lead
from reports.words.document import Heading, Paragraph, Table, plain
from reports.words.scaling import latents, sentence, studied
from tests.reports.test_reports import edit, write_run
from zoo.base.sealed import read_sealed, write_sealed

NAMES = ["rf [base]", "rf [fast]", "rf [slow]", "rf+offset(0.1) [base]", "v/flow [base]"]
LEVELS = dict(zip(NAMES, (3.0, 2.0, 3.0, 3.9, 3.3), strict=True))  # log FID
PLACE = {"backbone": "dit(patch=4)", "objective": "rf [base]"}


def claim(text: str, expect: str = "better", over: str | None = None, **changed: str) -> dict:
    return {"text": text, "expect": expect, "over": over, "changed": PLACE | changed, "against": PLACE}


ASKED = [
    claim("Fast is better.", objective="rf [fast]"),
    claim("Slow is better.", objective="rf [slow]"),
    claim("Offset noise changes nothing.", "no effect", objective="rf+offset(0.1) [base]"),
    claim("A rate that is not there is better.", objective="rf [none]"),
    claim("Loss is quality.", over="cells"),
    claim("Loss is quality over time.", over="time"),
]


def written(folder, seeds=(0, 1, 2), **grid):
    """Runs of five arms: FID is exp of the level, and validation loss rises with it."""
    made = write_run(folder, objectives=NAMES, backbones=["dit(patch=4)"], seeds=seeds, size=8, **grid)
    for cell in made["cells"]:
        level, seed = LEVELS[cell["objective"]], cell["seed"]
        fid = math.exp(level + 0.02 * seed) * (1 + 0.01 * math.sin(7 * level + 5 * seed))
        name, _, variant = cell["objective"].removesuffix("]").partition(" [")

        def known(result: dict, fid: float = fid, level: float = level, name: str = name) -> None:
            result["cell"]["train"]["objective"] = name
            for row in result["scores"]:
                row.update(fid=fid, acc=1 - level / 10)
            result["validation"]["ema"]["val_target"] = level / 10
            points = [{"images": 1000 * i, "seconds": i, "n": 256, "fid": 4 * fid / i, "fid_se": 0.1, "acc": 0.5,
                       "loss": level / 10 + 1 / i} for i in range(1, 5)]  # fmt: skip
            result["snapshots"] = points

        edit(folder / cell["dir"] / "result.json", known)
        cell |= {"objective": name, "variant": variant}
    facts = read_sealed(folder / "grid.json")
    facts = {key: facts[key] for key in facts if key not in ("digest", "schema_version")}
    write_sealed(folder / "grid.json", facts | {"cells": made["cells"]})
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load(written(tmp_path_factory.mktemp("claims"), claims={"mnist": ASKED}))


def test_every_claim_has_the_verdict_that_its_runs_give(run):
    found = {one.claim["text"]: one for one in answers(run.on("mnist"))}
    assert {text: one.verdict for text, one in found.items()} == {
        "Fast is better.": "holds",
        "Slow is better.": "does not hold",
        "Offset noise changes nothing.": "does not hold",
        "A rate that is not there is better.": "cannot be told",
        "Loss is quality.": "holds",
        "Loss is quality over time.": "holds",
    }
    assert math.exp(found["Fast is better."].effect.mean) == pytest.approx(math.exp(-1), rel=0.03)
    assert found["Loss is quality."].effect.mean > 0.9


def test_a_claim_of_loss_says_where_it_does_not_hold(tmp_path):
    """Loss falls with images seen, and FID with it; among the longest runs FID under guidance rises as loss falls."""
    written(tmp_path, claims={"mnist": ASKED})
    names = list(LEVELS)
    for cell in load(tmp_path).cells:
        k = names.index(cell.objective)
        longest = k > 1

        def known(result: dict, k: int = k, longest: bool = longest, seed: int = cell.seed) -> None:
            result["cell"]["train"]["images"] = 2000 if longest else 1000
            loss = (0.2 if longest else 0.8) + 0.01 * k
            result["validation"]["ema"]["val_target"] = loss
            for row in result["scores"]:
                turned = longest and row["guidance"] == 2
                row.update(fid=100 * loss + 0.001 * seed if not turned else 30 - 100 * (loss - 0.2) + 0.001 * seed)

        edit(tmp_path / cell.folder / "result.json", known)
    run = load(tmp_path)
    (found,) = (one for one in answers(run.on("mnist")) if one.claim["over"] == "cells")
    assert found.verdict == "holds"
    assert found.why.startswith(f"{found.effect.mean:.2f} under no guidance; ")
    assert "among the runs that saw the most images" in found.why
    parts = found.why.split("among the runs that saw the most images ")[1]
    no, with_guidance = (float(part.split(" under ")[0]) for part in parts.split(" and "))
    assert no > 0.8 and with_guidance < -0.8


def test_the_page_says_it_first_and_leaves_out_which_recipe_is_best(run):
    blocks = page(run, [])
    assert plain(blocks[1].text).startswith("Of 6 claims 3 hold, 2 do not hold and 1 cannot be told. Holds: Fast is")
    titles = [plain(block.text) for block in blocks if isinstance(block, Heading)]
    assert "Claims" in titles
    assert not {"Recipes", "Ranks"} & set(titles)  # arms of different sizes and recipes are no objectives to rank
    assert not any("first of 5 objectives" in plain(block.text) for block in blocks if isinstance(block, Paragraph))
    first, second = (block for block in claims(run.on("mnist")) if isinstance(block, Table))
    assert plain(first.rows[0][1]) == "holds"
    assert plain(first.rows[0][2]).startswith("FID x 0.3")
    assert len(second.rows) == len(NAMES)


def test_one_seed_tells_nothing_but_the_error_of_sampling(tmp_path):
    run = load(written(tmp_path, seeds=(0,), claims={"mnist": ASKED}))
    found = answers(run.on("mnist"))
    assert {one.verdict for one in found[:4]} == {"cannot be told"}
    assert "one seed" in found[0].why
    assert "[" in plain(claims(run.on("mnist"))[-3].rows[0][3])


def test_a_claim_of_a_better_rate_is_a_warning_to_the_others(tmp_path):
    """FID with `fast` is exp(-1) = .37 times that of base, with `slow` 1."""
    rates = {"base": {}, "fast": {"times_rate": 4.0}, "slow": {"times_rate": 0.5}}
    for i, (variants, told) in enumerate(((rates, True), (rates | {"fast": {"optimizer": "muon"}}, False))):
        run = load(written(tmp_path / str(i), claims={"mnist": ASKED}, variants=variants)).on("mnist")
        texts = [plain(block.text) for block in claims(run) if isinstance(block, Paragraph)]
        found = [text for text in texts if "learning rate of the other runs is not the best" in text]
        assert len(found) == told
        if told:
            assert "with fast, which is 4 times theirs, FID is 0.37 times as high" in found[0]
            assert "tested at the lower rate" in found[0]


def test_a_grid_without_claims_has_no_such_section(tmp_path):
    run = load(written(tmp_path))
    assert claims(run.on("mnist")) == studied(run.on("mnist")) == lead(run) == []


@pytest.mark.parametrize("study", ["scaling", "switches"])
def test_studies_have_a_section_and_a_picture_where_they_are_asked_for(study, tmp_path):
    folder = written(tmp_path, study=study)
    path = build(folder)
    text = path.read_text()
    assert f"## {study.title()}" in text
    assert (folder / "figures" / "scaling.png").is_file() == (study == "scaling")
    assert (folder / "figures" / "validation-loss.png").is_file()
    (first, *_) = [block for block in studied(load(folder).on("mnist")) if isinstance(block, Table)]
    if study == "scaling":
        assert [plain(field) for field in first.rows[0][3:7]] == ["1,110,000", "30,000", "34.2", "0.3000"]
        assert "cannot be fitted" in text
    else:
        assert [plain(field) for field in first.rows[1][1:4]] == ["212", "1.00 (1.00 to 1.00)", "477"]
        assert "auto-encoder" not in text


LATENTS = {
    "name": "kl(1e-06)", "sha256": "0a1b" * 16, "shape": [4, 8, 8], "psnr": 27.25, "seconds": 412.0, "n": 10000,
    "fid": 1.234, "fid_se": 0.056, "acc": 0.97,
}  # fmt: skip


def test_the_page_tells_what_an_auto_encoder_loses_and_warns_of_two(tmp_path):
    folder = written(tmp_path, study="switches")
    cells = [folder / cell["dir"] / "result.json" for cell in read_sealed(folder / "grid.json")["cells"]]
    for path in cells:
        edit(path, lambda result: result.update(latents=LATENTS))
    (told,) = latents(load(folder).on("mnist"))
    for words in (
        "see 4 x 8 x 8 numbers",
        "of 1 x 28 x 28",
        "kl(1e-06) (SHA-256 0a1b0a1b0a1b)",
        "27.2 dB",
        "1.23 ± 0.06",
    ):
        assert words in told
    text = build(folder).read_text()
    assert "1.23 ± 0.06" in text
    assert "different auto-encoders" not in text
    edit(cells[2], lambda result: result.update(latents={**LATENTS, "sha256": "f" * 64}))
    text = build(folder).read_text()
    assert "latents of different auto-encoders" in text
    assert "8 in 0a1b0a1b0a1b and 1 in ffffffffffff" in text  # of the variant `base`, which three objectives have
    assert text.count("was trained once, in 412 s") == 2


def test_the_sentence_on_a_power_law_says_what_the_runs_do_not_show():
    known = Law(0.3, (0.2, 0.4), 0.6, (0.5, 0.7), floor=0.4, floor_error=0.1, residual=0.01)
    assert "leaves E = 0.4000" in sentence(known) and "0: these" not in sentence(known)
    short = replace(known, floor=1e-9, floor_error=0.5)
    assert "E cannot be distinguished from 0" in sentence(short) and "leaves E" not in sentence(short)
    wide = replace(known, alpha_ends=(-0.1, 0.7))
    assert sentence(wide).endswith(
        "The interval of alpha contains 0: these runs do not fix how fast loss falls with size."
    )
    both = replace(wide, beta_ends=(-0.1, 1.3))
    assert "alpha and of beta contains 0" in sentence(both) and "size and with images seen" in sentence(both)
    assert "cannot be fitted" in sentence(None)
