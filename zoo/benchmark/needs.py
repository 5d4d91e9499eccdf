"""What the session needs of a machine, asked in seconds: one line for each package, and wheels for what is missing."""

import importlib.metadata
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from zoo.base.counts import counted

SECONDS = 120  # for the installation of all wheels


@dataclass(frozen=True)
class Package:
    """A package by its distribution's and module's names, what it is needed for, and whether nothing works without."""

    name: str
    module: str
    purpose: str
    required: bool = False


PACKAGES = (
    Package("torch", "torch", "everything", required=True),
    Package("numpy", "numpy", "everything", required=True),
    Package("pydantic", "pydantic", "checked configurations, so everything", required=True),
    Package("safetensors", "safetensors", "checkpoints and judges: training and scoring"),
    Package("einops", "einops", "the DiT"),
    Package("diffusers", "diffusers", "the U-Net"),
    Package("torchvision", "torchvision", "downloading MNIST where no mirror is given"),
    Package("scikit-learn", "sklearn", "the confusion matrix of a score"),
    Package("scipy", "scipy", "ranks and couplings: scoring, the grid"),
    Package("tabulate", "tabulate", "tables: scoring, the grid"),
    Package("matplotlib", "matplotlib", "the grid's page"),
    Package("pandas", "pandas", "tables of the Python API"),
    Package("pillow", "PIL", "pictures: scoring, the grid"),
    Package("jinja2", "jinja2", "the grid's page"),
    Package("tqdm", "tqdm", "progress: training, scoring, the grid"),
    Package("pytest", "pytest", "the tests that a GPU has to pass"),
)


@dataclass(frozen=True)
class Found:
    """A package on this machine; version None: it is missing."""

    package: Package
    version: str | None

    @property
    def line(self) -> str:
        """`einops 0.8.2`, or that it is missing and what it is needed for."""
        if self.version:
            return f"{self.package.name} {self.version}"
        return f"{self.package.name}: missing; needed for {self.package.purpose}"


def look() -> list[Found]:
    """Every package, in the order of PACKAGES; nothing of them is imported."""
    found = []
    for package in PACKAGES:
        version = None
        if importlib.util.find_spec(package.module) is not None:
            try:
                version = importlib.metadata.version(package.name)
            except importlib.metadata.PackageNotFoundError:
                version = "of unknown version"
        found.append(Found(package, version))
    return found


def missing(found: list[Found]) -> set[str]:
    """The names of packages that are not there."""
    return {one.package.name for one in found if one.version is None}


def install(wheels: Path, target: Path) -> str:
    """Put the wheels of a folder into `target`, without an index and without their dependencies; returns a line.

    Nothing is installed into the environment itself: processes find the packages by PYTHONPATH.
    """
    files = sorted(map(str, wheels.glob("*.whl")))
    if not files:
        return f"no wheels in {wheels}"
    how = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--upgrade"]
    command = [sys.executable, "-m", "pip", "install", *how, "--target", str(target), *files]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)  # noqa: S603 (ours)
    except subprocess.TimeoutExpired:
        return f"{counted(len(files), 'wheel')} of {wheels} could not be installed within {SECONDS} s"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip printed nothing"])[-1]
        return f"{counted(len(files), 'wheel')} of {wheels} could not be installed: {last}"
    return f"{counted(len(files), 'wheel')} of {wheels} in use, from {target}"
