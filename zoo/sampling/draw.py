"""Images of a trained run, written to files: a grid, a film of the steps, or the .npz of ADM's evaluation suite."""

from dataclasses import dataclass
from pathlib import Path

import torch

from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.files import write_atomic
from zoo.base.limits import require_disk, require_memory
from zoo.config.control import Setting
from zoo.data.npz import CHANNELS, write_npz
from zoo.data.spec import Spec
from zoo.sampling import pictures
from zoo.sampling.model import Model, evaluations, spec_of
from zoo.training import checkpoint

LABEL = 8  # bytes of a label
SHARD = 1000  # images drawn before they are written to a file


@dataclass(frozen=True)
class Drawing:
    """What is drawn, `n` images of each of the `labels` (None: every class of real images), and the files to write;
    None: not."""

    labels: str | None
    n: int
    seed: int | None = None  # of the starting noise; None: the run's own
    out: str | None = None  # PNG
    trajectory: str | None = None  # GIF
    npz: str | None = None


def parse_labels(text: str | None, spec: Spec) -> list[int]:
    """Classes in the order given: `0-9`, `3,5-7`, names, `none` for no class. Raises ZooError for others."""
    if text is None:
        return list(range(spec.real))
    found: list[int] = []
    for part in map(str.strip, text.split(",")):
        first, dash, end = part.partition("-")
        if part == "none":
            found.append(spec.num_classes)
            continue
        if part in spec.names:
            found.append(spec.names.index(part))
            continue
        ends = (first, end if dash else first)
        if all(each in spec.names for each in ends):  # names that are numbers mean what they say in a range, too
            ends = (str(spec.names.index(ends[0])), str(spec.names.index(ends[1])))
        if not all(each.isdecimal() and int(each) < spec.num_classes for each in ends) or int(ends[0]) > int(ends[1]):
            raise ZooError(
                f"--labels {text!r}: {part!r} is no class. Allowed: 0 to {spec.num_classes - 1}, ranges as in "
                f"0-{spec.real - 1}, none, or names: {', '.join(spec.names)}"
            )
        found += range(int(ends[0]), int(ends[1]) + 1)
    return found


def _fit(wanted: Drawing, classes: int, setting: Setting, shape: tuple[int, int, int]) -> None:
    """Raise ZooError, before anything is drawn, for more images than memory or the disk here can hold."""
    count, (channels, height, width) = wanted.n * classes, shape
    frames = setting.steps if wanted.trajectory else 1 if wanted.out else 0
    what, remedy = f"--n {wanted.n:,}: {counted(count, 'image')}", "Choose a smaller --n, such as 100"
    require_memory(count * (LABEL + frames * channels * height * width), what, remedy)
    if wanted.npz:
        bytes_of = count * (LABEL + CHANNELS * height * width)
        require_disk(Path(wanted.npz), bytes_of, f"{what} as .npz", remedy)


def draw(ckpt: Path, wanted: Drawing, setting: Setting, device: torch.device, batch: int) -> list[str]:
    """Write what was asked for; one line about each file."""
    manifest, tensors = checkpoint.find(ckpt)
    spec = spec_of(manifest)
    shape, classes = spec.image_shape, parse_labels(wanted.labels, spec)
    _fit(wanted, len(classes), setting, shape)
    model = Model(manifest, tensors, device, batch)
    labels = torch.tensor(classes).repeat(wanted.n)  # row by row: the classes side by side
    columns, lines = len(classes), []
    if wanted.out:
        picture = pictures.sheet(model.images(labels, setting, seed=wanted.seed), columns)
        write_atomic(Path(wanted.out), pictures.png(picture))
        lines.append(f"{wanted.out}: {counted(len(labels), 'image')}, a column for each class")
    if wanted.trajectory:
        across = (wanted.n, columns, *shape)
        pairs = model.trajectory(labels, setting, seed=wanted.seed)
        rows = [torch.cat([part.view(across) for part in pair], dim=1).flatten(0, 1) for pair in pairs]
        frames = [pictures.sheet(images, 2 * columns) for images in rows]
        write_atomic(Path(wanted.trajectory), pictures.gif(frames))
        lines.append(f"{wanted.trajectory}: {counted(len(frames), 'step')}; x_t on the left, x_hat on the right")
    if wanted.npz:
        shards = (
            model.images(labels[first : first + SHARD], setting, first, wanted.seed)
            for first in range(0, len(labels), SHARD)
        )
        write_npz(Path(wanted.npz), labels, shape, shards)
        lines.append(f"{wanted.npz}: {counted(len(labels), 'image')}")
    cost = evaluations(model.objective.path, setting)
    return [*lines, f"{model.config.objective}, {setting.name}: {counted(cost, 'network evaluation')} an image"]
