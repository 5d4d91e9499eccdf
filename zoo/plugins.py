"""User-defined objectives, backbones and data sets: a Python file (`--plugin FILE`), or an installed package's entry
point `zoo.objectives` or `zoo.datasets`.

Either calls `zoo.registry.register`; from then on its words are names like any other.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from zoo.base.errors import USERS, ZooError, place_in
from zoo.base.names import ADDED
from zoo.base.progress import warn

GROUPS = ("zoo.objectives", "zoo.datasets")
LOADED: dict[str, str] = {}  # file or entry point -> SHA-256 of the file, or the package's version


def load(file: str | None = None) -> None:
    """Load every installed entry point, and a file if one is given; each once in a process.

    Raises ZooError for a file that cannot be read or run, for a word that is taken, and for a file of the name of
    another one that was loaded, or of one that has changed since: results name it, and its classes are in use.
    """
    from importlib.metadata import entry_points  # takes a while, and --help needs none of it

    installed = [entry for group in GROUPS for entry in entry_points(group=group)]
    for entry in sorted(installed, key=lambda entry: entry.name):
        if entry.value not in LOADED:
            _run(f"entry point {entry.name} = {entry.value}", entry.load)
            LOADED[entry.value] = entry.dist.version if entry.dist else "unknown version"
    if file is None:
        return
    path = Path(file)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ZooError(f"--plugin {file}: {error.strerror}. Give a file that calls zoo.registry.register") from None
    found = hashlib.sha256(text).hexdigest()
    if LOADED.get(path.name, found) != found:
        raise ZooError(
            f"--plugin {file}: another {path.name} was loaded by this process, or it has changed since. Restart "
            "Python, or give the file another name"
        )
    if path.name not in LOADED:
        before = len(ADDED)
        _run(f"--plugin {file}", lambda: _module(path))
        LOADED[path.name] = found
        if len(ADDED) == before:
            warn(f"--plugin {file} adds no name: nothing in it calls zoo.registry.register")


def _module(path: Path) -> None:
    name = f"zoo_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ZooError("a plugin is a Python file, and its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    USERS[str(path)] = f"--plugin {path}"
    spec.loader.exec_module(module)


def _run(source: str, action: Callable[[], object]) -> None:
    try:
        action()
    except ZooError as error:
        raise ZooError(f"{source}: {error}") from None
    except (Exception, SystemExit) as error:  # anything may be wrong in a user's file
        raise ZooError(f"{place_in(error) or source} cannot be loaded: {type(error).__name__}: {error}") from error
