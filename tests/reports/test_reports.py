"""The report of made-up runs: the numbers of the files, all of the cells, the same bytes, and no markup from names."""

import csv
import io
import json
import math
import random
import re
import shutil
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from scipy import stats

from eval.ranks.paired import packed
from reports.figures.plotting import spread
from reports.page import build
from reports.read import results
from reports.read.load import load
from reports.render.markdown import md
from zoo.base.errors import ZooError
from zoo.base.sealed import SCHEMA_VERSION, read_sealed, write_sealed
from zoo.objectives.families import DEFAULT

BACKBONES = ["dit(patch=4)", "unet(width=32,attention=1)"]
EDGES = [-10, -7.5, -5, -2.5, 0, 2.5, 5, 7.5, 10]
FLOOR = {"fid": 0.05, "se": 0.01, "plain": 0.10, "n": 10_000}
JUDGE = {"name": "mnist-v1-seed0", "sha256": "aa", "accuracy": 0.9972, "floor": FLOOR}
USUAL = {
    "sampler": "euler",
    "step_grid": "flow",
    "steps": 20,
    "start": -10.0,
    "interval": [0.0, 1.0],
    "rescale": 0.0,
    "clip": True,
}
SEGMENTS = ["012345", "12", "01643", "01623", "5612", "05623", "056234", "012", "0123456", "012356"]
BARS = [
    (5, 8, 7, 20),
    (5, 18, 14, 20),
    (14, 18, 23, 20),
    (21, 8, 23, 20),
    (14, 8, 23, 10),
    (5, 8, 14, 10),
    (13, 8, 15, 20),
]


def write_run(
    folder: Path,
    objectives=DEFAULT,
    backbones=BACKBONES,
    seeds=(0,),
    size=28,
    guidance=(1.0, 2.0),
    datasets=("mnist",),
    steps=(20,),
    **grid,
) -> dict:
    """A finished run with random numbers; returns its grid. Every number depends on the cell's own name only."""
    cells = [
        {
            "dir": f"{dataset}/b{b}/o{o}/seed{seed}",
            "dataset": dataset,
            "backbone": backbone,
            "objective": name,
            "seed": seed,
        }
        for dataset in datasets
        for b, backbone in enumerate(backbones)
        for o, name in enumerate(objectives)
        for seed in seeds
    ]
    settings = {
        "images": dict.fromkeys(backbones, 30_000),
        "batch": 64,
        "n": 500,
        "steps": 20,
        "guidance": list(guidance),
    }
    grid = {
        "name": "default", "description": "made up", "datasets": list(datasets),
        "dataset_requested": ["auto"],
        "notice": None, "budget": "cpu", "device": "cpu", "command": "python run_all.py --grid default",
        "seeds": list(seeds), "objectives": list(objectives), "backbones": list(backbones),
        "settings": dict.fromkeys(datasets, settings),
        "sizes_note": None, "cells": cells, "versions": {"torch": "2.15.0", "python": "3.11.7"}, "git": "abc123",
        "judges": dict.fromkeys(datasets, JUDGE), **grid,
    }  # fmt: skip
    write_sealed(folder / "grid.json", grid)
    for cell in cells:
        _write_cell(folder / cell["dir"], cell, size, [(g, n) for n in steps for g in guidance])
    return grid


def leave_one_out(fid: float, plain: float, se: float, n: int, k: int) -> list[float]:
    """Leave-one-out distances of 20 blocks that give this FID and error; those of another k have independent ones."""
    blocks = np.arange(20)
    h = n / np.array([len(range(j, n, 20)) for j in blocks])
    e = np.cos(np.pi * (blocks + 0.5) * k / 20)
    e *= se / np.sqrt(np.mean(e**2 / (h - 1)))
    return ((h * plain - fid - e) / (h - 1)).tolist()


