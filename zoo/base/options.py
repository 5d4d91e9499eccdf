"""Command lines: a dataclass of options, read from words, with help in groups.

A field is made by `option`; its type says what its values are: str, int, float, bool, Literal, one of these or None,
and tuples of them, of which one of any length may be given several times. No value is half understood: an unknown
option, a malformed number, an empty or unprintable text is a ZooError that says what is allowed. Only the standard
library is imported, so that `--help` answers at once.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import MISSING, Field, field, fields
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from zoo.base.counts import counted
from zoo.base.errors import ZooError, choose
from zoo.base.helptext import Entry, page

WHAT, MUCH, WHERE, EXPERT = "what to run", "how much", "where", "for experts"
GROUPS = (WHAT, MUCH, WHERE, EXPERT)
MOST = 2**53  # of a whole number: JSON's readers keep no larger one exactly
NUMBERS = {int: ("a whole number", "20"), float: ("a number", "0.5")}
T = TypeVar("T")


def option(
    default: T,
    about: str,
    group: str = WHAT,
    *,
    metavar: str = "",
    positional: bool = False,
    hidden: bool = False,
    off: str = "",
) -> T:
    """A field of a dataclass of options.

    about: its help, one sentence without a capital. metavar: what stands for its value there. positional: given by its
    place, not by `--name`. hidden: not in the help. off: the help of `--no-name`, for a bool that is True by default.
    """
    notes = {"about": about, "group": group, "metavar": metavar, "positional": positional, "hidden": hidden, "off": off}
    return field(default=default, metadata=notes)


def read(options: type, command: str, about: str, words: Sequence[str] | None = None) -> Any:
    """The options that these words give (default: the process's arguments); --help prints and exits with status 0.

    Raises ZooError for words that cannot be understood.
    """
    words = list(sys.argv[1:] if words is None else words)
    parser = _Parser(options, command)
    before = words[: words.index("--")] if "--" in words else words
    if "--help" in before or "-h" in before:
        print(page(command, about, parser.places, parser.entries()))
        raise SystemExit(0)
    return options(**parser.parse(words))


def chosen(commands: dict[str, type], command: str, about: str) -> tuple[str, list[str]]:
    """(the first word, one of a command's own commands; the words after it). --help in its place lists them."""
    words = sys.argv[1:]
    if words and words[0] in ("--help", "-h"):
        entries = [Entry("commands", name, _first_line(options)) for name, options in commands.items()]
        print(page(command, about, ["COMMAND"], entries))
        raise SystemExit(0)
    if not words:
        raise ZooError(f"{command} needs a command: {', '.join(commands)}")
    if words[0] not in commands:
        raise choose(f"command of {command}", words[0], commands)
    return words[0], words[1:]


class _Parser:
    """The fields of one dataclass of options."""

    def __init__(self, options: type, command: str):
        hints = get_type_hints(options)
        self.options, self.command = options, command
        self.kinds = {f.name: Kind(hints[f.name]) for f in fields(options)}
        self.named = {flag_of(f): f for f in fields(options) if not f.metadata["positional"]}
        self.positional = [f for f in fields(options) if f.metadata["positional"]]
        self.places = [_metavar(f) if f.default in ("", ()) else f"[{_metavar(f)}]" for f in self.positional]

    def parse(self, words: list[str]) -> dict[str, Any]:
        """Field -> value, of those that were given."""
        given: dict[str, Any] = {}
        free: list[str] = []
        while words:
            word = words.pop(0)
            if word == "--":
                free += words
                break
            if not word.startswith("-") or word == "-":
                free.append(word)
                continue
            head, equals, value = word.partition("=")
            flag = head.replace("_", "-")
            plain = "--" + flag.removeprefix("--no-")
            off = flag != plain and plain in self.named and self.kinds[self.named[plain].name].flag
            if not off and flag not in self.named:
                self._unknown(head)
            name = self.named[plain if off else flag].name
            kind = self.kinds[name]
            if kind.flag:
                self._no_value(flag, equals, words)
                given[name] = not off
                continue
            taken = [value] if equals else []
            while len(taken) < kind.most and words and (words[0] == "-" or not _is_option(words[0])):
                taken.append(words.pop(0))
            if len(taken) < kind.least:
                count = "a value" if kind.least == 1 else f"{kind.least} values"
                raise ZooError(f"{flag} needs {count}: {kind.allowed() or self._such_as(name)}")
            found = kind.value(flag, taken, self._such_as(name))
            given[name] = (*given.get(name, ()), *found) if kind.any_number else found
        if self.positional and self.kinds[self.positional[-1].name].any_number:  # it takes all that is left
            last = len(self.positional) - 1
            if rest := free[last:]:
                name = self.positional[last].name
                given[name] = self.kinds[name].value(_metavar(self.positional[last]), rest, self._such_as(name))
            free = free[:last]
        if len(free) > len(self.positional):
            extra = free[len(self.positional)]
            takes = f"Allowed: {' '.join(self.places)}, then options" if self.places else "Allowed: options"
            raise ZooError(f"unexpected argument {extra!r}. {takes}, as {self.command} --help shows")
        for f, word in zip(self.positional, free, strict=False):
            given[f.name] = self.kinds[f.name].value(_metavar(f), [word], self._such_as(f.name))
        return given

    def _such_as(self, name: str) -> str:
        """What an option's value may be, as the help says it."""
        return next(str(f.metadata["about"]) for f in fields(self.options) if f.name == name)

    def _no_value(self, flag: str, equals: str, words: list[str]) -> None:
        if equals or (words and words[0].lower() in ("true", "false")):
            plain = flag.removeprefix("--no-").removeprefix("--")
            value = "" if equals else f" {words[0]}"
            raise ZooError(f"{flag}{value}: it takes no value. Write --{plain} or --no-{plain}")

    def _unknown(self, word: str) -> NoReturn:
        shown = [flag for flag, f in self.named.items() if not f.metadata["hidden"]]
        raise ZooError(f"{choose('option', word, shown)}. {self.command} --help explains them")

    def entries(self) -> list[Entry]:
        """What the help shows, group by group."""
        made = [Entry("", _metavar(f), f.metadata["about"]) for f in self.positional]
        for group in GROUPS:
            for flag, f in self._own_first():
                if f.metadata["group"] == group and not f.metadata["hidden"]:
                    made.append(self._entry(group, flag, f))
        return made

    def _own_first(self) -> list[tuple[str, Field[Any]]]:
        """The options, those of the command's own class before those that it shares."""
        classes = [part for part in self.options.__mro__ if part is not object]
        depth = {name: i for i, part in reversed([*enumerate(classes)]) for name in part.__annotations__}
        return sorted(self.named.items(), key=lambda item: depth[item[1].name])

    def _entry(self, group: str, flag: str, f: Field[Any]) -> Entry:
        kind, about = self.kinds[f.name], f.metadata["about"]
        if kind.flag:
            return Entry(group, *((f"--no-{flag[2:]}", f.metadata["off"]) if f.default is True else (flag, about)))
        default = f.default if f.default is not MISSING else None
        if default is not None and default != "" and "(default" not in about:
            shown = default if isinstance(default, tuple) else (default,)
            about += f" (default: {' '.join(_quoted(v) for v in shown)})"
        return Entry(group, f"{flag} {f.metadata['metavar'] or kind.metavar()}", about)


class Kind:
    """What a field's type says of its values."""

    def __init__(self, hint: Any):
        parts = [hint]
        if get_origin(hint) in (Union, UnionType):
            parts = [part for part in get_args(hint) if part is not NoneType]
        self.least = self.most = 1
        if get_origin(parts[0]) is tuple:
            inner = get_args(parts[0])
            self.least, self.most = (1, 10**6) if inner[-1] is Ellipsis else (len(inner), len(inner))
            parts = [inner[0]]
        self.many, self.any_number = get_origin(hint) is tuple, self.most > 2**10
        self.flag = parts == [bool]
        self.words: dict[str, object] = {}  # spelling -> value, where only some are allowed
        for part in parts:
            if get_origin(part) is Literal:
                self.words |= {str(value): value for value in get_args(part)}
            elif part is bool:
                self.words |= {"True": True, "False": False}
        self.base = parts[0]

    def metavar(self) -> str:
        """What stands for a value in the help."""
        if self.words:
            return f"{{{','.join(self.words)}}}"
        one = {int: "N", float: "X"}.get(self.base, "TEXT")
        return " ".join([one] * self.most) if self.most < 10 else f"{one} .."

    def allowed(self) -> str:
        """The allowed values in words; "" for a text."""
        if self.words:
            return ", ".join(self.words)
        return f"{NUMBERS[self.base][0]} such as {NUMBERS[self.base][1]}" if self.base in NUMBERS else ""

    def value(self, flag: str, texts: list[str], about: str) -> Any:
        """The value of these words. about: what a text may be. Raises ZooError, naming the option, for a word that is
        none."""
        found = tuple(self._one(flag, text, about) for text in texts)
        return found if self.many else found[0]

    def _one(self, flag: str, text: str, about: str) -> object:
        if not text.strip():
            raise ZooError(f"{flag} {text!r} is empty: give {self.allowed() or about}")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
            raise ZooError(f"{flag} {text!r} holds a character that does not print. Allowed: printable ones")
        if self.words:
            text = text.capitalize() if text in ("true", "false") else text  # as TOML and JSON write them
            if text not in self.words:
                raise choose(f"value of {flag}:", text, self.words)
            return self.words[text]
        if self.base not in NUMBERS:
            return text
        try:
            number = self.base(text)
        except ValueError:
            number = math.nan
        if math.isnan(number):
            raise ZooError(f"{flag} {_short(text)} is no number. Allowed: {self.allowed()}")
        if self.base is int and abs(number) > MOST:
            raise ZooError(f"{flag} {_short(text)} is too large. Allowed: up to {MOST:,}")
        return number


def flag_of(f: Field[Any]) -> str:
    """`--name` of a field."""
    return f"--{f.name.replace('_', '-')}"


def _metavar(f: Field[Any]) -> str:
    return str(f.metadata["metavar"]) or f.name.upper()


def _is_option(word: str) -> bool:
    """Whether a word is an option, not a value: -1 and -0.5 are values."""
    return word.startswith("--") or (word.startswith("-") and not word[1:2].isdigit() and word[1:2] != ".")


def _quoted(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f'"{text}"' if " " in text or "(" in text else text


def _short(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:20]!r}.. ({counted(len(text), 'character')})"


def _first_line(options: type) -> str:
    return (options.__doc__ or "").strip().splitlines()[0]
