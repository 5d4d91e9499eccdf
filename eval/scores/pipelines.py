"""Images of a diffusers pipeline in a folder on disk, unconditional or by class, drawn to be scored as others' are.

Weights are read from safetensors alone, nothing is fetched, and code of the folder runs only if the caller says so.
"""

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eval.scores.score import label_counts
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.progress import Pulse
from zoo.config.control import Setting
from zoo.data.dataset import Dataset

INDEX = "model_index.json"
WORDS = {"guidance": "guidance_scale", "rescale": "guidance_rescale", "start": "start", "clip": "clip"}


def is_pipeline(path: Path) -> bool:
    """Whether a path is a folder that diffusers wrote."""
    return path.is_dir() and (path / INDEX).is_file()


def code_of(folder: Path) -> list[str]:
    """The Python files of the folder that its index names, which loading would run."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZooError(f"{folder / INDEX} cannot be read as JSON: {error}") from None
    if not isinstance(index, dict):
        raise ZooError(f"{folder / INDEX} should hold a JSON object")
    named = {key: value[0] for key, value in index.items() if isinstance(value, list) and value and value[0]}
    places = [
        folder / f"{file}.py" if key == "_class_name" else folder / key / f"{file}.py" for key, file in named.items()
    ]
    return [str(place.relative_to(folder)) for place in places if place.is_file()]


def load_pipeline(folder: Path, trust_code: bool, device: torch.device) -> Any:
    """The pipeline of a folder. Raises ZooError for one that has code of its own, unless that is trusted, and for one
    that cannot be loaded."""
    if (found := code_of(folder)) and not trust_code:
        raise ZooError(
            f"{folder} holds code of its own, which loading would run: {', '.join(found)}. Read it, and if you trust "
            "it add --trust-remote-code (in Python, trust_remote_code=True)"
        )
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging

    logging.disable_progress_bar()
    try:
        pipe = DiffusionPipeline.from_pretrained(
            str(folder), use_safetensors=True, local_files_only=True, trust_remote_code=trust_code,
            low_cpu_mem_usage=False,
        )  # fmt: skip
    except Exception as error:  # a folder may be wrong in as many ways as there are classes in diffusers
        reason = " ".join(str(error).split())[:300]
        raise ZooError(f"{folder} cannot be loaded as a diffusers pipeline: {type(error).__name__}: {reason}") from None
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def options_of(pipe: Any, setting: Setting) -> dict[str, Any]:
    """The arguments of the pipeline's call that a setting asks for. Raises ZooError for one that it does not take."""
    takes, usual = inspect.signature(type(pipe).__call__).parameters, Setting()
    given = {"num_inference_steps": setting.steps} if "num_inference_steps" in takes else {}
    for name in ("sampler", "step_grid", "interval", "weights"):
        if getattr(setting, name) != getattr(usual, name):
            raise ZooError(
                f"--{name.replace('_', '-')} belongs to checkpoints: a pipeline folder has its own scheduler"
            )
    for name, word in WORDS.items():
        asked = getattr(setting, name) != getattr(usual, name)
        if word in takes and (asked or name == "guidance"):  # whose defaults differ from pipeline to pipeline
            given[word] = getattr(setting, name)
        elif asked:
            raise ZooError(f"--{name}: {type(pipe).__name__} takes no {word}. Leave it out")
    return given


def draw(
    folder: Path, setting: Setting, n: int, batch: int, data: Dataset, trust_code: bool, device: torch.device
) -> tuple[np.ndarray, Tensor | None]:
    """(images uint8 [n, H, W, C], their labels int64 [n], None of a pipeline that takes no classes).

    Labels come in the training set's proportions. Raises ZooError as `load_pipeline`, and for images that are none.
    """
    pipe = load_pipeline(folder, trust_code, device)
    options, by_class = options_of(pipe, setting), "class_labels" in inspect.signature(type(pipe).__call__).parameters
    labels = torch.arange(data.spec.real).repeat_interleave(torch.tensor(label_counts(n, data)))
    generator, pulse = torch.Generator().manual_seed(0), Pulse()
    parts: list[np.ndarray] = []
    for chosen in labels.split(batch):
        pulse.beat(f"drew {sum(len(part) for part in parts):,} of {counted(n, 'image')} of {folder.name}")
        which = {"class_labels": chosen.tolist()} if by_class else {"batch_size": len(chosen)}
        try:
            made = np.asarray(pipe(**which, **options, generator=generator, output_type="np").images)
        except (RuntimeError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ZooError(
                f"{type(pipe).__name__} of {folder} could not draw {counted(len(chosen), 'image')}: {reason}"
            ) from None
        if made.ndim != 4 or not np.issubdtype(made.dtype, np.floating) or not np.isfinite(made).all():
            raise ZooError(
                f"{type(pipe).__name__} of {folder} gives {made.dtype} {list(made.shape)}: finite numbers [N, H, W, C] "
                "in [0, 1] are needed"
            )
        parts.append((made.clip(0, 1) * 255).round().astype(np.uint8))
    return np.concatenate(parts), labels if by_class else None