def _write_cell(folder: Path, cell: dict, size: int, settings: list[tuple[float, int]]) -> None:
    rng = np.random.default_rng(list(str(folder.relative_to(folder.parents[3])).encode()))
    quality = float(np.exp(rng.normal(1.6, 0.5)))
    scores = []
    for weights in ("ema", "raw"):
        for g, steps in settings:
            scale = quality * (1.3 if weights == "raw" else 1) / g**1.3
            fid = round(float(scale * rng.uniform(0.9, 1.1)), 4)
            rate = float(np.exp(-scale / 30))
            correct = [{"label": c, "n": 50, "correct": int(rng.binomial(50, rate))} for c in range(12)]
            confusion = np.eye(10, dtype=int) * [entry["correct"] for entry in correct[:10]]
            for asked in range(10):
                confusion[asked, (asked + 5) % 10] += 50 - correct[asked]["correct"]
            acc = sum(entry["correct"] for entry in correct[:10]) / 500
            name = f"{weights}-euler-flow-{steps}-g{g:g}"
            scores.append({
                **USUAL, "setting": name, "weights": weights, "guidance": g, "steps": steps,
                "evaluations": steps * (1 + (g != 1)), "n": 500, "fid": fid, "fid_se": round(fid * 0.05, 4),
                "fid_plain": fid + 1, "acc": acc,
                "fid_leave_one_out": leave_one_out(fid, fid + 1, fid * 0.05, 500, 1 + int(rng.integers(19))),
                "right": packed(np.arange(500) < round(500 * acc)),
                "acc_low": acc - 0.04, "acc_high": min(1, acc + 0.03), "classes": correct,
                "confusion": confusion.tolist(), "seconds": 20.5, "measure_seconds": 1.5,
                "images_per_s": 25.0, "pfd": 9.0 + fid, "kid": fid / 100,
                "precision": 0.9, "recall": 0.8, "density": 0.7,
                "coverage": 0.6, "is": 9.5, "mem": 0.01, "duplicates": 1, "cfid_max": None, "fid2": fid + 0.1,
                "fid2_se": fid * 0.05, "acc2": acc,
            })  # fmt: skip
            picture = _picture(rng, size, noise=0.03 * scale)
            (folder / "samples").mkdir(parents=True, exist_ok=True)
            matplotlib.image.imsave(folder / "samples" / f"{name}.png", picture, cmap="gray", vmin=0, vmax=1)
    train = {
        "images": 30_000, "steps": 469, "seconds": 141.2, "images_per_s": 212.0, "setup_seconds": 31.0,
        "peak_memory_bytes": 500_000_000, "final_loss": 0.12, "parameters": 1_110_000, "flop_per_image": 3.8e8,
        "precision": "bfloat16", "compiled": True, "device": "cpu", "threads": 2, "logsnr_edges": EDGES,
    }  # fmt: skip
    seconds = {"start": 5.0, "setup": 31.0, "train": 141.2, "sample": 60.0, "score": 22.0, "total": 259.2}
    result = {
        "status": "done", "cell": {"train": cell}, "key": "k1", "train": train, "judge": JUDGE,
        "real": {"acc": 0.997, "classes": [], "pfd": 1.0, "kid": 0.0,
                 "precision": 0.93, "recall": 0.94, "density": 0.99,
                 "coverage": 0.97, "is": 9.9, "mem": 0.0}, "scores": scores,
        "validation": {kind: {"val_eps": 0.2 + quality / 100, "val_target": 0.5}
                       for kind in ("ema", "raw")}, "seconds": seconds,
        "tile": [size, size], "versions": {},
    }  # fmt: skip
    write_sealed(folder / "result.json", result)
    middle = (np.array(EDGES[1:]) + EDGES[:-1]) / 2
    rows = []
    for step in range(50, 800, 50):
        bins = 0.9 / (1 + np.exp(-middle / 2.5)) * rng.uniform(0.95, 1.1, 8) * (1 + 20 / step) * (1 + quality / 100)
        loss = float((0.15 + 0.05 * quality) * (1 + 100 / step) * rng.uniform(0.95, 1.05))
        row = {"step": step, "images": step * 64, "loss": loss, "lr": 0.002, "grad_norm": 0.4, "images_per_s": 210.0}
        rows.append(
            json.dumps(row | {"seconds": step * 0.3, "bins": [None if rng.random() < 0.1 else b for b in bins]})
        )
    (folder / "metrics.jsonl").write_text("\n".join(rows) + "\n")


