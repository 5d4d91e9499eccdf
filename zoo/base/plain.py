"""Numbers as Python's own, wherever they come from."""

from typing import Any


def plain(value: Any) -> Any:
    """A single number of numpy's or torch's, as Python's own; any other value as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
