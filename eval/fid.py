"""FID and every other score of a checkpoint or of images: python -m eval.fid CKPT --guidance 2

A set is a run's folder (its newest checkpoint), a step-NNNNNN.safetensors or .json file, an .npz file (arr_0, uint8
[N, H, W, C], and labels as arr_1 if there are any), or a folder of PNGs. One is compared with the training set; two,
A B, also with each other.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tabulate import tabulate
from tyro.conf import Positional

from zoo.cli import Places, parse
from zoo.config import DATASETS, MIN_SAMPLES
from zoo.errors import ZooError, choose, run_main
from zoo.sample import SettingOptions

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = {  # what is printed, beside real images: name, format
    "fid": ("FID, corrected", ".3f"),
    "fid_plain": ("FID, plain", ".3f"),
    "fid2": ("FID by the second judge", ".3f"),
    "cfid_max": ("FID of the worst class", ".3f"),
    "pfd": ("Frechet distance in pixels", ".3f"),
    "kid": ("KID", ".5f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "density": ("density", ".3f"),
    "coverage": ("coverage", ".3f"),
    "is": ("inception score", ".3f"),
    "mem": ("memorised", ".2%"),
    "acc": ("accuracy", ".2%"),
}


@dataclass
class Options(SettingOptions, Places):
    """Score one set of images, or two."""

    a: Positional[str] = ""
    """a run's folder, its step-NNNNNN.safetensors, an .npz file or a folder of PNGs"""
    b: Positional[str | None] = None
    """another one, to be compared with the first"""
    n: int = 1000
    """images to draw from a checkpoint (10,000 for numbers to publish)"""
    dataset: str | None = None
    """the data set that images belong to, where no checkpoint says it"""
    judge_seed: Literal[0, 1] = 0
    """1 lets the second judge lead"""
    json: bool = False
    """print JSON instead of tables"""

    def check(self) -> None:
        """Raise ZooError for values that make no sense."""
        if not self.a:
            raise ZooError(
                "which images? python -m eval.fid A [B]; a run's folder, a checkpoint, .npz or a folder of PNGs"
            )
        if self.n < MIN_SAMPLES:
            raise ZooError(
                f"--n {self.n} is too few: the judge has {MIN_SAMPLES} features, and fewer images than that leave "
                "directions in which nothing is known"
            )
        if self.dataset is not None and self.dataset not in DATASETS:
            raise choose("data set", self.dataset, DATASETS)


def evaluate(options: Options) -> dict:
    """The scores of each set and, of two, the distance between them; the judge and real images' scores beside them."""
    from eval.measure import measure, second_opinion
    from eval.score import Bench, blank_rows
    from eval.score import score as score_model
    from zoo import pictures
    from zoo.data import REAL_CLASSES, load
    from zoo.environment import pick_device
    from zoo.model import Model

    setting, device = options.setting(), pick_device(options.device)
    paths = [Path(path) for path in (options.a, options.b) if path]
    found = [None if _is_images(path) else _checkpoint(path) for path in paths]
    names = {checkpoint[0]["config"]["dataset"] for checkpoint in found if checkpoint}
    names |= {options.dataset} if options.dataset else set()
    if len(names) != 1:
        said = f"--dataset and the checkpoints name {' and '.join(sorted(names))}" if names else "nothing says it"
        raise ZooError(f"of which data set are these images? {said}. Give --dataset {', '.join(DATASETS)}, one for all")
    data = load(names.pop(), Path(options.data_dir), options.mirror)
    bench = Bench.load(data, Path(options.data_dir), device, options.judge_seed)
    sets, drawn = [], []
    for path, checkpoint in zip(paths, found, strict=True):
        if checkpoint:
            model = Model(*checkpoint, data.image_shape, device, options.batch)
            scored = score_model(model, setting, options.n, bench)
            row, images, labels = scored.row, scored.images[: options.n], scored.labels[: options.n]
            manifest = checkpoint[0]
            about = {"checkpoint": {key: manifest[key] for key in ("step", "sha256", "config")}}
        else:
            images, labels = pictures.read_images(path, data.image_shape)
            row, about = {}, {"path": path.name}
            if labels is not None:
                if not 0 <= int(labels.min()) <= int(labels.max()) <= REAL_CLASSES + 1:
                    raise ZooError(
                        f"{path}: arr_1 holds classes {int(labels.min())} to {int(labels.max())}, not 0 to 11"
                    )
                row["classes"] = blank_rows(images, labels)
                images, labels = images[labels < REAL_CLASSES], labels[labels < REAL_CLASSES]
            measured, _ = measure(images, labels, bench.judge, bench.real)
            if labels is not None:
                measured |= second_opinion(images, labels, bench.second, bench.second_real)
                measured["classes"] += row["classes"]
            row = {"n": len(images), **measured}
        sets.append({**about, "score": row})
        drawn.append((images, labels))
    return {
        **({"a": sets[0], "b": sets[1], "between": _between(drawn, bench)} if len(sets) == 2 else sets[0]),
        "data": data.name,
        "judge": {"name": bench.judge.name, "sha256": bench.judge.sha256},
        "floor": bench.real.floor,
        "real": {**bench.real.row, "fid2": bench.second_real.row["fid"], "acc2": bench.second_real.row["acc"]},
    }


