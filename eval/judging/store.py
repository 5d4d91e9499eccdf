"""The versions of the judge: shipped ones, and those that are trained once and kept in the data folder.

Every score depends on the judge's weights, so the weights are part of the metric: each version is a file whose SHA-256
is known, and it is loaded only if that matches. `mnist` and `digits` are shipped, in two seeds; the second is a second
opinion. For another data set a judge is trained once and kept in the data folder, under the hash of the images where
the data set's name alone does not say which they are. One that is right too seldom is refused: its scores would rank
objectives by its own mistakes.
"""

import hashlib
import sys
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from eval.judging import recipe as recipes
from eval.judging.net import Judge
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.files import read_json, write_atomic, write_json
from zoo.base.lock import exclusive
from zoo.config.cell import MIN_SAMPLES
from zoo.data.dataset import Dataset

VERSION = "v1"
SKILL = 0.4  # 0 is a judge that always says the largest class, 1 one that is always right
FOLDER = Path(__file__).parent / "judges"
SHIPPED = {  # name -> SHA-256 of its weights
    "mnist-v1-seed0": "cea834c2f9830c929a5125394d9a77d5888e01e8f160d21eae83aeddcae9bb94",
    "mnist-v1-seed1": "5b9bea1948a75e25d574df72fe606c4e01aa547a606ccbff5544d97e8da821fe",
    "digits-v1-seed0": "785630a3d64aa3349f331bfe1fe340319e4b968042aeb2bf5c52cedd4fbc3e05",
    "digits-v1-seed1": "99c937bbd6be403f5da4183674ebf43fc0bcd33ba7cc786a29c911fca4283467",
}


def load_judge(
    dataset: Dataset, data_dir: Path, seed: int = 0, device: str | torch.device = "cpu", weak: bool = False
) -> Judge:
    """The judge of a data set, in eval mode: shipped, or else trained once and kept under `data_dir`/judges.

    weak: take one, too, that is right less often than `required`, to look at it.
    Raises ZooError if the weights' hash is not the expected one, if they belong to other images, for a data set with
    too few test images, and for a weak judge.
    """
    name = name_of(dataset, VERSION, seed)
    if name in SHIPPED:
        return read_judge(FOLDER, name, dataset, SHIPPED[name]).to(device)
    if (count := len(dataset.test)) < MIN_SAMPLES:
        raise ZooError(
            f"data set {dataset.name!r} has {counted(count, 'test image')}, and scores need at least {MIN_SAMPLES}, "
            "twice the judge's features. Add images, or give more of them as test images (folders train/ and test/)"
        )
    folder = Path(data_dir) / "judges"
    sidecar = folder / f"{name}.json"  # written last: without it the weights may be of a broken run
    try:
        if not sidecar.exists():  # a folder that has the judge need not be writable
            folder.mkdir(parents=True, exist_ok=True)
            with exclusive(folder / f"{name}.lock"):
                if not sidecar.exists():
                    train_judge(dataset, folder, VERSION, seed, device)
    except OSError as error:
        raise ZooError(f"judges cannot be kept in {folder}: {error}. Choose another data folder") from None
    judge = read_judge(folder, name, dataset)
    if (found := judge.info["accuracy"]) < (least := required(dataset)) and not weak:
        raise ZooError(
            f"judge {name} is right about {found:.1%} of the test images of {dataset.name}, and its scores would mean "
            f"little below {least:.1%} ({SKILL:.0%} of the way from the largest class's share to all). Give it more or "
            "larger images, fewer or clearer classes, or correct labels; python -m eval.judge check --dataset "
            f"'{dataset.name}' shows the whole gate. Training works without a judge: python -m zoo.train"
        )
    return judge.to(device)


def required(dataset: Dataset) -> float:
    """The share of test images that a judge must get right: SKILL of the way from guessing the largest class to 1."""
    chance = dataset.test_labels.bincount().max().item() / len(dataset.test)
    return float(chance + SKILL * (1 - chance))


def name_of(dataset: Dataset, version: str, seed: int) -> str:
    """A judge's name: `mnist-v1-seed0`, or with the images' hash, `folder-flips-0a1b2c3d4e5f-v1-seed0`."""
    return f"{dataset.label}-{version}-seed{seed}"


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
    judge = Judge(dataset.spec)
    try:
        judge.load_state_dict(safetensors.torch.load(data))
    except (SafetensorError, RuntimeError) as error:
        raise ZooError(f"judge {path} does not hold this network: {error}. {remedy}") from None
    judge.name, judge.sha256, judge.info, judge.made = name, found, info, sidecar.stat().st_mtime
    return judge.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # a third faster on a CPU


def train_judge(dataset: Dataset, folder: Path, version: str, seed: int, device: str | torch.device = "cpu") -> Path:
    """Train a judge and write its weights and, last, its sidecar; returns the weights' path.

    Raises ZooError if a judge of this name exists: a version's weights never change.
    """
    name = name_of(dataset, version, seed)
    for place in (folder, FOLDER):
        if (place / f"{name}.json").exists():
            raise ZooError(f"judge {name} exists in {place} and is never replaced. Choose another --version or --seed")
    recipe = recipes.recipe_for(dataset)
    print(
        f"training judge {name}, once, on {device}: {counted(recipe.steps(len(dataset.train)), 'step')}, about "
        f"{recipes.minutes(recipe, dataset):.0f} min on one CPU core; kept in {folder}",
        file=sys.stderr,
        flush=True,
    )
    judge, info = recipes.train(dataset, seed, recipe, device)
    data = safetensors.torch.save({key: value.cpu().contiguous() for key, value in judge.state_dict().items()})
    path = folder / f"{name}.safetensors"
    write_atomic(path, data)
    info = {"name": name, "version": version, "sha256": hashlib.sha256(data).hexdigest(), **info}
    write_json(folder / f"{name}.json", info)
    return path
