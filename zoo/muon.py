"""Muon: a matrix's momentum is made orthogonal before it is applied (K. Jordan, 2024), scaled as in arXiv 2502.16982.

    m <- 0.95 m + 0.05 g,    W <- (1 - rate decay) W - rate 0.2 sqrt(max(rows, columns)) orthogonal(0.05 g + 0.95 m)

With that scale an update has the size of AdamW's, so both share a learning rate. torch.optim.Muon works in bfloat16, on
one matrix at a time, and not on convolutions: here a CPU works in float32, which it multiplies a hundred times as fast
if it has no bfloat16 instructions, matrices of one shape go together, and a convolution is a matrix of
[out, in * height * width].
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

MOMENTUM = 0.95
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan's quintic: steep at 0, singular values end in about 0.7 to 1.2
ITERATIONS = 5
TINY = 1e-7
SCALE = 0.2  # the root mean square of AdamW's updates, arXiv 2502.16982


class Muon:
    """Owns the momentum of matrices and convolutions, by name; `step` reads their gradients."""

    def __init__(self, parameters: Mapping[str, Tensor], weight_decay: float):
        self.parameters, self.weight_decay = dict(parameters), weight_decay
        self.momentum = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.groups: dict[tuple[int, int], list[str]] = {}
        for name, p in self.parameters.items():
            self.groups.setdefault((p.shape[0], p[0].numel()), []).append(name)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step on the gradients at hand, which stay."""
        for shape, names in self.groups.items():
            ours = [self.parameters[name] for name in names]
            grads, kept = [p.grad for p in ours], [self.momentum[name] for name in names]
            torch._foreach_lerp_(kept, grads, 1 - MOMENTUM)
            ahead = torch._foreach_lerp(grads, kept, MOMENTUM)  # Nesterov's look ahead
            update = orthogonal(torch.stack([matrix.flatten(1) for matrix in ahead]))
            torch._foreach_mul_(ours, 1 - rate * self.weight_decay)
            changes = [part.view(p.shape) for part, p in zip(update.to(ours[0].dtype), ours, strict=True)]
            torch._foreach_add_(ours, changes, alpha=-rate * SCALE * math.sqrt(max(shape)))


def orthogonal(matrices: Tensor) -> Tensor:
    """Nearly U V' of each matrix U S V' of [n, rows, columns], by five steps of a Newton-Schulz iteration.

    A step multiplies X by a polynomial of its Gram matrix G = X X'. In float32 all five, which need G alone, are
    multiplied before they meet X, the larger one: the same result in less time. A GPU works in bfloat16, as Muon's
    author does; that is too coarse to follow G without X, so G is made anew in every step.
    """
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    at_once = 1 if x.dtype == torch.bfloat16 else ITERATIONS
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=TINY)  # no singular value is above 1 then
    for _ in range(0, ITERATIONS, at_once):
        gram, product = x @ x.mT, None
        for k in range(at_once):
            factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
            factor.diagonal(dim1=-2, dim2=-1).add_(a)
            product = factor if product is None else factor @ product
            if k + 1 < at_once:
                gram = factor @ gram @ factor
        x = product @ x
    return x.mT if tall else x
