"""The steps of a session, most valuable first.

a. the machine and its ceilings; b. the tests that a GPU has to pass, whose verdict decides whether CUDA graphs are
measured and taken; c. speed of training and sampling in the modes that `auto` may take; d. time to quality: FID after
so many seconds of training, a backbone's first run behind its speed; e. the default grid for as long as there is time;
then what was put off: the other modes, further runs of d., and the costs that are counted, which need no GPU. On a CPU
every step is rehearsed at the sizes of a `cpu` budget.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from zoo.benchmark import fastest
from zoo.benchmark.fastest import DATASET, FASTEST, OBJECTIVE, family, speed
from zoo.benchmark.session import Session, Step, child

__all__ = ["FASTEST", "steps"]
COMMANDS = ("safetensors", "tqdm", "tabulate", "scikit-learn", "scipy", "pillow")
BACKBONES = {"dit": ("einops",), "unet": ("diffusers",)}  # and the packages that they need
OVERHEAD = 45.0  # seconds that a run of d. takes besides its training: two processes, set-up, samples, scores
GRID_SHARE = 0.3  # of a session's time that d. leaves to e.
TESTS = (("graphs", "not speedups", 130.0), ("speedups", "speedups", 60.0))  # name, which of the tests, seconds
CELLS = 16  # eight objectives on two backbones


@dataclass(frozen=True)
class Scale:
    """What is measured on one kind of device: sizes, batches, samples, seconds of training.

    lengths: seconds of training in d., the first is that of the learning rates' trial. epoch_images: of a cell in e.,
    at most. first: modes that are timed before d. overhead, score_limit: seconds that a run of d. takes besides its
    training, and the most for its scores; the first of them measures the real images too, for minutes on a CPU. score:
    how e.'s cells are scored, as the grid's own way takes too long; drawn: the network evaluations of that. jobs: cells
    of e. at once, so that a GPU trains one while the CPU scores another.
    """

    sizes: dict[str, str]
    batch: int
    samples: int
    sampling_batch: int
    lengths: tuple[float, ...]
    rates: tuple[float, ...]
    epoch_images: int
    first: int
    overhead: float = OVERHEAD
    score_limit: float = 120.0
    score: tuple[str, ...] = ()
    drawn: int = 0
    jobs: int | None = None


SCALES = {
    "cuda": Scale({"dit": "dit", "unet": "unet"}, 256, 10_000, 1020, (30, 10, 20, 60), (2e-3, 1e-3, 4e-3), 300_000,
                  fastest.FIRST, score=("score.n=2000", "score.snapshots=0", "score.best.tries=0"), drawn=387_500,
                  jobs=3),
    "cpu": Scale({"dit": "dit(patch=4,width=128)", "unet": "unet(width=16,attention=1)"}, 16, 300, 78, (10, 5),
                 (8e-3, 4e-3), 2_000, 2, 20.0, 300.0, ("score.n=256", "score.snapshots=0", "score.best.tries=0"),
                 19_627),
}  # fmt: skip


def steps(session: Session, device: str, mirror: str | None) -> Iterator[Step]:
    """All steps, each made when those before it are done: later ones depend on what earlier ones gave."""
    scale, modes = SCALES[family(device)], list(fastest.MODES[family(device)])
    yield child("machine", 40, what="ceiling", device=device, seconds=2.0)
    passed = {"speedups"} if family(device) == "cpu" else set()
    for name, chosen, limit in TESTS:
        tests = ("-m", "pytest", "tests/test_gpu.py", "-p", "no:cacheprovider", "-k", chosen)  # a second -q: no count
        yield Step(f"tests of {name}", tests, limit, ("pytest", "einops", "diffusers"))
        verdict = session.results.get(f"tests of {name}", {})  # skipped tests prove nothing
        if verdict.get("status") == "ok" and "passed" in verdict["data"].get("said", ""):
            passed.add(name)
    first = modes[: scale.first] + ([fastest.UNRECORDED] if family(device) == "cuda" and "graphs" not in passed else [])
    others = [mode for mode in modes[scale.first :] if mode != fastest.UNRECORDED]
    for kind, size in scale.sizes.items():  # each with its first run at once: the second may be late
        yield from fastest.steps(kind, size, scale.batch, device, first, BACKBONES[kind], passed)
        fastest.write(session, list(scale.sizes), device)
        yield from _first_run(session, scale, kind, device, mirror)
    reserve = GRID_SHARE * 60 * session.minutes
    for kind in scale.sizes:
        yield from _quality(session, scale, kind, device, mirror, reserve)
    yield from _grid(session, scale, device, mirror)
    for kind, size in scale.sizes.items():
        yield from fastest.steps(kind, size, scale.batch, device, others, BACKBONES[kind], passed)
    fastest.write(session, list(scale.sizes), device)
    for kind in scale.sizes:
        yield from _quality(session, scale, kind, device, mirror, 0.0)
    for kind, size in scale.sizes.items():
        yield child(f"cost {kind}", 60, BACKBONES[kind], what="cost", backbone=size, dataset=DATASET, batch=scale.batch)


def quality_name(kind: str, rate: float, seconds: float) -> str:
    """The name of a run of d."""
    return f"{kind} {rate:g} {seconds:g} s"


def _first_run(session: Session, scale: Scale, kind: str, device: str, mirror: str | None) -> Iterator[Step]:
    images_per_s, seconds = speed(session.results, kind, device), scale.lengths[0]
    if images_per_s and session.left > seconds + scale.overhead:
        yield from _run(session, scale, kind, scale.rates[0], seconds, images_per_s, device, mirror)


def _quality(
    session: Session, scale: Scale, kind: str, device: str, mirror: str | None, reserve: float
) -> Iterator[Step]:
    """Runs of so many seconds: first the learning rates, then the best of them at other lengths.

    reserve: seconds that are left to what comes behind.
    """
    images_per_s = speed(session.results, kind, device)
    if not images_per_s:
        return
    first, *others = scale.lengths

    def begun(seconds: float) -> bool:
        """Whether there is time for such a run."""
        return session.left > seconds + scale.overhead + reserve

    for rate in scale.rates:
        if begun(first):
            yield from _run(session, scale, kind, rate, first, images_per_s, device, mirror)
    fids = {rate: fid(session.results, quality_name(kind, rate, first)) for rate in scale.rates}
    known = {rate: value for rate, value in fids.items() if value is not None}
    if not known:
        return
    best = min(known, key=known.__getitem__)
    for seconds in others:
        if begun(seconds):
            yield from _run(session, scale, kind, best, seconds, images_per_s, device, mirror)
    for seconds in sorted(scale.lengths, reverse=True):  # the weights of the longest run whose files are here
        folder = _folder(session, quality_name(kind, best, seconds))
        if any(folder.glob("step-*.safetensors")):
            out = session.out / f"ema-{kind}.safetensors"
            yield child(f"ema {kind} {seconds:g} s", 30, ("safetensors",), what="ema", run=str(folder), out=str(out))
            return


def _folder(session: Session, name: str) -> Path:
    return session.work / name.replace(" ", "_")


def _run(
    session: Session, scale: Scale, kind: str, rate: float, seconds: float, images_per_s: float, device: str,
    mirror: str | None,
) -> Iterator[Step]:  # fmt: skip
    name = quality_name(kind, rate, seconds)
    folder, needs = _folder(session, name), (*COMMANDS, *BACKBONES[kind])
    trained = session.results.get(f"train {name}", {}).get("status") == "ok"
    if trained and f"score {name}" not in session.results and not any(folder.glob("step-*.safetensors")):
        session.results.pop(f"train {name}", None)  # an earlier session's, whose weights were not brought back
    images = max(scale.batch, round(images_per_s * seconds / scale.batch) * scale.batch)
    places = ["--device", device, "--data-dir", str(session.work / "data"), *(["--mirror", mirror] if mirror else [])]
    what = ["--objective", OBJECTIVE, "--backbone", scale.sizes[kind], "--dataset", DATASET, "--images", str(images)]
    how = ["--batch", str(scale.batch), "--learning-rate", f"{rate:g}", "--out", str(folder)]
    yield Step(f"train {name}", ("-m", "zoo.train", *what, *how, *places), 2 * seconds + 60, needs)
    if session.results.get(f"train {name}", {}).get("status") != "ok":
        return
    drawn = ["--n", str(scale.samples), "--steps", "25", "--batch", str(scale.sampling_batch), "--json"]
    yield Step(f"score {name}", ("-m", "eval.fid", str(folder), *drawn, *places), scale.score_limit, needs)


def fid(results: dict[str, Any], name: str) -> float | None:
    """The FID of a run of d., if it was scored."""
    one = results.get(f"score {name}", {})
    found: float | None = one["data"].get("score", {}).get("fid") if one.get("status") == "ok" else None
    return found


def _grid(session: Session, scale: Scale, device: str, mirror: str | None) -> Iterator[Step]:
    """The default grid, DiT first, with as many images a cell as the time that is left allows."""
    paces = {kind: pace for kind in scale.sizes if (pace := speed(session.results, kind, device))}
    if not paces:
        return
    drawing = fmean(_drawing(session.results, kind, scale.drawn) for kind in paces)
    per_cell = max(1.0, max(1.0, session.left - 60) / CELLS - drawing)
    images = min(scale.epoch_images, max(10 * scale.batch, round(0.5 * min(paces.values()) * per_cell)))
    asked = session.work / "grid" / "images.json"
    if asked.is_file():  # an earlier session's: its cells go on
        images = json.loads(asked.read_text(encoding="utf-8"))["images"]
    else:
        asked.parent.mkdir(parents=True, exist_ok=True)
        asked.write_text(json.dumps({"images": images}), encoding="utf-8")
    out = session.work / "grid" / "default"
    command = ["-m", "run_all", "--grid", "default", "--dataset", DATASET, "--seeds", "1", "--budget", str(images)]
    command += ["--device", device, "--out", str(out), "--data-dir", str(session.work / "data")]
    command += ["--mirror", mirror] if mirror else []
    command += ["--set", *scale.score] if scale.score else []
    command += ["--jobs", str(scale.jobs)] if scale.jobs else []
    needs = (*COMMANDS, *{need for needs in BACKBONES.values() for need in needs}, "matplotlib", "jinja2")
    for i, kind in enumerate(paces):
        left = session.left if i + 1 == len(paces) else 0.6 * session.left
        yield Step(f"grid {kind}", (*command, "--only", f"{DATASET} {kind}"), max(30.0, left), needs, saves=True)


def _drawing(results: dict[str, Any], kind: str, evaluations: int) -> float:
    """Seconds that so many network evaluations take in sampling, 0.0 if that was not measured."""
    found = [one.get("data", {}).get("evaluations_per_s") for name, one in results.items() if f"speed {kind}:" in name]
    return evaluations / max(rates) if (rates := [rate for rate in found if rate]) else 0.0


def folder_of_wheels(root: Path) -> Path | None:
    """`.whl` in the project's root, where wheels are carried along."""
    folder = root / ".whl"
    return folder if folder.is_dir() else None
