"""Randomness as a pure function of (seed, stream, k): the k-th draw of a named stream.

Every objective sees the same batches, noise and dropped labels at step k (common random numbers), and a resumed run
needs no generator state. Streams: `init`, `order` (k = epoch), `drop`, `u`, `noise`, `coupling`, `augment`, `more` (k =
step), `pairs` (k = batch), `sample` and `sample-STEP` (k = chunk of images), `validation` (k = level), and the judge's
own.
"""

import hashlib
from functools import lru_cache

import torch
from torch import Tensor


def generator(seed: int, stream: str, k: int = 0, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator for the k-th draw of a stream on a device. Streams of different names are independent."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{k}".encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


def stratified(count: int, generator: torch.Generator) -> Tensor:
    """[count] float64 numbers in [0, 1), one uniform draw in each of `count` equal parts, on the generator's device.

    Each is uniform by itself up to its place in the batch; together they cover [0, 1) evenly, which lowers the
    loss's variance (arXiv 2107.00630, appendix I). Batches are shuffled, so the place carries no information.
    """
    parts = torch.arange(count, device=generator.device, dtype=torch.float64)
    return (parts + torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64)) / count


@lru_cache(maxsize=2)
def permutation(seed: int, epoch: int, count: int, device: str | torch.device = "cpu") -> Tensor:
    """The order of `count` training images in an epoch, [count] int64; drawn on the CPU, the same on every device."""
    return torch.randperm(count, generator=generator(seed, "order", epoch)).to(device)


def batch_indices(seed: int, step: int, batch: int, count: int, device: str | torch.device = "cpu") -> Tensor:
    """The images of step `step` (from 0), [batch] int64: epochs' orders joined end to end, none left out or doubled."""
    first = step * batch
    parts = []
    while batch > 0:
        epoch, offset = divmod(first, count)
        part = permutation(seed, epoch, count, device)[offset : offset + batch]
        parts.append(part)
        first, batch = first + len(part), batch - len(part)
    return torch.cat(parts)
