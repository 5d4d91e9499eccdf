"""How a run tells of its progress: a bar on a terminal or in a notebook, plain lines at intervals elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

PLAIN_SECONDS = 10.0  # between two lines where nobody watches
PULSE_SECONDS = 30.0
Listener = Callable[[dict[str, Any]], None]  # gets the rows of metrics.jsonl as they come
SHOWN: ContextVar[bool] = ContextVar("progress_shown", default=True)  # the Python API is silent unless asked
LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def progress_shown(shown: bool | Listener) -> Iterator[None]:
    """Inside, messages and bars are shown or not, or a function gets the logged rows in their place."""
    tokens = SHOWN.set(shown is True), LISTENER.set(shown if callable(shown) else None)
    try:
        yield
    finally:
        SHOWN.reset(tokens[0])
        LISTENER.reset(tokens[1])


def watched() -> bool:
    """Whether a bar can be shown: somebody asked for it, and sees a terminal or a notebook."""
    if not SHOWN.get():
        return False
    return in_notebook() or (sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0)


def say(text: str) -> None:
    """One line to stdout, without tearing a bar."""
    if not SHOWN.get():
        return
    from tqdm import tqdm

    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def warn(text: str) -> None:
    """One line to stderr: what a user should know of a command whose stdout may be read by a program."""
    if SHOWN.get():
        print(text, file=sys.stderr, flush=True)


class Pulse:
    """A sign of life to stderr, now and then, from work that prints nothing else."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def beat(self, text: str) -> None:
        """Print the text if nothing was printed for PULSE_SECONDS."""
        if SHOWN.get() and time.monotonic() - self.last >= PULSE_SECONDS:
            self.last = time.monotonic()
            print(text, file=sys.stderr, flush=True)


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this code; that its packages were imported is not enough."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in shell.config


def bar(**given: Any) -> Any:
    """A bar of tqdm's, as a widget in a notebook that has ipywidgets, and in text without a warning elsewhere."""
    import warnings

    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        from tqdm.auto import tqdm
    return tqdm(**given)


class Progress:
    """Shows the rows of metrics.jsonl as they come."""

    def __init__(self, steps: int, first: int = 0):
        self.steps = steps
        self.bar = bar(total=steps, initial=first, unit="step", leave=False) if watched() else None
        self.last = time.monotonic()

    def show(self, row: dict[str, Any]) -> None:
        """A logged row."""
        if listener := LISTENER.get():
            listener(row)
        rate = f"loss {row['loss']:.4f}  {row['images_per_s']:,.0f} images/s"
        if self.bar is not None:
            self.bar.update(row["step"] - self.bar.n)
            self.bar.set_postfix_str(rate)
        elif row["step"] == self.steps or time.monotonic() - self.last >= PLAIN_SECONDS:
            self.last = time.monotonic()
            left = row["seconds"] * (self.steps - row["step"]) / row["step"]
            say(f"step {row['step']:,}/{self.steps:,}  {rate}  {left:.0f} s left")

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
