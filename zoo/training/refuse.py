"""What a run in a folder is not continued, taught or scored by: another configuration, plug-in, images or latents."""

from pathlib import Path
from typing import Any

from zoo import plugins
from zoo.base.errors import ZooError
from zoo.config.cell import TrainConfig, differences
from zoo.data.dataset import Dataset
from zoo.spaces.space import Space


def refuse_other(
    config: TrainConfig, manifest: dict[str, Any], folder: Path, remedy: str = "choose another --out"
) -> None:
    """Raise ZooError unless the run in the folder has this configuration."""
    if lines := differences(config.model_dump(mode="json"), manifest["config"]):
        raise ZooError("\n  ".join([f"{folder} holds a run of another configuration; {remedy}:", *lines]))


def refuse_changed(before: dict[str, str], folder: Path) -> None:
    """Raise ZooError if a plugin is not the one that the run in the folder began with."""
    if changed := [name for name, version in before.items() if plugins.LOADED.get(name, version) != version]:
        raise ZooError(
            f"{folder} was begun with another version of {', '.join(changed)}, and half of each would be neither; "
            "restore it, or choose another --out"
        )


def refuse_other_images(data: Dataset, before: str, folder: Path) -> None:
    """Raise ZooError if the images are not those that the run in the folder began with."""
    if data.sha256 != before:
        raise ZooError(
            f"{folder} was begun with other images than {data.name} holds now: SHA-256 {before} then, {data.sha256} "
            "now. Restore them, or choose another --out"
        )


def refuse_other_latents(space: Space, manifest: dict[str, Any], folder: Path) -> None:
    """Raise ZooError unless the teacher's run in the folder sees images through the same auto-encoder."""
    ours, theirs = ((facts.get("latents") or {}).get("sha256") for facts in (space.facts(), manifest))
    if ours != theirs:
        raise ZooError(f"{folder} was trained on latents of auto-encoder {theirs}, and here it is {ours}: train again")
