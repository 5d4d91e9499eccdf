"""Command lines: a dataclass per command, read by zoo/base/options.py; options that several share are written once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from zoo import plugins
from zoo.base.environment import check_device, data_folder, mirror_place
from zoo.base.errors import ZooError
from zoo.base.options import EXPERT, MUCH, WHAT, WHERE, option, read
from zoo.data.sets import WORDS
from zoo.spaces.names import WORDS as AUTOENCODERS
from zoo.training.track import TRACKERS, check_tracker

if TYPE_CHECKING:
    from zoo.config.cell import TrainConfig
    from zoo.config.control import Setting


@dataclass
class Machine:
    """Where things run."""

    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps", WHERE, metavar="DEVICE")
    plugin: str | None = option(
        None, "a Python file that registers objectives or data sets of your own", WHAT, metavar="FILE"
    )


@dataclass
class Places(Machine):
    """Where things are."""

    data_dir: str = option(str(data_folder()), "folder of the data sets (env ZOO_DATA)", WHERE, metavar="DIR")
    mirror: str | None = option(
        mirror_place(),
        "folder or address (file://, http://) of published archives, such as MNIST's four (env ZOO_MIRROR)",
        WHERE,
        metavar="PLACE",
    )


@dataclass
class Watched(Places):
    """Where a run is, and what shows it while it trains."""

    track: str | None = option(None, f"show training in one of {', '.join(TRACKERS)}", WHERE, metavar="TRACKER")
    ranks: int | None = option(
        None,
        "processes that train a run together, each on its own GPU or cores, each with its share of a batch",
        EXPERT,
    )
    accumulate: int = option(
        1, "parts of a batch's share that are computed one after the other: less memory, about the same numbers", EXPERT
    )


@dataclass
class TrainOptions(Watched):
    """Train one objective on one backbone."""

    objective: str = option("rf/lognorm(0,1)", "a name such as rf, eps/cosine or v/cosine+minsnr(5)", metavar="NAME")
    backbone: str = option("dit", "dit or unet, with sizes: dit(width=128), unet(width=32,attention=1)", metavar="NAME")
    dataset: str = option("mnist", WORDS, metavar="NAME")
    images: int = option(60_000, "images seen in training", MUCH)
    seed: int = option(0, "seed of everything random", MUCH)
    batch: int = option(64, "images in a step", EXPERT)
    optimizer: str = option(
        "muon", "muon for the hidden matrices and adamw for the rest, or adamw for all", EXPERT, metavar="NAME"
    )
    learning_rate: float = option(2e-3, "the rate after warm-up", EXPERT)
    schedule: str = option(
        "linear", "how the rate goes on after warm-up: linear, cosine, constant or onecycle", EXPERT, metavar="NAME"
    )
    warmup_steps: int | None = option(None, "steps of the warm-up, in place of 5% of the run", EXPERT)
    ema_start: float = option(0.0, "share of the run before which the weights are not averaged", EXPERT)
    standardise: bool = option(
        True, "pixels of mean 0 and variance 1", EXPERT, off="pixels from -1 to 1, as they are, not of variance 1"
    )
    latents: str | None = option(
        None,
        f"train on the latents of an auto-encoder, trained first if need be: {AUTOENCODERS}",
        EXPERT,
        metavar="NAME",
    )
    precision: str = option("auto", "auto, float32 or bfloat16", EXPERT, metavar="NAME")
    compile: Literal["auto", "graphs"] | bool = option(
        "auto",
        "compile the backbone first: auto where it pays, True, False, or graphs (and replay steps as CUDA graphs)",
        EXPERT,
        metavar="HOW",
    )
    checkpointing: bool = option(
        False, "compute activations again in the backward pass: less memory, slower, the same numbers", EXPERT
    )
    augment: bool = option(False, "small random affine maps of the training images", EXPERT)
    set: tuple[str, ...] = option(
        (), "change any field of the recipe, as in train.weight_decay=0.1", EXPERT, metavar="FIELD=VALUE .."
    )
    out: str = option("runs/one", "folder of the run", WHERE, metavar="DIR")
    teacher: str | None = option(
        None, "folder of the finished run that teaches a stage such as reflow(rf); else it is trained first, in --out",
        WHERE, metavar="DIR",
    )  # fmt: skip

    def config(self) -> "TrainConfig":
        """The checked configuration. Raises ZooError."""
        from pydantic import ValidationError

        from zoo.config.cell import TrainConfig
        from zoo.config.changes import changed, read
        from zoo.config.schema import explain

        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name in TrainConfig.model_fields}
        try:
            config = TrainConfig(**given)
        except ValidationError as error:
            raise explain(error, TrainConfig, "the options") from None
        return changed(config, read(self.set, ["train"]).get("train", {}), "train")


@dataclass
class SettingOptions:
    """How images are drawn; shared by every command that draws."""

    sampler: str = option("euler", "euler, heun, ancestral, dpmpp_2m, euler_a, map or renoise", metavar="NAME")
    steps: int = option(20, "steps of the sampler; heun takes two network evaluations for each", MUCH)
    step_grid: str = option("flow", "flow, logsnr, karras(7) or trailing", EXPERT, metavar="NAME")
    start: float = option(
        -10.0, "logsnr at which sampling begins; a path that ends nearer to the data begins there", EXPERT
    )
    guidance: float = option(1.0, "classifier-free guidance scale; 1 is none")
    interval: tuple[float, float] = option(
        (0.0, 1.0), "shares of noise between which guidance is applied", EXPERT, metavar="FROM TO"
    )
    rescale: float = option(0.0, "how far guidance is kept from raising the contrast, 0 to 1", EXPERT)
    clip: bool = option(True, "clamp every x_hat to black and white", EXPERT, off="leave x_hat as it is")
    weights: Literal["ema", "raw"] = option("ema", "which of the checkpoint's weights", EXPERT)
    batch: int = option(128, "images drawn at once", EXPERT)

    def setting(self) -> "Setting":
        """The checked control setting. Raises ZooError."""
        if self.batch < 1:
            raise ZooError(f"--batch {self.batch} must be at least 1")
        from pydantic import ValidationError

        from zoo.config.control import Setting
        from zoo.config.schema import explain

        try:
            return Setting(**{f.name: getattr(self, f.name) for f in fields(self) if f.name in Setting.model_fields})
        except ValidationError as error:
            raise explain(error, Setting, "the options") from None


def parse(options: type, command: str, about: str | None, words: Sequence[str] | None = None) -> Any:
    """The options of a command line, and its plug-in loaded. words: instead of the process's arguments.

    Raises ZooError for an unknown or malformed one.
    """
    chosen = read(options, command, about or "", words)
    check_device(getattr(chosen, "device", "auto"))
    plugins.load(getattr(chosen, "plugin", None))
    check_tracker(getattr(chosen, "track", None))
    return chosen
