"""FID and accuracy of any checkpoint: python -m eval.fid runs/default/mnist/unet/rf/seed0 --guidance 2

CKPT is a run's folder (its newest checkpoint), or a step-NNNNNN.safetensors or .json file.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tabulate import tabulate
from tyro.conf import Positional

from zoo.cli import Places, parse
from zoo.errors import ZooError, run_main


@dataclass
class Options(Places):
    """Score a checkpoint."""

    ckpt: Positional[str] = ""
    """folder of a run, or its step-NNNNNN.safetensors"""
    n: int = 1000
    """images to draw (10,000 for numbers to publish)"""
    steps: int = 20
    """Euler steps"""
    guidance: float = 1.0
    """classifier-free guidance scale; 1 is none"""
    weights: Literal["ema", "raw"] = "ema"
    """which of the checkpoint's weights"""
    judge_seed: Literal[0, 1] = 0
    """1 asks the second judge for its opinion"""
    batch: int = 128
    """images drawn at once"""
    json: bool = False
    """print JSON instead of tables"""

    def check(self) -> None:
        """Raise ZooError for values that make no sense."""
        if not self.ckpt:
            raise ZooError("which checkpoint? python -m eval.fid CKPT; a run's folder or its step-NNNNNN.safetensors")
        if self.steps < 1 or self.batch < 1 or not 0 < self.guidance < float("inf"):
            raise ZooError("--steps and --batch must be at least 1, and --guidance above 0 (1 is no guidance)")
        if self.n < 40:
            raise ZooError(f"--n {self.n} is too few: the error of FID needs at least 40 images (20 blocks of 2)")


def evaluate(options: Options) -> dict:
    """The checkpoint's scores, with the judge, the floor and the real images' accuracy beside them."""
    from eval.judge import load_judge
    from eval.reference import reference
    from eval.score import Run, Setting, score
    from zoo import checkpoint
    from zoo.data import load
    from zoo.environment import pick_device

    manifest, tensors = checkpoint.find(Path(options.ckpt))
    device = pick_device(options.device)
    data = load(manifest["config"]["dataset"], Path(options.data_dir), options.mirror)
    judge = load_judge(data, Path(options.data_dir), options.judge_seed, device)
    real = reference(judge, data, Path(options.data_dir), device)
    run = Run(manifest, tensors, data.image_shape, device, options.batch)
    setting = Setting(options.weights, options.guidance, options.steps, options.n)
    row, _, _ = score(run, setting, data, judge, real)
    return {
        "checkpoint": {"step": manifest["step"], "sha256": manifest["sha256"], "config": manifest["config"]},
        "judge": {"name": judge.name, "sha256": judge.sha256},
        "floor": real.floor,
        "real": real.real,
        "score": row,
    }


def page(found: dict) -> str:
    """The scores as text for a terminal."""
    row, floor, real, config = found["score"], found["floor"], found["real"], found["checkpoint"]["config"]
    head = (
        f"{config['objective']} on {config['backbone']}, {config['dataset']}, seed {config['seed']}, step "
        f"{found['checkpoint']['step']:,}: {row['n']:,} images, {row['weights']} weights, euler, {row['steps']} steps, "
        f"guidance {row['guidance']:g}\njudge {found['judge']['name']} ({found['judge']['sha256'][:12]})"
    )
    scores = [
        ["FID, corrected", f"{row['fid']:.3f} ± {row['fid_se']:.3f}", f"{floor['fid']:.3f} (test against train)"],
        ["FID, plain", f"{row['fid_plain']:.3f}", f"{floor['plain']:.3f}"],
        ["accuracy", f"{row['acc']:.2%} [{row['acc_low']:.2%}, {row['acc_high']:.2%}]", f"{real['acc']:.2%}"],
    ]
    names = {10: "black", 11: "white"}
    real_by_class = {c["label"]: c["correct"] / c["n"] for c in real["classes"]}
    classes = [
        [
            names.get(c["label"], c["label"]),
            f"{c['correct']} of {c['n']}",
            f"{c['correct'] / c['n']:.1%}" if c["n"] else "-",
            f"{real_by_class[c['label']]:.1%}" if c["label"] in real_by_class else "-",
        ]
        for c in row["classes"]
    ]
    return "\n\n".join(
        [
            head,
            tabulate(scores, ["", "samples", "real images"], disable_numparse=True),
            tabulate(classes, ["class", "judged so", "accuracy", "real images"], disable_numparse=True),
            f"{row['images_per_s']:,.0f} images/s, {row['evaluations']} network evaluations an image",
        ]
    )


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m eval.fid", __doc__)
    options.check()
    found = evaluate(options)
    print(json.dumps(found, indent=1, allow_nan=False) if options.json else page(found))


if __name__ == "__main__":
    run_main(main)
