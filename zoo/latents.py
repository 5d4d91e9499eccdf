"""Auto-encoders, on whose latents a run is trained: python -m zoo.latents train --dataset mnist --latents "kl(1e-6)"

python -m zoo.latents train --dataset mnist     train one, once; python -m zoo.train --latents NAME does it by itself
python -m zoo.latents show --dataset mnist      test images and what is given back: --out FILE.png, --npz FILE.npz
python -m zoo.latents list                      those in the data folder, with the names that mean their weights alone
python -m zoo.latents add FILE                  one from elsewhere, into the data folder
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.base.counts import counted
from zoo.base.environment import data_folder
from zoo.base.errors import ZooError, run_main
from zoo.base.limits import require_writable
from zoo.base.options import WHERE, chosen, option
from zoo.cli import Places, parse
from zoo.data.sets import WORDS, check_name
from zoo.spaces.names import WORDS as AUTOENCODERS
from zoo.spaces.names import canonical, mark_of

COMMAND = "python -m zoo.latents"
SHOWN = 16  # images across a picture


@dataclass
class Train(Places):
    """Train an auto-encoder; one that is there stays."""

    dataset: str = option("mnist", WORDS, metavar="NAME")
    latents: str = option("kl(1e-6)", AUTOENCODERS, metavar="NAME")
    out: str | None = option(None, "its folder (default: DATA_DIR/autoencoders, where runs look)", WHERE, metavar="DIR")


@dataclass
class Show(Places):
    """Encode and decode the test images."""

    dataset: str = option("mnist", WORDS, metavar="NAME")
    latents: str = option("kl(1e-6)", AUTOENCODERS, metavar="NAME")
    out: str | None = option(None, "a PNG: test images above, what is given back below", WHERE, metavar="FILE")
    npz: str | None = option(None, "all that is given back, for python -m eval.fid", WHERE, metavar="FILE")


@dataclass
class List:
    """Print the auto-encoders in the data folder."""

    data_dir: str = option(str(data_folder()), "folder of the data sets (env ZOO_DATA)", WHERE, metavar="DIR")


@dataclass
class Add(List):
    """Copy an auto-encoder, verified, into the data folder."""

    file: str = option("", "its .json, or the .safetensors beside it", positional=True, metavar="FILE")


def main() -> None:
    """The command line; see the module's first lines."""
    kinds = {"train": Train, "show": Show, "list": List, "add": Add}
    name, words = chosen(kinds, COMMAND, __doc__)
    options = parse(kinds[name], f"{COMMAND} {name}", kinds[name].__doc__, words)
    work: dict[str, Callable[[Any], list[str]]] = {"train": train, "show": show, "list": listed, "add": add}
    print("\n".join(work[name](options)))


def train(options: Train) -> list[str]:
    """Train one, and say what it is worth and how it is used."""
    name, dataset = canonical(options.latents), check_name(options.dataset)
    if mark_of(name):
        raise ZooError(f"--latents {name}: training makes weights of its own. Leave out @ and what follows")
    from zoo.base.environment import pick_device
    from zoo.base.sealed import read_sealed
    from zoo.data.dataset import load
    from zoo.spaces import store

    data = load(dataset, Path(options.data_dir), options.mirror)
    folder = Path(options.out) if options.out else Path(options.data_dir) / store.FOLDER
    path = store.trained(name, data, folder, pick_device(options.device))
    facts = read_sealed(path)
    use = f"use it: python -m zoo.train --dataset '{dataset}' --latents '{name}' .."
    if options.out:
        use = f"use it: {COMMAND} add {path}, then --latents '{store.pinned_name(facts)}'"
    return [f"{path}: {_worth(facts)}, {facts['seconds']:.0f} s of training", use]


def show(options: Show) -> list[str]:
    """Write what the options ask for; a line about each file, and the PSNR."""
    name, dataset = canonical(options.latents), check_name(options.dataset)
    for flag, ending in (("out", ".png"), ("npz", ".npz")):
        if file := getattr(options, flag):
            if not file.lower().endswith(ending):
                raise ZooError(f"--{flag} {file!r} should end in {ending}")
            require_writable(Path(file), f"--{flag}")
    import torch

    from zoo.base.environment import pick_device
    from zoo.base.files import write_atomic
    from zoo.data.dataset import load
    from zoo.data.npz import write_npz
    from zoo.sampling.pictures import png, sheet
    from zoo.spaces.net import psnr
    from zoo.spaces.store import opened

    data = load(dataset, Path(options.data_dir), options.mirror)
    coder = opened(name, data, pick_device(options.device))
    back = coder.net.decode(coder.net.encode(data.test)).cpu()
    shape = " x ".join(map(str, coder.net.encode(data.test[:1]).shape[1:]))
    lines = [f"{name}: PSNR {psnr(data.test, back):.2f} dB on {counted(len(back), 'test image')}, latents of {shape}"]
    if options.out:
        wide = min(SHOWN, len(back))
        rows = [
            part[i : i + wide]
            for i in range(0, min(4 * wide, len(back) // wide * wide), wide)
            for part in (data.test, back)
        ]
        write_atomic(Path(options.out), png(sheet(torch.cat(rows), wide)))
        lines.append(f"{options.out}: test images, and below each what is given back")
    if options.npz:
        write_npz(Path(options.npz), data.test_labels, data.image_shape, iter([back]))
        lines.append(f"{options.npz}: score it with python -m eval.fid {options.npz} --dataset '{dataset}'")
    return lines


def listed(options: List) -> list[str]:
    """A line for each."""
    from zoo.spaces import store

    folder = Path(options.data_dir) / store.FOLDER
    found = [f"{store.pinned_name(facts)}  {facts['dataset']}: {_worth(facts)}" for _, facts in store.known(folder)]
    return found or [f"{folder} holds no auto-encoder; {store.TRAIN} --dataset NAME trains one"]


def add(options: Add) -> list[str]:
    """Copy its two files."""
    if not options.file:
        raise ZooError(f"which auto-encoder? {COMMAND} add FILE; its .json")
    import torch

    from zoo.base.files import write_atomic
    from zoo.base.sealed import read_sealed
    from zoo.spaces import store

    path = Path(options.file).with_suffix(".json")
    facts = read_sealed(path)
    store.read(path, tuple(facts.get("image_shape", ())), torch.device("cpu"))
    folder = Path(options.data_dir) / store.FOLDER
    if (there := folder / path.name).is_file() and read_sealed(there)["sha256"] != facts["sha256"]:
        raise ZooError(
            f"{there} is another auto-encoder of this name: it would be lost. Add this one to another --data-dir, or "
            "move that one away"
        )
    for file in (path.with_suffix(".safetensors"), path):
        write_atomic(folder / file.name, file.read_bytes())
    return [f"{store.pinned_name(facts)}: in {folder}, for --latents"]


def _worth(facts: dict[str, object]) -> str:
    return f"PSNR {facts['psnr']:.2f} dB on the test images, SHA-256 {facts['sha256']}"


if __name__ == "__main__":
    run_main(main)
