"""Training of one run: python -m zoo.train --objective "rf/lognorm(0,1)" --backbone dit --dataset digits --out DIR

The same command again resumes, or finds nothing to do.
"""

from pathlib import Path

from zoo.base.environment import pick_device
from zoo.base.errors import run_main
from zoo.base.lock import locked
from zoo.base.progress import say
from zoo.cli import TrainOptions, parse


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(TrainOptions, "python -m zoo.train", __doc__)
    config = options.config()
    folder, taught = Path(options.out), Path(options.teacher) if options.teacher else None
    from zoo.base.limits import require_writable
    from zoo.config.fits import fit_training

    fit_training(config)
    require_writable(folder / "metrics.jsonl", "--out")
    from zoo.data.dataset import load  # torch, which --help does without
    from zoo.sampling.model import Preview
    from zoo.training.run import train

    device = pick_device(options.device)
    with locked(folder):
        data = load(config.dataset, Path(options.data_dir), options.mirror)
        manifest = train(config, folder, data, device, options.track, preview=Preview, teacher=taught)
    say(f"done: {manifest['images']:,} images in {manifest['seconds']:.0f} s, in {folder}")
    plugin = f" --plugin {options.plugin}" if options.plugin else ""
    say(f"score it with: python -m eval.fid {folder}{plugin}")


if __name__ == "__main__":
    run_main(main)
