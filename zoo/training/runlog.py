"""What a run writes and hears while it trains: metrics.jsonl, and the signals that ask it to stop.

Sums live on the device and are read once per row, so that logging costs no synchronisation at a step.
"""

import json
import math
import os
import signal
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from zoo.base import ranks
from zoo.base.environment import exact_device
from zoo.base.errors import Diverged
from zoo.base.files import read_rows, write_atomic, write_error
from zoo.base.progress import say

CLOCK = ("step", "images", "seconds")  # what a row must have for a resumed run to go on from it
LOGSNR_EDGES = tuple(-10 + 2.5 * i for i in range(9))  # eight bins; the outer two take what lies beyond


class Metrics:
    """Running sums since the last row: loss, gradient norm, and the squared error of eps_hat by bin of logsnr."""

    def __init__(self, folder: Path, device: torch.device, clip: float = math.inf):
        """clip: the longest gradient that is not shortened."""
        self.path, self.clip, device = folder / "metrics.jsonl", clip, exact_device(device)
        bins = len(LOGSNR_EDGES) - 1
        self.edges = torch.tensor(LOGSNR_EDGES[1:-1], dtype=torch.float64, device=device)
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)  # loss, gradient norm, steps
        self.bin_sums = torch.zeros(2, bins, dtype=torch.float64, device=device)  # error, count
        self.first_bad = torch.full((), -1, dtype=torch.int64, device=device)  # first step of non-finite loss
        self.clipped = torch.zeros((), dtype=torch.int64, device=device)  # steps of the whole run
        self.last_loss = torch.full((), math.nan, dtype=torch.float64, device=device)
        self.file: TextIO | None = None
        self.clock = 0.0, 0

    def add(self, k: int | Tensor, losses: Tensor, norm: Tensor, logsnr: Tensor, error: Tensor) -> None:
        """Take in step k (from 0; a number or a tensor []): losses, logsnr and error are [B], norm a scalar."""
        loss, norm = losses.to(self.sums).mean(), norm.to(self.sums)
        self.sums += torch.stack([loss, norm, torch.ones_like(loss)])
        self.clipped += norm > self.clip
        finite = loss.isfinite() & norm.isfinite()
        self.first_bad.copy_(torch.where((self.first_bad < 0) & ~finite, k, self.first_bad))
        known = error.isfinite()
        place = torch.bucketize(logsnr.nan_to_num(0.0), self.edges)
        self.bin_sums[0].index_add_(0, place, error.where(known, 0.0))
        self.bin_sums[1].index_add_(0, place, known.to(self.sums))

    def check(self) -> None:
        """Raise Diverged, with the first bad step, if a loss or a gradient was not finite."""
        if (bad := int(self.first_bad)) >= 0:
            last = float(self.last_loss)
            known = f"the last mean loss logged was {last:.4g}" if math.isfinite(last) else "no loss was logged before"
            raise Diverged(f"loss or gradient stopped being finite at step {bad + 1:,}; {known}")

    def log(self, step: int, images: int, rate: float, seconds: float) -> dict[str, Any]:
        """Write a row and start new sums."""
        self.check()
        loss, norm, steps = self.sums.tolist()
        means = [total / count if count else None for total, count in self.bin_sums.T.tolist()]
        self.last_loss.fill_(loss / steps)
        before_seconds, before_images = self.clock
        row = {
            "step": step,
            "images": images,
            "loss": loss / steps,
            "lr": rate,
            "grad_norm": norm / steps,
            "bins": means,
            "seconds": round(seconds, 3),
            "images_per_s": round((images - before_images) / max(seconds - before_seconds, 1e-9), 1),
        }
        self.clock = seconds, images
        self.sums.zero_()
        self.bin_sums.zero_()
        line = json.dumps(row, allow_nan=False) + "\n"
        if not ranks.leads():
            return row
        with self._written(len(line)):
            if self.file is None:
                self.file = self.path.open("a", encoding="utf-8")
            self.file.write(line)
            self.file.flush()
        return row

    @contextmanager
    def _written(self, size: int) -> Iterator[None]:
        """Turn a failed write of `size` bytes into DiskFull or ZooError; what was not written is forgotten."""
        try:
            yield
        except OSError as error:
            if self.file is not None:
                with suppress(OSError):  # closing tries to write once more
                    self.file.close()
                self.file = None
            raise write_error(self.path, size, error) from error

    def sync(self) -> None:
        """Rows reach the disk before the checkpoint that counts on them."""
        if self.file is not None:
            with self._written(0):
                os.fsync(self.file.fileno())

    def truncate(self, step: int) -> list[dict[str, Any]]:
        """Drop rows behind a checkpoint's step, and damaged lines, before a resumed run writes on; returns the rest."""
        rows, damaged = read_rows(self.path)
        whole = [row for row in rows if all(isinstance(row.get(key), int | float) for key in CLOCK)]
        if lost := damaged + len(rows) - len(whole):
            say(f"{self.path}: {lost} lines are torn or damaged, and left out")
        kept = [row for row in whole if row["step"] <= step]
        if kept:
            self.clock = kept[-1]["seconds"], kept[-1]["images"]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, "".join(json.dumps(row) + "\n" for row in kept).encode())
        return kept

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            with self._written(0):
                self.file.close()

    def state(self) -> dict[str, Tensor]:
        """The sums, under the checkpoint's names."""
        return {"stat.sums": self.sums, "stat.bin_sums": self.bin_sums, "stat.last_loss": self.last_loss}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`, from the whole checkpoint."""
        for name, tensor in self.state().items():
            tensor.copy_(tensors[name])


class StopSignal:
    """While entered, the first SIGINT or SIGTERM sets `signal`; a second SIGINT stops at once."""

    def __enter__(self) -> "StopSignal":
        self.signal = 0
        self._before = {number: signal.signal(number, self._heard) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, frame: types.FrameType | None) -> None:
        if self.signal:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.signal = number
