"""Time to quality: the FID after so many seconds of training: python -m zoo.bench --quality --out DIR

Each run is trained for as many images as its backbone sees in that time, measured first, with the whole schedule of the
learning rate within it; so runs of different lengths are different runs. One thread unless --threads says more: cells
of a grid run side by side. What has been measured is kept in DIR, and the same command goes on from there.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from zoo import registry
from zoo.base.environment import check_device
from zoo.base.errors import ZooError, choose
from zoo.base.files import read_json, write_json
from zoo.base.limits import require_writable
from zoo.base.options import EXPERT, MUCH, WHERE, option, read
from zoo.base.progress import say
from zoo.benchmark.session import Session, Step, child
from zoo.benchmark.tables import table
from zoo.config.cell import Recipe, TrainConfig
from zoo.config.changes import changed
from zoo.config.changes import read as read_changes

DAY = 86_400  # seconds
FIXED = ("batch", "learning_rate", "optimizer", "precision", "compile", "set")
RATES = {"dit": 8e-3, "unet": 2e-3}  # learning rates of the default grid's `cpu` budgets on MNIST


@dataclass
class Options:
    """Measure FID after so many seconds of training."""

    quality: bool = option(True, "measure time to quality", hidden=True)
    backbone: tuple[str, ...] = option(
        ("unet(width=16,attention=1)", "dit(patch=4,width=128)"), "backbones, with sizes", metavar="NAME .."
    )
    objective: tuple[str, ...] = option(("rf", "v/cosine", "eps/cosine"), "what is trained", metavar="NAME ..")
    seconds: tuple[float, ...] = option((60.0, 120.0, 240.0), "seconds of training", MUCH, metavar="X ..")
    seeds: int = option(3, "training runs of each", MUCH)
    n: int = option(600, "images that a run is scored by", MUCH)
    minutes: float = option(600.0, "how long the whole may take", MUCH)
    out: str = option("", "folder of the results; earlier ones there are kept", WHERE, metavar="DIR")
    device: str = option("auto", "auto, cpu, cuda or cuda:N", WHERE, metavar="DEVICE")
    mirror: str | None = option(None, "folder or address of MNIST's archives", WHERE, metavar="PLACE")
    threads: int = option(1, "of the CPU, for each run", EXPERT)
    batch: int = option(16, "images in a step", EXPERT)
    learning_rate: float | None = option(None, "the rate after warm-up (default: the default grid's)", EXPERT)
    optimizer: str = option("muon", "muon or adamw", EXPERT, metavar="NAME")
    precision: str = option("auto", "auto, float32 or bfloat16", EXPERT, metavar="NAME")
    compile: str = option("auto", "auto, True or False", EXPERT, metavar="HOW")
    set: tuple[str, ...] = option(
        (), "try any other field of the recipe, as in train.ema=0.1", EXPERT, metavar="FIELD=VALUE .."
    )

    def check(self) -> None:
        """Raises ZooError for what makes no sense."""
        if not self.out:
            raise ZooError("where to? python -m zoo.bench --quality --out DIR")
        for name in (*self.backbone, *self.objective):
            registry.backbone_size(name) if name in self.backbone else registry.objective(name)
        for value in self.seconds:
            if not 0 < value <= DAY:
                raise ZooError(f"--seconds {value:g} must be above 0, and at most {DAY:,}")
        for name, most in (("seeds", 1000), ("threads", 1024), ("n", 10**6)):
            if not 1 <= (number := getattr(self, name)) <= most:
                raise ZooError(f"--{name} {number:,} must be at least 1, and at most {most:,}")
        if not 0 < self.minutes <= DAY:
            raise ZooError(f"--minutes {self.minutes:g} must be above 0, and at most {DAY:,}")
        for name, allowed in (("optimizer", ("muon", "adamw")), ("compile", ("auto", "True", "False"))):
            if (word := getattr(self, name)) not in allowed:
                raise choose(name, word, allowed)
        check_device(self.device)
        self.changes()

    def changes(self) -> dict[str, Any]:
        """Fields of the recipe by `--set`. Raises ZooError for what cannot be set, or has an option of its own."""
        found: dict[str, Any] = read_changes(self.set, ["train"]).get("train", {})
        if own := sorted(set(FIXED) & set(found)):
            raise ZooError(f"--set train.{own[0]}: write --{own[0].replace('_', '-')} instead")
        changed(TrainConfig(), found, "train")
        return found

    def recipe(self, backbone: str) -> dict[str, Any]:
        """Its fields, as zoo.train's options spell them."""
        rate = self.learning_rate or RATES.get(backbone.split("(")[0], Recipe().learning_rate)
        return {
            "batch": self.batch, "learning-rate": rate, "optimizer": self.optimizer,
            "precision": self.precision, "compile": self.compile,
        }  # fmt: skip


