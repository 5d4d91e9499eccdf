"""The state of a run between two steps: weights, their moving average, and what the optimiser remembers."""

import torch
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.config.cell import TrainConfig
from zoo.training.masters import Masters
from zoo.training.muon import Muon, add
from zoo.training.schedule import SCHEDULES, warm_up

BETAS = (0.9, 0.99)  # short runs want a shorter second-moment memory than AdamW's default 0.999
MOMENTS = ("exp_avg", "exp_avg_sq")


class State:
    """Owns the optimiser of a module and the exponential moving average of its weights.

    The optimiser is AdamW (arXiv 1711.05101), or Muon for the matrices that the backbone calls hidden and AdamW for the
    rest. copied: the module's layers hold copies of their weights from now on, see `masters.py`.
    """

    def __init__(
        self, module: nn.Module, config: TrainConfig, auxiliary: nn.Module | None = None, copied: bool = False
    ):
        self.config = config
        self.masters = Masters(module) if copied else None
        self.parameters: dict[str, Tensor] = dict(module.named_parameters())
        if self.masters:
            self.parameters = self.masters.of(self.parameters)
        self.ema = {name: p.detach().clone() for name, p in self.parameters.items()}
        # what an objective learns beside the network; neither averaged nor clipped
        self.beside = {f"aux.{name}": p for name, p in auxiliary.named_parameters()} if auxiliary else {}
        self.trained: dict[str, Tensor] = self.parameters | self.beside
        matrices = hidden(module) if config.optimizer == "muon" else {}
        self.muon = Muon({name: self.parameters[name] for name in matrices}, config.weight_decay)
        self.by_adam = {name: p for name, p in self.trained.items() if name not in self.muon.parameters}
        on_gpu = next(iter(self.parameters.values())).is_cuda
        self.adam = torch.optim.AdamW(
            self.by_adam.values(), 0.0, BETAS, weight_decay=config.weight_decay, fused=True, capturable=on_gpu
        )
        for p in self.by_adam.values():
            moments = {moment: torch.zeros_like(p, requires_grad=False) for moment in MOMENTS}
            self.adam.state[p] = {"step": torch.zeros((), device=p.device), **moments}

    def rates(self, k: int) -> tuple[float, float]:
        """(the learning rate, the share of the weights that the average takes in) of step k, from 0."""
        return learning_rate(self.config, k), 1 - ema_decay(self.config, k)

    def step(self, rate: float | Tensor, share: float | Tensor) -> Tensor:
        """A step on the gradients at hand, which are cleared; returns their norm before clipping, a scalar.

        rate, share: as `rates` tells them, or tensors [] on the GPU, which a recorded step reads again.
        """
        self.adam.param_groups[0]["lr"] = rate
        if self.masters:
            self.masters.take_gradients()
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.config.clip)
        self.adam.step()
        self.muon.step(rate)
        self.clear()
        self.refresh()
        average, weights = list(self.ema.values()), [p.detach() for p in self.parameters.values()]
        if isinstance(share, Tensor):
            add(average, torch._foreach_sub(weights, average), share)
        else:
            torch._foreach_lerp_(average, weights, share)
        return norm

    def clear(self) -> None:
        """Forget the gradients."""
        for p in (*self.trained.values(), *(self.masters.copies.values() if self.masters else ())):
            p.grad = None

    def refresh(self) -> None:
        """Bring the copies in the network's layers, if there are any, up to date."""
        if self.masters:
            self.masters.give_weights()

    def weights(self) -> dict[str, Tensor]:
        """The network's weights and their average, under the checkpoint's names."""
        average = {f"ema.{name}": p for name, p in self.ema.items()}
        return {f"net.{name}": p for name, p in self.parameters.items()} | average

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, under the checkpoint's names."""
        tensors = self.weights() | self.beside
        for name, p in self.by_adam.items():
            tensors |= {f"opt.{moment}.{name}": self.adam.state[p][moment] for moment in MOMENTS}
        return tensors | {f"opt.momentum.{name}": kept for name, kept in self.muon.momentum.items()}

    def counts(self) -> list[Tensor]:
        """AdamW's counters of steps, [] each."""
        return [self.adam.state[p]["step"] for p in self.by_adam.values()]

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """The inverse of `tensors`, after `step` steps; tensors keep the memory layout that the fresh ones have.

        Raises ZooError for tensors of other names or shapes, as another version of a backbone has them.
        """
        wanted = {f"{kind}.{name}": p.shape for kind in ("net", "ema") for name, p in self.parameters.items()}
        wanted |= {name: p.shape for name, p in self.beside.items()}
        wanted |= {f"opt.{moment}.{name}": p.shape for name, p in self.by_adam.items() for moment in MOMENTS}
        wanted |= {f"opt.momentum.{name}": kept.shape for name, kept in self.muon.momentum.items()}
        if wrong := [name for name, shape in wanted.items() if name not in tensors or tensors[name].shape != shape]:
            raise ZooError(
                f"the checkpoint has no {wrong[0]} of shape {list(wanted[wrong[0]])} ({len(wrong)} such tensors): "
                "another version of this program wrote it. Choose another --out, or delete it"
            )
        for name, p in self.parameters.items():
            p.copy_(tensors[f"net.{name}"])
            self.ema[name].copy_(tensors[f"ema.{name}"])
        for name, p in self.beside.items():
            p.copy_(tensors[name])
        for name, kept in self.muon.momentum.items():
            kept.copy_(tensors[f"opt.momentum.{name}"])
        for name, p in self.by_adam.items():
            for moment in MOMENTS:
                self.adam.state[p][moment].copy_(tensors[f"opt.{moment}.{name}"])
        for steps in self.counts():
            steps.fill_(step)
        self.refresh()


def hidden(module: nn.Module) -> dict[str, nn.Parameter]:
    """The weights between a backbone's first layer and its last, by name. Raises ZooError if it does not tell them."""
    matrices = getattr(module, "hidden_matrices", None)
    if matrices is None:
        raise ZooError(f"{type(module).__name__} has no hidden_matrices(), which Muon needs: use optimizer adamw")
    chosen = {id(p) for p in matrices()}
    return {name: p for name, p in module.named_parameters() if id(p) in chosen}


def learning_rate(config: TrainConfig, k: int) -> float:
    """The rate of step k, from 0."""
    return config.learning_rate * SCHEDULES[config.schedule](k, warm_up(config), config.steps)


def ema_decay(config: TrainConfig, k: int) -> float:
    """The average's decay at step k: 0 before its start; its horizon is a share of the run, and shorter at first."""
    horizon, since = max(1.0, config.ema * config.steps), k - round(config.ema_start * config.steps)
    return 0.0 if since < 0 else min(1 - 1 / horizon, (since + 1) / (since + 10))
