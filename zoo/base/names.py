"""The grammar of names, shared by objectives and backbones, and their form on disk.

term = word | word(argument, ..) | word(objective, argument, ..)        argument = number | word=number | word=word
objective = term | term/term, then any number of +term    rf/lognorm(0,1)   eps/cosine+minsnr(5)   v/trig+match(rf)
"""

import hashlib
import inspect
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, TypeVar

from zoo.base.errors import ZooError, choose

ADDED: list[str] = []  # words that registry.register has added in this process, in order
TERM = re.compile(r"([a-z][a-z0-9_]*)(?:\(([^()]*)\))?")
OF_NAME = re.compile(r"([a-z][a-z0-9_]*)\((.+)\)")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
CHOICE = re.compile(r"[a-z][a-z0-9_]*")  # an argument's value that is one of some words
TRUTH = {"true": True, "false": False}
LONGEST = 64  # characters of a folder's name
SLUG = re.compile(rf"[a-z0-9][a-z0-9_.-]{{0,{LONGEST - 1}}}")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Term:
    """One word with its numbers, `lognorm(0,1)` or `dit(width=128,qk_norm=false)`, or with a name: `match(rf)`."""

    word: str
    positional: tuple[float, ...] = ()
    named: tuple[tuple[str, float | str], ...] = ()
    name: str = ""

    def __str__(self) -> str:
        arguments = [self.name] if self.name else []
        arguments += [f"{n:.6g}" for n in self.positional]
        arguments += [f"{key}={n if isinstance(n, str) else f'{n:.6g}'}" for key, n in self.named]
        return f"{self.word}({','.join(arguments)})" if arguments else self.word

    def call(self, kind: str, table: Mapping[str, Callable[..., Made]], **given: Any) -> Made:
        """Look the word up in the table of this kind of thing and call it with the term's numbers.

        Raises ZooError for an unknown word, a wrong number of arguments, or a value that the thing refuses.
        """
        if self.word not in table:
            raise choose(kind, self.word, table)
        make = table[self.word]
        if problem := _unlike_its_kind(make):
            raise ZooError(f"the class of {kind} {self.word!r} {problem}")
        signature = inspect.signature(make)
        usage = ", ".join(name for name in signature.parameters if name not in given)
        kinds = {name: getattr(p.annotation, "__name__", p.annotation) for name, p in signature.parameters.items()}
        try:
            bound = signature.bind(*self.positional, **dict(self.named), **given)
        except TypeError:
            raise ZooError(f"{kind} {str(self)!r} does not fit {self.word}({usage})") from None
        for name in bound.arguments.keys() - given.keys():
            try:
                bound.arguments[name] = _as(kinds[name], bound.arguments[name])
            except ValueError as error:
                raise ZooError(f"{kind} {str(self)!r}: {name} must be {error}") from None
        try:
            return make(*bound.args, **bound.kwargs)
        except ValueError as error:
            raise ZooError(f"{kind} {str(self)!r}: {error}") from None


def _unlike_its_kind(make: Callable[..., object]) -> str:
    """What a class lacks of its abstract base, a method or an argument of one; "" for one that has all. A user's class
    is told this before anything calls it."""
    if lacking := sorted(getattr(make, "__abstractmethods__", ())):
        return f"lacks {', '.join(lacking)}"
    if isinstance(make, type) and not is_dataclass(make):
        return "is no dataclass: write @dataclass(frozen=True) above it"
    for base in getattr(make, "__mro__", ())[1:]:
        for name in sorted(getattr(base, "__abstractmethods__", ())):
            own, wanted = (getattr(owner, name) for owner in (make, base))
            if not (inspect.isfunction(own) and inspect.isfunction(wanted)):
                continue
            takes, needs = (list(inspect.signature(method).parameters) for method in (own, wanted))
            if len(takes) != len(needs):
                return f"has {name}({', '.join(takes)}), which should be {name}({', '.join(needs)})"
    return ""


