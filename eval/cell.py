"""One cell from its cell.json to its result.json: train (or resume), then score under every control setting."""

import json
import os
import shutil
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from eval.result import Result
from zoo.base import ranks
from zoo.base.errors import ZooError
from zoo.base.files import write_atomic, write_json
from zoo.base.lock import locked
from zoo.base.progress import say
from zoo.base.sealed import read_sealed, sealed
from zoo.cli import Watched
from zoo.config.cell import CellConfig
from zoo.config.schema import explain

if TYPE_CHECKING:
    from eval.judging.net import Judge
    from eval.scores.reference import Reference

POINT = ("images", "seconds", "n", "fid", "fid_se", "acc", "loss")  # of a snapshot
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
    with locked(folder, PATIENCE_SECONDS) if ranks.leads() else nullcontext():
        if (folder / "result.json").is_file():
            result = read_sealed(folder / "result.json")
            if result.get("key") != config.key:
                raise ZooError(f"{folder / 'result.json'} is not the result of {folder / 'cell.json'}: remove one")
            return result
        result = sealed("result.json", _work(config, folder, places))
        _check(result)
        write_json(folder / "result.json", result)
        if ranks.leads():
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

    from eval.scores.few import given_back
    from eval.scores.rows import best, course, held_out, rows
    from eval.scores.score import Bench, real_png
    from eval.scores.selection import least
    from zoo import plugins
    from zoo.base.environment import git_hash, pick_device, versions
    from zoo.data.dataset import load
    from zoo.objectives.fingerprint import fingerprint
    from zoo.registry import backbone_size, objective
    from zoo.sampling.model import Model, Preview
    from zoo.training import checkpoint
    from zoo.training.run import SNAPSHOTS, train
    from zoo.training.runlog import LOGSNR_EDGES

    data_dir, device = Path(places.data_dir), pick_device(places.device)
    data = load(config.train.dataset, data_dir, places.mirror)
    say(f"training {config.train.objective} on {config.train.backbone}, {data.name}, seed {config.train.seed}")
    ready = time.perf_counter()
    bench = Bench.load(data, data_dir, device)  # before hours of training: what fails here fails now
    loading = time.perf_counter() - ready
    kept = config.score.snapshots, config.score.candidates
    teacher = read_sealed(folder / "cell.json").get("teacher")
    taught = Path(os.path.normpath(folder / teacher)) if teacher else None  # without .., as messages name it
    trained = train(
        config.train,
        folder,
        data,
        device,
        places.track,
        *kept,
        preview=Preview,
        teacher=taught,
        pictures=config.score.pictures,
        parts=places.accumulate,
    )
    done = time.perf_counter()
    judge, real = bench.judge, bench.real
    manifest, last = checkpoint.find(folder, selected=False)
    model = Model(manifest, last, device, config.score.batch, together=True)
    selection: list[dict[str, Any]] = []
    if config.score.select == "validation":
        model.tensors, selection = least(model, folder, trained["step"], kept[1], data, config.score.n)
    write_atomic(folder / "real.png", real_png(data))
    made = rows(model, config.score, bench, folder)
    chosen = best(model, config.score, made, bench, folder)
    points = course(model, folder / SNAPSHOTS, config.score, made, bench, last, trained)
    errors, coded = held_out(model, config.score, bench), given_back(model, bench)
    drawing = sum(row["seconds"] for row in made.scores) + sum(point["drawing"] for point in points)
    drawing += chosen.pop("seconds") if chosen else 0.0
    seconds = {
        "start": ready - began,
        "setup": trained["setup_seconds"],
        "train": trained["seconds"],
        "sample": drawing,
        "score": loading + time.perf_counter() - done - drawing,
    }
    size = backbone_size(config.train.backbone)
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
            "teacher_seconds": trained.get("teacher", {}).get("seconds", 0.0),
            "clipped": trained["clipped_steps"] / trained["step"],
            "images_per_s": trained["images"] / trained["seconds"],
            "flop_per_image": size.forward_flop(model.space.shape, data.spec.num_classes),
            "logsnr_edges": LOGSNR_EDGES,
        },
        "judge": _judge(judge, real),
        "second_judge": _judge(bench.second, bench.second_real),
        "data": {"name": data.name, "sha256": data.sha256, **data.spec.plain()},
        "latents": coded,
        "real": real.row,
        "scores": made.scores,
        "unscored": made.unscored,
        "best": chosen,
        "snapshots": [{key: point[key] for key in POINT if key in point} for point in points],
        "selection": selection,
        "fingerprint": fingerprint(objective(config.train.objective)),
        "validation": errors,
        "seconds": {**seconds, "total": sum(seconds.values())},
        "tile": list(data.image_shape[1:]),
        "versions": versions(),
        "plugins": dict(plugins.LOADED),
        "git": git_hash(),
    }


def _judge(judge: "Judge", real: "Reference") -> dict[str, Any]:
    return {"name": judge.name, "sha256": judge.sha256, "accuracy": real.row["acc"], "floor": real.floor}
