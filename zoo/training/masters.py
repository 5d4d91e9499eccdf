"""Layers that hold bfloat16 copies of their weights; the weights themselves, in float32, are the optimiser's.

Autocast makes such copies at every use. Here they are made once a step, all in one operation, and a layer's gradient
stays in bfloat16 until the step: the same numbers, bit for bit, for as long as a layer is used once in a step.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

LAYERS = nn.Linear | nn.Conv2d  # what autocast computes in bfloat16; norms and embeddings stay as they are


class Masters:
    """The float32 weights behind a module's layers, by the names of its parameters."""

    def __init__(self, module: nn.Module):
        self.copies: dict[str, nn.Parameter] = {}
        self.weights: dict[str, Tensor] = {}
        for prefix, layer in module.named_modules():
            if isinstance(layer, LAYERS):
                for name, p in layer.named_parameters(prefix):
                    self.copies[name], self.weights[name] = p, p.detach().clone()
                    p.data = p.data.bfloat16()

    @torch.no_grad()
    def take_gradients(self) -> None:
        """Hand the layers' gradients to the weights, and forget them there."""
        for name, copy in self.copies.items():
            self.weights[name].grad, copy.grad = None if copy.grad is None else copy.grad.float(), None

    @torch.no_grad()
    def give_weights(self) -> None:
        """Copy the weights to the layers."""
        torch._foreach_copy_(list(self.copies.values()), list(self.weights.values()))

    def of(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A module's parameters, those that are copies replaced by what they are copies of."""
        return {name: self.weights.get(name, p) for name, p in parameters.items()}
