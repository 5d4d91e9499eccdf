"""Whether a configuration can fit this machine's memory at all, asked before work begins. torch is not imported here.

All numbers are lower bounds: what passes may still be too much, what does not pass can never work.
"""

from zoo import registry
from zoo.base.limits import require_memory
from zoo.config.cell import CellConfig, TrainConfig
from zoo.data.sets import IMAGE_SHAPES

COPIES = 16  # bytes of a parameter in training: its value, gradient, average and one moment, float32
NUMBER = 2  # bytes of an activation in bfloat16


def fit_training(config: TrainConfig, image_shape: tuple[int, int, int] | None = None) -> None:
    """Raise ZooError for a backbone that cannot take such images, or a training that no memory here can hold.

    image_shape: (1, H, W), instead of the data set's.
    """
    shape = image_shape or IMAGE_SHAPES[config.dataset]
    size = registry.sizes_for(config.backbone, shape)
    parameters, kept = size.least(shape)
    require_memory(
        COPIES * parameters,
        f"training {config.backbone}, of more than {parameters:,} parameters,",
        "Choose a smaller --backbone, such as dit(width=256)",
    )
    require_memory(
        config.batch * kept * NUMBER,
        f"a step of {config.backbone} on a batch of {config.batch:,} images",
        "Choose a smaller --batch, such as 64",
    )


def fit_images(count: int, image_shape: tuple[int, int, int], flag: str = "--n") -> None:
    """Raise ZooError for more images, uint8 with a label each, than memory here can hold."""
    require_memory(
        count * (image_shape[1] * image_shape[2] + 8), f"{flag}: {count:,} images", f"Choose a smaller {flag}"
    )


def fit(config: CellConfig) -> None:
    """Raise ZooError for a cell whose training or scoring cannot fit."""
    fit_training(config.train)
    fit_images(config.score.n, IMAGE_SHAPES[config.train.dataset], "score.n")
