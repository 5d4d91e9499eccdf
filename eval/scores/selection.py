"""The step whose weights are scored: the last, or that of least validation loss (arXiv 2403.03206, section 5.1).

The loss is that of the EMA weights on held-out images in the target's own units, unweighted, at eight equally spaced
times of the straight path (`validation.py`). It is taken at CANDIDATES equally spaced points of training; of equal
losses the later step counts. Training knows nothing of it: the run keeps its weights at those points, and goes on.
"""

import shutil
from pathlib import Path
from typing import Any

from torch import Tensor

from eval.scores.validation import stratified_loss
from zoo.base import ranks
from zoo.base.counts import counted
from zoo.base.progress import say
from zoo.data.dataset import Dataset
from zoo.sampling.model import Model
from zoo.training import checkpoint
from zoo.training.run import SNAPSHOTS, points


def least(
    model: Model, folder: Path, last: int, count: int, data: Dataset, n: int
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """(the tensors of the step of least loss, [{step, loss}] by step) of a run whose last step is in the model.

    folder: the run's, with the weights of the `count` points before the last; n: held-out images at most. Writes the
    chosen weights into the folder's SELECTED, unless they are the last ones, which `checkpoint.find` finds there. Of a
    run that was scored before, the weights that were chosen then are all that is left to choose besides the last.
    """
    final, wanted = model.tensors, points(last, count)
    left = [*checkpoint.manifests(folder / checkpoint.SELECTED), *checkpoint.manifests(folder / SNAPSHOTS)]
    kept = {int(path.stem.removeprefix("step-")): path for path in left}
    losses: list[dict[str, Any]] = []
    for step in [*sorted(wanted & kept.keys()), last]:
        model.tensors = checkpoint.read(kept[step])[1] if step != last else final
        losses.append({"step": step, "loss": stratified_loss(model, "ema", data, n)})
    model.tensors = final
    best = min(losses, key=lambda found: (found["loss"], -found["step"]))
    say(
        f"least validation loss {best['loss']:.4f} at step {best['step']:,} of {last:,}, among "
        f"{counted(len(losses), 'point')}"
    )
    manifest, tensors = checkpoint.read(kept[best["step"]]) if best["step"] != last else ({}, final)
    ranks.same(best["step"], "the step of least loss")  # all have read the weights, too
    if ranks.leads():
        shutil.rmtree(folder / checkpoint.SELECTED, ignore_errors=True)
    if best["step"] == last:
        return final, losses
    checkpoint.save(folder / checkpoint.SELECTED, best["step"], tensors, manifest, kept=1)
    return tensors, losses
