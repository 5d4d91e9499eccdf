"""Training and sampling in every mode, beside what this machine can do at most: python -m zoo.bench"""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from zoo import registry
from zoo.base.environment import check_device
from zoo.base.errors import choose
from zoo.base.files import write_json
from zoo.base.limits import require_writable
from zoo.base.options import EXPERT, MUCH, WHERE, option, read
from zoo.benchmark import RANDOM_IMAGES
from zoo.benchmark.modes import CEILING, MODES, Plan, checked_config, measured, run, table
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


def main(doc: str) -> int:
    """The command line; doc: what its help begins with."""
    options: Options = read(Options, "python -m zoo.bench", doc)
    check_device(options.device)
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
