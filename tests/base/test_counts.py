"""Counts in words: singular for one, wherever the project writes a number and a noun."""

import ast
import re

import pytest

from tests.conftest import ROOT
from tests.test_layers import modules
from zoo.base.counts import counted

NOUNS = (
    "attempt|batch|block|cell|channel|character|claim|class|core|epoch|evaluation|fault|file|font|formulation|frame|"
    "image|judge|letter|node|objective|option|page|pair|pairing|part|point|process|recipe|row|run|sample|score|seat|"
    "seed|setting|step|tensor|test|thread|variant|way|wheel|worker"
)
BETWEEN = "more|other|distinct|control|network|training|test|different|data"
PLURAL = re.compile(rf"^ (?:(?:{BETWEEN}) )*(?:(?:{NOUNS})e?s|data sets)(?![\w/-])")
WORDS = ("part", "kind", "short(backbone)")  # what stands before `images` and is no number


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "cell", "1 cell"),
        (0, "cell", "0 cells"),
        (2, "control setting", "2 control settings"),
        (1, "process", "1 process"),
        (3, "process", "3 processes"),
        (2, "batch", "2 batches"),
        (2, "query", "2 queries"),
        (2, "way", "2 ways"),
        (25_000, "image", "25,000 images"),
    ],
)
def test_one_is_singular(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said


def test_a_verb_follows_its_number() -> None:
    assert [counted(n, "cell is", "cells are") for n in (1, 8)] == ["1 cell is", "8 cells are"]


def test_no_number_stands_before_a_fixed_plural() -> None:
    """`1 cells` comes from f"{n} cells". Constants, which are never 1, and measured numbers (`:g`, `:.1f`) may."""
    found = [
        f"{path.name}:{node.lineno}: {{{ast.unparse(value.value)}}}{text.value[:30]}"
        for path in modules(ROOT).values()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.JoinedStr)
        for value, text in zip(node.values, node.values[1:], strict=False)
        if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant) and PLURAL.match(str(text.value))
        if not (name := ast.unparse(value.value)).isupper() and name not in WORDS and not _measured(value)
    ]
    assert not found


def _measured(value: ast.FormattedValue) -> bool:
    last = value.format_spec.values[-1] if isinstance(value.format_spec, ast.JoinedStr) else None
    return isinstance(last, ast.Constant) and str(last.value)[-1:] in ("g", "f")
