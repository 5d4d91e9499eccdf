"""How a run tells of its progress: a bar on a terminal, plain lines at intervals elsewhere."""

import sys
import time
from typing import Any

PLAIN_SECONDS = 10.0  # between two lines where nobody watches
PULSE_SECONDS = 30.0


def say(text: str) -> None:
    """One line to stdout, without tearing a bar."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


class Pulse:
    """A sign of life to stderr, now and then, from work that prints nothing else."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def beat(self, text: str) -> None:
        """Print the text if nothing was printed for PULSE_SECONDS."""
        if time.monotonic() - self.last >= PULSE_SECONDS:
            self.last = time.monotonic()
            print(text, file=sys.stderr, flush=True)


class Progress:
    """Shows the rows of metrics.jsonl as they come."""

    def __init__(self, steps: int, first: int = 0):
        from tqdm import tqdm

        self.steps = steps
        self.bar = tqdm(total=steps, initial=first, unit="step", leave=False) if sys.stderr.isatty() else None
        self.last = time.monotonic()

    def show(self, row: dict[str, Any]) -> None:
        """A logged row."""
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
