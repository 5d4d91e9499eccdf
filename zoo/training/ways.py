"""How a run is computed where there is a choice that changes rounding at most: what `auto` takes on a machine.

A GPU of a kind that was measured takes what was fastest there, from `fastest.json`, which holds the numbers too. One
session of `python -m zoo.bench --minutes 8 --out DIR` measures a machine and writes such a file for it; the variable
ZOO_FASTEST names one in place of the one beside this file. Elsewhere, and on a CPU always, `auto` compiles where that
is known to pay and takes nothing else.

lean: the network in the form that moves fewer bytes. ahead: the next batch is drawn beside a step. masters: layers hold
bfloat16 copies of their weights, made once a step.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.base.errors import ZooError
from zoo.base.files import read_json
from zoo.base.names import parse_term
from zoo.base.progress import say
from zoo.config.cell import TrainConfig

FASTEST = "ZOO_FASTEST"
FILE = Path(__file__).with_name("fastest.json")


@dataclass(frozen=True)
class Ways:
    """What a run takes: `compile` as in a recipe, and its speedups."""

    compile: bool | str
    speedups: frozenset[str] = frozenset()


def ways(config: TrainConfig, device: torch.device) -> Ways:
    """What a configuration asks for, `auto` resolved on this device."""
    found = measured(config.backbone, device) if device.type == "cuda" else {}
    compiling = found.get("compile", "auto") if config.compile == "auto" else config.compile
    speedups = found.get("speedups", ()) if config.speedups == "auto" else config.speedups
    return Ways(compiling, frozenset(speedups))


def measured(backbone: str, device: torch.device) -> dict[str, Any]:
    """{compile, speedups} that were fastest for a kind of backbone on this kind of GPU; {} where nothing is known."""
    path = Path(os.environ.get(FASTEST) or FILE)
    if not path.is_file():
        return {}
    try:
        name = torch.cuda.get_device_name(device)
        found = read_json(path).get(name, {}).get(parse_term(backbone, "backbone").word, {})
        return {"compile": found["compile"], "speedups": tuple(found["speedups"])} if found else {}
    except (ZooError, AttributeError, LookupError, TypeError) as error:
        say(f"{path} is left out: {error!r}")
        return {}
