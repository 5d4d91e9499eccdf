"""One cell from its cell.json to its result.json: train (or resume), then score under every control setting."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from eval.result import Result
from zoo.base.errors import ZooError
from zoo.base.files import write_atomic, write_json
from zoo.base.lock import locked
from zoo.base.progress import say
from zoo.base.sealed import read_sealed, sealed
from zoo.cli import Watched
from zoo.config.cell import CellConfig
from zoo.config.control import Sampling, score_words
from zoo.config.schema import explain

if TYPE_CHECKING:
    from torch import Tensor

    from eval.judging.net import Judge
    from eval.scores.reference import Reference
    from eval.scores.score import Bench
    from zoo.sampling.model import Model

POINT = ("images", "seconds", "n", "fid", "fid_se", "acc")  # of a snapshot
PATIENCE_SECONDS = 30.0  # for the cell of a driver that was killed just now to save its state and end


def read_config(folder: Path) -> CellConfig:
    """The configuration in a cell's folder. Raises ZooError if there is none, or it is not valid."""
    path = folder / "cell.json"
    try:
        return CellConfig.model_validate(read_sealed(path).get("config"))
    except ValidationError as error:
        raise explain(error, CellConfig, str(path)) from None


def run_cell(folder: Path, places: Watched) -> dict[str, Any]:
    """Do a cell's work and return its result; a finished cell is only read. Raises ZooError and its kinds."""
    config = read_config(folder)
    with locked(folder, PATIENCE_SECONDS):
        if (folder / "result.json").is_file():
            result = read_sealed(folder / "result.json")
            if result.get("key") != config.key:
                raise ZooError(f"{folder / 'result.json'} is not the result of {folder / 'cell.json'}: remove one")
            return result
        result = sealed("result.json", _work(config, folder, places))
        _check(result)
        write_json(folder / "result.json", result)
        shutil.rmtree(folder / "snapshots", ignore_errors=True)
    return result


def _check(result: dict[str, Any]) -> None:
    """Raise ZooError, with every finding, for a result that is not what readers expect."""
    try:
        Result.model_validate_json(json.dumps(result))
    except ValidationError as error:
        raise explain(error, Result, "the cell's result") from None


