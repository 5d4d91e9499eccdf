"""Speed in every mode of a session, and which of them `auto` is to take on that machine from now on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from zoo.base.files import write_json
from zoo.benchmark.session import Session, Step, child

OBJECTIVE, DATASET = "rf/lognorm(0,1)", "mnist"
FASTEST = "fastest.json"
GAIN = 1.02  # a mode with one thing more is taken if it is so many times as fast as the best before it
SECONDS = 2.0  # of training that are timed
LIMIT, LIMIT_DRAWING = 100, 60  # seconds that a mode may take, and more if it also compiles and times sampling


@dataclass(frozen=True)
class Mode:
    """What a mode changes of the recipe.

    usual: whether its numbers are the usual ones up to rounding, so that `auto` may take it. times: the batch is so
    many times the usual one. jobs: processes at once, whose rates are added up. sampling: whether that is timed too.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    usual: bool = True
    times: int = 1
    jobs: int = 1
    sampling: bool = False

    @property
    def asks(self) -> set[str]:
        """What a GPU has to pass tests of before it is measured: `graphs`, `speedups`."""
        graphs, speedups = self.changes.get("compile") == "graphs", bool(self.changes.get("speedups"))
        return {name for name, asked in (("graphs", graphs), ("speedups", speedups)) if asked}


UNRECORDED = "compiled, lean, ahead"  # stands for the third of them where graphs may not be taken
COMPILED: dict[str, Any] = {"precision": "bfloat16", "compile": True, "speedups": []}  # nothing is `auto` here
RECORDED = {**COMPILED, "compile": "graphs"}
ON_GPU = {  # in order; what `auto` may take, the simplest first
    "compiled": Mode(COMPILED, sampling=True),
    "recorded": Mode(RECORDED),
    "recorded, lean, ahead": Mode({**RECORDED, "speedups": ["lean", "ahead"]}),
    UNRECORDED: Mode({**COMPILED, "speedups": ["lean", "ahead"]}),
    "compiled, warm": Mode(COMPILED, sampling=True),  # with the compiled code of the first
    "recorded, lean": Mode({**RECORDED, "speedups": ["lean"]}),
    "recorded, ahead": Mode({**RECORDED, "speedups": ["ahead"]}),
    "recorded, lean, ahead, masters": Mode({**RECORDED, "speedups": ["lean", "ahead", "masters"]}),
    "recorded, 2 at once": Mode(RECORDED, usual=False, jobs=2),
    "recorded, large batch": Mode(RECORDED, usual=False, times=4, sampling=True),
    "eager": Mode({**COMPILED, "compile": False}),
    "recorded, AdamW": Mode({**RECORDED, "optimizer": "adamw"}, usual=False),
    "compiled, checkpointing": Mode({**COMPILED, "checkpointing": True}, usual=False),
}
FIRST = 3  # modes that are measured before time to quality
ON_CPU = {
    "auto": Mode(sampling=True),
    "lean": Mode({"speedups": ["lean"]}),
    "ahead, masters": Mode({"speedups": ["ahead", "masters"]}),
    "2 at once": Mode(usual=False, jobs=2),
    "large batch": Mode(usual=False, times=4, sampling=True),
    "AdamW": Mode({"optimizer": "adamw"}, usual=False),
    "checkpointing": Mode({"checkpointing": True}, usual=False),
    "compiled": Mode({"compile": True}),
}
MODES = {"cuda": ON_GPU, "cpu": ON_CPU}


def steps(
    kind: str, size: str, batch: int, device: str, names: list[str], needs: tuple[str, ...], passed: set[str]
) -> Iterator[Step]:
    """A step for each of these modes that asks for nothing but what passed its tests."""
    for name in names:
        mode = MODES[family(device)][name]
        if not mode.asks <= passed:
            continue
        images = batch * mode.times
        config = {"objective": OBJECTIVE, "dataset": DATASET, "backbone": size, "batch": images}
        config |= {"images": images * 10**6, **mode.changes}
        asked = {"what": "mode", "config": config, "device": device, "seconds": SECONDS}
        limit = LIMIT + (LIMIT_DRAWING if mode.sampling else 0)
        yield child(f"speed {kind}: {name}", limit, needs, **asked, jobs=mode.jobs, sampling=mode.sampling)


def family(device: str) -> str:
    """`cuda` or `cpu`: which modes and sizes a device has."""
    return "cuda" if device.startswith("cuda") else "cpu"


def rates(results: dict[str, Any], kind: str) -> dict[str, float]:
    """Mode -> images a second in training, of every mode that was measured."""
    start = f"speed {kind}: "
    measured = {name.removeprefix(start): one for name, one in results.items() if name.startswith(start)}
    return {name: one["data"]["train_images_per_s"] for name, one in measured.items() if one["status"] == "ok"}


def best(results: dict[str, Any], kind: str, device: str) -> str | None:
    """The mode that `auto` takes: on a GPU the fastest that was measured, a simpler one if it is nearly as fast."""
    found = rates(results, kind)
    if family(device) == "cpu":
        return "auto" if "auto" in found else None
    chosen = None
    for name, mode in ON_GPU.items():
        if mode.usual and name in found and (chosen is None or found[name] > GAIN * found[chosen]):
            chosen = name
    return chosen


def speed(results: dict[str, Any], kind: str, device: str) -> float:
    """Images a second of the mode that `auto` takes; 0.0 if it is not known."""
    chosen = best(results, kind, device)
    return rates(results, kind)[chosen] if chosen else 0.0


def write(session: Session, kinds: list[str], device: str) -> None:
    """Write FASTEST into a GPU's session: what `zoo/training/ways.py` reads, with the numbers behind it."""
    machine = session.results.get("machine", {})
    if family(device) == "cpu" or machine.get("status") != "ok":
        return
    known: dict[str, Any] = {}
    for kind in kinds:
        if chosen := best(session.results, kind, device):
            changes = ON_GPU[chosen].changes
            known[kind] = {
                "mode": chosen,
                "compile": changes["compile"],
                "speedups": changes.get("speedups", []),
                "images_per_s": {name: round(rate) for name, rate in rates(session.results, kind).items()},
            }
    if known:
        versions = machine["data"]["versions"]
        write_json(session.out / FASTEST, {machine["data"]["device"]: {**known, "torch": versions["torch"]}})