def _picture(rng: np.random.Generator, size: int, noise: float) -> np.ndarray:
    """Four rows of twelve tiles: seven-segment digits, black, white, and noise."""
    tiles = np.zeros((12, 28, 28))
    tiles[11] = 1
    for digit, segments in enumerate(SEGMENTS):
        for top, left, bottom, right in (BARS[int(segment)] for segment in segments):
            tiles[digit, top : max(bottom, top + 2), left:right] = 1
    tiles = tiles[:, :size, :size]
    rows = [np.hstack(tiles + rng.normal(0, noise, tiles.shape)) for _ in range(4)]
    return np.vstack(rows).clip(0, 1)


def edit(path: Path, change) -> None:
    value = read_sealed(path)
    change(value)
    write_sealed(path, value)


def fail(cell: Path, status: str, message: str = "exit status 3") -> None:
    (cell / "result.json").unlink()
    write_sealed(
        cell / "failed.json",
        {"status": status, "exit_status": 3, "message": message, "log": "x/log.txt", "attempts": 1},
    )


def pages(folder: Path) -> dict[str, bytes]:
    build(folder)
    names = [
        "report.md",
        "report.html",
        "results.csv",
        *(f"figures/{path.name}" for path in (folder / "figures").iterdir()),
    ]
    return {name: (folder / name).read_bytes() for name in sorted(names)}


def section(text: str, title: str) -> list[list[str]]:
    """The rows of the first table under a heading, bold marks and the titles of its parts removed."""
    body = text.split(f"## {title}\n", 1)[1].split("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    rows = [[field.strip() for field in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rows = [row for row in rows if not (row[0].startswith("**") and not any(row[1:]))]
    return [[field.replace("**", "") for field in row] for row in rows]


def records(folder: Path) -> list[dict]:
    return list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))


@pytest.fixture
def small(tmp_path):
    """Two objectives, two backbones, tiny tiles: a second to draw."""
    return tmp_path / "run", write_run(tmp_path / "run", objectives=DEFAULT[:2], size=8)


def test_the_same_files_give_the_same_bytes_in_any_order_and_place(small, tmp_path):
    folder, grid = small
    first = pages(folder)
    assert first == pages(folder)
    grid = dict(grid, cells=random.Random(1).sample(grid["cells"], len(grid["cells"])))  # noqa: S311
    write_sealed(folder / "grid.json", grid)
    assert first == pages(folder)
    assert first == pages(folder.rename(tmp_path / "elsewhere"))
    assert [name for name in first if "samples" in name] == [
        f"figures/samples-{slug}-g{g}.png" for slug in ("dit-patch-4", "unet-width-32-attention-1") for g in (1, 2)
    ]