def _work(config: CellConfig, folder: Path, places: Watched) -> dict[str, Any]:
    began = time.perf_counter()

    from eval.scores.few import best_case, part_of
    from eval.scores.score import Bench, copies_png, path_png, real_png, score, tile_png
    from eval.scores.selection import least
    from eval.scores.validation import validation
    from zoo import plugins
    from zoo.base.environment import git_hash, pick_device, versions
    from zoo.data.dataset import load
    from zoo.data.sets import NUM_CLASSES
    from zoo.objectives.fingerprint import fingerprint
    from zoo.registry import backbone_size, objective
    from zoo.sampling.model import Model, Preview
    from zoo.training import checkpoint
    from zoo.training.run import train
    from zoo.training.runlog import LOGSNR_EDGES

    data_dir, device = Path(places.data_dir), pick_device(places.device)
    data = load(config.train.dataset, data_dir, places.mirror)
    say(f"training {config.train.objective} on {config.train.backbone}, {data.name}, seed {config.train.seed}")
    ready = time.perf_counter()
    kept = config.score.snapshots, config.score.candidates
    trained = train(config.train, folder, data, device, places.track, *kept, Preview)
    done = time.perf_counter()
    bench = Bench.load(data, data_dir, device)
    judge, real = bench.judge, bench.real
    manifest, last = checkpoint.find(folder, selected=False)
    model = Model(manifest, last, data.image_shape, device, config.score.batch)
    selection: list[dict[str, Any]] = []
    if config.score.select == "validation":
        model.tensors, selection = least(model, folder, trained["step"], kept[1], data, config.score.n)
    write_atomic(folder / "real.png", real_png(data))
    rows, few = [], {}  # few: what few images score, by the way to draw
    for setting in config.score.controls:
        scored = score(model, setting, config.score.n, bench)
        row = scored.row
        write_atomic(folder / "samples" / f"{setting.name}.png", tile_png(scored.images, scored.labels))
        write_atomic(folder / "copies" / f"{setting.name}.png", copies_png(scored, data))
        if setting.weights == "ema" and setting.guidance == 1:
            write_atomic(folder / "paths" / f"{setting.name}.png", path_png(scored.film))
        say(f"scored: {score_words(row)}")
        rows.append(row)
        if setting.weights == config.score.weights[0] and (config.score.best or config.score.snapshots):
            few[Sampling(**setting.model_dump(exclude={"weights"}))] = part_of(scored, config.score.few, bench)
    best, drawing = None, sum(row["seconds"] for row in rows)
    if config.score.best:
        best, scored = best_case(
            model, config.score, config.score.best, {how: row["fid"] for how, row in few.items()}, bench
        )
        drawing += best.pop("seconds")
        write_atomic(folder / "samples" / "best.png", tile_png(scored.images, scored.labels))
    course = list(_course(model, folder, config, bench, trained)) if config.score.snapshots else []
    drawing += sum(point["drawing"] for point in course)
    if course:
        end = next(iter(few.values())) if model.tensors is last else _at(model, last, config, bench)
        drawing += end.get("seconds", 0.0)
        course.append({**end, "images": trained["images"], "seconds": trained["seconds"]})
    held_out = {kind: validation(model, kind, data, config.score.n) for kind in config.score.weights}
    seconds = {
        "start": ready - began,
        "setup": trained["setup_seconds"],
        "train": trained["seconds"],
        "sample": drawing,
        "score": time.perf_counter() - done - drawing,
    }
    facts = ("images", "step", "seconds", "setup_seconds", "peak_memory_bytes", "final_loss", "parameters")
    how = ("precision", "compiled", "device", "threads")
    return {
        "status": "done",
        "cell": config.model_dump(mode="json"),
        "key": config.key,
        "train": {name: trained[name] for name in (*facts, *how)}
        | {
            "steps": trained["step"],
            "selected_step": min(selection, key=lambda one: (one["loss"], -one["step"]))["step"]
            if selection
            else trained["step"],
            "clipped": trained["clipped_steps"] / trained["step"],
            "images_per_s": trained["images"] / trained["seconds"],
            "flop_per_image": backbone_size(config.train.backbone).forward_flop(data.image_shape, NUM_CLASSES),
            "logsnr_edges": LOGSNR_EDGES,
        },
        "judge": _judge(judge, real),
        "second_judge": _judge(bench.second, bench.second_real),
        "data": {"name": data.name, "sha256": data.sha256},
        "real": real.row,
        "scores": rows,
        "best": best,
        "snapshots": [{key: point[key] for key in POINT} for point in course],
        "selection": selection,
        "fingerprint": fingerprint(objective(config.train.objective)),
        "validation": held_out,
        "seconds": {**seconds, "total": sum(seconds.values())},
        "tile": list(data.image_shape[1:]),
        "versions": versions(),
        "plugins": dict(plugins.LOADED),
        "git": git_hash(),
    }


def _course(
    model: "Model", folder: Path, config: CellConfig, bench: "Bench", trained: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Each snapshot's scores under the first control setting, with the images and seconds of training until then."""
    from zoo.training import checkpoint
    from zoo.training.run import SNAPSHOTS, points

    wanted = points(trained["step"], config.score.snapshots)
    for path in reversed(checkpoint.manifests(folder / SNAPSHOTS)):
        manifest, tensors = checkpoint.read(path)
        if manifest["step"] not in wanted:  # a candidate for being scored
            continue
        row = _at(model, tensors, config, bench)
        told = score_words({**config.score.controls[0].model_dump(), "n": config.score.few, **row})
        say(f"scored after {manifest['images']:,} images: {told}")
        yield {**row, "images": manifest["images"], "seconds": manifest["seconds"], "drawing": row["seconds"]}


def _at(model: "Model", tensors: "dict[str, Tensor]", config: CellConfig, bench: "Bench") -> dict[str, Any]:
    """Few images' scores under the first control setting by other weights of the run, which the model has for that."""
    from eval.scores.few import drawn

    scored, model.tensors = model.tensors, tensors
    row = drawn(model, config.score.controls[0], config.score.few, bench)
    model.tensors = scored
    return row


def _judge(judge: "Judge", real: "Reference") -> dict[str, Any]:
    return {"name": judge.name, "sha256": judge.sha256, "accuracy": real.row["acc"], "floor": real.floor}
