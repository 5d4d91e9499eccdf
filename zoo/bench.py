"""What this machine can do, and how much of it training and sampling reach: python -m zoo.bench

The ceiling is a large matrix product and a memory copy. Beside it stand, for each backbone, training and sampling in
every mode: as written or compiled, in float32 or bfloat16, with the default optimiser or AdamW. Each measurement is a
process of its own, and the modes take turns (`--rounds`), so that a machine whose speed drifts treats them alike. The
images are random: speed does not depend on what they show.

python -m zoo.bench --minutes 8 --out DIR measures everything that a GPU is asked for in one call, the most valuable
first: speed, time to quality, and as much of the default grid as fits (--minutes 8 --help explains its options).
python -m zoo.bench --simulate cells=10000 nodes=64 says what a large grid on a cluster takes, and what breaks first.
python -m zoo.bench --overhead cells=200 seconds=1 measures what each executor of cells adds to their time.
python -m zoo.bench --quality --out DIR measures FID after so many seconds of training (--quality --help).
"""

import json
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from zoo import registry
from zoo.base.errors import choose, run_main
from zoo.base.files import write_json
from zoo.base.limits import require_writable
from zoo.base.options import EXPERT, MUCH, WHERE, option
from zoo.benchmark import RANDOM_IMAGES
from zoo.benchmark.modes import CEILING, MODES, Plan, checked_config, measured, run, table
from zoo.cli import parse
from zoo.config.fits import fit_images, fit_training
from zoo.grid.device import require_device


@dataclass
class Options:
    """Measure the machine, and every backbone on it."""

    backbone: tuple[str, ...] = option(
        ("dit(patch=4)", "unet(width=32,attention=1)"), "backbones, with sizes", metavar="NAME .."
    )
    objective: str = option("rf/lognorm(0,1)", "what is trained", metavar="NAME")
    modes: tuple[str, ...] = option(tuple(MODES), f"which of: {'; '.join(MODES)} (default: all)", metavar="MODE ..")
    dataset: str = option("mnist", "whose image size, channels and classes", metavar="NAME")
    size: int | None = option(None, "pixels of an image's side (default: the data set's)", MUCH)
    batch: int = option(64, "images in a step", MUCH)
    rounds: int = option(2, "how often each is measured; the first time with a cold cache of compiled code", MUCH)
    seconds: float = option(5.0, "how long training and sampling are timed in each measurement", MUCH)
    jobs: int = option(1, "so many processes at once, which share the CPU's cores; their rates are added up", EXPERT)
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps", WHERE, metavar="DEVICE")
    json: str | None = option(None, "also write everything measured to this file", WHERE, metavar="FILE")
    one: str | None = option(None, "measure this alone, in this process, and print JSON", EXPERT, hidden=True)

    def plan(self) -> Plan:
        """The checked plan. Raises ZooError."""
        given = {f.name: getattr(self, f.name) for f in fields(Plan)}
        plan = Plan(**given)
        for name in plan.backbone:
            fit_training(checked_config(plan, name), plan.spec)
        fit_images(RANDOM_IMAGES, plan.spec.image_shape, "--size")
        registry.objective(plan.objective)
        if self.one is not None and self.one not in (CEILING, *MODES):
            raise choose("measurement", self.one, (CEILING, *MODES))
        if self.json is not None:
            require_writable(Path(self.json), "--json")
        return plan


def main() -> int:
    """The command line; see the module's first line."""
    if "--quality" in sys.argv[1:]:
        from zoo.benchmark import quality

        return quality.main()
    if any(word.partition("=")[0] == "--minutes" for word in sys.argv[1:]):
        from zoo.benchmark import call

        return call.main()
    if any(word.partition("=")[0] == "--simulate" for word in sys.argv[1:]):
        from zoo.benchmark import simulate

        return simulate.main()
    if any(word.partition("=")[0] == "--overhead" for word in sys.argv[1:]):
        from zoo.benchmark import overhead

        return overhead.main()
    options = parse(Options, "python -m zoo.bench", __doc__)
    plan = options.plan()
    if options.one:
        print(json.dumps(measured(plan, options.one)))
        return 0
    require_device(plan.device)
    found = run(plan)
    print(f"\n{table(found)}")
    if options.json:
        write_json(Path(options.json), found)
    return 0


if __name__ == "__main__":
    run_main(main)
