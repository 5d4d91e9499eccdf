"""What a run says at its end: the numbers of its files, on a terminal of any width."""

from statistics import fmean

import pytest

from eval.ranks.text import rank_text
from reports.read.load import load
from reports.render import terminal
from reports.words.ending import MOST, ending
from tests.reports.test_reports import BACKBONES, write_run
from zoo.base.sealed import read_sealed
from zoo.objectives.families import BEYOND

NAMES = ("rf", "eps/cosine+minsnr(5)", "v/cosine")


def shown(folder, width=80) -> str:
    return terminal.render(ending(load(folder), folder / "report.html"), width)


def mean(folder, backbone: int, objective: int, guidance: float, metric: str, seeds=(0, 1, 2)) -> float:
    """From the files, in this test's own way."""
    found = []
    for seed in seeds:
        rows = read_sealed(folder / "mnist" / f"b{backbone}" / f"o{objective}" / f"seed{seed}" / "result.json")[
            "scores"
        ]
        found += [row[metric] for row in rows if (row["weights"], row["guidance"]) == ("ema", guidance)]
    return fmean(found)


def test_ranks_scores_verdict_and_page_in_this_order(tmp_path):
    write_run(tmp_path, objectives=NAMES, seeds=(0, 1, 2))
    text, board = shown(tmp_path), load(tmp_path).board
    lines = text.splitlines()
    heads = [[line.split(" ")[0] for line in lines].index(row["objective"]) for row in board["rows"]]
    assert heads == sorted(heads)
    for at, row in zip(heads, board["rows"], strict=True):
        o = NAMES.index(row["objective"])
        assert f" {rank_text(row)} " in lines[at]
        for b, word in enumerate(("dit", "unet")):
            for guidance in (1.0, 2.0):
                assert word in lines[at + b]
                assert f" {mean(tmp_path, b, o, guidance, 'fid'):.2f} " in lines[at + b]
                assert f"{100 * mean(tmp_path, b, o, guidance, 'acc'):.1f}%" in lines[at + b]
    assert "fid@500 and accuracy by the EMA weights" in text
    assert "no guidance" in text
    assert "guidance 2" in text
    assert text.index(f"{board['rows'][0]['objective']} ", text.index(lines[heads[-1]]) + 1)  # the verdict
    assert "".join(text.split()).endswith(f"Thepage:{tmp_path / 'report.html'}")


@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_line_is_wider_than_the_terminal(tmp_path, width):
    write_run(tmp_path / "run", objectives=NAMES, seeds=(0, 1), datasets=("mnist", "digits"))
    text = terminal.render(ending(load(tmp_path / "run"), tmp_path / "x"), width)
    words = [word for line in text.splitlines() if len(line) > width for word in line.split() if len(word) < width - 10]
    assert words == []  # a path longer than a line is left whole
    assert "dit, mnist" in " ".join(text.split())
    assert "unet, digits" in " ".join(text.split())


def test_a_long_table_is_cut_and_says_so(tmp_path):
    names = BEYOND[: MOST + 3]
    write_run(tmp_path, objectives=names, backbones=BACKBONES[:1])
    text = shown(tmp_path)
    assert sum(line.startswith(tuple(f"{name} " for name in names)) for line in text.splitlines()) >= MOST
    assert "3 more objectives are on the page." in text
    assert "interval" not in text.partition("---")[0]  # of one seed there is none


def test_without_a_score_there_is_the_page_s_path_alone(tmp_path):
    write_run(tmp_path, objectives=NAMES)
    for path in tmp_path.rglob("result.json"):
        path.unlink()
    assert shown(tmp_path, 1000) == f"The page: {tmp_path / 'report.html'}\n"
