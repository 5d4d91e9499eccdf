"""Trackers by choice: `--track tensorboard`, `wandb` or `trackio` shows a run while it trains.

A tracker only listens. It is told the rows of metrics.jsonl, and pictures that a second network draws with the run's
weights, so that a tracked run has the weights, rows and result of another; what that takes does not count as training.
A resumed run tells its tracker again whatever that does not hold, from the rows and pictures that are left in its
folder. No package is imported that was not asked for, and torch not at the top.
"""

import importlib.util
import os
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zoo.base.errors import ZooError, choose
from zoo.base.files import remove, write_atomic
from zoo.base.progress import say
from zoo.base.sealed import digest, read_sealed, write_sealed
from zoo.training.shown import artifacts, scalars

if TYPE_CHECKING:
    from zoo.config.cell import TrainConfig

PROJECT = "objective-zoo"
PICTURES = "samples/ema_left_raw_right"
WANDB = {  # what holds unless the user's environment says otherwise: nothing is sent, nor read from the machine
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_CONSOLE": "off",
    "WANDB_DISABLE_CODE": "true",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_X_DISABLE_STATS": "true",
    "WANDB_QUIET": "true",
    "WANDB_FINISH_TIMEOUT": "60",  # seconds; a server that is gone must not hold up a grid
}
DATA_DIR = os.environ.get("WANDB_DATA_DIR")  # the user's own


@dataclass(frozen=True)
class Run:
    """What a tracker is told of a run: `dataset/backbone/objective/seedN`, its configuration, an identity."""

    folder: Path
    name: str
    config: dict[str, Any]
    identity: str
    resumed: bool


class Tracker(Protocol):
    """Opened with a `Run`. `held`: it has all of the run's steps below this one, and is not told them again."""

    held: int

    def __init__(self, run: Run): ...

    def log(self, step: int, values: dict[str, float], picture: Path | None) -> None:
        """Take in a step's values and PNG; steps only rise."""

    def close(self, whole: bool) -> None:
        """The process is done with the run, which came to its end (`whole`) or not."""


