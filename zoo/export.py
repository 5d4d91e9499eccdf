"""A trained run as a diffusers pipeline: python -m zoo.export CKPT DIR

CKPT is a run's folder, or a step-NNNNNN.safetensors or .json file. DIR is made, with network, scheduler, the pipeline's
code and a model card; `DiffusionPipeline.from_pretrained("DIR", trust_remote_code=True)` loads it. Nothing leaves this
machine without --push.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.base.errors import ZooError, run_main
from zoo.base.options import EXPERT, WHERE, option
from zoo.cli import parse


@dataclass
class Options:
    """Export a run."""

    ckpt: str = option("", "folder of a run, or its step-NNNNNN.safetensors", positional=True)
    dir: str = option("", "the folder to write, new or empty", positional=True)
    weights: Literal["ema", "raw"] = option("ema", "which of the checkpoint's weights")
    scheduler: Literal["auto", "flow", "ddim", "ddpm"] = option(
        "auto", "auto: ddim where the path is DDPM's table, else flow, which has the noise levels of the scores", EXPERT
    )
    license: str | None = option(None, "what the card names as the weights' licence, as in mit", metavar="NAME")
    push: str | None = option(None, "send the folder to this model repository of the hub", WHERE, metavar="USER/NAME")
    private: bool = option(False, "make that repository private, if it is not there yet", WHERE)
    dry_run: bool = option(False, "with --push: show what would be sent; nothing is sent, and DIR not written", WHERE)
    plugin: str | None = option(None, "a Python file that registers objectives of your own", metavar="FILE")

    def check(self) -> None:
        """Raise ZooError for values that make no sense."""
        if not (self.ckpt and self.dir):
            raise ZooError("which checkpoint, and where to? python -m zoo.export CKPT DIR")
        if not self.push and (self.dry_run or self.private):
            raise ZooError("--dry-run and --private belong to --push USER/NAME; without it nothing is sent")
        if self.push:
            from zoo.hub.push import check_repo

            check_repo(self.push)


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m zoo.export", __doc__)
    options.check()
    from zoo.hub import export, push  # torch and diffusers, which --help does without

    parts = options.weights, options.scheduler, options.push, options.license
    if options.push and options.dry_run:
        with tempfile.TemporaryDirectory() as scratch:
            name = export.export(Path(options.ckpt), Path(scratch) / "pipeline", *parts)
            files = push.listing(Path(scratch) / "pipeline")
        print("\n".join([f"a diffusers pipeline with {name} would be sent to {options.push}:", *files]))
        return
    out = Path(options.dir)
    name = export.export(Path(options.ckpt), out, *parts)
    print(f"{out}: a diffusers pipeline with {name}, and its card README.md")
    if options.push:
        print(f"sent to {push.push(out, options.push, options.private)}")


if __name__ == "__main__":
    run_main(main)
