"""The Python API of training and sampling: train, load, and the run that both return."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.base.counts import counted
from zoo.base.environment import data_folder, mirror_place, pick_device
from zoo.base.errors import ZooError
from zoo.base.progress import progress_shown

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from zoo.config.cell import TrainConfig
    from zoo.sampling.model import Model

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A trained run: its folder, its configuration, and the step of its newest checkpoint."""

    folder: Path
    config: "TrainConfig"
    step: int
    seconds: float  # of training
    device: str = "cpu"
    _models: dict[int, "Model"] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        what = f"{self.config.objective} on {self.config.backbone}, {self.config.dataset}, seed {self.config.seed}"
        return f"Run({what}: {counted(self.step * self.config.batch, 'image')}, in {str(self.folder)!r})"

    def model(self, batch: int = 128) -> "Model":
        """The checkpoint ready to sample, in batches of this size; read once."""
        if batch not in self._models:
            from zoo.sampling.model import Model
            from zoo.training import checkpoint

            manifest, tensors = checkpoint.find(self.folder)
            self._models[batch] = Model(manifest, tensors, pick_device(self.device), batch)
        return self._models[batch]

    def sample(
        self,
        labels: "Sequence[int] | torch.Tensor",
        steps: int = 20,
        guidance: float = 1.0,
        *,
        seed: int | None = None,
        batch: int = 128,
        **setting: Any,
    ) -> "torch.Tensor":
        """Images of these classes, uint8 [N, C, H, W] on the CPU.

        labels: N classes; the number of classes itself stands for "no class". guidance: scale of classifier-free
        guidance, 1 is none. seed: of the starting noise (default: the run's own); image i of a seed begins at the same
        noise for every run and batch size. setting: further fields of `zoo.config.control.Setting`, such as
        sampler="heun", step_grid="karras(7)", weights="raw". Raises ZooError for a value that is not allowed.

        >>> import zoo
        >>> run = zoo.train("rf", "dit(width=32,depth=1)", dataset="digits", images=640, out=folder)
        >>> images = run.sample([0, 1, 2, 3], steps=4, guidance=2.0)
        >>> images.shape, images.dtype
        (torch.Size([4, 1, 8, 8]), torch.uint8)
        """
        import torch

        from zoo.config.control import Setting
        from zoo.config.schema import validated

        chosen = validated(Setting, {"steps": steps, "guidance": guidance, **setting}, "the sampling options")
        if batch < 1:
            raise ZooError(f"batch = {batch}: at least 1")
        wanted = torch.as_tensor(labels)
        whole = wanted.dtype in (torch.int64, torch.int32, torch.int16, torch.uint8)
        if wanted.ndim != 1 or not whole or not len(wanted):
            raise ZooError(f"labels: a list of at least one class, as in [0, 1, 2], not {labels!r:.100}")
        low, high = int(wanted.min()), int(wanted.max())
        with progress_shown(False):
            model = self.model(batch)
            if low < 0 or high > (none := model.spec.num_classes):
                raise ZooError(f"labels {low} to {high}: classes are 0 to {none - 1}, and {none} is none")
            return model.images(wanted.long(), chosen, seed=seed).cpu()

    @cached_property
    def metrics(self) -> "pd.DataFrame":
        """What training logged, one row for each logged step: loss, learning rate, gradient norm, images per second.

        `bins` holds the mean squared error of eps_hat by bin of logsnr.
        """
        import pandas as pd

        from zoo.base.files import read_rows

        return pd.DataFrame(
            read_rows((self.folder if self.folder.is_dir() else self.folder.parent) / "metrics.jsonl")[0]
        )


def train(
    objective: str,
    backbone: str = "dit",
    *,
    out: PathLike,
    dataset: str = "mnist",
    images: int = 60_000,
    seed: int = 0,
    device: str = "auto",
    data_dir: PathLike | None = None,
    mirror: str | None = None,
    track: str | None = None,
    progress: bool | Callable[[dict[str, Any]], None] = False,
    teacher: PathLike | None = None,
    **recipe: Any,
) -> Run:
    """Train one objective on one backbone, or continue the run that `out` holds; returns the finished run.

    objective, backbone: names as in `python -m zoo.objective`; images: training images seen; out: the run's folder.
    data_dir: where data sets are kept (default: the variable ZOO_DATA, or `data`); mirror: folder or address of MNIST's
    archives (default: the variable ZOO_MIRROR, or their servers). track: tensorboard, wandb or trackio. progress: True
    shows a bar and messages; a function is called with each logged row (a dict with the columns of `Run.metrics`, about
    50 in a run) and nothing is shown. teacher: folder of the finished run that teaches a stage such as reflow(rf)
    (default: it is trained first, within `out`). recipe: further fields of `zoo.config.cell.Recipe`, such as batch=64,
    learning_rate=1e-3, optimizer="adamw". Raises ZooError for a name or value that is not allowed, and if `out` holds a
    run of another configuration; Diverged if the loss is not finite.

    >>> import zoo
    >>> run = zoo.train("v/cosine+minsnr(5)", "dit(width=32,depth=1)", dataset="digits", images=640, out=folder)
    >>> run.step, run.config.objective
    (10, 'v/cosine+minsnr(5)')
    """
    from zoo import plugins
    from zoo.base.lock import locked
    from zoo.config.cell import TrainConfig
    from zoo.config.schema import validated
    from zoo.data.dataset import load as load_data
    from zoo.sampling.model import Preview
    from zoo.training import run as training
    from zoo.training.track import check_tracker

    plugins.load()
    check_tracker(track)
    given = {"objective": objective, "backbone": backbone, "dataset": dataset, "images": images, "seed": seed, **recipe}
    config, folder, where = validated(TrainConfig, given, "the training options"), Path(out), pick_device(device)
    with progress_shown(progress), locked(folder):
        data = load_data(config.dataset, data_folder(data_dir), mirror_place(mirror))
        taught = None if teacher is None else Path(teacher)
        manifest = training.train(config, folder, data, where, track, preview=Preview, teacher=taught)
    return Run(folder, config, manifest["step"], manifest["seconds"], device)


def load(folder: PathLike, *, device: str = "auto") -> Run:
    """The run in a folder: that of `train`, or a cell of a grid; its newest checkpoint, or a step-NNNNNN file.

    Raises ZooError if there is no checkpoint, or if its configuration is not valid here.

    >>> import zoo
    >>> _ = zoo.train("rf", "dit(width=32,depth=1)", dataset="digits", images=640, out=folder)
    >>> zoo.load(folder).config.backbone
    'dit(width=32,depth=1)'
    """
    from zoo import plugins
    from zoo.config.cell import TrainConfig
    from zoo.config.schema import validated
    from zoo.training import checkpoint

    plugins.load()
    pick_device(device)
    manifest, _ = checkpoint.find(Path(folder))
    config = validated(TrainConfig, manifest["config"], f"the configuration of {folder}")
    return Run(Path(folder), config, manifest["step"], manifest["seconds"], device)
