"""How fast one process computes, trains and samples here; zoo/bench.py puts the measurements side by side."""

import platform
import time
from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.base.environment import compiled, peak_memory, pick_device, pick_precision, versions
from zoo.benchmark import RANDOM_IMAGES
from zoo.config.cell import TrainConfig
from zoo.config.control import Setting
from zoo.data.dataset import Dataset
from zoo.data.spec import Spec
from zoo.registry import backbone_size
from zoo.sampling.model import Model
from zoo.training.trainer import Trainer
from zoo.training.ways import ways

AUTO = {"precision": "auto", "compile": "auto", "speedups": "auto", "optimizer": "muon", "checkpointing": False}
EVALUATIONS = 10  # network evaluations of an image in sampling


def ceiling(device_name: str, seconds: float) -> dict[str, Any]:
    """Floating-point operations a second of a large matrix product by precision, and bytes a second of a copy."""
    device = pick_device(device_name)
    largest, count = (8192, 1 << 30) if device.type == "cuda" else (2048, 1 << 28)
    flop = {name: _product(getattr(torch, name), largest, device, seconds / 2) for name in ("float32", "bfloat16")}
    source = torch.zeros(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "type": device.type,
        "threads": torch.get_num_threads(),
        "flop_per_s": flop,
        # read and written
        "copy_bytes_per_s": 2 * count * _rate(lambda: target.copy_(source), device, seconds / 2),
        "versions": versions(),
    }


def _product(dtype: torch.dtype, largest: int, device: torch.device, seconds: float) -> float:
    """Floating-point operations a second of a product of square matrices, as large as fit into the time."""
    side, rate = 256, 0.0
    while True:
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        rate = max(rate, 2 * side**3 * _rate(partial(torch.matmul, a, b), device, seconds / 4))
        if side >= largest or 2 * (2 * side) ** 3 / rate > seconds:  # some CPUs have no instructions for bfloat16
            return rate
        side *= 2


def measure(
    config: TrainConfig,
    spec: Spec,
    device_name: str,
    seconds: float,
    sampling: bool = True,
    ready: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Training and sampling of a backbone on random images of this spec: rates, set-up seconds, memory.

    sampling: whether that is measured too. ready: called before training is timed, as to wait for other processes.
    """
    device = pick_device(device_name)
    images = torch.randint(0, 256, (RANDOM_IMAGES, *spec.image_shape), dtype=torch.uint8)
    labels = torch.arange(len(images)) % spec.real
    data = Dataset("random", images, labels, images, labels, sha256="", spec=spec)
    began = time.perf_counter()
    trainer = Trainer(config, data, Path("unused"), device)
    trainer.warm_up()
    steps = iter(range(config.steps))
    trainer.step(next(steps))
    _wait(device)
    set_up = time.perf_counter() - began
    activations = activation_bytes(lambda: trainer.learn(*trainer.given(next(steps))))
    ready()
    train = config.batch * _rate(lambda: trainer.step(next(steps)), device, seconds)
    found = {
        "train_images_per_s": train,
        "flop_per_image": backbone_size(config.backbone).forward_flop(trainer.space.shape, spec.num_classes),
        "activation_bytes": activations,
        "peak_memory_bytes": peak_memory(device),
        "setup_seconds": set_up,
        "threads": torch.get_num_threads(),
        "ways": trainer.how.get("ways", []),
        "auto": _resolved(config, trainer, device) == _resolved(config.model_copy(update=AUTO), trainer, device),
    }
    return found | (_sampling(trainer, spec, device, seconds) if sampling else {})


def _resolved(config: TrainConfig, trainer: Trainer, device: torch.device) -> tuple[Any, ...]:
    """How a run is computed, nothing of it `auto`."""
    precision = pick_precision(config.precision, device, prod(trainer.space.shape[1:]))
    chosen = ways(config, device)
    compiling = compiled(torch.nn.Identity(), chosen.compile, precision, device, lambda _: None)[1]
    return precision, compiling, chosen.compile == "graphs", chosen.speedups, config.optimizer, config.checkpointing


def _sampling(trainer: Trainer, spec: Spec, device: torch.device, seconds: float) -> dict[str, Any]:
    config = trainer.config
    manifest = {"config": config.model_dump(mode="json"), "data": spec.plain(), **trainer.space.facts()}
    tensors = {name: tensor.detach() for name, tensor in trainer.tensors().items()}
    began = time.perf_counter()
    model = Model(manifest, tensors, device, config.batch)
    sample_set_up = time.perf_counter() - began
    setting, asked = Setting(steps=EVALUATIONS), torch.arange(config.batch) % spec.real
    drawn = _rate(lambda: model.images(asked, setting), device, seconds)
    rate = config.batch * EVALUATIONS * drawn
    return {"evaluations_per_s": rate, "sampling_setup_seconds": sample_set_up}


def activation_bytes(work: Callable[[], object]) -> int:
    """Bytes that autograd keeps for a backward pass while `work` runs, weights and inputs among them."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        work()
    return sum(kept.values())


def _rate(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Calls a second, over at least this long, after one call that does not count."""
    work()
    _wait(device)
    began, calls = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < seconds:
        work()
        calls += 1
        if calls % 20 == 0:  # a GPU's queue may run ahead of the clock
            _wait(device)
    _wait(device)
    return calls / max(taken, time.perf_counter() - began)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor() -> str:
    """The CPU's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
