"""Objective zoo: diffusion objectives, trained, sampled, scored and ranked with everything else held equal.

    run = zoo.train("v/cosine+minsnr(5)", "unet(width=16)", dataset="digits", images=20_000, out="runs/mine")
    images = run.sample(labels=[0, 1, 2, 3], steps=12, guidance=2.0)
    scores = zoo.score(run, n=1000, guidance=2.0)
    table = zoo.compare("runs/default")
    grid = zoo.run_grid("default", dataset="digits", seeds=3)

This file is the face of the project: it gathers the verbs from `zoo`, `eval` and `reports` when they are first used,
and nothing inside the project imports it for them. The folders of `zoo` hold how training and sampling are done; its
top holds the commands (python -m zoo.train, ..) and the registry of names.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.api import Scores, score
    from reports.api import GridRun, compare, run_grid
    from zoo.api import Run, load, train
    from zoo.base.errors import ZooError

_PLACES = {
    "train": "zoo.api",
    "load": "zoo.api",
    "Run": "zoo.api",
    "score": "eval.api",
    "Scores": "eval.api",
    "compare": "reports.api",
    "run_grid": "reports.api",
    "GridRun": "reports.api",
    "ZooError": "zoo.base.errors",
}
__all__ = ["GridRun", "Run", "Scores", "ZooError", "compare", "load", "run_grid", "score", "train"]


class _Face(ModuleType):
    """A module whose verbs are found when they are first used, and stay what they are.

    `python -m zoo.train` is also a module of that name, and importing it would put the module in the verb's place.
    """

    def __getattribute__(self, name: str) -> object:
        if name in _PLACES:
            return getattr(importlib.import_module(_PLACES[name]), name)
        return super().__getattribute__(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Face
