"""Everything measured in one call: python -m zoo.bench --minutes 8 --out DIR

It starts on a machine that lacks some packages. Wheels carried in `.whl` are used for those that are missing.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from zoo.base.environment import check_device, mirror_place
from zoo.base.errors import ZooError
from zoo.base.limits import require_writable
from zoo.base.options import MUCH, WHERE, option, read
from zoo.base.progress import say
from zoo.benchmark import gpu, needs
from zoo.benchmark.session import COMPILED, ROOT, Session, work_of
from zoo.benchmark.tables import markdown

AGAIN = "ZOO_SESSION_SITE"  # set for the process that was started again with the wheels' packages

MOST_MINUTES = 10_000


@dataclass
class Options:
    """Measure everything in one call."""

    minutes: float | None = option(None, "how long the session may take", MUCH)
    out: str | None = option(None, "folder of the results; an earlier session's goes on", WHERE, metavar="DIR")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps", WHERE, metavar="DEVICE")
    mirror: str | None = option(
        mirror_place(), "folder or address of MNIST's archives (env ZOO_MIRROR)", WHERE, metavar="PLACE"
    )
    wheels: str | None = option(None, "folder of wheels (default: .whl, if it is there)", WHERE, metavar="DIR")


def main() -> int:
    """The command line; the status is 0 when the session came to its end, whatever became of single steps."""
    options = read(Options, "python -m zoo.bench", __doc__ or "")
    minutes = options.minutes or 0.0
    if not 0 < minutes <= MOST_MINUTES:
        raise ZooError(f"--minutes {minutes:g} must be above 0, and at most {MOST_MINUTES:,}")
    if not options.out:
        raise ZooError("where to? python -m zoo.bench --minutes 8 --out DIR")
    check_device(options.device)
    out = Path(options.out).resolve()
    require_writable(out / "session.json", "--out")
    wheels = Path(options.wheels) if options.wheels else gpu.folder_of_wheels(ROOT)
    found = needs.look()
    lacking = needs.missing(found)
    if lacking and wheels and AGAIN not in os.environ:
        site = work_of(out) / "site"
        site.parent.mkdir(parents=True, exist_ok=True)
        say(needs.install(wheels, site))
        path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
        os.environ |= {AGAIN: str(site), "PYTHONPATH": path}
        os.execv(sys.executable, [sys.executable, "-m", "zoo.bench", *sys.argv[1:]])  # noqa: S606 (our own interpreter)
    say("\n".join(one.line for one in found))
    if stop := [one.line for one in found if one.package.required and one.version is None]:
        raise ZooError("this machine lacks what every step needs:\n  " + "\n  ".join(stop))
    from zoo.base.environment import pick_device  # torch, which is known to be there now

    device = str(pick_device(options.device))
    compiled, fastest = work_of(out) / COMPILED, out / gpu.FASTEST
    environment = {"TORCHINDUCTOR_CACHE_DIR": str(compiled), "ZOO_FASTEST": str(fastest)}
    session = Session(out, minutes, lacking, environment, table=markdown)
    mirror = options.mirror and (options.mirror if "://" in options.mirror else str(Path(options.mirror).resolve()))
    session.run(gpu.steps(session, device, mirror))
    say(f"\n{markdown(session.results)}\n\n{out / 'session.md'}")
    return 0
