"""Draw images from a trained run: python -m zoo.sample CKPT --labels 0-9 --n 8 --sampler heun --steps 25 --out grid.png

CKPT is a run's folder (its newest checkpoint), or a step-NNNNNN.safetensors or .json file.
"""

from dataclasses import dataclass
from pathlib import Path

from zoo.base.errors import ZooError, run_main
from zoo.base.limits import require_writable
from zoo.base.options import MUCH, WHERE, option
from zoo.cli import Machine, SettingOptions, parse


@dataclass
class Options(SettingOptions, Machine):
    """Draw images."""

    ckpt: str = option("", "folder of a run, or its step-NNNNNN.safetensors", positional=True)
    labels: str | None = option(
        None, "classes to draw, as in 3,5-7 or cat,dog; none is no class (default: all of real images)", metavar="LIST"
    )
    n: int = option(8, "images of each class", MUCH)
    seed: int | None = option(None, "seed of the starting noise (default: the run's own)", MUCH)
    out: str | None = option(None, "a PNG: one column for each class", WHERE, metavar="FILE")
    trajectory: str | None = option(None, "a GIF: x_t, and beside it x_hat, step by step", WHERE, metavar="FILE")
    npz: str | None = option(
        None, "an .npz file: arr_0 uint8 [N, H, W, 3], arr_1 labels, as ADM's evaluation suite reads them", WHERE,
        metavar="FILE",
    )  # fmt: skip

    def check(self) -> None:
        """Raise ZooError for values that make no sense."""
        if not self.ckpt:
            raise ZooError("which checkpoint? python -m zoo.sample CKPT; a run's folder or its step-NNNNNN.safetensors")
        if self.n < 1:
            raise ZooError(f"--n {self.n} is too small: --n must be at least 1")
        if not (self.out or self.trajectory or self.npz):
            raise ZooError("where to? Give --out FILE.png, --trajectory FILE.gif or --npz FILE.npz")
        for name, ending in (("out", ".png"), ("trajectory", ".gif"), ("npz", ".npz")):
            if not (file := getattr(self, name)):
                continue
            if not file.lower().endswith(ending):
                raise ZooError(f"--{name} {file!r} should end in {ending}")
            require_writable(Path(file), f"--{name}")


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m zoo.sample", __doc__)
    options.check()
    setting = options.setting()
    from zoo.base.environment import pick_device  # torch, which --help does without
    from zoo.sampling.draw import Drawing, draw

    wanted = Drawing(options.labels, options.n, options.seed, options.out, options.trajectory, options.npz)
    print("\n".join(draw(Path(options.ckpt), wanted, setting, pick_device(options.device), options.batch)))


if __name__ == "__main__":
    run_main(main)