def run_name(backbone: str, objective: str, seconds: float, seed: int) -> str:
    """The name of a run, in the results and as its folder."""
    return f"{backbone} {objective} {seconds:g} s seed {seed}"


def steps(session: Session, options: Options) -> Iterator[Step]:
    """Each backbone's speed, then every run and its score, the shortest first."""
    for backbone in options.backbone:
        recipe = {key.replace("-", "_"): value for key, value in options.recipe(backbone).items()}
        recipe["compile"] = {"True": True, "False": False}.get(options.compile, "auto")
        config = {"objective": options.objective[0], "backbone": backbone, "images": options.batch * 10**6, **recipe}
        config |= options.changes()
        yield child(f"speed {backbone}", 120, what="mode", config=config, device=options.device, seconds=10.0)
    for seconds in sorted(options.seconds):
        for seed in range(options.seeds):
            for backbone in options.backbone:
                speed = session.results.get(f"speed {backbone}", {})
                if speed.get("status") != "ok":
                    continue
                images = round(speed["data"]["train_images_per_s"] * seconds / options.batch) * options.batch
                for objective in options.objective:
                    yield from _run(session, options, backbone, objective, seconds, seed, max(images, options.batch))


def _run(
    session: Session, options: Options, backbone: str, objective: str, seconds: float, seed: int, images: int
) -> Iterator[Step]:
    name = run_name(backbone, objective, seconds, seed)
    folder = session.work / name.replace(" ", "_").replace("/", "_")
    places = ["--device", options.device, "--data-dir", str(session.work / "data")]
    places += ["--mirror", options.mirror] if options.mirror else []
    how = [word for key, value in options.recipe(backbone).items() for word in (f"--{key}", str(value))]
    what = ["--objective", objective, "--backbone", backbone, "--dataset", "mnist", "--images", str(images)]
    how += ["--set", *options.set] if options.set else []
    train = ("-m", "zoo.train", *what, "--seed", str(seed), *how, "--out", str(folder), *places)
    yield Step(f"train {name}", train, 4 * seconds + 120)
    drawn = ("-m", "eval.fid", str(folder), "--n", str(options.n), "--start", "-5.4", "--json", *places)
    yield Step(f"score {name}", drawn, 600)


def markdown(results: Mapping[str, Any], options: Options) -> str:
    """FID by objective and seconds, a table for each backbone: the mean over seeds, the lowest and the highest."""
    blocks = ["# Time to quality (MNIST; EMA weights, 20 Euler steps from logsnr -5.4, no guidance)"]
    for backbone in options.backbone:
        speed = results.get(f"speed {backbone}", {})
        if speed.get("status") != "ok":
            continue
        rate = speed["data"]["train_images_per_s"]
        header = ["objective", *(f"{s:g} s ({rate * s:,.0f} images)" for s in sorted(options.seconds))]
        rows = [
            [objective, *(_field(results, options, backbone, objective, s) for s in sorted(options.seconds))]
            for objective in options.objective
        ]
        blocks += [f"## {backbone}: {rate:,.0f} images/s, FID@{options.n}", table(header, rows)]
    return "\n\n".join(blocks)


def _field(results: Mapping[str, Any], options: Options, backbone: str, objective: str, seconds: float) -> str:
    names = [f"score {run_name(backbone, objective, seconds, seed)}" for seed in range(options.seeds)]
    found = [results[name]["data"]["score"]["fid"] for name in names if results.get(name, {}).get("status") == "ok"]
    if not found:
        return "-"
    several = f" ({min(found):.2f}..{max(found):.2f})" if len(found) > 1 else ""
    return f"{fmean(found):.2f}{several}"


def _same_as_before(path: Path, options: Options) -> None:
    """Keep how runs are made, or see that it is what earlier results in the folder were made with."""
    how = {name: getattr(options, name) for name in ("n", "device", "threads", *FIXED)} | {"set": [*options.set]}
    before = {"set": [], **read_json(path)} if path.is_file() else how
    if others := [name for name in how if before.get(name) != how[name]]:
        told = ", ".join(f"--{name.replace('_', '-')} {before.get(name)}" for name in others)
        raise ZooError(f"{path.parent} holds results made with {told}: give another --out for these options")
    write_json(path, how)


def main(words: Sequence[str] | None = None) -> int:
    """The command line; the status is 0 when all was tried, whatever became of single runs."""
    words = [word for word in (sys.argv[1:] if words is None else words) if word != "--quality"]
    options = read(Options, "python -m zoo.bench --quality", __doc__ or "", words)
    options.check()
    out = Path(options.out).resolve()
    require_writable(out / "session.json", "--out")
    threads = {"OMP_NUM_THREADS": str(options.threads)}
    _same_as_before(out / "quality.json", options)
    session = Session(out, options.minutes, environment=threads, table=lambda results: markdown(results, options))
    session.run(steps(session, options))
    say(f"\n{markdown(session.results, options)}\n\n{out / 'session.md'}")
    return 0
