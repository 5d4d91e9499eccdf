"""The judge: a small classifier whose features measure images, and whose classes measure conditional samples.

    x = (image / 255 - mean) / std
    x -> 5 x [conv 3x3, BN, ReLU] (32, 32 stride 2, 64, 64 stride 2, 128) -> average -> FC 128, BN, ReLU = h -> FC 10
    features = c h,  with c such that tr cov(features of the training images) = 128

Every score depends on the judge's weights, so the weights are part of the metric: each version is a file whose SHA-256
is known, and it is loaded only if that matches. `mnist` and `digits` are shipped, in two seeds; the second is a second
opinion. For another data set a judge is trained once and kept in the data folder. The training is in judge_recipe.py,
the bounds that a version must meet in judge_gate.py.

    python -m eval.judge check --dataset mnist               the gate's table
    python -m eval.judge train --dataset mnist --version v2  another version, under a new name
"""

import contextlib
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
import tyro
from filelock import FileLock
from safetensors import SafetensorError
from torch import Tensor, nn

from zoo.data import DATASETS, REAL_CLASSES, Dataset, load
from zoo.errors import ZooError, run_main
from zoo.files import read_json, write_atomic, write_json

FEATURES = 128
VERSION = "v1"
FOLDER = Path(__file__).parent / "judges"
SHIPPED = {  # name -> SHA-256 of its weights
    "mnist-v1-seed0": "cea834c2f9830c929a5125394d9a77d5888e01e8f160d21eae83aeddcae9bb94",
    "mnist-v1-seed1": "5b9bea1948a75e25d574df72fe606c4e01aa547a606ccbff5544d97e8da821fe",
    "digits-v1-seed0": "785630a3d64aa3349f331bfe1fe340319e4b968042aeb2bf5c52cedd4fbc3e05",
    "digits-v1-seed1": "99c937bbd6be403f5da4183674ebf43fc0bcd33ba7cc786a29c911fca4283467",
}


