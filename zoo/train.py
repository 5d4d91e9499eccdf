"""Training of one run: python -m zoo.train --objective "rf/lognorm(0,1)" --backbone dit --dataset digits --out DIR

The same command again resumes, or finds nothing to do. With --ranks 4 as many processes train the run together; so do
those that torchrun starts.
"""

import sys
from contextlib import nullcontext
from pathlib import Path

from zoo import registry
from zoo.base import group, ranks
from zoo.base.counts import counted
from zoo.base.environment import pick_device
from zoo.base.errors import run_main
from zoo.base.lock import locked
from zoo.base.progress import say
from zoo.cli import TrainOptions, parse


def main() -> int:
    """The command line; see the module's first line."""
    options = parse(TrainOptions, "python -m zoo.train", __doc__)
    config = options.config()
    folder, count = Path(options.out), ranks.asked() or (1 if options.ranks is None else options.ranks)
    taught = Path(options.teacher) if options.teacher else None
    from zoo.base.limits import require_writable
    from zoo.config.fits import fit_training

    fit_training(config)
    if count * options.accumulate != 1:
        from zoo.training.spread import joined

        ranks.check(config.batch, count, options.accumulate, joined(registry.objective(config.objective)))
    require_writable(folder / "metrics.jsonl", "--out")
    if count > 1 and ranks.asked() is None:
        return group.launch(["-m", "zoo.train", *sys.argv[1:]], count)
    from zoo.data.dataset import load  # torch, which --help does without
    from zoo.sampling.model import Preview
    from zoo.training.run import train

    with ranks.joined(options.device, options.ranks) as own:
        device = pick_device(own)
        with locked(folder) if ranks.leads() else nullcontext():
            data, parts = load(config.dataset, Path(options.data_dir), options.mirror), options.accumulate
            manifest = train(config, folder, data, device, options.track, preview=Preview, teacher=taught, parts=parts)
        say(f"done: {counted(manifest['images'], 'image')} in {manifest['seconds']:.0f} s, in {folder}")
        plugin = f" --plugin {options.plugin}" if options.plugin else ""
        say(f"score it with: python -m eval.fid {folder}{plugin}")
    return 0


if __name__ == "__main__":
    run_main(main)
