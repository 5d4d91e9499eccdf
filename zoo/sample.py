"""Draw images from a trained run: python -m zoo.sample CKPT --labels 0-9 --n 8 --sampler heun --steps 25 --out grid.png

CKPT is a run's folder (its newest checkpoint), or a step-NNNNNN.safetensors or .json file.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from tyro.conf import Positional

from zoo.cli import Machine, parse
from zoo.control import Setting
from zoo.errors import ZooError, run_main
from zoo.schema import explain

CLASSES = 12  # the ten digits, black, white
SHARD = 1000  # images drawn before they are written to a file


@dataclass
class SettingOptions:
    """How images are drawn; shared by every command that draws."""

    sampler: str = "euler"
    """euler, heun, ancestral, dpmpp_2m or euler_a"""
    steps: int = 20
    """steps of the sampler; heun takes two network evaluations for each"""
    step_grid: str = "flow"
    """flow, logsnr, karras(7) or trailing"""
    guidance: float = 1.0
    """classifier-free guidance scale; 1 is none"""
    interval: tuple[float, float] = (0.0, 1.0)
    """shares of noise between which guidance is applied"""
    rescale: float = 0.0
    """how far guidance is kept from raising the contrast, 0 to 1"""
    clip: bool = True
    """clamp every x_hat to black and white (--clip False leaves it)"""
    weights: Literal["ema", "raw"] = "ema"
    """which of the checkpoint's weights"""
    batch: int = 128
    """images drawn at once"""

    def setting(self) -> Setting:
        """The checked control setting. Raises ZooError."""
        if self.batch < 1:
            raise ZooError("--batch must be at least 1")
        try:
            return Setting(**{f.name: getattr(self, f.name) for f in fields(self) if f.name in Setting.model_fields})
        except ValidationError as error:
            raise explain(error, Setting, "the options") from None


@dataclass
class Options(SettingOptions, Machine):
    """Draw images."""

    ckpt: Positional[str] = ""
    """folder of a run, or its step-NNNNNN.safetensors"""
    labels: str = "0-9"
    """classes to draw, as in 3,5-7; 10 is black, 11 white, none is no class"""
    n: int = 8
    """images of each"""
    seed: int | None = None
    """seed of the starting noise (default: the run's own)"""
    out: str | None = None
    """a PNG: one column for each class"""
    trajectory: str | None = None
    """a GIF: x_t, and beside it x_hat, step by step"""
    npz: str | None = None
    """an .npz file: arr_0 uint8 [N, H, W, 3], arr_1 labels, as ADM's evaluation suite reads them"""

    def check(self) -> None:
        """Raise ZooError for values that make no sense."""
        if not self.ckpt:
            raise ZooError("which checkpoint? python -m zoo.sample CKPT; a run's folder or its step-NNNNNN.safetensors")
        if self.n < 1:
            raise ZooError("--n must be at least 1")
        if not (self.out or self.trajectory or self.npz):
            raise ZooError("where to? Give --out FILE.png, --trajectory FILE.gif or --npz FILE.npz")
        for name, ending in (("out", ".png"), ("trajectory", ".gif"), ("npz", ".npz")):
            if (file := getattr(self, name)) and not file.endswith(ending):
                raise ZooError(f"--{name} {file!r} should end in {ending}")


def parse_labels(text: str) -> list[int]:
    """Classes in the order given: `0-9`, `3,5-7`, `none`. Raises ZooError for others."""
    found: list[int] = []
    for part in text.replace(" ", "").split(","):
        first, dash, end = part.partition("-")
        if part == "none":
            found.append(CLASSES)
            continue
        ends = (first, end if dash else first)
        if not all(each.isdecimal() and int(each) < CLASSES for each in ends) or int(ends[0]) > int(ends[1]):
            raise ZooError(
                f"--labels {text!r}: {part!r} is no class. Allowed: 0 to {CLASSES - 1}, ranges as in 0-9, none"
            )
        found += range(int(ends[0]), int(ends[1]) + 1)
    return found


def draw(options: Options) -> list[str]:
    """Write what was asked for; one line about each file."""
    import torch

    from zoo import checkpoint, pictures
    from zoo.data import IMAGE_SHAPES
    from zoo.environment import pick_device
    from zoo.files import write_atomic
    from zoo.model import Model, evaluations

    options.check()
    setting, classes = options.setting(), parse_labels(options.labels)
    manifest, tensors = checkpoint.find(Path(options.ckpt))
    shape = IMAGE_SHAPES[manifest["config"]["dataset"]]
    model = Model(manifest, tensors, shape, pick_device(options.device), options.batch)
    labels = torch.tensor(classes).repeat(options.n)  # row by row: the classes side by side
    lines = []
    if options.out:
        picture = pictures.sheet(model.images(labels, setting, seed=options.seed), len(classes))
        write_atomic(Path(options.out), pictures.png(picture))
        lines.append(f"{options.out}: {len(labels)} images, a column for each class")
    if options.trajectory:
        across = (options.n, len(classes), *shape)
        pairs = model.trajectory(labels, setting, seed=options.seed)
        rows = [torch.cat([part.view(across) for part in pair], dim=1).flatten(0, 1) for pair in pairs]
        frames = [pictures.sheet(images, 2 * len(classes)) for images in rows]
        write_atomic(Path(options.trajectory), pictures.gif(frames))
        lines.append(f"{options.trajectory}: {len(frames)} steps; x_t on the left, x_hat on the right")
    if options.npz:
        shards = (
            model.images(labels[first : first + SHARD], setting, first, options.seed)
            for first in range(0, len(labels), SHARD)
        )
        pictures.write_npz(Path(options.npz), labels, shape, shards)
        lines.append(f"{options.npz}: {len(labels)} images")
    cost = evaluations(model.objective.path, setting)
    return [*lines, f"{model.config.objective}, {setting.name}: {cost} network evaluations an image"]


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m zoo.sample", __doc__)
    print("\n".join(draw(options)))


if __name__ == "__main__":
    run_main(main)
