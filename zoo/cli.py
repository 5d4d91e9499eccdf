"""Command lines: a dataclass per command, read by tyro; options that several commands share are written once."""

import os
from dataclasses import dataclass, fields
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import tyro

from zoo import plugins
from zoo.base.errors import ZooError
from zoo.training.track import TRACKERS, check_tracker

if TYPE_CHECKING:
    from zoo.config.cell import TrainConfig
    from zoo.config.control import Setting


@dataclass
class Machine:
    """Where things run."""

    device: str = "auto"
    """auto, cpu, cuda or cuda:N"""
    plugin: str | None = None
    """a Python file that registers objectives of your own"""


@dataclass
class Places(Machine):
    """Where things are."""

    data_dir: str = "data"
    """folder of the data sets"""
    mirror: str | None = os.environ.get("ZOO_MIRROR")
    """folder or address (file://, http://) of MNIST's four published archives [env ZOO_MIRROR]"""


@dataclass
class Watched(Places):
    """Where a run is, and what shows it while it trains."""

    track: Annotated[str | None, tyro.conf.arg(help=f"show training in one of {', '.join(TRACKERS)}")] = None


@dataclass
class TrainOptions(Watched):
    """Train one objective on one backbone."""

    objective: str = "rf/lognorm(0,1)"
    """a name such as rf, eps/cosine or v/cosine+minsnr(5)"""
    backbone: str = "dit"
    """dit or unet, with sizes: dit(width=128), unet(width=32,attention=1)"""
    dataset: str = "mnist"
    """mnist, fashion or digits"""
    images: int = 60_000
    """images seen in training"""
    seed: int = 0
    """seed of everything random"""
    batch: int = 64
    """images in a step"""
    optimizer: str = "muon"
    """muon for the hidden matrices and adamw for the rest, or adamw for all"""
    learning_rate: float = 2e-3
    """the rate after warm-up"""
    precision: str = "auto"
    """auto, float32 or bfloat16"""
    compile: Literal["auto", "graphs"] | bool = "auto"
    """compile the backbone first: auto where it pays, True, False, or graphs (and replay steps as CUDA graphs)"""
    checkpointing: bool = False
    """compute activations again in the backward pass: less memory, slower, the same numbers"""
    augment: bool = False
    """small random affine maps of the training images"""
    out: str = "runs/one"
    """folder of the run"""

    def config(self) -> "TrainConfig":
        """The checked configuration. Raises ZooError."""
        from pydantic import ValidationError

        from zoo.config.cell import TrainConfig
        from zoo.config.schema import explain

        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name in TrainConfig.model_fields}
        try:
            return TrainConfig(**given)
        except ValidationError as error:
            raise explain(error, TrainConfig, "the options") from None


@dataclass
class SettingOptions:
    """How images are drawn; shared by every command that draws."""

    sampler: str = "euler"
    """euler, heun, ancestral, dpmpp_2m or euler_a"""
    steps: int = 20
    """steps of the sampler; heun takes two network evaluations for each"""
    step_grid: str = "flow"
    """flow, logsnr, karras(7) or trailing"""
    guidance: float = 1.0
    """classifier-free guidance scale; 1 is none"""
    interval: tuple[float, float] = (0.0, 1.0)
    """shares of noise between which guidance is applied"""
    rescale: float = 0.0
    """how far guidance is kept from raising the contrast, 0 to 1"""
    clip: bool = True
    """clamp every x_hat to black and white (--clip False leaves it)"""
    weights: Literal["ema", "raw"] = "ema"
    """which of the checkpoint's weights"""
    batch: int = 128
    """images drawn at once"""

    def setting(self) -> "Setting":
        """The checked control setting. Raises ZooError."""
        if self.batch < 1:
            raise ZooError("--batch must be at least 1")
        from pydantic import ValidationError

        from zoo.config.control import Setting
        from zoo.config.schema import explain

        try:
            return Setting(**{f.name: getattr(self, f.name) for f in fields(self) if f.name in Setting.model_fields})
        except ValidationError as error:
            raise explain(error, Setting, "the options") from None


def parse(options: type, command: str, about: str | None, positional: bool = False) -> Any:
    """The options of a command line; exit status 2 and the usage for an unknown or malformed one."""
    _spell_out(options)
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff)
    description = (about or "").strip()
    chosen = tyro.cli(Annotated[options, config[0]], prog=command, description=description, config=config)
    plugins.load(getattr(chosen, "plugin", None))
    check_tracker(getattr(chosen, "track", None))
    return chosen


def _spell_out(options: type) -> None:
    """Write `str | None` as Union[str, None]: for the former tyro loads typeguard, which takes a tenth of a second."""
    for part in options.__mro__[:-1]:
        for name, kind in part.__annotations__.items():
            plain, *notes = get_args(kind) if get_origin(kind) is Annotated else (kind,)
            if isinstance(plain, UnionType):
                plain = Union[get_args(plain)]  # noqa: UP007
                part.__annotations__[name] = Annotated[(plain, *notes)] if notes else plain
