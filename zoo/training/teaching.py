"""What a scheme trains with besides its own network: the averaged one, the teacher's, and the teacher's pairs."""

from math import prod

import torch
from torch import Tensor, nn

from zoo.config.cell import TrainConfig
from zoo.data.dataset import Dataset
from zoo.objectives.auxiliary import Aid, Network
from zoo.objectives.core import Objective
from zoo.solvers.sampler import SAMPLERS, last, start
from zoo.solvers.steps import step_grid
from zoo.training import checkpoint, noise
from zoo.training.network import initialise, network
from zoo.training.state import State

IMAGES_A_PAIR = 6  # images seen in training for each pair: making the pairs takes about as long as training on them
PAIR_STEPS = 8  # of Heun, from noise to image


class Nets:
    """The networks of a scheme, all of one backbone; their weights follow those of the run."""

    def __init__(
        self,
        config: TrainConfig,
        module: nn.Module,
        state: State,
        teacher: dict[str, Tensor] | None,
        data: Dataset,
        device: torch.device,
    ):
        """module, state: those that are trained; teacher: the tensors of its checkpoint."""
        spec, pixels = data.spec, prod(config.shape(data.spec)[1:])
        average = initialise(config, spec, device).requires_grad_(False)
        for name, p in average.named_parameters():
            p.data = state.ema[name]  # the same memory
        self.average, _ = network(config, average, device, pixels)
        self.eager_average = average
        self.module, self.teacher, self.none = module, None, spec.num_classes
        if teacher:
            theirs = initialise(config, spec, device).requires_grad_(False)
            theirs.load_state_dict(checkpoint.part(teacher, "ema"))
            self.teacher, _ = network(config, theirs, device, pixels)

    def aid(self, more: Tensor, progress: float | Tensor) -> Aid:
        """What a scheme is handed at a step."""
        return Aid(more, progress, self.average, self.module, self.none, self.teacher, self.eager_average)


def pairs_of(
    config: TrainConfig, objective: Objective, net: Network, data: Dataset, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """(x [N, C, H, W], eps like it, labels [N]): noise, and where the network's flow takes it, without guidance.

    net: the teacher's weights, at which a student begins. The classes are as frequent as in the data.
    """
    batches = max(1, -(-config.images // (IMAGES_A_PAIR * config.batch)))
    times = step_grid("flow").times(objective.path, PAIR_STEPS).to(device)
    every, found = data.augmented[1].to(device), []

    def denoiser(x_t: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return objective.denoise(net, x_t, t, labels)

    def unused(step: int) -> Tensor:
        raise NotImplementedError  # these steps are deterministic

    with torch.no_grad():
        for k in range(batches):
            generator = noise.generator(config.seed, "pairs", k, device)
            eps = torch.randn(config.batch, *config.shape(data.spec), generator=generator, device=device)
            labels = every[torch.randint(len(every), (config.batch,), generator=generator, device=device)]
            x = start(objective.path, times[0], eps)
            steps = SAMPLERS["heun"](denoiser, objective.path, times, x, labels, unused)
            found.append((last(steps), eps, labels))
    x, eps, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    return x, eps, labels
