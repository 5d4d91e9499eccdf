"""A worker whose cells only last: python -m zoo.benchmark.standin SECONDS MB

It takes cells as `eval.worker` does, and leaves files of a cell's number and size in their folders.
"""

import sys
import time
from pathlib import Path

from zoo.base.files import write_atomic, write_json
from zoo.grid import parcel
from zoo.grid.executor import cells_of_driver, die_with_driver

PICTURES, PICTURE_BYTES = 20, 5_000
RESULT = {"scores": ["x" * 100] * 400}  # 40 kB
BEGAN = "began.txt"


def main(seconds: float, mb: float) -> None:
    """Do cells until there are no more; each lasts so long, the writing of its files (MB of weights) within."""
    die_with_driver()
    for folder in cells_of_driver():
        began = time.monotonic()
        print("a stand-in", flush=True)
        write_atomic(folder / BEGAN, repr(time.time()).encode())
        for i in range(PICTURES):
            write_atomic(folder / "samples" / f"{i}.png", b"x" * PICTURE_BYTES)
        write_atomic(folder / "weights.bin", bytes(int(mb * 1e6)))
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        write_json(folder / Path(parcel.RESULT), RESULT)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
