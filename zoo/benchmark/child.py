"""One measurement in this process: python -m zoo.benchmark.child '{"what": "ceiling", ..}' prints JSON.

It does not need tabulate, so that a machine without it can still be measured.
"""

import json
import sys
from pathlib import Path
from typing import Any


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """What is asked for: `ceiling`, `mode` (training and sampling), `cost` (counted), or `ema` (weights to a file)."""
    import torch

    from zoo.benchmark import speed
    from zoo.benchmark.count import step_cost
    from zoo.config.cell import TrainConfig
    from zoo.data.sets import source
    from zoo.training import checkpoint

    if asked["what"] == "ceiling":
        return speed.ceiling(asked["device"], asked["seconds"])
    if asked["what"] == "mode":
        config = TrainConfig(**asked["config"])
        return speed.measure(config, source(config.dataset).spec, asked["device"], asked["seconds"])
    if asked["what"] == "cost":
        spec = source(asked["dataset"]).spec
        cost = step_cost(asked["backbone"], spec.image_shape, spec.num_classes, asked["batch"], torch.bfloat16)
        return {"flop": cost.flop, "bytes": cost.bytes, "launches": cost.launches}
    if asked["what"] == "ema":
        from safetensors.torch import save

        from zoo.base.files import write_atomic

        manifest, tensors = checkpoint.find(Path(asked["run"]))
        weights = {name: t.bfloat16().contiguous() for name, t in tensors.items() if name.startswith("ema.")}
        data = save(weights, {"config": json.dumps(manifest["config"]), "standard": json.dumps(manifest["standard"])})
        write_atomic(Path(asked["out"]), data)
        return {"file": Path(asked["out"]).name, "bytes": len(data), "type": "bfloat16"}
    raise SystemExit(f"unknown measurement {asked['what']!r}")


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
