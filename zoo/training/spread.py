"""One step's gradient from many parts of its batch: shared out over ranks (DDP), and over parts of a rank's share.

The batch is the same whatever the number of ranks and parts. Every rank draws all of its random numbers and takes its
slice, so that couplings see the whole batch; the gradient is that of the mean loss over the whole batch, but for the
order of its sums.
"""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from zoo.base import ranks
from zoo.base.environment import exact_device
from zoo.objectives.auxiliary import Network
from zoo.objectives.core import Objective


def joined(objective: Objective) -> str:
    """Why an objective's batches cannot be cut into parts; "" where they can."""
    if objective.auxiliary.across:
        return "its loss compares each image with others of its batch"
    if objective.scheme:
        return "its loss takes other networks beside the one that is trained, which are not shared out"
    return ""


class Loss(nn.Module):
    """(x, labels, u, eps) -> [3, b] float64: the losses, and the logsnr and error of eps_hat that are logged."""

    def __init__(self, objective: Objective, net: Network, module: nn.Module, auxiliary: nn.Module | None):
        super().__init__()
        self.objective, self.net = objective, net
        self.module, self.auxiliary = module, auxiliary  # registered: DDP averages their gradients

    def forward(self, x: Tensor, labels: Tensor, u: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        prediction = self.objective.predict(self.net, x, labels, u, eps)
        losses = self.objective.auxiliary.loss(prediction, self.auxiliary)
        error = self.objective.eps_error(prediction)
        exact = exact_device(x.device)
        logged = torch.stack([part.detach().to(exact, torch.float64) for part in (losses, prediction.logsnr, error)])
        return losses, logged


class Spread:
    """Computes a step's gradient in parts."""

    def __init__(self, loss: Loss, parts: int):
        self.parts, self.loss = parts, loss
        self.run: Callable[..., tuple[Tensor, Tensor]] = loss
        self.ddp = DistributedDataParallel(loss) if ranks.size() > 1 else None
        self.run = self.ddp or loss

    def backward(self, *batch: Tensor) -> Tensor:
        """Add up the gradient of the mean loss over all ranks' slices of a batch; [3, B], as `Loss` tells it."""
        logged = []
        for i, piece in enumerate(zip(*(whole.chunk(self.parts) for whole in batch), strict=True)):
            last = i + 1 == self.parts
            with self.ddp.no_sync() if self.ddp and not last else nullcontext():
                losses, row = self.run(*piece)
                (losses.mean() / self.parts).backward()
            logged.append(row)
        return ranks.gathered(torch.cat(logged, dim=1))
