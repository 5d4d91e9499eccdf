"""The rows of a cell's result: every control setting scored, or the reason why it could not be.

What goes wrong while images are drawn or judged costs the row of its setting. It says nothing of the training, whose
loss was finite; and what another try may mend (a full disk, no memory) ends the cell instead.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from eval.scores.few import best_case, drawn, part_of
from eval.scores.score import Bench, Scored, copies_png, path_png, score, tile_png
from eval.scores.validation import validation
from zoo.base.errors import Busy, DiskFull, Interrupted, ZooError
from zoo.base.files import write_atomic
from zoo.base.progress import say
from zoo.config.cell import ScoreConfig
from zoo.config.control import Sampling, Setting, score_words
from zoo.sampling.model import Model
from zoo.training import checkpoint

AGAIN = (OSError, MemoryError, torch.OutOfMemoryError, DiskFull, Busy, Interrupted)  # the setting is not to blame


Few = dict[Sampling, dict[str, Any]]  # what a few of the images score, by the way to draw


def rows(
    model: Model, config: ScoreConfig, bench: Bench, folder: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Few]:
    """(scores, settings without a score: {setting, its fields, n, reason}, what a few images of the first weights
    score where that is asked for), with each setting's pictures in the folder.

    Raises ZooError where not one setting could be scored.
    """
    found: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    few: Few = {}
    for setting in config.controls:
        scored = _attempt(partial(_score, model, setting, config.n, bench))
        if isinstance(scored, str):
            say(f"not scored, {setting.name}: {scored}")
            failed.append({"setting": setting.name, **setting.model_dump(mode="json"), "n": config.n, "reason": scored})
            continue
        _pictures(scored, setting, folder, bench)
        row = scored.row
        say(f"scored: {score_words(row)}")
        found.append(row)
        if setting.weights == config.weights[0] and (config.best or config.snapshots):
            few[Sampling(**setting.model_dump(exclude={"weights"}))] = part_of(scored, config.few, bench)
    if not found:
        raise ZooError(f"no control setting could be scored; the first, {failed[0]['setting']}: {failed[0]['reason']}")
    return found, failed, few


def best_of(model: Model, config: ScoreConfig, few: Few, bench: Bench, folder: Path) -> dict[str, Any] | None:
    """A run's best case with its picture in the folder, where that is asked for and images can be drawn."""
    if config.best is None:
        return None
    known, case = {how: float(row["fid"]) for how, row in few.items()}, config.best
    found = _attempt(lambda: best_case(model, config, case, known, bench))
    if isinstance(found, str):
        say(f"no best case: {found}")
        return None
    best, scored = found
    write_atomic(folder / "samples" / "best.png", tile_png(scored.images, scored.labels))
    return best


def course(model: Model, folder: Path, config: ScoreConfig, bench: Bench) -> Iterator[dict[str, Any]]:
    """Each snapshot's scores under the first control setting, with the images and seconds of training until then.

    A snapshot that cannot be scored is left out.
    """
    setting, final = config.controls[0], model.tensors
    for path in reversed(checkpoint.manifests(folder)):
        manifest, model.tensors = checkpoint.read(path)
        row = _attempt(lambda: drawn(model, setting, config.few, bench))
        after = f"after {manifest['images']:,} images"
        if isinstance(row, str):
            say(f"not scored {after}: {row}")
            continue
        say(f"scored {after}: {score_words({**setting.model_dump(), 'n': config.few, **row})}")
        yield {**row, "images": manifest["images"], "seconds": manifest["seconds"], "drawing": row["seconds"]}
    model.tensors = final


T = TypeVar("T")


def _attempt(work: Callable[[], T]) -> T | str:
    """What it gives, or in one line why it gives nothing."""
    try:
        return work()
    except AGAIN:
        raise
    except Exception as error:  # a sampler, a step grid or an objective may come from a plugin
        text = " ".join(str(error).split())
        return text if isinstance(error, ZooError) else f"{type(error).__name__}: {text}"


def _score(model: Model, setting: Setting, n: int, bench: Bench) -> Scored:
    """The scores under a setting. Raises ZooError for one that is not finite."""
    scored = score(model, setting, n, bench)
    bad = [name for name, value in scored.row.items() if isinstance(value, float) and not math.isfinite(value)]
    if bad:
        raise ZooError(f"{', '.join(bad)} {'is' if len(bad) == 1 else 'are'} not finite")
    return scored


def held_out(model: Model, config: ScoreConfig, bench: Bench) -> dict[str, dict[str, Any]]:
    """The errors on held-out images of each kind of weights, but for a kind whose errors are not finite."""
    found: dict[str, dict[str, Any]] = {}
    for kind in config.weights:
        errors = validation(model, kind, bench.data, config.n)
        if math.isfinite(sum(value for value in errors.values() if isinstance(value, float))):
            found[kind] = errors
        else:
            say(f"no error on held-out images, {kind} weights: it is not finite")
    return found


def _pictures(scored: Scored, setting: Setting, folder: Path, bench: Bench) -> None:
    write_atomic(folder / "samples" / f"{setting.name}.png", tile_png(scored.images, scored.labels))
    write_atomic(folder / "copies" / f"{setting.name}.png", copies_png(scored, bench.data))
    if setting.weights == "ema" and setting.guidance == 1:
        write_atomic(folder / "paths" / f"{setting.name}.png", path_png(scored.film))
