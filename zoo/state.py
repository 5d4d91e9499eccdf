"""The state of a run between two steps: weights, their moving average, and AdamW's moments."""

import torch
from torch import Tensor, nn

from zoo.config import TrainConfig
from zoo.errors import ZooError

BETAS = (0.9, 0.99)  # short runs want a shorter second-moment memory than AdamW's default 0.999
MOMENTS = ("exp_avg", "exp_avg_sq")


class State:
    """Owns the optimiser of a module (AdamW, arXiv 1711.05101) and the exponential moving average of its weights."""

    def __init__(self, module: nn.Module, config: TrainConfig, auxiliary: nn.Module | None = None):
        self.config = config
        self.parameters = dict(module.named_parameters())
        self.ema = {name: p.detach().clone() for name, p in self.parameters.items()}
        # what an objective learns beside the network; neither averaged nor clipped
        self.beside = {f"aux.{name}": p for name, p in auxiliary.named_parameters()} if auxiliary else {}
        self.trained = self.parameters | self.beside
        self.adam = torch.optim.AdamW(
            self.trained.values(), lr=0.0, betas=BETAS, weight_decay=config.weight_decay, fused=True
        )

    def step(self, k: int) -> Tensor:
        """Step k (from 0) on the gradients at hand, which are cleared; returns their norm before clipping, a scalar."""
        self.adam.param_groups[0]["lr"] = learning_rate(self.config, k)
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.config.clip)
        self.adam.step()
        self.adam.zero_grad()
        weights = [p.detach() for p in self.parameters.values()]
        torch._foreach_lerp_(list(self.ema.values()), weights, 1 - ema_decay(self.config, k))
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, under the checkpoint's names."""
        tensors = {f"net.{name}": p for name, p in self.parameters.items()}
        tensors |= {f"ema.{name}": p for name, p in self.ema.items()} | self.beside
        for name, p in self.trained.items():
            tensors |= {f"opt.{moment}.{name}": self.adam.state[p][moment] for moment in MOMENTS}
        return tensors

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """The inverse of `tensors`, after `step` steps; tensors keep the memory layout that the fresh ones have.

        Raises ZooError for tensors of other names or shapes, as another version of a backbone has them.
        """
        wanted = {f"{kind}.{name}": p.shape for kind in ("net", "ema") for name, p in self.parameters.items()}
        wanted |= {name: p.shape for name, p in self.beside.items()}
        wanted |= {f"opt.{moment}.{name}": p.shape for name, p in self.trained.items() for moment in MOMENTS}
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
        for name, p in self.trained.items():
            moments = {m: torch.zeros_like(p).copy_(tensors[f"opt.{m}.{name}"]) for m in MOMENTS}
            self.adam.state[p] = {"step": torch.tensor(float(step), device=p.device), **moments}


def learning_rate(config: TrainConfig, k: int) -> float:
    """The rate of step k (from 0): linear warm-up, then linear decay to zero behind the last step."""
    warmup = max(1, round(config.warmup * config.steps))
    return config.learning_rate * min((k + 1) / warmup, (config.steps - k) / max(1, config.steps - warmup))


def ema_decay(config: TrainConfig, k: int) -> float:
    """The average's decay at step k: its horizon is a share of the run, and shorter in the first steps."""
    horizon = max(1.0, config.ema * config.steps)
    return min(1 - 1 / horizon, (k + 1) / (k + 10))