class Judge(nn.Module):
    """The network. `name`, `sha256` (of the weights' file) and `info` (the sidecar) are set by loading."""

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        self.image_shape, self.name, self.sha256 = tuple(image_shape), "untrained", ""
        self.info: dict[str, Any] = {}
        widths, strides = (image_shape[0], 32, 32, 64, 64, 128), (1, 2, 1, 2, 1)
        layers: list[nn.Module] = []
        for before, after, stride in zip(widths, widths[1:], strides, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.convs = nn.Sequential(*layers)
        self.neck = nn.Sequential(nn.Linear(widths[-1], FEATURES, bias=False), nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, REAL_CLASSES)
        for name in ("mean", "std", "scale"):  # of the training pixels, and c above; part of the file that is hashed
            self.register_buffer(name, torch.ones(()))

    def raw(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(h [B, 128], logits [B, 10]) of float pixels [B, 1, H, W] in [0, 1]: for training, without any check."""
        h = self.neck(self.convs((pixels - self.mean) / self.std).mean(dim=(2, 3)))
        return h, self.head(h)

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(features [B, 128], logits [B, 10]), float32, of uint8 images [B, 1, H, W], whatever autocast or TF32 say.

        Raises ZooError in training mode, or for images of another type or size.
        """
        if any(module.training for module in self.modules()):
            raise ZooError(f"judge {self.name} is in training mode, where scores are meaningless. Call judge.eval()")
        if images.dtype != torch.uint8:
            raise ZooError(
                f"judge {self.name} takes uint8 images, not {images.dtype}. "
                "Clamp to [0, 1], multiply by 255, round, and convert to torch.uint8"
            )
        if images.ndim != 4 or tuple(images.shape[1:]) != self.image_shape:
            wanted = ", ".join(map(str, self.image_shape))
            raise ZooError(f"judge {self.name} takes images [B, {wanted}], not {list(images.shape)}")
        with exact_float32(images.device):
            h, logits = self.raw(images.float() / 255)
        return h * self.scale, logits

    def features(self, images: Tensor) -> Tensor:
        """Scaled features [B, 128] float32 of uint8 images [B, 1, H, W]. Errors as `forward`."""
        return self(images)[0]

    def logits(self, images: Tensor) -> Tensor:
        """Class scores [B, 10] float32 of uint8 images [B, 1, H, W]. Errors as `forward`."""
        return self(images)[1]


def judge_images(judge: Judge, images: Tensor, batch: int = 100) -> tuple[Tensor, Tensor]:
    """(features [N, 128], class scores [N, 10]) float32, on the judge's device, of uint8 images [N, 1, H, W] anywhere.

    The scores do not depend on `batch`; small batches stay in a CPU's cache. Errors as `forward`.
    """
    device = judge.scale.device
    features, logits = zip(*(judge(part.to(device)) for part in images.split(batch)), strict=True)
    return torch.cat(features), torch.cat(logits)


@contextlib.contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """Inside, matrix products and convolutions are true float32: no autocast, no TF32, no bfloat16 passes."""
    settings = [getattr(library, kind) for library, kind in _PRECISIONS if hasattr(library, kind)]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


_PRECISIONS = [
    (torch.backends.cuda, "matmul"),
    (torch.backends.cudnn, "conv"),
    (torch.backends.mkldnn, "matmul"),
    (torch.backends.mkldnn, "conv"),
]


def load_judge(dataset: Dataset, data_dir: Path, seed: int = 0, device: str | torch.device = "cpu") -> Judge:
    """The judge of a data set, in eval mode: shipped, or else trained once and kept under `data_dir`/judges.

    Raises ZooError if the weights' hash is not the expected one, or if they belong to other images.
    """
    name = f"{dataset.name}-{VERSION}-seed{seed}"
    if name in SHIPPED:
        return read_judge(FOLDER, name, dataset, SHIPPED[name]).to(device)
    folder = Path(data_dir) / "judges"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock"):
            if not (folder / f"{name}.json").exists():  # written last: without it the weights may be of a broken run
                train_judge(dataset, folder, VERSION, seed, device)
    except OSError as error:
        raise ZooError(f"judges cannot be kept in {folder}: {error}. Choose another data folder") from None
    return read_judge(folder, name, dataset).to(device)


def read_judge(folder: Path, name: str, dataset: Dataset, sha256: str | None = None) -> Judge:
    """The judge `name` from its two files, checked against `sha256`, or else against the hash in its sidecar."""
    path, sidecar = folder / f"{name}.safetensors", folder / f"{name}.json"
    info = read_json(sidecar)
    remedy = "Install the package again" if sha256 else f"Delete {sidecar} to train it again"
    try:
        data = path.read_bytes()
        expected, owner = info["sha256"] if sha256 is None else sha256, info["data_sha256"]
    except (OSError, KeyError) as error:
        raise ZooError(f"judge {path} cannot be read: {error!r}. {remedy}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ZooError(f"judge {path} is damaged or another version: SHA-256 {found}, expected {expected}. {remedy}")
    if owner != dataset.sha256:
        raise ZooError(
            f"judge {name} was trained on other images than this {dataset.name}: SHA-256 {owner} in {sidecar}, "
            f"{dataset.sha256} in the data folder. Fetch the data again, or delete the judge if you changed the data"
        )
    judge = Judge(dataset.image_shape)
    try:
        judge.load_state_dict(safetensors.torch.load(data))
    except (SafetensorError, RuntimeError) as error:
        raise ZooError(f"judge {path} does not hold this network: {error}. {remedy}") from None
    judge.name, judge.sha256, judge.info = name, found, info
    return judge.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # a third faster on a CPU


def train_judge(dataset: Dataset, folder: Path, version: str, seed: int, device: str | torch.device = "cpu") -> Path:
    """Train a judge and write its weights and, last, its sidecar; returns the weights' path.

    Raises ZooError if a judge of this name exists: a version's weights never change.
    """
    from eval import judge_recipe

    name = f"{dataset.name}-{version}-seed{seed}"
    for place in (folder, FOLDER):
        if (place / f"{name}.json").exists():
            raise ZooError(f"judge {name} exists in {place} and is never replaced. Choose another --version or --seed")
    recipe = judge_recipe.recipe_for(dataset)
    print(
        f"training judge {name}, once, on {device}: {recipe.steps(len(dataset.train)):,} steps, about "
        f"{judge_recipe.minutes(recipe, dataset):.0f} min on one CPU core; kept in {folder}",
        file=sys.stderr,
        flush=True,
    )
    judge, info = judge_recipe.train(dataset, seed, recipe, device)
    data = safetensors.torch.save({key: value.cpu().contiguous() for key, value in judge.state_dict().items()})
    path = folder / f"{name}.safetensors"
    write_atomic(path, data)
    info = {"name": name, "version": version, "sha256": hashlib.sha256(data).hexdigest(), **info}
    write_json(folder / f"{name}.json", info)
    return path


def check(
    dataset: Literal[DATASETS] = "mnist", data_dir: Path = Path("data"), mirror: str | None = None, device: str = "cpu"
) -> int:
    """Print the gate's table for the judges of seeds 0 and 1 of a data set; the status is 1 if a bound is missed.

    Args:
        dataset: the data set's name.
        data_dir: where data sets and trained judges are kept.
        mirror: address or folder to fetch the data set from.
        device: where the judges run.
    """
    from eval import judge_gate

    data = load(dataset, data_dir, mirror)
    judges = [load_judge(data, data_dir, seed, device) for seed in (0, 1)]
    return judge_gate.report(data, judges)[0]


def train(
    dataset: Literal[DATASETS] = "mnist",
    seed: int = 0,
    version: str = VERSION,
    data_dir: Path = Path("data"),
    mirror: str | None = None,
    out: Path | None = None,
    device: str = "cpu",
) -> None:
    """Train a judge of a new version. A judge that exists is never replaced.

    Args:
        dataset: the data set's name.
        seed: seed of the training.
        version: name of the version, such as v2.
        data_dir: where data sets and trained judges are kept.
        mirror: address or folder to fetch the data set from.
        out: folder of the new judge; DATA_DIR/judges unless given.
        device: where it is trained.
    """
    data = load(dataset, data_dir, mirror)
    path = train_judge(data, out or data_dir / "judges", version, seed, device)
    info = read_json(path.with_suffix(".json"))
    print(f"{path}: accuracy {info['accuracy']:.2%}, SHA-256 {info['sha256']}, {info['train_seconds']:.0f} s")


def main() -> int | None:
    """The command line: `check` or `train`."""
    return tyro.extras.subcommand_cli_from_dict({"check": check, "train": train})


if __name__ == "__main__":
    run_main(main)
