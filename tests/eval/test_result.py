"""result.json: the published schema is the model's, a real result is valid, and NaN or a missing key is refused."""

import copy
import json
import math

import jsonschema
import pytest
from pydantic import ValidationError

from eval import cell, result
from tests.conftest import ROOT
from zoo.base.errors import ZooError
from zoo.base.sealed import write_sealed
from zoo.cli import Watched
from zoo.config.cell import CellConfig, ScoreConfig
from zoo.config.control import Sampling


@pytest.fixture(scope="module")
def published() -> dict:
    return json.loads((ROOT / "eval" / "result.schema.json").read_text())


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    """A real cell's result, of a second's training."""
    folder = tmp_path_factory.mktemp("cell")
    train = {"dataset": "digits", "backbone": "dit(width=32,depth=1,heads=1)", "images": 32, "batch": 16}
    score = ScoreConfig(n=256, settings=(Sampling(steps=1),))
    config = CellConfig(train=train, score=score)
    write_sealed(folder / "cell.json", {"config": config.model_dump(mode="json")})
    cell.run_cell(folder, Watched(data_dir=str(folder / "data"), device="cpu"))
    return json.loads((folder / "result.json").read_text())


def test_the_published_schema_is_the_model_s(published):
    assert published == json.loads(result.schema())


def test_a_real_result_is_valid_and_comes_back(found, published):
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(found, published)
    assert (
        json.loads(
            result.Result.model_validate_json(json.dumps(found)).model_dump_json(by_alias=True, exclude_unset=True)
        )
        == found
    )


@pytest.mark.parametrize("key", [key for key, field in result.Result.model_fields.items() if field.is_required()])
def test_no_key_may_be_missing(key, found, published):
    less = {name: value for name, value in found.items() if name != key}
    with pytest.raises(ValidationError, match=key):
        result.Result.model_validate_json(json.dumps(less))
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate(less, published)


@pytest.mark.parametrize("bad", [math.nan, math.inf, None, "1.0"])
@pytest.mark.parametrize("key", ["fid", "kid", "acc", "is", "mem"])
def test_no_score_may_be_anything_but_a_finite_number(key, bad, found):
    broken = copy.deepcopy(found)
    broken["scores"][0][key] = bad
    with pytest.raises(ZooError, match=rf"scores\.0\.{key}"):
        cell._check(broken)


def test_another_version_and_unknown_keys_are_refused(found):
    for change in ({"schema_version": 1}, {"extra": 1}):
        with pytest.raises(ZooError, match=next(iter(change))):
            cell._check(found | change)
