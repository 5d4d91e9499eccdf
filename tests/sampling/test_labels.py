"""`--labels`: places, ranges and names of classes, and names that are numbers."""

import pytest

from zoo.base.errors import ZooError
from zoo.data.spec import Spec
from zoo.sampling.draw import parse_labels

DIGITS = Spec((1, 8, 8), tuple(map(str, range(10))), 0)
FROM_ONE = Spec((1, 8, 8), tuple(map(str, range(1, 10))), 0)  # class "1" is the first
CLOTHES = Spec((1, 8, 8), ("shirt", "shoe", "t-shirt"), 0)


@pytest.mark.parametrize(
    ("spec", "text", "places"),
    [
        (DIGITS, "0-9", list(range(10))),
        (DIGITS, "3, 1-2,none", [3, 1, 2, 10]),
        (FROM_ONE, "1,2,3", [0, 1, 2]),
        (FROM_ONE, "1-3", [0, 1, 2]),  # the same classes
        (FROM_ONE, "7-9", [6, 7, 8]),
        (CLOTHES, "t-shirt,shoe", [2, 1]),
        (CLOTHES, "0-1", [0, 1]),
    ],
)
def test_labels_are_places_or_names(spec, text, places):
    assert parse_labels(text, spec) == places


@pytest.mark.parametrize("text", ["10", "3-1", "x", "shirt-", "", "0-10"])
def test_what_is_no_class_is_refused(text):
    with pytest.raises(ZooError, match="is no class"):
        parse_labels(text, FROM_ONE if text == "3-1" else CLOTHES)
