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

import sys
from importlib import import_module

from zoo.base.errors import run_main

OTHERS = {"--quality": "quality", "--minutes": "call", "--simulate": "simulate", "--overhead": "overhead"}


def main() -> int:
    """The command line; see the module's first line.

    What it measures is imported when it is known what is asked for: `--minutes` starts where packages are missing.
    """
    given = {word.partition("=")[0] for word in sys.argv[1:]}
    for flag, name in OTHERS.items():
        if flag in given:
            return int(import_module(f"zoo.benchmark.{name}").main())
    from zoo.benchmark import machine

    return machine.main(__doc__ or "")


if __name__ == "__main__":
    run_main(main)
