"""The rows of a cell's result: every control setting scored, or the reason why it could not be.

What goes wrong while images are drawn or judged costs the row of its setting. It says nothing of the training, whose
loss was finite; and what another try may mend (a full disk, no memory) ends the cell instead.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from eval.scores.few import best_case, drawn, part_of
from eval.scores.score import Bench, Scored, copies_png, path_png, score, tile_png
from eval.scores.validation import stratified_loss, validation
from zoo.base.counts import counted
from zoo.base.errors import Busy, DiskFull, Interrupted, OutOfMemory, ZooError, explained
from zoo.base.files import write_atomic
from zoo.base.progress import say
from zoo.config.cell import ScoreConfig
from zoo.config.control import Sampling, Setting, score_words
from zoo.sampling.model import Model
from zoo.training import checkpoint
from zoo.training.run import points

T = TypeVar("T")

AGAIN = (OSError, DiskFull, OutOfMemory, Busy, Interrupted)  # the setting is not to blame


@dataclass
class Rows:
    """Scores by control setting; settings without a score {setting, its fields, n, reason}; what few images score."""

    scores: list[dict[str, Any]] = field(default_factory=list)
    unscored: list[dict[str, Any]] = field(default_factory=list)
    few: dict[Sampling, dict[str, Any]] = field(default_factory=dict)  # of the first weights, by the way to draw


def rows(model: Model, config: ScoreConfig, bench: Bench, folder: Path) -> Rows:
    """Every control setting's scores, with their pictures in the folder.

    Raises ZooError where not one setting could be scored.
    """
    made = Rows()
    for setting in config.controls:
        scored = _attempt(partial(score, model, setting, config.n, bench))
        if isinstance(scored, str):
            say(f"not scored, {setting.name}: {scored}")
            failed = {"setting": setting.name, **setting.model_dump(mode="json"), "n": config.n, "reason": scored}
            made.unscored.append(failed)
            continue
        _pictures(scored, setting, folder, bench)
        say(f"scored: {score_words(scored.row)}")
        made.scores.append(scored.row)
        if setting.weights == config.weights[0] and (config.best or config.snapshots):
            way = Sampling(**setting.model_dump(exclude={"weights"}))
            made.few[way] = part_of(scored, config.few, bench)
    if not made.scores:
        first = made.unscored[0]
        raise ZooError(f"no control setting could be scored; the first, {first['setting']}: {first['reason']}")
    return made


def best(model: Model, config: ScoreConfig, made: Rows, bench: Bench, folder: Path) -> dict[str, Any] | None:
    """The run's best case with the `seconds` of drawing, and its pictures; None if there is none."""
    case = config.best
    if not case:
        return None
    known = {way: row["fid"] for way, row in made.few.items()}
    found = _attempt(lambda: best_case(model, config, case, known, bench))
    if isinstance(found, str):
        say(f"no best case: {found}")
        return None
    write_atomic(folder / "samples" / "best.png", tile_png(found[1].images, found[1].labels, bench.data.spec))
    return found[0]


def course(
    model: Model,
    folder: Path,
    config: ScoreConfig,
    made: Rows,
    bench: Bench,
    last: dict[str, Tensor],
    end: dict[str, Any],
) -> list[dict[str, Any]]:
    """What few images score at each snapshot, under the first control setting, with images and seconds of training.

    last, end: the weights and the manifest at the end of training, which is the last point; `drawing` is the seconds
    of drawing. With `loss_curve` there is the validation loss too. A snapshot that cannot be scored is left out.
    """
    if not config.snapshots:
        return []
    setting, found = config.controls[0], []
    wanted = points(end["step"], config.snapshots)
    saved = [checkpoint.read(path) for path in reversed(checkpoint.manifests(folder))]
    shots = [(manifest, tensors) for manifest, tensors in saved if manifest["step"] in wanted]
    for manifest, tensors in [*shots, (end, last)]:
        way = Sampling(**setting.model_dump(exclude={"weights"}))
        if manifest is end and model.tensors is last and way in made.few:
            row: dict[str, Any] | str = made.few[way]
        else:
            row = _at(model, tensors, setting, config, bench)
        after = f"after {counted(manifest['images'], 'image')}"
        if isinstance(row, str):
            say(f"not scored {after}: {row}")
            continue
        if manifest is not end:
            say(f"scored {after}: {score_words({**setting.model_dump(), 'n': config.few, **row})}")
        drawing = row.get("seconds", 0.0)
        facts = {"images": manifest["images"], "seconds": manifest["seconds"], "drawing": drawing}
        found.append({**row, **facts, **_loss(model, tensors, config, bench)})
    return found


def _at(
    model: Model, tensors: dict[str, Tensor], setting: Setting, config: ScoreConfig, bench: Bench
) -> dict[str, Any] | str:
    """Few images' scores by other weights of the run, which the model has for that."""
    scored, model.tensors = model.tensors, tensors
    try:
        return _attempt(partial(drawn, model, setting, config.few, bench))
    finally:
        model.tensors = scored


def _loss(model: Model, tensors: dict[str, Tensor], config: ScoreConfig, bench: Bench) -> dict[str, float]:
    """{loss}: the validation loss of other EMA weights of the run; {} where it is not asked for or not finite."""
    if not config.loss_curve:
        return {}
    scored, model.tensors = model.tensors, tensors
    try:
        loss = stratified_loss(model, "ema", bench.data, config.n)
    finally:
        model.tensors = scored
    return {"loss": loss} if math.isfinite(loss) else {}


def _attempt(action: Callable[[], T]) -> T | str:
    """What the action gives, or in one line why it gives nothing; a score that is not finite is no score."""
    try:
        found = action()
        row = found.row if isinstance(found, Scored) else found if isinstance(found, dict) else {}
        bad = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
        return f"{', '.join(bad)} {'is' if len(bad) == 1 else 'are'} not finite" if bad else found
    except Exception as error:  # a sampler, a step grid or an objective may come from a plugin
        if isinstance(error, AGAIN) or isinstance(explained(error), AGAIN):
            raise
        text = " ".join(str(error).split())
        return text if isinstance(error, ZooError) else f"{type(error).__name__}: {text}"


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
    write_atomic(folder / "samples" / f"{setting.name}.png", tile_png(scored.images, scored.labels, bench.data.spec))
    write_atomic(folder / "copies" / f"{setting.name}.png", copies_png(scored, bench.data))
    if setting.weights == "ema" and setting.guidance == 1:
        write_atomic(folder / "paths" / f"{setting.name}.png", path_png(scored.film))
