"""Auto-encoders and latents as files in the data folder: trained or computed once, verified when they are read.

    DATA_DIR/autoencoders/mnist-kl-1e-06-0a1b2c3d4e5f.safetensors    the weights; the digits: of name and images
                                                     .json           their SHA-256, name, images, PSNR; sealed
    DATA_DIR/cache/latents-mnist-0a1b2c3d4e5f.safetensors            of all training images; the digits: of weights
                                                                     and images

Weights decide a run's numbers, so damaged ones are refused; damaged latents are computed again from them.
"""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from zoo.base import ranks
from zoo.base.errors import ZooError
from zoo.base.files import sha256, write_atomic
from zoo.base.lock import exclusive
from zoo.base.names import slug
from zoo.base.progress import warn
from zoo.base.sealed import SCHEMA_VERSION, digest, read_sealed, write_sealed
from zoo.data.dataset import Dataset
from zoo.data.sets import short
from zoo.spaces.learn import learn, minutes
from zoo.spaces.names import MARK, canonical, kind, mark_of
from zoo.spaces.net import Autoencoder

VERSION = 1  # of the network and its training: another one has other files
FOLDER = "autoencoders"
TRAIN = "python -m zoo.latents train"
FACTS = ("name", "sha256", "psnr", "seconds", "parameters")  # of a sidecar, that a run tells of its auto-encoder


@dataclass(frozen=True, eq=False)
class Coder:
    """An auto-encoder ready to use: its network in eval mode, and the FACTS of it."""

    net: Autoencoder
    facts: dict[str, Any]

    @property
    def sha256(self) -> str:
        """Of the file of its weights."""
        return str(self.facts["sha256"])


def stem(name: str, data: Dataset) -> str:
    """What the files of an auto-encoder on these images are called."""
    recipe = [name, vars(kind(name))]  # with what the name leaves to defaults
    mark = digest([VERSION, SCHEMA_VERSION, recipe, data.sha256, data.spec.plain()])[:MARK]
    return f"{data.label}-{slug(name)}-{mark}"


def opened(name: str, data: Dataset, device: torch.device) -> Coder:
    """The auto-encoder of a canonical name for a data set: from its data folder, where it is trained first if need be.

    Raises ZooError for damaged files, for a name with @ whose weights are not there, and for a data folder that cannot
    be written.
    """
    if data.home is None:
        raise ZooError(f"data set {data.name!r} was not loaded from a data folder, where auto-encoders are kept")
    folder = data.home / FOLDER
    if mark_of(name) is not None:
        return _pinned(name, folder, data, device)
    sidecar = folder / f"{stem(name, data)}.json"
    if not ranks.leads():
        ranks.wait()
    elif not sidecar.exists():
        trained(name, data, folder, device)
    if ranks.leads():
        ranks.wait()
    return read(sidecar, data.image_shape, device)


def trained(name: str, data: Dataset, folder: Path, device: torch.device) -> Path:
    """Train an auto-encoder and write its weights and, last, its sidecar, whose path is returned; one that is there
    stays. Raises ZooError where the folder cannot be written, Diverged for a loss that is not finite."""
    chosen, sidecar = kind(name), folder / f"{stem(name, data)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(sidecar.with_suffix(".lock")):  # cells that start together
            if sidecar.exists():
                return sidecar
            about = f"about {minutes(chosen, data):.0f} min on one CPU core"
            _tell(f"training auto-encoder {name} of {data.name}, once, on {device}: {about}; kept in {folder}")
            net, facts = learn(chosen, data, device)
            state = {key: value.cpu().contiguous() for key, value in net.state_dict().items()}
            weights = sidecar.with_suffix(".safetensors")
            write_atomic(weights, safetensors.torch.save(state))
            head = {"name": name, "sha256": sha256(weights), "dataset": data.name, "data_sha256": data.sha256}
            shapes = {"image_shape": list(data.image_shape), "shape": list(chosen.shape(data.image_shape))}
            write_sealed(sidecar, {**head, **shapes, **facts, "device": device.type, "torch": torch.__version__})
            _tell(f"trained in {facts['seconds']:.0f} s: PSNR {facts['psnr']:.2f} dB on the test images")
            return sidecar
    except OSError as error:
        raise ZooError(f"auto-encoders cannot be kept in {folder}: {error}. Choose another data folder") from None


