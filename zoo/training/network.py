"""A configuration's network: with the seed's initial weights, under autocast, and compiled where that is faster."""

from typing import Any

import torch
from torch import Tensor, nn

from zoo import registry
from zoo.base.environment import compiled, pick_precision
from zoo.base.errors import ZooError
from zoo.base.progress import say
from zoo.config.cell import TrainConfig
from zoo.data.spec import Spec
from zoo.objectives.auxiliary import Network
from zoo.training import noise
from zoo.training.ways import ways


def initialise(config: TrainConfig, spec: Spec, device: torch.device) -> nn.Module:
    """The backbone with the initial weights of the seed, the same for every objective."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(noise.generator(config.seed, "init").initial_seed())
        until = registry.objective(config.objective).two_times
        module = registry.backbone(config.backbone, config.shape(spec), spec.num_classes, until).to(device)
    if device.type == "cuda":  # what tensor cores want; in float32 on a CPU group norm is many times slower so
        module.to(memory_format=torch.channels_last)
    if "lean" in ways(config, device).speedups:
        enable = getattr(module, "enable_lean", None)
        if enable is None:
            raise ZooError(f"backbone {config.backbone} has no enable_lean(): leave `lean` out of speedups")
        enable()
    if config.checkpointing:
        enable = getattr(module, "enable_gradient_checkpointing", None)
        if enable is None:
            raise ZooError(f"backbone {config.backbone} has no enable_gradient_checkpointing(): train without it")
        enable()
    return module


def network(
    config: TrainConfig, module: nn.Module, device: torch.device, pixels: int
) -> tuple[Network, dict[str, Any]]:
    """(what objectives call, {precision, compiled}): under autocast and compiled where that is faster."""
    precision = pick_precision(config.precision, device, pixels)
    forward, is_compiled = compiled(module, ways(config, device).compile, precision, device, say)

    def net(x: Tensor, t: Tensor, labels: Tensor, *until: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            out: Tensor = forward(x, t, labels, *until)
            return out

    return net, {"precision": precision, "compiled": is_compiled}
