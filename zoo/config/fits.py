"""Whether a configuration can fit this machine's memory at all, asked before work begins. torch is not imported here.

All numbers are lower bounds: what passes may still be too much, what does not pass can never work.
"""

from math import prod

from zoo import registry
from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.limits import require_memory
from zoo.config.cell import CellConfig, TrainConfig
from zoo.data import sets
from zoo.data.spec import Spec

COPIES = 16  # bytes of a parameter in training: its value, gradient, average and one moment, float32
NUMBER = 2  # bytes of an activation in bfloat16
LABEL = 8  # bytes of a label


def fit_training(config: TrainConfig, spec: Spec | None = None) -> None:
    """Raise ZooError for a backbone that cannot take such images, or a training that no memory here can hold.

    spec: of the images, instead of the data set's.
    """
    shape = config.shape(spec or sets.source(config.dataset).spec)
    try:
        size = registry.sizes_for(config.backbone, shape)
    except ZooError as error:
        seen = f" ({config.latents} makes latents of {shape[1]} x {shape[2]})" if config.latents else ""
        raise ZooError(f"{error}{seen}") from None
    parameters, kept = size.least(shape)
    require_memory(
        COPIES * parameters,
        f"training {config.backbone}, of more than {parameters:,} parameters,",
        "Choose a smaller --backbone, such as dit(width=256)",
    )
    require_memory(
        config.batch * kept * NUMBER,
        f"a step of {config.backbone} on a batch of {counted(config.batch, 'image')}",
        "Choose a smaller --batch, such as 64",
    )


def fit_images(count: int, image_shape: tuple[int, int, int], flag: str = "--n") -> None:
    """Raise ZooError for more images, uint8 with a label each, than memory here can hold."""
    require_memory(
        count * (prod(image_shape) + LABEL), f"{flag}: {counted(count, 'image')}", f"Choose a smaller {flag}"
    )


def fit(config: CellConfig) -> None:
    """Raise ZooError for a cell whose training or scoring cannot fit."""
    fit_training(config.train)
    fit_images(config.score.n, sets.source(config.train.dataset).spec.image_shape, "score.n")
