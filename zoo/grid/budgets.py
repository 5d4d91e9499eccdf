"""What a grid's cells are trained by: sizes, budgets for kinds of devices, and variants of the recipe.

torch is not imported here.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from zoo.config.cell import BackboneName, DataName, Recipe, ScoreConfig
from zoo.config.schema import Count, Frozen, Positive


class Size(Frozen):
    """What a backbone of the grid is at a budget: its sizes, images seen by a cell, and seconds a cell takes.

    recipe: what it has of its own in the budget's recipe, for all objectives alike.
    """

    size: BackboneName
    images: Count
    seconds: Positive
    recipe: Recipe = Recipe()


class Variant(Recipe):
    """Changes of the recipe, and multiples of what differs from budget to budget: the rate, and images seen."""

    times_rate: Positive = 1.0
    times_images: Positive = 1.0


class Budget(Frozen):
    """One kind of device and the data sets it is meant for. `sizes` is keyed by the grid's backbone names."""

    name: Literal["cpu", "gpu"]
    datasets: Annotated[tuple[DataName, ...], Field(min_length=1, strict=False)]
    sizes: dict[str, Size]
    recipe: Recipe = Recipe()
    score: ScoreConfig = ScoreConfig()
    note: str = ""

    def recipe_of(self, backbone: str) -> dict[str, Any]:
        """The fields of the recipe that a backbone of the grid is trained by."""
        return changed(dict(self.recipe), self.sizes[backbone].recipe)


def changed(recipe: dict[str, Any], changes: Recipe) -> dict[str, Any]:
    """A recipe's fields, those replaced that `changes` was given."""
    return recipe | {name: getattr(changes, name) for name in changes.model_fields_set & Recipe.model_fields.keys()}
