"""Where a run happens: its device, precision and threads, the versions behind it, and whether compiling pays here."""

import importlib.metadata
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.base.errors import ZooError

if TYPE_CHECKING:
    import torch
    from torch import nn

Precision = Literal["float32", "bfloat16"]
PACKAGES = ("torch", "torchvision", "diffusers", "einops", "numpy", "scipy", "scikit-learn", "torchmetrics")
COMMIT = "ZOO_COMMIT"
DEVICES = "auto, cpu, cuda, cuda:N, mps"
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")  # torch knows more, such as meta, on which nothing is computed
# glibc's M_MMAP_THRESHOLD (bytes, its largest), M_TRIM_THRESHOLD and M_TOP_PAD
ALLOCATOR = {-3: 32 << 20, -1: (1 << 31) - 1, -2: 64 << 20}


def versions() -> dict[str, str]:
    """Versions of Python and the packages that numbers depend on; no paths, no environment."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_hash() -> str | None:
    """The commit of this source tree, with + if files were changed since; None outside of git.

    A copy that a driver sent to another machine is told its commit by the variable COMMIT.
    """
    if COMMIT in os.environ:
        return os.environ[COMMIT] or None
    root = Path(__file__).parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run([git, "-C", str(root), *arguments], capture_output=True, text=True, check=True).stdout  # noqa: S603
            for arguments in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except subprocess.CalledProcessError:
        return None
    return commit.strip() + ("+" if changes.strip() else "")


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Where data sets are kept: the folder given, the variable ZOO_DATA, or `data` in the working directory."""
    return Path(given if given is not None else os.environ.get("ZOO_DATA") or "data")


def mirror_place(given: str | None = None) -> str | None:
    """Where MNIST's archives are fetched from: the place given, the variable ZOO_MIRROR, or None for their servers."""
    return given or os.environ.get("ZOO_MIRROR") or None


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU, asked without importing torch; CUDA_VISIBLE_DEVICES can hide it."""
    return Path("/dev/nvidiactl").exists() and os.environ.get("CUDA_VISIBLE_DEVICES", "0") not in ("", "-1")


def visible_gpus() -> list[str]:
    """The NVIDIA GPUs that may be used, as CUDA_VISIBLE_DEVICES names them, asked without importing torch."""
    if not has_gpu():
        return []
    if asked := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return [name.strip() for name in asked.split(",") if name.strip()]
    return [str(i) for i in range(sum(re.fullmatch(r"nvidia\d+", p.name) is not None for p in Path("/dev").iterdir()))]


def check_device(name: str) -> str:
    """The name of a device, checked without torch. Raises ZooError for one that is none of those meant."""
    if not DEVICE.fullmatch(name):
        raise ZooError(f"device {name!r} does not work here: unknown. Allowed: {DEVICES}")
    return name


def pick_device(name: str) -> "torch.device":
    """`auto` (CUDA or else the CPU), or a torch device name. Raises ZooError for one that does not work here."""
    import torch

    check_device(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")  # torch goes on with advice
        raise ZooError(f"device {name!r} does not work here: {reason}. Allowed: {DEVICES}") from None
    if device.type == "cpu":
        keep_memory()
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # shapes stay the same, so the fastest convolutions are worth finding
    return device


def exact_device(device: "torch.device") -> "torch.device":
    """Where float64 is computed for a device: there, or on the CPU for Apple's `mps`, which has none.

    Noise levels, random numbers and running sums are float64; images and networks are not, and stay on the device.
    """
    import torch

    return torch.device("cpu") if device.type == "mps" else device


def keep_memory() -> None:
    """Let glibc keep the memory that tensors gave back: else every step asks the system for the same pages again."""
    import ctypes

    with suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ALLOCATOR.items():
            mallopt(parameter, value)


def pick_precision(wish: Precision | Literal["auto"], device: "torch.device", pixels: int) -> Precision:
    """`float32` or `bfloat16`: on a GPU, or a CPU with instructions for it unless the images are tiny (measured)."""
    if wish != "auto":
        return wish
    fast = device.type == "cuda" or (_has("avx512_bf16", "amx_bf16") and pixels >= 14 * 14)
    return "bfloat16" if fast else "float32"


def _has(*instructions: str) -> bool:
    """Whether this CPU has one of them."""
    return not _instructions().isdisjoint(instructions)


@lru_cache
def _instructions() -> frozenset[str]:
    """The CPU's extensions under Linux's names; nothing elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return frozenset(word for line in lines if line.startswith("flags") for word in line.split()[2:])


def compiled(
    module: "nn.Module", wish: bool | str, precision: str, device: "torch.device", say: Callable[[str], None]
) -> "tuple[Callable[..., Any], bool]":
    """(the module or its compiled form, whether it is compiled), with one line of explanation where it cannot be.

    `auto` compiles what is in bfloat16 on a GPU, or on a CPU with matrix units (three times as fast there). On a CPU
    without them it gains a quarter on the DiT and nothing on the U-Net, and takes a minute: too little for the short
    runs of a CPU. `graphs` is True here, and on a GPU the trainer's to carry on; `auto` becomes `graphs` before it
    comes here, on a kind of GPU that was measured (`zoo/training/ways.py`).
    """
    import torch

    pays = precision == "bfloat16" and (device.type == "cuda" or _has("amx_bf16"))
    if not wish or (wish == "auto" and not pays):
        return module, False
    if not (os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")):
        say("not compiled: no C++ compiler was found (install g++, or set CXX); training goes on, but slower")
        return module, False
    return torch.compile(module, dynamic=False), True


def reset_peak_memory(device: "torch.device") -> None:
    """Let `peak_memory` count from now on: a process may train several runs, one after the other."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform.startswith("linux"):
        with suppress(OSError):  # then it is the largest since the process began
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: "torch.device") -> int:
    """Bytes: the most that was allocated on the GPU, or the process's largest resident set on the CPU."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
