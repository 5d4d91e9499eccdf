"""One measurement in this process: python -m zoo.benchmark.child '{"what": "ceiling", ..}' prints JSON.

It does not need tabulate, so that a machine without it can still be measured.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from zoo.base.counts import counted

PATIENCE = 90.0  # seconds that one of several processes waits for the others, before it measures alone


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """What is asked for: `ceiling`, `mode` (training and sampling), `cost` (counted), or `ema` (weights to a file)."""
    if asked["what"] == "mode" and asked.get("jobs", 1) > 1:
        return together(asked)

    import torch

    from zoo.benchmark import speed
    from zoo.benchmark.count import step_cost
    from zoo.config.cell import TrainConfig
    from zoo.data.sets import source
    from zoo.training import checkpoint

    if asked["what"] == "ceiling":
        return speed.ceiling(asked["device"], asked["seconds"])
    if asked["what"] == "mode":
        config, meet = TrainConfig(**asked["config"]), asked.get("meet")
        how = {"sampling": asked.get("sampling", True), "ready": (lambda: wait(*meet)) if meet else (lambda: None)}
        return speed.measure(config, source(config.dataset).spec, asked["device"], asked["seconds"], **how)
    if asked["what"] == "cost":
        spec = source(asked["dataset"]).spec
        cost = step_cost(asked["backbone"], spec.image_shape, spec.num_classes, asked["batch"], torch.bfloat16)
        return {
            "flop": cost.flop, "bytes": cost.bytes, "launches": cost.launches,
            "product_bytes": cost.product_bytes + cost.state_bytes,
        }  # fmt: skip
    if asked["what"] == "ema":
        from safetensors.torch import save

        from zoo.base.files import write_atomic

        manifest, tensors = checkpoint.find(Path(asked["run"]))
        weights = {name: t.bfloat16().contiguous() for name, t in tensors.items() if name.startswith("ema.")}
        data = save(weights, {"config": json.dumps(manifest["config"]), "standard": json.dumps(manifest["standard"])})
        write_atomic(Path(asked["out"]), data)
        return {"file": Path(asked["out"]).name, "bytes": len(data), "type": "bfloat16"}
    raise SystemExit(f"unknown measurement {asked['what']!r}")


def together(asked: dict[str, Any]) -> dict[str, Any]:
    """The same measurement by several processes at once, training begun by all together: their rates are added up."""
    jobs = asked["jobs"]
    with tempfile.TemporaryDirectory() as folder:
        one = json.dumps({**asked, "jobs": 1, "meet": [folder, jobs]})
        command = [sys.executable, "-m", "zoo.benchmark.child", one]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(jobs)]  # noqa: S603
        said = [process.communicate()[0] for process in started]
    if failed := [process.returncode for process in started if process.returncode]:
        raise SystemExit(f"one of {counted(jobs, 'process')} ended with status {failed[0]}")
    found = [json.loads(text.splitlines()[-1]) for text in said]
    return {**found[0], "train_images_per_s": sum(each["train_images_per_s"] for each in found), "jobs": jobs}


def wait(folder: str, count: int) -> None:
    """Until so many processes have come here, or PATIENCE is over."""
    place, end = Path(folder), time.monotonic() + PATIENCE
    (place / str(os.getpid())).touch()
    while len(list(place.iterdir())) < count and time.monotonic() < end:
        time.sleep(0.01)


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