def _is_images(path: Path) -> bool:
    if not path.exists():
        raise ZooError(f"{path} does not exist; give a run's folder, a checkpoint, an .npz file or a folder of PNGs")
    return path.suffix == ".npz" if path.is_file() else not any(path.glob("step-*.json"))


def _checkpoint(path: Path) -> tuple[dict, dict]:
    from zoo import checkpoint

    return checkpoint.find(path)


def _between(images: "list[tuple[Tensor, Tensor | None]]", bench) -> dict:
    """The distance of two sets of (images, labels); both their finite sizes are corrected for."""
    from eval.frechet import corrected
    from eval.judge import judge_images

    a, b = (judge_images(bench.judge, each)[0] for each, _ in images)
    found = corrected(a, b.cpu(), *(labels for _, labels in images))
    return {"fid": found.fid, "fid_se": found.se, "fid_plain": found.plain}


def page(found: dict) -> str:
    """The scores as text for a terminal."""
    sets = [found["a"], found["b"]] if "between" in found else [found]
    marks = ["A", "B"] if len(sets) == 2 else ["samples"]
    real = found["real"]
    lines = [f"{mark}: {_about(each)}" for mark, each in zip(marks, sets, strict=True)]
    lines.append(f"{found['data']}, judge {found['judge']['name']} ({found['judge']['sha256'][:12]})")
    rows = []
    for key, (name, form) in COLUMNS.items():
        if any(each["score"].get(key) is not None for each in sets):
            values = [_value(each["score"], key, form) for each in sets]
            rows.append([name, *values, _value(real, key, form)])
    blocks = [
        "\n".join(lines),
        tabulate(rows, ["", *marks, f"real test images ({real['n']:,})"], disable_numparse=True),
    ]
    classes = {f"{mark}": each["score"].get("classes") for mark, each in zip(marks, sets, strict=True)}
    shown = {mark: {c["label"]: c for c in rows} for mark, rows in classes.items() if rows}
    if shown:
        blocks.append(_classes(shown, {c["label"]: c for c in real["classes"]}))
    if "between" in found:
        two = found["between"]
        blocks.append(f"between A and B: FID {two['fid']:.3f} ± {two['fid_se']:.3f} (plain {two['fid_plain']:.3f})")
    speeds = [s["score"] for s in sets if "evaluations" in s["score"]]
    blocks += [f"{s['images_per_s']:,.0f} images/s, {s['evaluations']} network evaluations an image" for s in speeds]
    return "\n\n".join(blocks)


def _about(one: dict) -> str:
    row = one["score"]
    if "checkpoint" not in one:
        return f"{one['path']}, {row['n']:,} images"
    config, step = one["checkpoint"]["config"], one["checkpoint"]["step"]
    return (
        f"{config['objective']} on {config['backbone']}, seed {config['seed']}, step {step:,}: {row['n']:,} images, "
        f"{row['weights']} weights, {row['sampler']}, {row['steps']} steps ({row['step_grid']}), "
        f"guidance {row['guidance']:g}"
    )


def _value(row: dict, key: str, form: str) -> str:
    if row.get(key) is None:
        return "-"
    text = f"{row[key]:{form}}"
    if f"{key}_se" in row:
        return f"{text} ± {row[f'{key}_se']:{form}}"
    return f"{text} [{row['acc_low']:{form}}, {row['acc_high']:{form}}]" if key == "acc" else text


def _classes(shown: dict[str, dict], real: dict) -> str:
    names, rows = {10: "black", 11: "white"}, []
    for label in next(iter(shown.values())):
        cells = [names.get(label, label)]
        for each in (*shown.values(), real):
            c = each.get(label)
            cells.append(f"{c['correct'] / c['n']:.1%} of {c['n']}" if c and c["n"] else "-")
        rows.append(cells)
    return tabulate(rows, ["class", *shown, "real test images"], disable_numparse=True)


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m eval.fid", __doc__)
    options.check()
    found = evaluate(options)
    print(json.dumps(found, indent=1, allow_nan=False) if options.json else page(found))


if __name__ == "__main__":
    run_main(main)
