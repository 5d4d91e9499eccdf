"""Which data sets a grid is run on: those that were asked for, or what there is instead of one that is missing."""

from pathlib import Path
from typing import Any

from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.progress import say
from zoo.data import archives, sets
from zoo.grid import notice as notices
from zoo.grid.files import AUTO, FIRST

FALLBACK = "digits"  # needs no download


def choose_sets(
    wishes: list[str], earlier: dict[str, Any], options: Any, fetch: bool
) -> tuple[list[str], str | None, str | None]:
    """(the data sets, a notice if they are not the ones that were hoped for, the cause of that).

    A wish of a grid's file falls back to `digits`; a data set that the command line names is had, or an error.
    """
    if earlier.get("dataset_requested") == wishes and earlier.get("datasets"):
        return list(earlier["datasets"]), earlier.get("notice"), None  # the same command goes on with what it began
    found, notices, causes = [], [], []
    for place, wish in enumerate(wishes):
        dataset, notice, cause = _one(wish, options, fetch, fallback=place > 0 and options.dataset is None)
        found += [dataset] if dataset not in found else []
        notices += [notice] if notice else []
        causes += [cause] if cause else []
    if notices and len(found) < len(wishes):
        notices.append(f"{len(found)} of {counted(len(wishes), 'data set')} are left, and so fewer control settings.")
    return found, "\n".join(dict.fromkeys(notices)) or None, "\n".join(causes) or None


def _one(wish: str, options: Any, fetch: bool, fallback: bool) -> tuple[str, str | None, str | None]:
    """(data set, a notice if it is not the one hoped for, the cause, without the folders of this machine)."""
    name, data_dir = FIRST if wish == AUTO else wish, Path(options.data_dir)
    source = sets.source(name)
    if not source.archives:
        if fetch and not source.fixed:  # what cannot be used is refused here, and not by every cell
            for note in source.read(data_dir, options.mirror).notes:
                say(f"{name}: {note}")
        return name, None, None
    if not fetch:
        here = archives.present(source.archives, data_dir) or options.mirror or wish != AUTO
        return (name if here else FALLBACK), None, None
    try:
        if not archives.present(source.archives, data_dir):
            say(f"fetching {archives.TORCHVISION[source.archives]} ..")
        archives.ensure(source.archives, data_dir, options.mirror)
    except ZooError as error:
        if wish != AUTO and not fallback:
            raise
        notice = notices.unavailable(archives.TORCHVISION[source.archives], whole=wish == AUTO)
        return FALLBACK, notice, notices.cause(error, data_dir, options.mirror)
    return name, None, None
