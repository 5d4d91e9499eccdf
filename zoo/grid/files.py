"""Grid files: which objectives on which backbones, at which budgets, and the cells that follow.

A grid is a TOML file in `zoo/grids/`, or any path. A budget says, for one kind of device and some data sets, how large
the backbones are, how many images a cell sees and how it is scored; `budgets = "default"` takes another grid's. torch
is not imported here.
"""

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator

from zoo import registry
from zoo.base.counts import counted
from zoo.base.errors import ZooError, choose, nearest
from zoo.base.names import slug
from zoo.config.cell import BackboneName, CellConfig, ObjectiveName, TrainConfig
from zoo.config.changes import Changes
from zoo.config.changes import changed as changes_of
from zoo.config.control import Sampling, Setting
from zoo.config.schema import Count, Frozen, checked, distinct, explain
from zoo.data import sets
from zoo.grid import claims as asked
from zoo.grid import estimate
from zoo.grid.budgets import Budget, Variant, changed
from zoo.grid.cell import Cell, with_teachers
from zoo.grid.claims import Claim, Triple
from zoo.grid.nearest import budget_for

FOLDER = Path(__file__).parent / "grids"
MAX_CELLS = 10_000
AUTO = "auto"  # FIRST, or what it falls back to where that is not available
FIRST = "mnist"
Wish = Annotated[str, AfterValidator(checked(lambda name: sets.check_name(name, (AUTO,))))]


VariantName = Annotated[str, AfterValidator(checked(lambda name: slug(name) and name))]


class Grid(Frozen):
    """A grid file. `objectives` is a list of names, or the name of a family of the zoo.

    dataset: one, or a list of those on which every cell is trained; the first may be `auto`. Left out, it is `auto`, or
    the first that a budget names where none of them names MNIST. seeds: how many, from
    first_seed on, so that a grid that chooses something for others can have seeds that they do not use. settings: ways
    to draw images, instead of those of the budgets; then no best case is chosen. variants: changes of the recipe, by
    name; every pairing is trained with each of them, or with design `star` only the first one: there no cell differs
    in more than one of backbone, objective and variant from the first of each. claims: what the page answers of them.
    study: a section that the page makes of variants, backbones or data sets in place of that on recipes.
    """

    description: str
    dataset: Annotated[tuple[Wish, ...], Field(min_length=1, strict=False), AfterValidator(distinct)] = ("auto",)
    seeds: Count = 1
    first_seed: Annotated[int, Field(ge=0)] = 0
    objectives: Annotated[tuple[ObjectiveName, ...], Field(min_length=1, strict=False), AfterValidator(distinct)]
    backbones: Annotated[tuple[BackboneName, ...], Field(min_length=1, strict=False), AfterValidator(distinct)]
    settings: Annotated[tuple[Sampling, ...], Field(min_length=1, strict=False), AfterValidator(distinct)] | None = None
    variants: Annotated[dict[VariantName, Variant], Field(min_length=1, default_factory=lambda: {"": Variant()})]
    design: Literal["crossed", "star"] = "crossed"
    claims: Annotated[tuple[Claim, ...], Field(strict=False)] = ()
    study: Literal["scaling", "switches", "resolution"] | None = None
    budgets: Annotated[tuple[Budget, ...], Field(min_length=1, strict=False)]

    @field_validator("dataset", mode="before")
    @classmethod
    def _one(cls, wish: object) -> object:
        return (wish,) if isinstance(wish, str) else wish

    @field_validator("objectives", mode="before")
    @classmethod
    def _family(cls, wish: object) -> object:
        if not isinstance(wish, str):
            return wish
        if wish not in registry.FAMILIES:
            raise ValueError(str(choose("family", wish, registry.FAMILIES)))
        return registry.FAMILIES[wish]

    @field_validator("budgets", mode="before")
    @classmethod
    def _tables(cls, wish: object) -> object:
        if not isinstance(wish, list | tuple):  # a name was replaced by `load`
            raise ValueError(f"should be [[budgets]] tables, or the name of a grid that has them: {', '.join(names())}")
        return wish

    @property
    def triples(self) -> list[Triple]:
        """(backbone, objective, variant) of a seed's cells, in order, the first of each first."""
        first = self.backbones[0], self.objectives[0], next(iter(self.variants))
        every = product(self.backbones, self.objectives, self.variants)
        most = 3 if self.design == "crossed" else 1
        return [triple for triple in every if sum(a != b for a, b in zip(triple, first, strict=True)) <= most]

    def budget(self, name: str, dataset: str) -> Budget:
        """The budget of this name for a data set, its own or the nearest one's. Errors as `budget_for`."""
        found: Budget = budget_for(self.budgets, name, dataset)
        return found


