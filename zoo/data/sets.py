"""Names -> data sets. This is the one place to touch to add one: a final class in a file of this folder, and a line.

name = word | word(option=value, ..)               mnist   mnist(size=14)   digits(blanks=false)
     | word:PATH | word:PATH(option=value, ..)     folder:pictures   folder:pictures(size=64,channels=1)

The options are the fields of the class, whole numbers or true and false. torch is not imported here.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError, choose
from zoo.base.names import SLUG, slug
from zoo.base.sealed import digest
from zoo.data.cifar import Cifar10
from zoo.data.folder import Folder
from zoo.data.idx import Fashion, Mnist
from zoo.data.small import Digits
from zoo.data.spec import Source, Spec

SETS: dict[str, Callable[..., Source]] = {
    "mnist": Mnist,
    "fashion": Fashion,
    "digits": Digits,
    "cifar10": Cifar10,
    "folder": Folder,
}
WORDS = "mnist, fashion, digits, cifar10, folder:PATH, with options: mnist(size=14)"  # for the help of options
NAME = re.compile(r"([a-z][a-z0-9_]*)(?::(.*?))?(?:\(([a-z_]+=\w+(?:,[a-z_]+=\w+)*)\))?", re.DOTALL)
BOOL, WHOLE = "true or false", "a whole number"
TRUTH = {"true": True, "false": False, "1": True, "0": False}


def source(name: str) -> Source:
    """The data set of a name; no file of it is read. Raises ZooError for an unknown word, option or value."""
    word, path, options = _parts(name)
    make = SETS[word]
    known = {key: p.annotation for key, p in inspect.signature(make).parameters.items()}
    if ("path" in known) != (path is not None):
        form = f"{word}:PATH" if "path" in known else word
        ways = ", ".join(sorted(known.keys() - {"path"}))
        raise ZooError(f"data set {name!r}: write {form}, or {form}(option=value, ..) with any of {ways}")
    given: dict[str, Any] = {} if path is None else {"path": path}
    for key, value in options:
        if key not in known or key == "path":
            raise choose(f"option of data set {word}:", key, known.keys() - {"path"})
        if key in given:
            raise ZooError(f"data set {name!r} gives {key} twice")
        given[key] = _value(name, key, value, known[key])
    try:
        return make(**given)
    except ValueError as error:
        raise ZooError(f"data set {name!r}: {error}") from None


def canonical(name: str) -> str:
    """The name's one spelling: without options that are the defaults. Errors as `source`."""
    made: Any = source(name)
    word, path, _ = _parts(name)
    options = [
        f"{f.name}={str(value).lower()}"
        for f in fields(made)
        if (value := getattr(made, f.name)) != f.default and f.name != "path"
    ]
    head = word if path is None else f"{word}:{made.path}"
    return f"{head}({','.join(options)})" if options else head


def check_name(name: str, more: Sequence[str] = ()) -> str:
    """The one spelling of a data set's name, or one of `more` names. Errors as `source`."""
    if name in more:
        return name
    _parts(name, more)
    return canonical(name)


def known(name: str, facts: Mapping[str, Any]) -> Spec:
    """The spec that a file's facts tell, or that of the data set's name where the file is of an earlier version."""
    return Spec.of(facts) if "classes" in facts else source(name).spec


def short(name: str) -> str:
    """The name as a folder, [a-z0-9][a-z0-9_.-]{0,63}: `mnist-size-14`; of a path its last part, and a hash of all."""
    word, path, _ = _parts(name)
    if path is None:
        return slug(canonical(name))
    last = re.sub(r"[^a-z0-9_.-]+", "-", Path(path).name.lower()).strip("-._")[:40]
    mark = digest(canonical(name))[:8]
    return f"{last}-{mark}" if last and SLUG.fullmatch(last) else f"{word}-{mark}"


def word(name: str) -> str:
    """A data set's name without its path and options: `folder`."""
    return _parts(name)[0]


def _parts(name: str, more: Sequence[str] = ()) -> tuple[str, str | None, list[tuple[str, str]]]:
    """(word, path, options). What is in brackets and is no list of options belongs to the path."""
    match = NAME.fullmatch(name.strip())
    if not match or match[1] not in SETS:
        word = re.split(r"[:(]", name, maxsplit=1)[0].strip()
        if word in SETS:
            form = f"{word}:PATH" if "path" in inspect.signature(SETS[word]).parameters else word
            kinds = ", ".join(f"{key} is {kind}" for key, kind in _kinds(word).items())
            ways = f", or {form}(option=value, ..), where {kinds}" if kinds else ""
            raise ZooError(f"data set {name!r} is not a name: write {form}{ways}")
        raise choose("data set", word if word != name else name, [*more, *SETS])
    options = [tuple(option.split("=", 1)) for option in (match[3] or "").split(",") if option]
    return match[1], match[2], [(key, value) for key, value in options]


def _kinds(word: str) -> dict[str, str]:
    """What each option of a data set may be, in words."""
    found = inspect.signature(SETS[word]).parameters
    return {key: BOOL if p.annotation in (bool, "bool") else WHOLE for key, p in found.items() if key != "path"}


def _value(name: str, key: str, text: str, kind: object) -> int | bool:
    if kind in (bool, "bool"):
        if text not in TRUTH:
            raise ZooError(f"data set {name!r}: {key} is {BOOL}, not {text!r}")
        return TRUTH[text]
    if not text.isdecimal() or len(text) > 9:
        raise ZooError(f"data set {name!r}: {key} is {WHOLE}, not {text!r}")
    return int(text)