def _as(kind: str, value: float | str) -> float | str | bool:
    """An argument's value as its parameter wants it. Raises ValueError with what it must be."""
    if kind == "bool":
        if value not in TRUTH:
            raise ValueError("true or false")
        return TRUTH[str(value)]
    if kind == "str":
        if not isinstance(value, str):
            raise ValueError("a word")
        return value
    if isinstance(value, str):
        raise ValueError(f"a number, not {value!r}")
    if kind == "int":
        if value != int(value):
            raise ValueError("a whole number")
        return int(value)
    return value


def spelled(word: str, made: Any) -> str:
    """A word with the arguments that a dataclass was made with: numbers without a default as they are, others by name.

    An argument with a name of its own stands first; a number that equals its default is left out.
    """
    first, plain, named = [], [], []
    for field in fields(made):
        value = getattr(made, field.name)
        if hasattr(value, "name"):
            first.append(value.name)
        elif field.default is MISSING:
            plain.append(_word(value))
        elif value != field.default:
            named.append(f"{field.name}={_word(value)}")
    arguments = [*first, *plain, *named]
    return f"{word}({','.join(arguments)})" if arguments else word


def _word(value: float | str | bool) -> str:
    """An argument as names spell it."""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, int) else f"{value:.6g}"  # a whole number with all its digits


def split(text: str, mark: str) -> list[str]:
    """The parts of a text between the marks (one character) that are not within parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == mark and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def parse_term(text: str, kind: str, of_name: Collection[str] = ()) -> Term:
    """One term; spaces are ignored. of_name: words whose argument is a name. Raises ZooError if the text is none."""
    compact = text.replace(" ", "")
    if (match := OF_NAME.fullmatch(compact)) and match[1] in of_name:
        name, *rest = split(match[2], ",")
        numbers = parse_term(f"{match[1]}({','.join(rest)})", kind)
        return Term(match[1], numbers.positional, numbers.named, name)
    match = TERM.fullmatch(compact)
    if not match:
        raise ZooError(f"{kind} {text!r} is not a name: write word, word(number, ..) or word(key=number, ..)")
    positional: list[float] = []
    named: list[tuple[str, float | str]] = []
    for argument in filter(None, (match[2] or "").split(",")):
        key, equals, value = argument.rpartition("=")
        if equals and key.isidentifier() and CHOICE.fullmatch(value) and key not in dict(named):
            named.append((key, value))
            continue
        if not NUMBER.fullmatch(value) or (equals and not key.isidentifier()) or (named and not equals):
            raise ZooError(f"{kind} {text!r}: {argument!r} is not a number nor key=number")
        number = float(f"{float(value):.6g}") + 0.0  # as the name will print it, and 0 for -0
        if math.isinf(number) or key in dict(named):
            raise ZooError(f"{kind} {text!r}: {argument!r} is given twice or is too large a number")
        named.append((key, number)) if equals else positional.append(number)
    return Term(match[1], tuple(positional), tuple(named))


def slug(name: str) -> str:
    """The name as a folder: `rf/lognorm(-1,0.2)` -> `rf-lognorm-m1-0.2`, always [a-z0-9][a-z0-9_.-]{0,63}.

    A longer one is cut, and ends in eight digits of the whole one's SHA-256. Raises ZooError for a name that has no
    such form.
    """
    text = re.sub(r"(?<=[(,=])-", "m", name.lower().replace(" ", ""))
    text = re.sub(r"(?<=\de)\+", "", text)  # 1e+06 is not 1e-06
    text = re.sub(r"[(),/+=]+", "-", text).strip("-")
    if len(text) > LONGEST and SLUG.fullmatch(text[:LONGEST]) and "(" in name:
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{text[: LONGEST - len(mark) - 1]}-{mark}"
    if not SLUG.fullmatch(text):
        raise ZooError(f"{name!r} cannot be a folder's name: {text!r} is not of the form {SLUG.pattern}")
    return text
