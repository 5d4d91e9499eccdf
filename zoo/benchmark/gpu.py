"""The steps of a session, most valuable first, and the tables of what they gave.

a. the machine and its ceilings; b. the tests that a GPU has to pass, whose verdict decides whether CUDA graphs are
measured; c. speed of training and sampling in every mode; d. time to quality: FID after so many seconds of training;
e. the default grid for as long as there is time. On a CPU every step is rehearsed at the sizes of a `cpu` budget.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from zoo.benchmark.session import Session, Step

OBJECTIVE, DATASET = "rf/lognorm(0,1)", "mnist"
COMMANDS = ("safetensors", "tqdm", "tabulate", "scikit-learn", "scipy", "pillow")
BACKBONES = {"dit": ("einops",), "unet": ("diffusers",)}  # and the packages that they need


@dataclass(frozen=True)
class Scale:
    """What is measured on one kind of device: sizes, batches, samples, seconds of training."""

    sizes: dict[str, str]
    batch: int
    large: int
    samples: int
    sampling_batch: int
    lengths: tuple[float, ...]  # seconds of training in d., the first is that of the learning rates' trial
    rates: tuple[float, ...]
    epoch_images: int  # of a cell in e., at most


SCALES = {
    "cuda": Scale({"dit": "dit", "unet": "unet"}, 256, 1024, 10_000, 1020, (30, 10, 20, 60), (2e-3, 1e-3, 4e-3),
                  300_000),
    "cpu": Scale({"dit": "dit(patch=4,width=128)", "unet": "unet(width=16,attention=1)"}, 16, 64, 300, 78, (10, 5),
                 (8e-3, 4e-3), 2_000),
}  # fmt: skip
MODES: dict[str, dict[str, Any]] = {  # in order; what each changes of the recipe
    "compiled bfloat16": {"precision": "bfloat16", "compile": True},
    "recorded": {"precision": "bfloat16", "compile": "graphs"},
    "eager bfloat16": {"precision": "bfloat16", "compile": False},
    "compiled, AdamW": {"precision": "bfloat16", "compile": True, "optimizer": "adamw"},
    "compiled, checkpointing": {"precision": "bfloat16", "compile": True, "checkpointing": True},
    "compiled, large batch": {"precision": "bfloat16", "compile": True},
}


def child(name: str, limit: float, needs: tuple[str, ...] = (), **asked: object) -> Step:
    """A step that one process measures and prints as JSON."""
    return Step(name, ("-m", "zoo.benchmark.child", json.dumps(asked)), limit, needs)


def steps(session: Session, device: str, mirror: str | None) -> Iterator[Step]:
    """All steps, each made when those before it are done: later ones depend on what earlier ones gave."""
    scale = SCALES["cuda" if device.startswith("cuda") else "cpu"]
    yield child("machine", 40, what="ceiling", device=device, seconds=2.0)
    for kind, size in scale.sizes.items():
        yield child(f"cost {kind}", 20, BACKBONES[kind], what="cost", backbone=size, dataset=DATASET, batch=scale.batch)
    tests = ("-m", "pytest", "tests/test_gpu.py", "-p", "no:cacheprovider", "-q")
    yield Step("tests", tests, 130, ("pytest", "einops", "diffusers"))
    verdict = session.results.get("tests", {})  # skipped tests prove nothing
    passed = verdict.get("status") == "ok" and "passed" in verdict["data"].get("said", "")
    for kind, size in scale.sizes.items():
        yield from _speed(scale, kind, size, device, passed)
    for kind, size in scale.sizes.items():
        yield from _quality(session, scale, kind, size, device, mirror)
    yield from _grid(session, scale, device, mirror)


def _speed(scale: Scale, kind: str, size: str, device: str, graphs: bool) -> Iterator[Step]:
    for mode, how in MODES.items():
        if mode == "recorded" and not (graphs and device.startswith("cuda")):
            continue
        batch = scale.large if mode == "compiled, large batch" else scale.batch
        config = {"objective": OBJECTIVE, "dataset": DATASET, "backbone": size, "batch": batch}
        config |= {"images": batch * 10**6, **how}
        asked: dict[str, Any] = {"what": "mode", "config": config, "device": device, "seconds": 2.0}
        yield child(f"speed {kind}: {mode}", 90, BACKBONES[kind], **asked)
        if mode == "compiled bfloat16":  # again, with a warm cache of compiled code
            yield child(f"speed {kind}: {mode}, warm", 60, BACKBONES[kind], **asked)


def speed(results: dict[str, Any], kind: str) -> float:
    """Images a second of the fastest mode at the usual batch; 0.0 if none was measured."""
    found = [
        one["data"]["train_images_per_s"]
        for name, one in results.items()
        if name.startswith(f"speed {kind}: ") and one["status"] == "ok" and "large batch" not in name
    ]
    return max(found, default=0.0)


def quality_name(kind: str, rate: float, seconds: float) -> str:
    """The name of a run of d."""
    return f"{kind} {rate:g} {seconds:g} s"


def _quality(session: Session, scale: Scale, kind: str, size: str, device: str, mirror: str | None) -> Iterator[Step]:
    """Runs of so many seconds: first the learning rates, then the best of them at other lengths."""
    images_per_s = speed(session.results, kind)
    if not images_per_s:
        return
    first, *others = scale.lengths
    for rate in scale.rates:
        yield from _run(session, scale, kind, size, rate, first, images_per_s, device, mirror)
    fids = {rate: fid(session.results, quality_name(kind, rate, first)) for rate in scale.rates}
    known = {rate: value for rate, value in fids.items() if value is not None}
    if known:
        best = min(known, key=known.__getitem__)
        for seconds in others:
            yield from _run(session, scale, kind, size, best, seconds, images_per_s, device, mirror)
        longest = max(scale.lengths)
        folder = session.work / quality_name(kind, best, longest).replace(" ", "_")
        out = session.out / f"ema-{kind}.safetensors"
        yield child(f"ema {kind}", 20, ("safetensors",), what="ema", run=str(folder), out=str(out))


def _run(
    session: Session, scale: Scale, kind: str, size: str, rate: float, seconds: float, images_per_s: float,
    device: str, mirror: str | None,
) -> Iterator[Step]:  # fmt: skip
    name = quality_name(kind, rate, seconds)
    folder = session.work / name.replace(" ", "_")
    needs = (*COMMANDS, *BACKBONES[kind])
    images = max(scale.batch, round(images_per_s * seconds / scale.batch) * scale.batch)
    places = ["--device", device, "--data-dir", str(session.out / "data"), *(["--mirror", mirror] if mirror else [])]
    what = ["--objective", OBJECTIVE, "--backbone", size, "--dataset", DATASET, "--images", str(images)]
    how = ["--batch", str(scale.batch), "--learning-rate", f"{rate:g}", "--out", str(folder)]
    yield Step(f"train {name}", ("-m", "zoo.train", *what, *how, *places), 2 * seconds + 60, needs)
    drawn = ["--n", str(scale.samples), "--steps", "25", "--batch", str(scale.sampling_batch), "--json"]
    yield Step(f"score {name}", ("-m", "eval.fid", str(folder), *drawn, *places), 90, needs)


def fid(results: dict[str, Any], name: str) -> float | None:
    """The FID of a run of d., if it was scored."""
    one = results.get(f"score {name}", {})
    return one["data"]["score"]["fid"] if one.get("status") == "ok" else None


def _grid(session: Session, scale: Scale, device: str, mirror: str | None) -> Iterator[Step]:
    """The default grid, DiT first, with as many images a cell as the time that is left allows."""
    rates = [speed(session.results, kind) for kind in scale.sizes]
    if not all(rates):
        return
    per_cell = max(1.0, session.left - 60) / 16  # eight objectives on two backbones
    images = min(scale.epoch_images, max(10 * scale.batch, round(0.5 * median(rates) * per_cell)))
    asked = session.work / "grid" / "images.json"
    if asked.is_file():  # an earlier session's: its cells go on
        images = json.loads(asked.read_text(encoding="utf-8"))["images"]
    else:
        asked.parent.mkdir(parents=True, exist_ok=True)
        asked.write_text(json.dumps({"images": images}), encoding="utf-8")
    out = session.work / "grid" / "default"
    command = ["-m", "run_all", "--grid", "default", "--dataset", DATASET, "--seeds", "1", "--budget", str(images)]
    command += ["--device", device, "--out", str(out), "--data-dir", str(session.out / "data")]
    command += ["--mirror", mirror] if mirror else []
    needs = (*COMMANDS, *{need for needs in BACKBONES.values() for need in needs}, "matplotlib", "jinja2")
    for kind in scale.sizes:
        yield Step(
            f"grid {kind}", (*command, "--only", f"{DATASET} {kind}"), max(30.0, session.left), needs, saves=True
        )


def folder_of_wheels(root: Path) -> Path | None:
    """`.whl` in the project's root, where wheels are carried along."""
    folder = root / ".whl"
    return folder if folder.is_dir() else None
