"""Options read from words, and their help on terminals of any width."""

from dataclasses import dataclass
from typing import Literal

import pytest

from zoo.base import helptext
from zoo.base.errors import ZooError
from zoo.base.options import EXPERT, MUCH, option, read


@dataclass
class Shared:
    """What several commands have."""

    device: str = option("auto", "where it runs", EXPERT)


@dataclass
class Options(Shared):
    """A command's options, one of each kind."""

    path: str = option("", "what is read", positional=True)
    other: str | None = option(None, "what it is compared with", positional=True)
    count: int = option(20, "how many", MUCH)
    scale: float | None = option(None, "how large", MUCH)
    ends: tuple[float, float] = option((0.0, 1.0), "from where to where")
    names: tuple[str, ...] = option(("a", "b c"), "which")
    mode: Literal["ema", "raw"] = option("ema", "which weights")
    how: Literal["auto", "graphs"] | bool = option("auto", "how")
    clip: bool = option(True, "clamp", off="leave x_hat as it is")
    fast: bool = option(False, "hurry")
    step_grid: str = option("flow", "which grid")
    inner: str | None = option(None, "for the program itself", hidden=True)


def given(*words: str) -> Options:
    return read(Options, "command", "What it does.", words)


def test_truth_may_be_written_as_toml_writes_it():
    assert [given("--how", word).how for word in ("true", "True", "false", "False")] == [True, True, False, False]


def test_every_kind_of_value():
    found = given("a.npz", "--count", "-3", "--scale=1e-3", "--ends", "-0.5", ".5", "--names", "x", "y", "--fast", "b")
    assert (found.path, found.other, found.count, found.scale) == ("a.npz", "b", -3, 1e-3)
    assert (found.ends, found.names, found.fast, found.clip) == ((-0.5, 0.5), ("x", "y"), True, True)
    found = given("--no-clip", "--no-fast", "--mode", "raw", "--how", "False", "--step_grid", "trailing", "--", "--x")
    assert (found.clip, found.fast, found.mode, found.how) == (False, False, "raw", False)
    assert (found.step_grid, found.path) == ("trailing", "--x")
    assert given() == Options()
    assert given("--inner", "-").inner == "-"


def test_values_of_any_number_may_come_several_times_and_as_the_last_places():
    assert given("--names", "x", "--fast", "--names", "y", "z").names == ("x", "y", "z")

    @dataclass
    class Several:
        """Folders after a first word."""

        first: str = option("", "the first", positional=True)
        folders: tuple[str, ...] = option((), "the others", positional=True)
        out: str = option("", "where to")

    found = read(Several, "command", "What it does.", ["a", "b", "--out", "x", "c"])
    assert (found.first, found.folders, found.out) == ("a", ("b", "c"), "x")
    assert read(Several, "command", "What it does.", ["a"]).folders == ()


WRONG = {
    ("--conut", "3"): "Did you mean '--count'",
    ("--no-count",): "unknown option '--no-count'",
    ("--no-mode",): "unknown option '--no-mode'",
    ("--count", "3.0"): "a whole number such as 20",
    ("--count", "９" * 20): "too large",
    ("--count",): "--count needs a value: a whole number",
    ("--count", "--fast"): "--count needs a value",
    ("--ends", "1"): "--ends needs 2 values",
    ("--scale", "nan"): "a number such as 0.5",
    ("--mode", "emma"): "Did you mean 'ema'?",
    ("--clip", "False"): "Write --clip or --no-clip",
    ("--no-clip=1",): "Write --clip or --no-clip",
    ("--step-grid", ""): "is empty: give which grid",
    ("--step-grid", " "): "is empty",
    ("--step-grid", "a\tb"): "does not print",
    ("--step-grid", "a\x1b[31mb"): "does not print",
    ("x", "y", "z"): "unexpected argument 'z'. Allowed: PATH [OTHER]",
    ("-c", "3"): "unknown option '-c'",
}


@pytest.mark.parametrize(("words", "said"), WRONG.items(), ids=map(" ".join, WRONG))
def test_what_is_wrong_is_named_with_what_is_allowed(words, said):
    with pytest.raises(ZooError) as error:
        given(*words)
    assert said in str(error.value)
    assert "\x1b" not in str(error.value)


def shown(capsys) -> str:
    with pytest.raises(SystemExit) as end:
        given("--help")
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", ["-1", "0", "1", "5", "39", "40", "80", "100", "1000000", "wide"])
def test_help_is_laid_out_for_40_to_100_columns(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    lines = shown(capsys).splitlines()
    width = min(100, max(40, int(columns))) if columns.isdecimal() and int(columns) else 80
    assert max(map(len, lines)) <= width
    assert len(lines) < 80


def test_help_says_what_a_reader_can_type(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    text = shown(capsys)
    assert "--no-clip               leave x_hat as it is\n" in text
    assert "--fast                  hurry\n" in text
    assert "--mode {ema,raw}" in text
    assert 'which (default: a "b c")' in text
    for internal in ("--inner", "None", "--clip ", "--no-fast"):
        assert internal not in text
    groups = [line for line in text.splitlines() if line and not line.startswith((" ", "usage", "What it does"))]
    assert groups == ["what to run", "how much", "for experts"]


def test_every_command_s_help_is_free_of_internals(monkeypatch, capsys):
    import run_all
    from eval import compare, fid, judge, submit, verify, worker
    from reports import __main__ as reports
    from zoo import bench, export, objective, sample
    from zoo.train import main as train_main

    monkeypatch.setenv("COLUMNS", "40")
    commands = [
        (module.main, [])
        for module in (
            run_all,
            compare,
            fid,
            judge,
            submit,
            verify,
            worker,
            reports,
            bench,
            export,
            objective,
            sample,
        )
    ]
    for main, words in [
        *commands,
        (train_main, []),
        (judge.main, ["check"]),
        (judge.main, ["train"]),
        (reports.main, ["compare"]),
        (reports.main, ["export"]),
    ]:
        monkeypatch.setattr("sys.argv", ["command", *words, "--help"])
        with pytest.raises(SystemExit) as end:
            main()
        text = capsys.readouterr().out
        assert end.value.code == 0
        assert not any(word in text for word in ("None", "|STR", "--cell", "--one "))
        assert max(map(len, text.splitlines())) <= 40


def test_columns_without_a_terminal(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.__stdout__", None)
    assert helptext.columns() == 80