def names() -> list[str]:
    """The grids that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def _unknown(path: Path, name: str) -> ZooError:
    """The error for a grid that is not there: a file, or a name."""
    if path.is_dir():
        return ZooError(f"--grid {name} is a folder: give a grid's name or a TOML file. See `run_all.py --help`")
    if name.endswith(".toml"):
        beside = sorted(str(other) for other in path.parent.glob("*.toml") if other.is_file())
        return ZooError(f"--grid {name}: there is no such file.{nearest(name, beside)} See `run_all.py --help`")
    if Path(name).exists() or "/" in name:
        return ZooError(f"--grid {name}: a grid of your own is a file whose name ends in .toml")
    return choose("grid", name, names())


def load(name: str) -> Grid:
    """The grid of this name, or in this TOML file. Raises ZooError with every finding at once."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise _unknown(path, name)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with U+FEFF
    except (OSError, ValueError, RecursionError) as error:
        raise ZooError(f"grid {path} cannot be read as TOML: {error}") from None
    if borrowed := isinstance(wish := data.get("budgets"), str):  # those of a grid that comes with the project
        if wish not in names() or path == FOLDER / f"{wish}.toml":
            raise choose(f"grid in grid {path}, budgets:", wish, set(names()) - {path.stem})
        data["budgets"] = [budget.model_dump(exclude_unset=True) for budget in load(wish).budgets]
    try:
        grid = Grid.model_validate(data)
    except ValidationError as error:
        raise explain(error, Grid, f"grid {path}") from None
    known = [dataset for budget in grid.budgets for dataset in budget.datasets]
    if "dataset" not in grid.model_fields_set and FIRST not in known:
        grid = grid.model_copy(update={"dataset": (known[0],)})
    if borrowed:
        grid = grid.model_copy(update={"budgets": _narrowed(grid, path, str(wish))})
    for i, budget in enumerate(grid.budgets):
        if missing := [b for b in grid.backbones if b not in budget.sizes]:
            raise ZooError(f"grid {path}: budgets.{i}.sizes lacks the grid's backbones {', '.join(missing)}")
        if extra := [b for b in budget.sizes if b not in grid.backbones]:
            raise choose(f"backbone in grid {path}, budgets.{i}.sizes:", extra[0], grid.backbones)
    asked.check(grid.claims, grid.triples, f"grid {path}")
    return grid


def _narrowed(grid: Grid, path: Path, lender: str) -> tuple[Budget, ...]:
    """Another grid's budgets with the sizes of this one's backbones alone. Raises ZooError for one without a size."""
    for budget in grid.budgets:
        if missing := [name for name in grid.backbones if name not in budget.sizes]:
            raise ZooError(
                f"grid {path}: the budgets of grid {lender} have sizes for {', '.join(budget.sizes)}; this grid has "
                f"{', '.join(missing)}. Choose among those, or write [[budgets]] with sizes of your own"
            )
    return tuple(
        budget.model_copy(update={"sizes": {name: budget.sizes[name] for name in grid.backbones}})
        for budget in grid.budgets
    )


def cells(
    grid: Grid,
    dataset: str,
    budget: Budget,
    seeds: int | None = None,
    images: int | None = None,
    share: float = 1.0,
    fields: Changes | None = None,
) -> list[Cell]:
    """All cells of a grid, seeds outermost, so that a grid cut short has whole seeds; teachers before their students.

    A teacher that the grid does not name is a cell too. images: replaces the budget's number of images seen by a cell;
    share: of that number, otherwise. fields: those of every cell's configuration that are changed. Raises ZooError for
    too many cells, for names that would share a folder, and for variants that come to the same.
    """
    triples = grid.triples
    count = (seeds or grid.seeds) * len(triples)
    if count > MAX_CELLS:
        raise ZooError(f"{counted(count, 'cell')} are more than {MAX_CELLS:,}: lower --seeds or split the grid")
    made = []
    own = {} if grid.settings is None else {"settings": grid.settings, "best": None}
    usual = budget.score.model_copy(update=own)
    score = changes_of(usual, (fields or {}).get("score", {}), "score")
    chosen = range(grid.first_seed, grid.first_seed + (seeds or grid.seeds))
    for seed, (name, objective, variant) in product(chosen, triples):
        size, changes = budget.sizes[name], grid.variants[variant]
        recipe = changed(budget.recipe_of(name), changes)
        train = TrainConfig(
            **{**recipe, "learning_rate": recipe["learning_rate"] * changes.times_rate},
            dataset=dataset,
            backbone=size.size,
            objective=objective,
            seed=seed,
            images=max(1, round((images or max(1, round(share * size.images))) * changes.times_images)),
        )
        train = changes_of(train, (fields or {}).get("train", {}), "train")
        seconds = estimate.seconds(size.seconds, (size.images, usual), train.images, score)
        made.append(Cell(CellConfig(train=train, score=score), seconds, variant))
    folder, times = Counter(cell.folder for cell in made).most_common(1)[0]
    if times > 1:
        names = {cell.variant for cell in made if cell.folder == folder}
        what = "the variants other names" if len(names) > 1 else "the backbones different sizes"
        raise ZooError(f"two cells would share the folder {folder}; give {what}")
    if twin := next((pair for pair in _twins(made)), None):
        raise ZooError(
            f"variants {twin[0].variant or 'of no name'!r} and {twin[1].variant!r} train and score "
            f"{twin[0].config.train.objective} in the same way: leave one of them out"
        )
    return with_teachers(made, {cell.folder: cell for cell in made})


def _twins(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """Pairs of cells that are the same under two names."""
    seen: dict[str, Cell] = {}
    for cell in cells:
        if (other := seen.setdefault(cell.config.key, cell)) is not cell:
            yield other, cell


def check_times(cells: Sequence[Cell]) -> None:
    """Raise ZooError, with all findings, unless the steps of every way to draw are distinct and finite in every cell.

    They are built on the path of every objective, for which torch is imported.
    """
    problems: dict[str, list[str]] = {}
    asked = {(cell.config.train.objective, how): None for cell in cells for how in cell.config.score.ways}
    for name, how in asked:
        try:
            how.times(registry.objective(name).path)
        except ZooError as error:
            told = Setting(**how.model_dump()).name.partition("-")[2]
            problems.setdefault(f"{told}: {error}", []).append(name)
    if problems:
        lines = [f"{problem} ({', '.join(names)})" for problem, names in problems.items()]
        raise ZooError("\n  ".join(["these ways to draw images have no steps on some objectives' paths:", *lines]))
