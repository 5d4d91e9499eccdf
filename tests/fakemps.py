"""A stand-in for Apple's `mps`: CPU tensors that say that they lie there, and refuse float64 as that device does.

Inside `device()` whatever is made on or moved to "mps" is such a tensor. A call that would give one of float64, that
mixes one with a CPU tensor of more than a number, or that asks one for NumPy's array fails as it does there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

MPS, CPU = torch.device("mps"), torch.device("cpu")
MIXED = (
    "to",
    "copy_",
    "__set__",
    "__get__",
    "__getitem__",
    "__setitem__",
    "index_put_",
    "backward",
    "_has_compatible_shallow_copy_type",
)


class Fake(torch.Tensor):
    """A tensor on the device."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return MPS

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return called(func, args, kwargs or {})


def called(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A call carried out on the CPU, its result on the device where that is where it belongs."""
    name, seen = getattr(func, "__name__", ""), {"fake": False, "cpu": False}

    def look(value: Any) -> Any:
        if isinstance(value, Fake):
            seen["fake"] = True
        elif isinstance(value, torch.Tensor) and value.ndim > 0:
            seen["cpu"] = True
        return value

    tree_map(look, (args, kwargs))
    if seen["fake"] and seen["cpu"] and name not in MIXED:
        raise RuntimeError(f"{name}: Expected all tensors to be on the same device, but found mps:0 and cpu")
    if seen["fake"] and name == "numpy":
        raise TypeError("can't convert mps:0 device type tensor to numpy")
    places = [place for value in (*args[1:], *kwargs.values()) if (place := _place(value, name)) is not None]
    on_device = places[0] == "mps" if places else seen["fake"] and name != "cpu"
    given = [_plain(value, name) if i else value for i, value in enumerate(args)]
    with torch._C.DisableTorchFunctionSubclass():
        found = func(*given, **{key: _plain(value, name) for key, value in kwargs.items()})
    return tree_map(lambda value: _kept(value, on_device) if isinstance(value, torch.Tensor) else value, found)


def _place(value: Any, name: str) -> str | None:
    """The device that an argument asks for."""
    if isinstance(value, torch.device) or (isinstance(value, str) and value in ("mps", "cpu")):
        return torch.device(value).type
    return value.device.type if name == "to" and isinstance(value, torch.Tensor) else None


def _plain(value: Any, name: str) -> Any:
    return CPU if _place(value, "") == "mps" else value


def _kept(value: torch.Tensor, on_device: bool) -> torch.Tensor:
    if on_device and value.dtype == torch.float64:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
    with torch._C.DisableTorchFunctionSubclass():
        return value if isinstance(value, Fake) == on_device else value.as_subclass(Fake if on_device else torch.Tensor)


class Watched(TorchFunctionMode):
    """Catches what is made on the device, or moved to it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return called(func, args, kwargs or {})


@contextmanager
def device() -> Iterator[torch.device]:
    """Inside, "mps" is the fake device; modules that are moved there have parameters on it."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with Watched():
            yield MPS
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