def read(sidecar: Path, image_shape: tuple[int, int, int], device: torch.device) -> Coder:
    """The auto-encoder of a sidecar, for images of this shape, its weights verified. Raises ZooError."""
    facts, weights = read_sealed(sidecar), sidecar.with_suffix(".safetensors")
    remedy = f"Delete {sidecar} to train it again"
    try:
        found = sha256(weights)
        if found != facts["sha256"]:
            raise ZooError(f"{weights} is damaged: SHA-256 {found}, expected {facts['sha256']}. {remedy}")
        if list(image_shape) != facts["image_shape"]:
            theirs, ours = (" x ".join(map(str, shape)) for shape in (facts["image_shape"], image_shape))
            raise ZooError(f"auto-encoder {sidecar.name} takes images of {theirs}, and these are {ours}")
        return coder(facts, safetensors.torch.load_file(weights), image_shape, device)
    except (OSError, KeyError, safetensors.SafetensorError) as error:
        raise ZooError(f"auto-encoder {weights} cannot be read: {error!r}. {remedy}") from None


def coder(
    facts: dict[str, Any], tensors: dict[str, Tensor], image_shape: tuple[int, int, int], device: torch.device
) -> Coder:
    """An auto-encoder from its facts and weights. Raises ZooError for weights of another network."""
    net = kind(facts["name"]).build(image_shape)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ZooError(f"the weights of auto-encoder {facts['name']} are of another network: {reason}") from None
    return Coder(net.to(device).eval().requires_grad_(False), {key: facts[key] for key in FACTS})


def known(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """(sidecar, what it holds) of every auto-encoder in a folder; those that cannot be read are left out."""
    for path in sorted(folder.glob("*.json")):
        try:
            facts = read_sealed(path)
        except ZooError:
            continue
        if {"name", "sha256", "image_shape", "psnr"} <= facts.keys():
            yield path, facts


def pinned_name(facts: dict[str, Any]) -> str:
    """The name that means these weights alone: `kl(1e-06)@0a1b2c3d4e5f`."""
    return canonical(f"{facts['name']}@{facts['sha256'][:MARK]}")


def _pinned(name: str, folder: Path, data: Dataset, device: torch.device) -> Coder:
    held = {pinned_name(facts): path for path, facts in known(folder)}
    if name not in held:
        there = f"It holds {', '.join(sorted(held))}" if held else "It holds none"
        raise ZooError(
            f"auto-encoder {name} is not in {folder}. {there}. Add its files by python -m zoo.latents add FILE, or "
            f"leave out @ and what follows: then one is trained"
        )
    return read(held[name], data.image_shape, device)


def latents(coder: Coder, data: Dataset) -> Tensor:
    """The latents of the training images and of the blank ones behind them, float32 [N, channels, h, w] on the CPU.

    From the cache if they are there and whole, else computed, and kept if the data folder can be written.
    """
    if data.home is None:
        return _encoded(coder, data)
    key = digest([coder.sha256, data.sha256, data.spec.plain()])[:MARK]
    path = data.home / "cache" / f"latents-{short(data.name)}-{key}.safetensors"
    if not ranks.leads():
        ranks.wait()
    found = _read(path)
    if found is None:
        with ExitStack() as held:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(exclusive(path.with_suffix(".lock")))
                found = _read(path)
            except OSError as error:
                warn(f"no cache in {path.parent} ({error.strerror}): latents are computed again by each process")
            found = _keep(path, _encoded(coder, data)) if found is None else found
    if ranks.leads():
        ranks.wait()
    return found


def _encoded(coder: Coder, data: Dataset) -> Tensor:
    return coder.net.encode(data.augmented[0]).cpu().contiguous()


def _keep(path: Path, found: Tensor) -> Tensor:
    try:
        write_atomic(path, safetensors.torch.save({"latents": found}, {"sha256": _hash(found)}))
    except ZooError as error:
        warn(f"latents are not kept: {error}")
    return found


def _read(path: Path) -> Tensor | None:
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, "pt") as file:
            found: Tensor = file.get_tensor("latents")
            whole = (file.metadata() or {}).get("sha256") == _hash(found)
    except (OSError, ValueError, safetensors.SafetensorError):
        whole = False
    if not whole:
        warn(f"{path} is damaged: the latents are computed again")
        return None
    return found


def _hash(tensor: Tensor) -> str:
    head = f"{tensor.dtype}{list(tensor.shape)}".encode()
    return hashlib.sha256(head + tensor.numpy().tobytes()).hexdigest()


def _tell(text: str) -> None:
    if ranks.leads():
        print(text, file=sys.stderr, flush=True)