class TensorBoard:
    """Events in the run's folder `tb`, in one file that each process writes again.

    They are written here and now: TensorBoard's own writer does it in a thread, which prints what goes wrong there and
    loses what it has not written when the process is killed.
    """

    held = 0

    def __init__(self, run: Run):
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.Event, self.Summary = Event, Summary
        folder = run.folder / "tb"
        folder.mkdir(exist_ok=True)
        for old in folder.glob(f"events.out.tfevents.*.{PROJECT}"):
            remove(old)
        self.file = (folder / f"events.out.tfevents.{int(time.time()):010}.{PROJECT}").open("wb", buffering=0)
        self.writer = RecordWriter(self.file)
        self._write(0, file_version="brain.Event:2")
        # a TensorBoard that watches forgets what is written again
        self._write(0, session_log=SessionLog(status=SessionLog.START))
        text = "\n".join(f"    {key}: {value}" for key, value in run.config.items())
        kind = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()])
        self._write(0, summary=Summary(value=[Summary.Value(tag="config", metadata=kind, tensor=tensor)]))

    def log(self, step: int, values: dict[str, float], picture: Path | None) -> None:
        found = [self.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        if picture:
            png = picture.read_bytes()
            width, height = struct.unpack(">2I", png[16:24])
            image = self.Summary.Image(width=width, height=height, colorspace=1, encoded_image_string=png)
            found.append(self.Summary.Value(tag=PICTURES, image=image))
        self._write(step, summary=self.Summary(value=found))

    def _write(self, step: int, **what: Any) -> None:
        self.writer.write(self.Event(wall_time=time.time(), step=step, **what).SerializeToString())

    def close(self, whole: bool) -> None:
        self.file.close()


class WandB:
    """Weights & Biases, in the run's folder `wandb`.

    Offline, each process writes a folder that holds the whole run from its first step, with one identity: wandb cannot
    go on in a folder, and loses its last seconds when the process is killed. A run that came to its end gives two
    artifacts, its last checkpoint and its pictures; wandb refers to the files where they are, and copies none.
    """

    def __init__(self, run: Run):
        for name, value in WANDB.items():
            os.environ.setdefault(name, value)
        import wandb

        self.Image, self.Artifact, self.folder, self.identity = wandb.Image, wandb.Artifact, run.folder, run.identity
        if not DATA_DIR:  # a worker's next run has a folder of its own
            os.environ["WANDB_DATA_DIR"] = str(run.folder.absolute() / "wandb")
        self.run = wandb.init(
            project=PROJECT, name=run.name, id=run.identity, resume="allow", config=run.config, dir=str(run.folder)
        )
        self.held = self.run.step  # offline 0

    def log(self, step: int, values: dict[str, float], picture: Path | None) -> None:
        pictures = {PICTURES: self.Image(str(picture))} if picture else {}
        self.run.log(values | pictures, step=step, commit=True)

    def close(self, whole: bool) -> None:
        if whole:
            for kind, files in artifacts(self.folder).items():
                made = self.Artifact(f"{self.identity}-{kind}", type=kind)
                for path in files:
                    made.add_file(str(path), name=path.name, skip_cache=True, policy="immutable")
                self.run.log_artifact(made)
        self.run.finish(exit_code=0 if whole else 1)


class Trackio:
    """Trackio, in the run's folder `trackio`, or where TRACKIO_DIR or its other variables say."""

    def __init__(self, run: Run):
        os.environ.setdefault("TRACKIO_DIR", str(run.folder.absolute() / "trackio"))
        import trackio

        self.Image = trackio.Image
        how = {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
        self.run = trackio.init(
            PROJECT, name=run.name, config=run.config, resume="allow" if run.resumed else "never", **how
        )
        self.held = self.run._next_step

    def log(self, step: int, values: dict[str, float], picture: Path | None) -> None:
        self.run.log(values | ({PICTURES: self.Image(str(picture))} if picture else {}), step=step)

    def close(self, whole: bool) -> None:
        self.run.finish()


TRACKERS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "wandb": WandB, "trackio": Trackio}


def check_tracker(name: str | None) -> None:
    """Raise ZooError for a tracker that is unknown, or whose package (of the same name) is not installed."""
    if name is None:
        return
    if name not in TRACKERS:
        raise choose("tracker", name, TRACKERS)
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:  # a mere folder of this name, such as wandb leaves, has no origin
        raise ZooError(f"--track {name} needs the package {name}, which is not installed: pip install {name}")


class Tracking:
    """A run's tracker, if it has one: is told what is new, and left out with one message once it fails.

    rows: those of metrics.jsonl up to step `first`, where this process begins. draw: the picture of now, as PNG,
    or None for no pictures.
    """

    def __init__(
        self,
        name: str | None,
        config: "TrainConfig",
        folder: Path,
        rows: list[dict[str, Any]],
        first: int,
        draw: Callable[[], bytes] | None,
    ):
        self.name, self.draw, self.folder = name, draw, folder / "tracked"
        self.tracker: Tracker | None = None
        if name:
            self._attempt(lambda: self._open(TRACKERS[name], config, folder, rows, first))

    def tell(self, step: int, row: dict[str, Any] | None, drawing: bool, drawn: bytes | None = None) -> None:
        """What is known after a step: a row of metrics.jsonl, and whether a picture is due, or the picture itself."""
        draw = (lambda: drawn) if drawn else self.draw if drawing else None
        if self.tracker and (row or draw):
            self._attempt(lambda: self._tell(step, row, self._drawn(step, draw) if draw else None))

    def __enter__(self) -> "Tracking":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if tracker := self.tracker:
            self._attempt(lambda: tracker.close(kind is None))

    def _open(
        self,
        kind: "type[Tracker]",
        config: "TrainConfig",
        folder: Path,
        rows: list[dict[str, Any]],
        first: int,
    ) -> None:
        values = config.model_dump(mode="json")
        path, begun = self.folder / "run.json", {"config": digest(values), "identity": secrets.token_hex(4)}
        found = read_sealed(path) if path.is_file() else {}
        if resumed := found.get("config") == begun["config"]:
            begun = found
        else:
            write_sealed(path, begun)
        name = f"{config.dataset}/{config.backbone}/{config.objective}/seed{config.seed}"
        self.tracker = kind(Run(folder, name, values, begun["identity"], resumed))
        pictures = {int(picture.stem): picture for picture in self.folder.glob("*.png")}
        for step in [step for step in pictures if step > first]:
            remove(pictures.pop(step))
        known = {row["step"]: row for row in rows}
        for step in sorted(known.keys() | pictures.keys()):
            self._tell(step, known.get(step), pictures.get(step))

    def _drawn(self, step: int, draw: Callable[[], bytes]) -> Path:
        path = self.folder / f"{step:06}.png"
        write_atomic(path, draw())
        return path

    def _tell(self, step: int, row: dict[str, Any] | None, picture: Path | None) -> None:
        if self.tracker and step >= self.tracker.held:
            self.tracker.log(step, scalars(row) if row else {}, picture)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever goes wrong in there is no business of the run
            self.tracker = None
            reason = next(iter(str(error).splitlines()), "")
            say(f"--track {self.name} stopped, and training goes on without it: {type(error).__name__}: {reason}")
