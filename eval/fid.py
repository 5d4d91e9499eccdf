"""FID and every other score of a checkpoint or of images: python -m eval.fid CKPT --guidance 2

A set is a run's folder (its newest checkpoint), a step-NNNNNN.safetensors or .json file, a diffusers pipeline's folder
(model_index.json, safetensors), an .npz file (arr_0, uint8 [N, H, W, C], and labels as arr_1 if there are any), or a
folder of PNG, JPEG, WebP or TIFF files. One is compared with the training set; two, A B, also with each other.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.base.errors import ZooError, run_main
from zoo.base.helptext import terminal_columns
from zoo.base.options import EXPERT, MUCH, option
from zoo.cli import Places, SettingOptions, parse
from zoo.config.cell import MIN_SAMPLES
from zoo.config.fits import fit_images
from zoo.data.sets import WORDS, check_name

SMALLEST = (1, 4, 4)  # an image of a data set that is not known yet has as many numbers, or more


@dataclass
class Options(SettingOptions, Places):
    """Score one set of images, or two."""

    a: str = option(
        "", "a run's folder, step-NNNNNN.safetensors, a diffusers pipeline's folder, an .npz or a folder of images",
        positional=True,
    )  # fmt: skip
    b: str | None = option(None, "another one, to be compared with the first", positional=True)
    n: int = option(1000, "images to draw from a checkpoint or a pipeline (10,000 for numbers to publish)", MUCH)
    dataset: str | None = option(None, f"what images belong to, where no checkpoint says it: {WORDS}", metavar="NAME")
    judge_seed: Literal[0, 1] = option(0, "1 lets the second judge lead", EXPERT)
    trust_remote_code: bool = option(False, "let the code that lies in a pipeline's folder run: read it first", EXPERT)
    json: bool = option(False, "print JSON instead of tables")

    def check(self) -> None:
        """Raise ZooError for values that make no sense."""
        if not self.a:
            raise ZooError(
                "which images? python -m eval.fid A [B]; a run's folder, a checkpoint, .npz or a folder of images"
            )
        if self.n < MIN_SAMPLES:
            raise ZooError(
                f"--n {self.n} is too few: from fewer than {MIN_SAMPLES} images, twice the judge's features, a small "
                "FID is wrong even after its correction"
            )
        if self.dataset is not None:
            self.dataset = check_name(self.dataset)
        fit_images(self.n, SMALLEST)


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m eval.fid", __doc__)
    options.check()
    setting = options.setting()
    from eval.scores.sets import Asked, evaluate  # torch, which --help does without
    from eval.scores.text import page
    from zoo.base.environment import pick_device

    paths = [Path(path) for path in (options.a, options.b) if path]
    asked = Asked(
        options.n, options.dataset, Path(options.data_dir), options.mirror, options.judge_seed, options.batch,
        options.trust_remote_code,
    )  # fmt: skip
    found = evaluate(paths, setting, asked, pick_device(options.device))
    print(json.dumps(found, indent=1, allow_nan=False) if options.json else page(found, terminal_columns()))


if __name__ == "__main__":
    run_main(main)
