"""The Python API of the scores: score a run, a file, a folder, images in memory, or a function that makes images."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.api import PathLike, Run
from zoo.base.counts import plain
from zoo.base.environment import data_folder, mirror_place, pick_device
from zoo.base.errors import ZooError
from zoo.base.progress import progress_shown

if TYPE_CHECKING:
    from torch import Tensor


Generator = Callable[["Tensor"], "Tensor"]  # labels int64 [N] -> images uint8 [N, C, H, W]


@dataclass(frozen=True)
class ClassScore:
    """One class: its label and name, samples asked for, how many the judge found right, FID to its training images."""

    label: int
    n: int
    correct: int
    fid: float | None
    name: str = ""


@dataclass(frozen=True)
class Scores:
    """Every score of a set of images, and what it rests on.

    fid, fid_se: Frechet distance of the judge's features, corrected for the finite sample, and its standard error;
    lower is better. floor: the FID of real test images. acc: share of samples that the judge assigns to the class
    asked for, its 95% confidence interval acc_low to acc_high, None without labels; ceiling: that of real test images.
    fid2, acc2: by the second judge. row: all columns of results.csv that this set has.
    """

    dataset: str
    n: int
    fid: float
    fid_se: float
    floor: float
    acc: float | None
    acc_low: float | None
    acc_high: float | None
    ceiling: float
    fid2: float | None
    acc2: float | None
    kid: float
    precision: float
    recall: float
    classes: tuple[ClassScore, ...]
    judge: str
    judge_sha256: str
    row: dict[str, Any]


def score(
    what: "Run | PathLike | Tensor | Generator",
    labels: "Sequence[int] | Tensor | None" = None,
    *,
    dataset: str | None = None,
    n: int = 1000,
    steps: int = 20,
    guidance: float = 1.0,
    data_dir: PathLike | None = None,
    mirror: str | None = None,
    judge_seed: Literal[0, 1] = 0,
    device: str = "auto",
    batch: int = 128,
    trust_remote_code: bool = False,
    progress: bool = False,
    **setting: Any,
) -> Scores:
    """Scores of images against a data set's training images, as `python -m eval.fid` gives them.

    what: a run; the path of a run's folder, a checkpoint, a diffusers pipeline's folder, an .npz file or a folder of
    images; images, uint8 [N, C, H, W], with `labels` [N] or without; or a function labels -> images, which is asked for
    n images with labels in the training set's proportions. dataset: whose images they are; a run knows it. n: images
    drawn from a run, a pipeline or a function, at least 256. steps, guidance and `setting` (fields of
    `zoo.config.control.Setting`): how a run samples. judge_seed: 1 lets the second judge lead. trust_remote_code:
    whether code in a pipeline's folder may run. Raises ZooError for values and images that cannot be scored.

    >>> import zoo
    >>> run = zoo.train("rf", "dit(width=32,depth=1)", dataset="digits", images=640, out=folder)
    >>> scores = zoo.score(run, n=256, steps=4, data_dir=data)
    >>> scores.dataset, scores.n, scores.fid > scores.floor, 0 <= scores.acc <= 1
    ('digits', 256, True, True)
    >>> images = run.sample([i % 10 for i in range(256)], steps=4)
    >>> zoo.score(images, [i % 10 for i in range(256)], dataset="digits", data_dir=data).n
    256
    """
    from eval.scores.sets import Asked, evaluate
    from zoo import plugins
    from zoo.config.control import Setting
    from zoo.config.schema import validated
    from zoo.data.sets import check_name

    plugins.load()
    chosen = validated(Setting, {"steps": steps, "guidance": guidance, **setting}, "the sampling options")
    where = pick_device(device)
    if dataset is not None:
        dataset = check_name(dataset)
    n, batch, judge_seed = plain(n), plain(batch), plain(judge_seed)
    if n < 1 or batch < 1 or judge_seed not in (0, 1):
        raise ZooError(f"n = {n} and batch = {batch} must be at least 1, judge_seed = {judge_seed} is 0 or 1")
    asked = Asked(n, dataset, data_folder(data_dir), mirror_place(mirror), judge_seed, batch, trust_remote_code)
    with progress_shown(progress), tempfile.TemporaryDirectory() as folder:
        if isinstance(what, Run):
            path = what.folder
        elif isinstance(what, str) or hasattr(what, "__fspath__"):
            path = Path(what)
        else:
            path = _written(what, labels, asked, Path(folder))
            labels = None
        if labels is not None:
            raise ZooError("labels belong to images in memory: a run chooses its own, and a file holds them")
        return _scores(evaluate([path], chosen, asked, where))


def _written(what: object, labels: object, asked: Any, folder: Path) -> Path:
    """Images in memory, or made by a function, as the .npz file that every set can be; the one way to a score."""
    import numpy as np
    import torch

    from eval.scores.score import label_counts
    from zoo.data.dataset import load
    from zoo.data.sets import WORDS

    if asked.dataset is None:
        raise ZooError(f"of which data set are these images? Give dataset=, one of {WORDS}")
    if callable(what) and not isinstance(what, torch.Tensor):
        if labels is not None:
            raise ZooError("a function chooses no labels: it is given them, in the training set's proportions")
        data = load(asked.dataset, asked.data_dir, asked.mirror)
        wanted = torch.arange(data.spec.real).repeat_interleave(torch.tensor(label_counts(asked.n, data)))
        what, labels = what(wanted), wanted
    images = torch.as_tensor(what)
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ZooError(
            f"images: uint8 [N, C, H, W] is needed, not {str(images.dtype).removeprefix('torch.')} "
            f"{list(images.shape)}. Clamp to [0, 1], multiply by 255, round, and convert to torch.uint8"
        )
    arrays = {"arr_0": images.permute(0, 2, 3, 1).cpu().numpy()}
    if labels is not None:
        arrays["arr_1"] = torch.as_tensor(labels).cpu().numpy()
    path = folder / "images.npz"
    np.savez(path, allow_pickle=False, **arrays)
    return path


def _scores(found: dict[str, Any]) -> Scores:
    """What `evaluate` says of one set, typed."""
    row = found["score"]
    names, rows = found["classes"], row.get("classes", ())
    classes = tuple(ClassScore(c["label"], c["n"], c["correct"], c.get("fid"), names[c["label"]]) for c in rows)
    return Scores(
        dataset=found["data"],
        floor=found["floor"]["fid"],
        ceiling=found["real"]["acc"],
        classes=classes,
        judge=found["judge"]["name"],
        judge_sha256=found["judge"]["sha256"],
        row=row,
        **{key: row[key] for key in ("n", "fid", "fid_se", "kid", "precision", "recall")},
        **{key: row.get(key) for key in ("acc", "acc_low", "acc_high", "fid2", "acc2")},
    )
