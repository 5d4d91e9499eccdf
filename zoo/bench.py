"""What this machine can do, and how much of it training and sampling reach: python -m zoo.bench

The ceiling is a large matrix product and a memory copy. Beside it stand, for each backbone, training and sampling in
every mode: as written or compiled, in float32 or bfloat16, with the default optimiser or AdamW. Each measurement is a
process of its own, and the modes take turns (`--rounds`), so that a machine whose speed drifts treats them alike. The
images are random: speed does not depend on what they show.

python -m zoo.bench --minutes 8 --out DIR measures everything that a GPU is asked for in one call, the most valuable
first: speed, time to quality, and as much of the default grid as fits (--minutes 8 --help explains its options).
"""

import json
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from zoo.base.errors import run_main
from zoo.base.files import write_json
from zoo.benchmark.modes import MODES, Plan, checked_config, measured, run, table


@dataclass
class Options:
    """Measure the machine, and every backbone on it."""

    backbone: tuple[str, ...] = ("dit(patch=4)", "unet(width=32,attention=1)")
    """backbones, with sizes"""
    size: int = 28
    """pixels of an image's side"""
    batch: int = 64
    """images in a step"""
    objective: str = "rf/lognorm(0,1)"
    """what is trained"""
    modes: tuple[str, ...] = tuple(MODES)
    """which modes"""
    jobs: int = 1
    """so many processes at once, which share the CPU's cores; their rates are added up"""
    rounds: int = 2
    """how often each is measured; the first time with a cold cache of compiled code"""
    seconds: float = 5.0
    """how long training and sampling are timed in each measurement"""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N"""
    json: str | None = None
    """also write everything measured to this file"""
    one: str | None = None
    """measure this alone, in this process, and print JSON (what the command calls)"""

    def plan(self) -> Plan:
        """The checked plan. Raises ZooError."""
        given = {f.name: getattr(self, f.name) for f in fields(Plan)}
        plan = Plan(**given)
        for name in plan.backbone:
            checked_config(plan, name)
        return plan


def main() -> int:
    """The command line; see the module's first line."""
    if any(word.partition("=")[0] == "--minutes" for word in sys.argv[1:]):
        from zoo.benchmark import call

        return call.main()
    from zoo.cli import parse  # tyro, which the call above does without

    options = parse(Options, "python -m zoo.bench", __doc__)
    plan = options.plan()
    if options.one:
        print(json.dumps(measured(plan, options.one)))
        return 0
    found = run(plan)
    print(f"\n{table(found)}")
    if options.json:
        write_json(Path(options.json), found)
    return 0


if __name__ == "__main__":
    run_main(main)