def test_another_locale_time_zone_and_hash_seed_give_the_same_bytes(small, command):
    folder, _ = small
    first = pages(folder)
    shutil.rmtree(folder / "figures")
    odd = {"LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "7", "PYTHONUTF8": "0"}
    done = command("-m", "reports", str(folder), **odd)
    assert done.returncode == 0, done.stderr
    assert first == {name: (folder / name).read_bytes() for name in first}


def test_the_comparison_holds_the_numbers_of_the_files(small):
    folder, grid = small
    text = build(folder).read_text()
    header, _, *rows = section(text, "Comparison")
    assert header[2:6] == [
        "fid@500, no guidance",
        "accuracy, no guidance",
        "fid@500, guidance 2",
        "accuracy, guidance 2",
    ]
    assert len(rows) == 4 + 2
    order = load(folder).ranked
    cells = sorted(grid["cells"], key=lambda cell: (BACKBONES.index(cell["backbone"]), order.index(cell["objective"])))
    for row, cell in zip(rows, cells, strict=False):
        result = json.loads((folder / cell["dir"] / "result.json").read_text())
        assert row[:2] == [cell["objective"], "1/1"]
        ema = [score for score in result["scores"] if score["weights"] == "ema"]
        for at, score in zip((2, 4), ema, strict=True):
            fid, se = map(float, row[at].split(" ± "))
            places = max(0, min(2, 1 - math.floor(math.log10(score["fid_se"]))))  # two digits of the error
            assert fid == pytest.approx(score["fid"], abs=0.501 * 10**-places)
            assert se == pytest.approx(score["fid_se"], abs=0.501 * 10**-places)
            assert float(row[at + 1].rstrip("%")) == pytest.approx(100 * score["acc"], abs=0.501)
        assert row[6:] == []
    assert rows[-2][2:4] == ["0.05", "-"]
    assert rows[-1][2:4] == ["-", "99.7%"]


def test_the_answer_names_the_lowest_fid(small):
    folder, grid = small
    text = build(folder).read_text()
    for backbone in grid["backbones"]:
        found = {}
        for cell in (cell for cell in grid["cells"] if cell["backbone"] == backbone):
            scores = json.loads((folder / cell["dir"] / "result.json").read_text())["scores"]
            found[cell["objective"]] = scores[0]["fid"]
        lead = min(found, key=found.get)
        assert f"On {backbone} (EMA weights, no guidance) **{lead}** leads with fid@500 {found[lead]:.2f}" in text
    assert "This is from one seed, a sketch" in text
    assert "4 of 4 cells are done." in text


def test_csv_holds_every_cell_and_setting(small):
    folder, grid = small
    build(folder)
    rows = records(folder)
    assert len(rows) == 4 * 4
    cell = grid["cells"][1]
    score = json.loads((folder / cell["dir"] / "result.json").read_text())["scores"][3]
    row = next(r for r in rows if (r["backbone"], r["objective"]) == (cell["backbone"], cell["objective"])
               and (r["weights"], r["guidance"]) == ("raw", "2.0"))  # fmt: skip
    for key in ("fid", "fid_se", "fid_plain", "acc", "acc_low", "acc_high", "n", "evaluations"):
        assert float(row[key]) == score[key]
    assert float(row["acc_7"]) == score["classes"][7]["correct"] / 50
    assert (row["status"], row["train_seconds"], row["images_per_s"], row["compiled"]) == (
        "done",
        "141.2",
        "212.0",
        "true",
    )
    assert (row["sample_seconds"], row["fid_floor"], row["message"]) == ("20.5", "0.05", "")
    assert float(row["val_eps"]) > 0.2
    assert (row["setting"], row["interval"], row["duplicates"]) == ("raw-euler-flow-20-g2", "0.0 1.0", "1")


def test_every_column_is_documented():
    named = re.findall(r"^\| ([a-z0-9_, .]+) \|", results.__doc__, flags=re.MULTILINE)
    words = [
        word for cell in named[1:] for word in cell.replace("acc_0 ..", "").replace("cfid_0 ..", "").split(", ") if word
    ]
    assert set(words) == {column for column in results.COLUMNS if not re.fullmatch(r"c?(acc|fid)_\d+", column)}


def test_failed_diverged_missing_and_damaged_cells_count(tmp_path):
    grid = write_run(tmp_path, objectives=DEFAULT[:4], backbones=BACKBONES[:1], seeds=(0, 1), size=8)
    folders = [tmp_path / cell["dir"] for cell in grid["cells"]]
    fail(folders[0], "failed", "out of memory")
    fail(folders[1], "diverged", "loss is nan at step 7")
    fail(folders[2], "diverged")
    (folders[4] / "result.json").unlink()
    (folders[6] / "result.json").write_text('{"schema_version": 1')
    text = build(tmp_path).read_text()
    assert "3 of 8 cells are done; 2 diverged, 1 failed, 1 missing, 1 unreadable (see Failures)." in text
    rows = section(text, "Comparison")[2:]
    shown = {row[0]: row[1:3] for row in rows}
    states = ["0/2, 1 diverged, 1 failed", "1/2, 1 diverged", "1/2, 1 missing", "1/2, 1 unreadable"]
    assert [shown[name][0] for name in DEFAULT[:4]] == states
    assert shown[DEFAULT[0]][1] == "-"
    failures = section(text, "Failures")[2:]
    assert [row[1] for row in failures] == ["failed", "diverged", "diverged", "missing", "unreadable"]
    assert failures[0] == [grid["cells"][0]["dir"], "failed", "3", "1", "out of memory", "x/log.txt"]
    assert str(tmp_path) not in text
    states = [row["status"] for row in records(tmp_path)]
    assert {state: states.count(state) for state in set(states)} == {
        "done": 12, "diverged": 2, "failed": 1, "missing": 1, "unreadable": 1,
    }  # fmt: skip
    empty = next(row for row in records(tmp_path) if row["status"] == "missing")
    assert (empty["fid"], empty["message"]) == ("", "no result yet")


def test_a_run_without_any_result_is_a_page(tmp_path):
    grid = write_run(tmp_path, objectives=DEFAULT[:2], backbones=BACKBONES[:1], size=8, judges={})
    for cell in grid["cells"]:
        fail(tmp_path / cell["dir"], "failed")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.png").write_bytes(b"an earlier page's")
    text = build(tmp_path).read_text()
    assert "0 of 2 cells are done; 2 failed" in text
    assert "figures/fid.png" not in text
    assert not (tmp_path / "figures" / "old.png").exists()
    assert len(records(tmp_path)) == 2


def test_seeds_are_averaged_and_named(tmp_path):
    grid = write_run(tmp_path, objectives=DEFAULT[:1], backbones=BACKBONES[:1], seeds=(0, 1, 2), size=8)
    fids = [json.loads((tmp_path / c["dir"] / "result.json").read_text())["scores"][0]["fid"] for c in grid["cells"]]
    text = build(tmp_path).read_text()
    row = section(text, "Comparison")[2]
    assert row[1] == "3/3"
    told = [float(value) for value in re.split(r"[ ().]{2,}", row[2].rstrip(")"))]
    assert told == pytest.approx([sum(fids) / 3, min(fids), max(fids)], abs=0.0501)
    assert "mean over seeds (min..max)" in text
    assert "a sketch" not in text


def test_names_cannot_be_markup_or_formulas(tmp_path):
    hostile = ["rf|x", "<script>alert(1)</script>", "=cmd()|' /C calc'!A0", "a\nb`c`", "$x^2_", "[z](http://z)"]
    backbone = ["../<img src=x>|"]
    grid = write_run(tmp_path, objectives=hostile, backbones=backbone, size=8, name="g|<b>", command="echo ```|x```")
    fail(tmp_path / grid["cells"][1]["dir"], "failed", "=1+1|<script>\n# heading")
    text = build(tmp_path).read_text()
    spans = re.sub(r"(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)", "", text)  # what stands in a code span is shown as it is
    assert not re.search(r"<(script|img|b\b)", spans)
    assert "\n# heading" not in text
    for title in (
        "Comparison",
        "Ranks",
        "Differences",
        "Other scores",
        "Classes",
        "Failures",
        "EMA and raw weights",
    ):
        assert len({len(row) for row in section(text, title)}) == 1, title
    assert "````sh\necho ```|x```\n````" in text
    assert "\\[z\\](http://z)" in text
    fields = [field for row in records(tmp_path) for key, field in row.items() if key in ("objective", "message")]
    assert "'=cmd()|' /C calc'!A0" in fields
    assert "'=1+1|<script> # heading" in fields
    assert not any(field.startswith(("=", "+", "-", "@")) for field in fields)
    assert {path.name for path in (tmp_path / "figures").glob("samples*")} == {
        "samples-backbone0-g1.png", "samples-backbone0-g2.png",
    }  # fmt: skip


def test_judges_are_not_mixed(small):
    folder, grid = small
    edit(folder / grid["cells"][2]["dir"] / "result.json", lambda result: result["judge"].update(sha256="bb"))
    with pytest.raises(ZooError, match=r"2 judges.*must not share a table"):
        build(folder)
    assert not (folder / "report.md").exists()


def test_two_data_sets_share_the_ranks_and_no_table(tmp_path):
    grid = write_run(tmp_path, objectives=DEFAULT[:2], size=8, datasets=("mnist", "digits"))
    text = build(tmp_path).read_text()
    assert text.startswith("# mnist and digits: 2 diffusion objectives on 2 backbones")
    assert "16 control settings (mnist, digits; dit, unet; EMA and raw weights)" in text
    header, _, *rows = section(text, "Ranks")
    assert header[:5] == ["objective", "rank", "FID", "dit", "unet"]
    assert {row[0] for row in rows} == set(DEFAULT[:2])
    assert "runs" not in header  # all are there
    for name in ("mnist", "digits"):
        first = section(text, f"Comparison on {name}")[2]
        cell = next(c for c in grid["cells"] if c["dataset"] == name and c["objective"] == first[0])
        score = json.loads((tmp_path / cell["dir"] / "result.json").read_text())["scores"][0]
        assert float(first[2].split(" ± ")[0]) == pytest.approx(score["fid"], abs=0.0501)
    assert {f"figures/{d}-fid.png" for d in ("mnist", "digits")} <= set(re.findall(r"figures/[^)]*", text))
    assert all((tmp_path / link).is_file() for link in re.findall(r"\]\(((?:figures/|results)[^)]*)\)", text))
    path = tmp_path / grid["cells"][-1]["dir"] / "result.json"
    edit(path, lambda result: result["judge"].update(sha256="bb"))
    with pytest.raises(ZooError, match="scores on digits by 2 judges"):
        build(tmp_path)


def test_many_settings_are_a_table_of_their_own(tmp_path):
    write_run(tmp_path, objectives=DEFAULT[:2], backbones=BACKBONES[:1], size=8, steps=(5, 10, 50))
    text = build(tmp_path).read_text()
    header = section(text, "Comparison")[0]
    assert header[2:6] == [
        "fid@500, no guidance, 50 steps", "accuracy, no guidance, 50 steps",
        "fid@500, guidance 2, 50 steps", "accuracy, guidance 2, 50 steps",
    ]  # fmt: skip
    rows = section(text, "Settings")[2:]
    assert [row[2] for row in rows] == ["50", "100", "10", "20", "5", "10"]
    assert section(text, "Ranks")[0][3:6] == ["5 steps", "10 steps", "50 steps"]


def test_differences_are_to_the_leader_and_paired_by_seed(tmp_path):
    grid = write_run(tmp_path, objectives=DEFAULT[:2], backbones=BACKBONES[:1], seeds=(0, 1, 2), size=8)
    fids = {name: [] for name in DEFAULT[:2]}
    for cell in grid["cells"]:
        fids[cell["objective"]].append(
            json.loads((tmp_path / cell["dir"] / "result.json").read_text())["scores"][0]["fid"]
        )
    lead, other = sorted(fids, key=lambda name: np.mean(fids[name]))
    s = 20 / 500**0.5  # of two objectives the model is Student's paired test, on the scale asinh(FID / s)
    ours, theirs = (np.arcsinh(np.array(fids[name]) / s) for name in (other, lead))
    test, middle = stats.ttest_rel(ours, theirs), np.mean([ours, theirs])
    levels = (np.mean(ours - theirs), *test.confidence_interval(0.95))
    expected = [2 * s * np.cosh(middle) * np.sinh(level / 2) for level in levels]
    (row,) = section(build(tmp_path).read_text(), "Differences")[2:]
    assert row[0] == other
    told = re.fullmatch(r"([+-][\d.]+) \(([+-][\d.]+)\.\.([+-][\d.]+)\)", row[1])
    assert [float(value) for value in told.groups()] == pytest.approx(expected, abs=0.501)


def test_sample_sizes_are_not_mixed(small):
    folder, grid = small
    path = folder / grid["cells"][0]["dir"] / "result.json"
    edit(path, lambda result: [score.update(n=10_000) for score in result["scores"]])
    header, _, first, second, *_ = section(build(folder).read_text(), "Comparison")
    assert {"fid@500, no guidance, n 500", "fid, no guidance, n 10000"} <= set(header)
    at = header.index("fid@500, no guidance, n 500")
    assert {first[at] == "-", second[at] == "-"} == {True, False}


def test_results_that_are_another_cell_s_edited_or_older_are_flagged(small):
    folder, grid = small
    edit(
        folder / grid["cells"][0]["dir"] / "result.json",
        lambda result: result["cell"]["train"].update(objective="v/cosine"),
    )
    edited = folder / grid["cells"][1]["dir"] / "result.json"
    edited.write_text(re.sub(r'"acc": [0-9.]+', '"acc": 1.0', edited.read_text(), count=1))
    older = folder / grid["cells"][2]["dir"] / "result.json"
    older.write_text(older.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 2'))
    text = build(folder).read_text()
    failures = section(text, "Failures")[2:]
    assert [row[1] for row in failures] == ["unreadable"] * 3
    for words, row in zip(("belongs to another cell", "was edited", "has schema_version 2"), failures, strict=True):
        assert words in row[4]
    assert "1 of 4 cells are done" in text


def test_a_corrected_fid_below_zero_is_shown(small):
    folder, grid = small
    path = folder / grid["cells"][0]["dir"] / "result.json"
    edit(path, lambda result: result["scores"][0].update(fid=-0.02, fid_se=0.03))
    assert section(build(folder).read_text(), "Comparison")[2][2] == "-0.02 ± 0.03"


def test_folders_outside_the_run_are_refused(small):
    folder, _ = small
    edit(folder / "grid.json", lambda grid: grid["cells"][0].update(dir="../../secret"))
    with pytest.raises(ZooError, match="outside the run"):
        build(folder)
    with pytest.raises(ZooError, match=r"no grid\.json"):
        build(folder / "nowhere")


def test_the_notice_is_at_the_top(small):
    folder, _ = small
    edit(
        folder / "grid.json",
        lambda grid: grid.update(notice="MNIST could not be had; digits were used", sizes_note="smaller"),
    )
    first, rest = build(folder).read_text().split("\n\n", 1)
    assert first.startswith("# mnist: 2 diffusion objectives on 2 backbones")
    assert rest.startswith("> [!WARNING]\n> MNIST could not be had; digits were used\n")
    assert "\n> smaller\n" in rest


def test_cells_trained_in_different_precisions_are_no_equal_comparison(small):
    folder, _ = small
    assert "precisions" not in build(folder).read_text()
    edit(folder / "mnist/b1/o0/seed0/result.json", lambda result: result["train"].update(precision="float32"))
    rest = build(folder).read_text().split("\n\n", 1)[1]
    assert rest.startswith("> [!WARNING]\n> **Not only the objective differs")
    told = re.findall(r"of mnist, (\S+) (\d in \w+(?: and \d in \w+)+)", rest)
    assert told == [(BACKBONES[1], "1 in bfloat16 and 1 in float32")]


def test_how_to_reproduce_and_papers(small):
    folder, grid = small
    text = build(folder).read_text()
    assert "python run_all.py --grid default" in text
    assert f"python -m eval.fid RUN/{grid['cells'][0]['dir']}" in text
    assert "[2209.03003](https://arxiv.org/abs/2209.03003)" in text
    assert all((folder / link).is_file() for link in re.findall(r"\]\(((?:figures/|results)[^)]*)\)", text))


def test_escaping_keeps_the_registrys_names_readable():
    assert [md(name) for name in DEFAULT] == list(DEFAULT)
    assert md("a|b <c> *d*\n`e`") == "a\\|b &lt;c&gt; \\*d\\* \\`e\\`"
    assert md("val_eps _f_ x_") == "val_eps \\_f\\_ x\\_"


def test_a_torn_line_of_metrics_is_passed_over(small):
    folder, grid = small
    with (folder / grid["cells"][0]["dir"] / "metrics.jsonl").open("a") as file:
        file.write('{"step": 800, "loss": NaN, "images": 3}\n{"step": 850, "lo')
    run = load(folder)
    assert [row["step"] for row in run.metrics(run.cells[0])] == list(range(50, 800, 50))


def test_labels_are_spread_in_order_and_near_where_they_belong():
    assert spread([0.5, 0.1, 0.52], 0.1, 0, 1) == pytest.approx([0.46, 0.1, 0.56])
    assert spread([0.0, 0.0], 0.2, 0, 1) == pytest.approx([0.0, 0.2])
    assert spread([1.0, 1.0], 0.2, 0, 1) == pytest.approx([0.8, 1.0])
