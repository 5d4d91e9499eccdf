"""How often a figure is drawn: once, or for each backbone, setting or family; and how its files are named."""

import re
from typing import Any

from reports.figures import study
from reports.read.run import Run
from zoo.base.errors import ZooError
from zoo.base.names import slug

Each = dict[str, tuple[Any, ...]]  # the end of a file's name -> what is drawn there, as further arguments


def once(run: Run) -> Each:
    """One picture."""
    return {"": ()}


def backbones(run: Run) -> Each:
    """A picture for each backbone."""
    return {f"-{_slug(backbone, place)}": (backbone,) for place, backbone in enumerate(run.backbones)}


def headline(run: Run) -> Each:
    """A picture for each backbone and setting of the comparison, the highest guidance first."""
    found: Each = {}
    for end, (backbone,) in backbones(run).items():
        for i, setting in enumerate(sorted(run.headline, key=lambda s: -s.guidance)):
            alone = [s.guidance for s in run.headline].count(setting.guidance) == 1
            found.setdefault(f"{end}-{f'g{setting.guidance:g}' if alone else i}", (backbone, setting))
    return found


def families(run: Run) -> Each:
    """A picture for each family of objectives that differ in numbers."""
    return {f"-{_slug(family.name, place, 'family')}": (family,) for place, family in enumerate(study.families(run))}


def _slug(name: str, place: int, kind: str = "backbone") -> str:
    """A name as part of a file's name; hostile ones become their number."""
    try:
        return re.sub(r"\.+", ".", slug(name))
    except ZooError:
        return f"{kind}{place}"
