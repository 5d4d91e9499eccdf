"""Ranks: processes that work on one run together, as torch.distributed counts them; without any, one that is all.

In a group every rank calls the same functions in the same order. The first one alone writes files and speaks. What
travels between ranks are tensors, never pickles. torch is imported when there is a group to join.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from zoo.base.children import follow
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.progress import progress_shown

if TYPE_CHECKING:
    from torch import Tensor

MEETING = "ZOO_RANKS_MEETING"  # a file by which the ranks of `group.launch` find one another; torchrun has its own way
LAUNCHER = "ZOO_RANKS_LAUNCHER"  # the process that started them
TORCHRUN = "TORCHELASTIC_RUN_ID"  # which torchrun sets; a killed one ends no rank
PATIENCE = timedelta(minutes=30)  # for the slowest rank, as while the first one scores or compiles
_place = (0, 1)  # this process's rank, and how many there are


def asked() -> int | None:
    """How many ranks the environment says there are, as torchrun and `group.launch` set it; None: it says nothing."""
    found = os.environ.get("WORLD_SIZE", "") if os.environ.get("RANK", "").isdecimal() else ""
    return int(found) if found.isdecimal() else None


def rank() -> int:
    """This process's number in its group, from 0."""
    return _place[0]


def size() -> int:
    """How many ranks the group has."""
    return _place[1]


def leads() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0


def check(batch: int, ranks: int, parts: int, joined: str = "") -> None:
    """Raise ZooError unless a batch can be shared out equally. joined: why its images need one another, if they do."""
    for name, value in (("ranks", ranks), ("accumulate", parts)):
        if value < 1:
            raise ZooError(f"--{name} {value} must be at least 1")
    if ranks * parts == 1:
        return
    if joined:
        raise ZooError(f"--ranks and --accumulate cannot be used here: {joined}")
    if batch % (ranks * parts):
        near = sorted({max(1, batch // (ranks * parts)), batch // (ranks * parts) + 1})
        raise ZooError(
            f"a batch of {batch} cannot be shared out equally over {ranks} ranks of {counted(parts, 'part')} each. "
            f"Take a batch of {' or '.join(str(ranks * parts * each) for each in near)}, or other --ranks and "
            "--accumulate"
        )


@contextmanager
def joined(device: str, wanted: int | None) -> Iterator[str]:
    """In a process of a group: be a rank of it, with the device that is its own; elsewhere nothing happens.

    wanted: what --ranks says. Raises ZooError where it contradicts the group.
    """
    global _place
    count = asked()
    if count is None or count == 1:
        yield device
        return
    if wanted not in (None, count):
        raise ZooError(
            f"--ranks {wanted}, but {counted(count, 'process was', 'processes were')} started: leave --ranks out "
            "under torchrun"
        )
    if LAUNCHER in os.environ or TORCHRUN in os.environ:
        follow(int(os.environ.get(LAUNCHER) or os.getppid()))
    import torch
    from torch import distributed as dist

    own = device
    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        if ":" in device:
            raise ZooError(
                f"--device {device} is one GPU, and ranks have one each: --device cuda, or CUDA_VISIBLE_DEVICES"
            )
        own = f"cuda:{int(os.environ.get('LOCAL_RANK', os.environ['RANK'])) % torch.cuda.device_count()}"
        torch.cuda.set_device(own)
    backend = "cpu:gloo,cuda:nccl" if own.startswith("cuda") else "gloo"
    number = int(os.environ["RANK"])
    where = f"file://{os.environ[MEETING]}" if MEETING in os.environ else "env://"
    dist.init_process_group(backend, where, rank=number, world_size=count, timeout=PATIENCE)
    _place = number, count
    try:
        with progress_shown(number == 0):
            yield own
    finally:
        _place = 0, 1
        dist.destroy_process_group()


def most(value: int) -> int:
    """The largest of the ranks' values."""
    if size() == 1:
        return value
    import torch
    from torch import distributed as dist

    both = torch.tensor([value])
    dist.all_reduce(both, dist.ReduceOp.MAX)
    return int(both)


def same(value: int, what: str) -> None:
    """Raise ZooError, on every rank, unless all have this value."""
    if most(value) != -most(-value):
        raise ZooError(f"the ranks see {what} differently: their --out must be on a disk that all of them share")


def wait() -> None:
    """Until all ranks are here."""
    most(0)


def mine(whole: "Tensor") -> "Tensor":
    """This rank's equal share of a batch's first dimension."""
    if size() == 1:
        return whole
    share = len(whole) // size()
    return whole[rank() * share :][:share]


def gathered(part: "Tensor") -> "Tensor":
    """The ranks' equal shares [.., b] side by side, [.., size * b]: the inverse of `mine`, along the last dimension."""
    if size() == 1:
        return part
    import torch
    from torch import distributed as dist

    parts = [torch.empty_like(part) for _ in range(size())]
    dist.all_gather(parts, part.contiguous())
    return torch.cat(parts, dim=-1)


def spread(count: int, work: Callable[[int], "Tensor"], together: bool = True) -> "list[Tensor]":
    """[work(0), .., work(count - 1)], on every rank, each done by one of them; what one raises, all raise.

    together: whether all ranks are here; else this one does everything.
    """
    if size() == 1 or not together:
        return [work(i) for i in range(count)]
    done, device, error = {}, None, None
    try:
        for i in range(rank(), count, size()):
            made = work(i)
            done[str(i)], device = made.cpu().contiguous(), made.device
    except Exception as raised:  # told to the others, who would wait for it for ever
        error = raised
    found = _exchange(done, "" if error is None else str(error) or type(error).__name__)
    if error is not None:
        raise error
    return [found[str(i)].to(device) if device is not None else found[str(i)] for i in range(count)]


def _exchange(tensors: "dict[str, Tensor]", error: str) -> "dict[str, Tensor]":
    """All ranks' tensors by name. Raises ZooError with the first error that another rank tells."""
    import safetensors.torch
    import torch
    from torch import distributed as dist

    name = "error"
    told = torch.tensor(list(error.encode()), dtype=torch.uint8)
    data = torch.frombuffer(bytearray(safetensors.torch.save({**tensors, name: told})), dtype=torch.uint8)
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(size())]
    dist.all_gather(lengths, torch.tensor([len(data)]))
    longest = max(int(length) for length in lengths)
    parts = [torch.zeros(longest, dtype=torch.uint8) for _ in range(size())]
    dist.all_gather(parts, torch.cat([data, data.new_zeros(longest - len(data))]))
    found: dict[str, torch.Tensor] = {}
    for number, (part, length) in enumerate(zip(parts, lengths, strict=True)):
        theirs = safetensors.torch.load(part[: int(length)].numpy().tobytes())
        text = bytes(theirs.pop(name).tolist()).decode(errors="replace")
        if text and number != rank():
            raise ZooError(text)
        found |= theirs
    return found
