"""Everything measured in one call: python -m zoo.bench --minutes 8 --out DIR

argparse reads this command line, for it has to start on a machine without tyro. Wheels carried in `.whl` are used for
packages that are missing.
"""

import argparse
import math
import os
import sys
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.progress import say
from zoo.benchmark import gpu, needs
from zoo.benchmark.session import ROOT, Session
from zoo.benchmark.tables import markdown

AGAIN = "ZOO_SESSION_SITE"  # set for the process that was started again with the wheels' packages


def main() -> int:
    """The command line; the status is 0 when the session came to its end, whatever became of single steps."""
    parser = argparse.ArgumentParser(prog="python -m zoo.bench", description=__doc__)
    parser.add_argument("--minutes", type=_minutes, required=True, help="how long the session may take")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; an earlier session's goes on")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--mirror", default=os.environ.get("ZOO_MIRROR"), help="folder or address of MNIST's archives")
    parser.add_argument("--wheels", type=Path, default=gpu.folder_of_wheels(ROOT), help="folder of wheels")
    options = parser.parse_args()
    out = options.out.resolve()
    found = needs.look()
    lacking = needs.missing(found)
    if lacking and options.wheels and AGAIN not in os.environ:
        out.mkdir(parents=True, exist_ok=True)
        site = out / "work" / "site"
        say(needs.install(options.wheels, site))
        path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
        os.environ |= {AGAIN: str(site), "PYTHONPATH": path}
        os.execv(sys.executable, [sys.executable, "-m", "zoo.bench", *sys.argv[1:]])  # noqa: S606 (our own interpreter)
    say("\n".join(one.line for one in found))
    if stop := [one.line for one in found if one.package.required and one.version is None]:
        raise ZooError("this machine lacks what every step needs:\n  " + "\n  ".join(stop))
    from zoo.base.environment import pick_device  # torch, which is known to be there now

    device = str(pick_device(options.device))
    environment = {"TORCHINDUCTOR_CACHE_DIR": str(out / "work" / "inductor")}
    session = Session(out, options.minutes, lacking, environment, table=markdown)
    mirror = options.mirror and (options.mirror if "://" in options.mirror else str(Path(options.mirror).resolve()))
    session.run(gpu.steps(session, device, mirror))
    say(f"\n{markdown(session.results)}\n\n{out / 'session.md'}")
    return 0


def _minutes(text: str) -> float:
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text} is no number of minutes above 0")
    return value
