"""Validation loss beside FID, for the claims that one predicts the other."""

import math
from typing import Any

from eval.ranks.claims import correlation
from reports.read.cell import Cell
from reports.read.run import Run
from reports.read.setting import Setting
from reports.words.pairs import common
from zoo.base.errors import ZooError
from zoo.registry import objective


def histories(
    run: Run, over: str, setting: Setting | None = None, whole: bool = False
) -> list[list[list[tuple[float, float]]]]:
    """By arm its cells' points as (validation loss, FID), where the loss has one unit.

    over: "time", the points of training that were scored, all alike; or "cells", the end alone, under a setting (the
    first common one unless given). whole: only the cells that saw the most images.
    """
    cells = [cell for cell in run.done if _unit(cell) == _unit(run.done[0])]
    most = max((_images(cell) for cell in cells), default=0)
    setting = setting or next(iter(common(run)), None)
    found: dict[tuple[str, str], list[list[tuple[float, float]]]] = {}
    for cell in cells if not whole else [cell for cell in cells if _images(cell) == most]:
        if over == "time":
            points = [(p["loss"], p["fid"]) for p in cell.facts.get("snapshots") or [] if p.get("loss") is not None]
        else:
            loss = ((cell.facts.get("validation") or {}).get("ema") or {}).get("val_target")
            row = cell.score(setting) if setting else None
            points = [(loss, row["fid"])] if row and loss is not None and math.isfinite(loss) else []
        if points:
            found.setdefault((cell.backbone, cell.objective), []).append(points)
    return list(found.values())


def _images(cell: Cell) -> int:
    return int(settings_of(cell).get("images", 0))


def elsewhere(run: Run, over: str) -> str:
    """What a claim over cells rests on: the correlation under every common setting, and of the longest runs alone."""
    if over == "time":
        return ""
    parts = []
    for whole in (False, True):
        values = [(s, correlation(histories(run, over, s, whole), "cells")) for s in common(run)]
        known = [f"{found.mean:.2f} under {run.label(s)}" for s, found in values if found]
        if known and not whole:
            parts += known
        elif known and len({_images(cell) for cell in run.done}) > 1:
            parts.append(f"among the runs that saw the most images {' and '.join(known)}")
    return "; ".join(parts)


def _unit(cell: Cell) -> object:
    """What the validation loss is measured in: target, path, and the scale of pixels or the auto-encoder."""
    try:
        made = objective(cell.objective.partition(" [")[0])
    except ZooError:
        return cell.objective.partition(" [")[0]
    seen = settings_of(cell).get("standardise", True), settings_of(cell).get("latents")
    return made.target, made.path, *seen


def settings_of(cell: Cell) -> dict[str, Any]:
    """The recipe of a cell that is done, and what it is applied to."""
    found: dict[str, Any] = (cell.facts.get("cell") or {}).get("train") or {}
    return found
