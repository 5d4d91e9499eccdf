"""A shell's completion of a command's options, written by shtab from the same dataclass that the command reads."""

from dataclasses import fields
from typing import get_type_hints

from zoo.base.errors import ZooError
from zoo.base.options import Kind, flag_of


def script(options: type, command: str, shell: str) -> str:
    """The completion script. shell: bash, zsh or tcsh. Raises ZooError without shtab."""
    import argparse

    try:
        import shtab
    except ImportError:
        raise ZooError(
            'completion is written by shtab: pip install "objective-zoo[shell]", or pip install shtab'
        ) from None
    parser, hints = argparse.ArgumentParser(prog=command), get_type_hints(options)
    for field in fields(options):
        kind, about = Kind(hints[field.name]), field.metadata["about"].replace("%", "%%")
        if field.metadata["hidden"]:
            continue
        if field.metadata["positional"]:
            parser.add_argument(field.name, nargs="?", help=about)
        elif kind.flag:
            off = field.default is True
            name = f"--no-{field.name}" if off else flag_of(field)
            parser.add_argument(name, action="store_true", help=field.metadata["off"] if off else about)
        else:
            shown = field.metadata["metavar"] or kind.metavar()
            action = parser.add_argument(flag_of(field), help=about, metavar=shown, choices=list(kind.words) or None)
            if shown in ("DIR", "FILE"):
                action.complete = shtab.DIRECTORY if shown == "DIR" else shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell=shell))
