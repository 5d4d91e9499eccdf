"""One cell from its cell.json to its result.json: train (or resume), then score under every control setting."""

import time
from itertools import product
from pathlib import Path

from pydantic import ValidationError

from zoo.cli import Places
from zoo.config import CellConfig, explain
from zoo.errors import ZooError
from zoo.files import read_json, write_atomic, write_json
from zoo.lock import locked
from zoo.progress import say

SCHEMA_VERSION = 1
PATIENCE_SECONDS = 30.0  # for the cell of a driver that was killed just now to save its state and end


def read_config(folder: Path) -> CellConfig:
    """The configuration in a cell's folder. Raises ZooError if there is none, or it is not valid."""
    path = folder / "cell.json"
    try:
        return CellConfig.model_validate(read_json(path).get("config"))
    except ValidationError as error:
        raise explain(error, CellConfig, str(path)) from None


def run_cell(folder: Path, places: Places) -> dict:
    """Do a cell's work and return its result; a finished cell is only read. Raises ZooError and its kinds."""
    config = read_config(folder)
    with locked(folder, PATIENCE_SECONDS):
        if (folder / "result.json").is_file():
            result = read_json(folder / "result.json")
            if result.get("key") != config.key:
                raise ZooError(f"{folder / 'result.json'} is not the result of {folder / 'cell.json'}: remove one")
            return result
        result = _work(config, folder, places)
        write_json(folder / "result.json", result)
    return result


def _work(config: CellConfig, folder: Path, places: Places) -> dict:
    from eval.judge import load_judge
    from eval.reference import reference
    from eval.score import Run, Setting, score, tile_png
    from zoo import checkpoint, plugins
    from zoo.backbones.cost import forward_flop
    from zoo.data import load
    from zoo.environment import git_hash, pick_device, versions
    from zoo.runlog import LOGSNR_EDGES
    from zoo.train import train

    began = time.perf_counter()
    data_dir, device = Path(places.data_dir), pick_device(places.device)
    data = load(config.train.dataset, data_dir, places.mirror)
    say(f"training {config.train.objective} on {config.train.backbone}, {data.name}, seed {config.train.seed}")
    trained = train(config.train, folder, data, device)
    score_began = time.perf_counter()
    judge = load_judge(data, data_dir, device=device)
    real = reference(judge, data, data_dir, device)
    manifest, tensors = checkpoint.find(folder)
    run = Run(manifest, tensors, data.image_shape, device, config.score.batch)
    rows = []
    for weights, guidance in product(config.score.weights, config.score.guidance):
        setting = Setting(weights, guidance, config.score.steps, config.score.n)
        row, images, labels = score(run, setting, data, judge, real)
        write_atomic(folder / "samples" / f"{setting.name}.png", tile_png(images, labels))
        say(f"scored {setting.name}: FID {row['fid']:.3f} ± {row['fid_se']:.3f}, accuracy {row['acc']:.1%}")
        rows.append(row)
    ended = time.perf_counter()
    facts = ("images", "step", "seconds", "setup_seconds", "peak_memory_bytes", "final_loss", "parameters")
    how = ("precision", "compiled", "device", "threads")
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "done",
        "cell": config.model_dump(mode="json"),
        "key": config.key,
        "train": {name: trained[name] for name in (*facts, *how)}
        | {
            "steps": trained["step"],
            "images_per_s": trained["images"] / trained["seconds"],
            "flop_per_image": forward_flop(config.train.backbone, data.image_shape),
            "logsnr_edges": LOGSNR_EDGES,
        },
        "judge": {"name": judge.name, "sha256": judge.sha256, "accuracy": real.real["acc"], "floor": real.floor},
        "data": {"name": data.name, "sha256": data.sha256},
        "real": real.real,
        "scores": rows,
        "seconds": {
            "train": trained["seconds"],
            "setup": trained["setup_seconds"],
            "score": ended - score_began,
            "total": ended - began,
        },
        "tile": list(data.image_shape[1:]),
        "versions": versions(),
        "plugins": dict(plugins.LOADED),
        "git": git_hash(),
    }
