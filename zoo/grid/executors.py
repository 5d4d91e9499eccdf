"""Which executor does a plan's cells, made from the options of a command line."""

from pathlib import Path
from typing import Any

from zoo.base.environment import visible_gpus
from zoo.base.threads import cores
from zoo.data import archives, sets
from zoo.grid.local import Executor, Local
from zoo.grid.plan import Plan
from zoo.grid.slots import gpu_places, ranks


def make(plan: Plan, command: list[str], options: Any, cells: int) -> Executor:
    """The executor that is asked for. command: what starts a worker; cells: how many are left."""
    words = ["--device", options.device]
    words += ["--track", options.track] if options.track else []
    words += ["--ranks", str(ranks(options))] if ranks(options) > 1 else []
    words += ["--accumulate", str(options.accumulate)] if options.accumulate > 1 else []
    fresh = bool(options.track)  # its package has but one run in a process
    if options.executor == "ray" and cells:
        return _cluster(plan, [*command, *words], options, fresh)
    words += ["--data-dir", options.data_dir]
    words += ["--mirror", options.mirror] if options.mirror else []
    words += ["--plugin", options.plugin] if options.plugin else []
    jobs = min(plan.jobs, max(1, cells))
    threads = None if plan.kind == "gpu" else max(1, cores() // (jobs * ranks(options)))
    chosen = plan.kind == "cpu" or options.device.startswith("cuda:")  # there is no GPU to choose
    places = gpu_places([] if chosen else visible_gpus(), jobs, options.gpus_per_cell or ranks(options))
    return Local([*command, *words], places, threads, options.timeout, fresh)


def _cluster(plan: Plan, command: list[str], options: Any, fresh: bool) -> Executor:
    from zoo.grid.cluster import Cluster
    from zoo.grid.needs import Needs, Wanted

    home, data = Path(options.data_dir), {}
    here = options.ray_address is None  # one node, which sees all that this process sees
    for source in [] if here else map(sets.source, plan.budgets):
        for file in archives.SHA256.get(source.archives or "", ()):
            path = archives.raw_folder(source.archives, home) / file
            data[path.relative_to(home).as_posix()] = path
    gpus = options.gpus_per_cell
    if gpus is None:
        gpus = float(ranks(options)) if plan.kind == "gpu" else 0.0
    kinds = {"ema": "ema", "raw": "net"}
    return Cluster(
        Wanted(
            out=plan.out,
            command=command[1:],
            needs=Needs(options.cpus_per_cell, gpus, options.jobs),
            address=options.ray_address,
            shared=options.shared_out or here,
            mixed=options.allow_mixed,
            timeout=options.timeout,
            fresh=fresh,
            plugin=Path(options.plugin) if options.plugin else None,
            data=data,
            data_dir=home.absolute() if here else None,
            kinds={plan.folder(c): [kinds[w] for w in ("ema", *c.config.score.weights)] for c in plan.chosen},
        )
    )
