"""Grids with a design and claims: which cells they have, what their variants multiply, and bad claims refused."""

import pytest

from tests.grid.test_grid import GOOD, write
from zoo.base.errors import ZooError
from zoo.grid import files as grid
from zoo.grid.claims import resolved

STAR = GOOD.replace(
    'backbones = ["dit"]',
    """backbones = ["dit", "dit(width=128)"]
design = "star"
variants = { base = {}, fast = { times_rate = 4.0, times_images = 0.5 } }
claims = [{ text = "It is better.", changed = { variant = "fast" } }, { text = "They rise.", over = "cells" }]""",
).replace(
    "sizes.dit =",
    'sizes."dit(width=128)" = { size = "dit(width=32)", images = 100, seconds = 2.0 }\nsizes.dit =',
)


def test_a_star_s_cells_differ_from_the_first_in_one_thing(tmp_path):
    loaded = grid.load(write(tmp_path, STAR))
    cells = grid.cells(loaded, "digits", loaded.budgets[0], seeds=2)
    triples = [(c.config.train.backbone, c.config.train.objective, c.variant) for c in cells]
    assert triples[:4] == [
        ("dit(width=64)", "rf", "base"),
        ("dit(width=64)", "rf", "fast"),
        ("dit(width=64)", "eps/cosine", "base"),
        ("dit(width=32)", "rf", "base"),
    ]
    assert triples == 2 * triples[:4]
    crossed = grid.load(write(tmp_path, STAR.replace('"star"', '"crossed"')))
    assert len(grid.cells(crossed, "digits", crossed.budgets[0])) == 8


def test_a_variant_multiplies_the_budget_s_rate_and_images(tmp_path):
    loaded = grid.load(write(tmp_path, STAR))
    base, fast, *_ = grid.cells(loaded, "digits", loaded.budgets[0])
    assert fast.config.train.learning_rate == 4 * base.config.train.learning_rate
    assert (base.config.train.images, fast.config.train.images) == (100, 50)
    assert base.seconds == 1.0 > fast.seconds > 0.5  # it is scored like the others
    assert not hasattr(fast.config.train, "times_rate")
    other = grid.cells(loaded, "digits", loaded.budgets[0], images=7)
    assert [cell.config.train.images for cell in other[:2]] == [7, 4]


@pytest.mark.parametrize("twin", ["slow = { times_rate = 4.0, times_images = 0.5 }", "slow = { label_dropout = 0.1 }"])
def test_variants_that_come_to_the_same_are_refused(twin, tmp_path):
    """By what they change, or as one names the budget's own value: their cells would be one cell under two names."""
    loaded = grid.load(write(tmp_path, STAR.replace("times_images = 0.5 } }", f"times_images = 0.5 }}, {twin} }}")))
    with pytest.raises(ZooError, match=r"variants '(fast|base)' and 'slow' train and score rf in the same way"):
        grid.cells(loaded, "digits", loaded.budgets[0])


def test_claims_are_resolved_to_sizes_and_labels(tmp_path):
    loaded = grid.load(write(tmp_path, STAR))
    sizes = {name: size.size for name, size in loaded.budgets[0].sizes.items()}
    first, second = resolved(loaded.claims, loaded.triples[0], sizes)
    assert first["changed"] == {"backbone": "dit(width=64)", "objective": "rf [fast]"}
    assert first["against"] == {"backbone": "dit(width=64)", "objective": "rf [base]"}
    assert (first["over"], second["over"]) == (None, "cells")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('variant = "fast"', 'variant = "fats"', ["claims.0.changed", "'fats'", "Did you mean 'fast'"]),
        ('variant = "fast"', 'objective = "v/cosine"', ["claims.0.changed", "'v/cosine'", "eps/cosine, rf"]),
        ('variant = "fast"', 'variant = "base"', ["claims.0", "compares cells with themselves"]),
        ('variant = "fast"', 'variant = "fast", objective = "eps/cosine"', ["no cell of", "crossed"]),
        ('over = "cells"', 'over = "celts"', ["claims.1.over = 'celts'", "Did you mean 'cells'"]),
        ("changed = {", 'expect = "beter", changed = {', ["claims.0.expect = 'beter'", "Did you mean 'better'"]),
        ('design = "star"', 'design = "stair"', ["design = 'stair'", "Did you mean 'star'"]),
        ("times_rate = 4.0", "times_rate = 0.0", ["variants.fast.times_rate = 0.0", "greater than 0"]),
        ('design = "star"', 'design = "star"\nstudy = "scalling"', ["study = 'scalling'", "Did you mean 'scaling'"]),
    ],
)
def test_bad_claims_are_refused(tmp_path, old, new, said):
    with pytest.raises(ZooError) as error:
        grid.load(write(tmp_path, STAR.replace(old, new, 1)))
    assert error.value.exit_code == 2
    for words in ("some.toml", *said):
        assert words in str(error.value)


def test_the_practice_is_trained_as_it_is():
    """AdamW at 2e-4, 1,000 steps of warm-up and no decay, batches of 256, 300 epochs, Euler, a picture an epoch."""
    loaded = grid.load("practice")
    for dataset, images in (("mnist", 62_000), ("digits", 1_486)):  # 60,000 and 1,438, and two blanks for 60 of them
        for cell in grid.cells(loaded, dataset, loaded.budget("gpu", dataset)):
            train, score = cell.config.train, cell.config.score
            assert (train.optimizer, train.learning_rate, train.batch) == ("adamw", 2e-4, 256)
            assert (train.schedule, train.warmup_steps) == ("constant", 1000)
            assert train.images == 300 * images
            assert score.pictures
            assert {how.sampler for how in score.settings} == {"euler"}


def test_scaling_s_width_is_in_proportion_to_depth():
    loaded = grid.load("scaling")
    for kind, dataset in (("cpu", "digits"), ("cpu", "mnist"), ("gpu", "mnist")):
        cells = grid.cells(loaded, dataset, loaded.budget(kind, dataset), seeds=1)
        sizes = [grid.registry.backbone_size(cell.config.train.backbone) for cell in cells]
        assert sorted({size.depth for size in sizes}) == [3, 6, 9, 12]
        assert len({size.width / size.depth for size in sizes}) == 1
        images = sorted({cell.config.train.images for cell in cells})
        assert [count / images[0] for count in images] == [1, 2, 4]


def test_claims_name_the_rates_that_they_compare():
    cells = grid.cells(grid.load("claims"), "digits", grid.load("claims").budget("cpu", "digits"), seeds=1)
    rates = {cell.variant: cell.config.train.learning_rate for cell in cells}
    assert rates["rate x2.5"] / rates["base"] == pytest.approx(2.5)
    assert rates["rate x10"] / rates["base"] == pytest.approx(10)
    assert {cell.config.train.standardise for cell in cells if cell.variant == "pixels from -1 to 1"} == {False}
    assert len(cells) == 1 + 2 + 1 + 4
