"""--set: any field by its name, checked like a grid's, with the nearest name where there is none."""

import pytest

from zoo.base.errors import ZooError
from zoo.config.cell import BestCase, ScoreConfig, TrainConfig
from zoo.config.changes import NAMES, changed, names, read


def test_every_field_has_a_name():
    found = set(names())
    assert {f"train.{name}" for name in TrainConfig.model_fields} - set(NAMES) <= found
    assert {f"score.{name}" for name in ScoreConfig.model_fields} - {"score.best"} <= found
    assert {f"score.best.{name}" for name in BestCase.model_fields} <= found
    assert names(["train"]) == [name for name in names() if name.startswith("train.")]


def test_values_as_in_toml():
    asked = read([
        "train.learning_rate=1e-3", "train.batch = 32", "train.augment=true", "train.optimizer=adamw", "train.ema=0.1",
        'train.precision="float32"', "train.compile=False", "score.n=600", "score.best.guidance=[1, 2.5]",
        "train.clip=2",
    ])  # fmt: skip
    train = changed(TrainConfig(), asked["train"], "train")
    assert (train.learning_rate, train.batch, train.augment, train.optimizer) == (1e-3, 32, True, "adamw")
    assert (train.ema, train.precision, train.compile, train.clip) == (0.1, "float32", False, 2.0)
    assert train.seed == TrainConfig().seed
    score = changed(ScoreConfig(best=BestCase(tries=3)), asked["score"], "score")
    assert (score.n, score.best.guidance, score.best.tries) == (600, (1.0, 2.5), 3)
    assert changed(TrainConfig(), {}, "train") == TrainConfig()


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "train.learning_rat=1": "Did you mean 'train.learning_rate'?",
        "learning_rate=1": "train.learning_rate=VALUE",
        "score.best.trys=1": "Did you mean 'score.best.tries'?",
        "train.objective=rf": "--objective",
        "train.seed=1": "--seeds",
        "train.batch": "write FIELD=VALUE",
        "train.batch=": "write FIELD=VALUE",
        "data.name=1": "unknown field",
    }.items(),
)
def test_what_cannot_be_set_is_named(text, said):
    with pytest.raises(ZooError) as error:
        read([text])
    assert said in str(error.value)


def test_values_are_checked_as_a_grid_s_are():
    for text, said in (("train.batch=0", "batch = 0"), ("train.batch=many", "batch"), ("train.optimizer=adam", "adamw"),
                       ("train.ema=1.0", "ema")):  # fmt: skip
        with pytest.raises(ZooError, match=r"--set cannot be used") as error:
            changed(TrainConfig(), read([text])["train"], "train")
        assert said in str(error.value)
    with pytest.raises(ZooError, match="given twice"):
        read(["train.batch=1", "train.batch=2"])
    with pytest.raises(ZooError, match="nothing to change in it"):
        changed(ScoreConfig(), read(["score.best.tries=1"])["score"], "score")
