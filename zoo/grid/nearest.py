"""The budget for a data set: its own, or where a grid has none for it that of the data set nearest to it in size."""

from collections.abc import Sequence
from math import log, prod
from typing import Any

from zoo.base.errors import ZooError
from zoo.data import sets


def pixels(name: str) -> int:
    """Pixels of a data set's images. Errors as `Source.spec`."""
    return prod(sets.source(name).spec.image_shape[1:])


def budget_for(budgets: Sequence[Any], name: str, dataset: str) -> Any:
    """Of a grid's budgets (zoo/grid/budgets.py) the one of this name for a data set.

    For one that no budget names, that of the data set whose images have the nearest number of pixels, as a ratio; its
    seconds are scaled by that, and its note says it. Raises ZooError if there is none of this name.
    """
    known = [(other, budget) for budget in budgets if budget.name == name for other in budget.datasets]
    own = [budget for other, budget in known if other == dataset]
    if own:
        return own[0]
    if not known:
        has = ", ".join(f"{b.name} for {'/'.join(b.datasets)}" for b in budgets)
        raise ZooError(f"the grid has no budget {name!r} for data set {dataset!r}. It has: {has}")
    ratios = {other: pixels(dataset) / pixels(other) for other, _ in known}
    other, budget = min(known, key=lambda pair: abs(log(ratios[pair[0]])))
    sizes = {
        word: size.model_copy(update={"seconds": size.seconds * ratios[other]}) for word, size in budget.sizes.items()
    }
    note = f"{dataset} has no budget of its own in this grid, and takes that of {other}."
    told = " ".join(filter(None, [budget.note, note]))
    return budget.model_copy(update={"datasets": (dataset,), "sizes": sizes, "note": told})
