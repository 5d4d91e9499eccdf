"""Muon: a matrix's momentum is made orthogonal before it is applied (K. Jordan, 2024), scaled as in arXiv 2502.16982.

    m <- 0.95 m + 0.05 g,    W <- (1 - rate decay) W - rate 0.2 sqrt(max(rows, columns)) orthogonal(0.05 g + 0.95 m)

With that scale an update has the size of AdamW's, so both share a learning rate. torch.optim.Muon works in bfloat16, on
one matrix at a time, and not on convolutions: here a CPU works in float32, which it multiplies a hundred times as fast
if it has no bfloat16 instructions, matrices go together, and a convolution is a matrix of [out, in * height * width].
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
SCALE = 0.2  # the root mean square of AdamW's updates, arXiv 2502.16982
TINY = 1e-14  # a sum of squares below which a matrix counts as zero
JORDANS = ((3.4445, -4.7750, 2.0315),) * 5  # steep at 0; singular values end in about 0.7 to 1.2
MINIMAX = (  # each the best odd quintic on the interval that the one before leaves (arXiv 2505.16932)
    (8.3837, -24.7659, 18.3571),
    (4.0434, -3.0114, 0.5695),
    (3.5056, -2.6267, 0.5257),
    (2.4901, -1.8343, 0.4368),
)
FROM = 0.003  # singular values from here to 1 end within 0.2 of 1; smaller ones are lifted 296 times
CUSHION = 1.02  # above 1 the first polynomial turns away


class Muon:
    """Owns the momentum of matrices and convolutions, by name; `step` reads their gradients."""

    def __init__(self, parameters: Mapping[str, Tensor], weight_decay: float):
        self.parameters, self.weight_decay = dict(parameters), weight_decay
        self.momentum = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.groups: dict[int, dict[tuple[int, int], list[str]]] = {}  # smaller side -> shape -> names
        for name, p in self.parameters.items():
            shape = p.shape[0], p[0].numel()
            self.groups.setdefault(min(shape), {}).setdefault(shape, []).append(name)

    @torch.no_grad()
    def step(self, rate: float | Tensor) -> None:
        """One step on the gradients at hand, which stay; rate: a number, or a tensor [] on the device."""
        for shapes in self.groups.values():
            updates = orthogonal([self._ahead(names) for names in shapes.values()])
            for (shape, names), update in zip(shapes.items(), updates, strict=True):
                ours = [self.parameters[name] for name in names]
                torch._foreach_mul_(ours, 1 - rate * self.weight_decay)
                changes = [shaped(part, p) for part, p in zip(update.to(ours[0].dtype), ours, strict=True)]
                add(ours, changes, -rate * SCALE * math.sqrt(max(shape)))

    def _ahead(self, names: list[str]) -> Tensor:
        """The momentum of matrices of one shape, brought up to date, with Nesterov's look ahead: [n, rows, columns]."""
        kept = [self.momentum[name] for name in names]
        grads: list[Any] = [self.parameters[name].grad for name in names]  # each is there
        torch._foreach_lerp_(kept, grads, 1 - MOMENTUM)
        return torch.stack([flat(matrix) for matrix in torch._foreach_lerp(grads, kept, MOMENTUM)])


def flat(p: Tensor) -> Tensor:
    """A weight as a matrix [out, ..], a view: a convolution's columns are in the order in which they lie in memory.

    Their order is no matter: what makes a matrix orthogonal multiplies it from the left.
    """
    return (p.permute(0, 2, 3, 1) if _channels_last(p) else p).flatten(1)


def shaped(matrix: Tensor, like: Tensor) -> Tensor:
    """The inverse of `flat`: a view of the matrix with the shape of this weight, and laid out as it is."""
    if not _channels_last(like):
        return matrix.view(like.shape)
    out, channels, height, width = like.shape
    return matrix.view(out, height, width, channels).permute(0, 3, 1, 2)


def _channels_last(p: Tensor) -> bool:
    return p.ndim == 4 and not p.is_contiguous() and p.is_contiguous(memory_format=torch.channels_last)


def add(targets: list[Tensor], changes: list[Tensor] | tuple[Tensor, ...], factor: float | Tensor) -> None:
    """targets += factor * changes, in place; a factor that is a tensor is not asked for its value."""
    if isinstance(factor, Tensor):
        torch._foreach_add_(targets, torch._foreach_mul(changes, factor))
    else:
        torch._foreach_add_(targets, changes, alpha=factor)


def orthogonal(stacks: list[Tensor]) -> list[Tensor]:
    """Nearly U V' of each matrix U S V' of stacks [n, rows, columns], whose smaller sides are equal.

    X is multiplied by polynomials of its Gram matrix G = X X', scaled so that no singular value is above 1. In float32
    four do, and as they need G alone they are multiplied before they meet X, the larger one, for all matrices at once:
    the same result in less time. A GPU works in bfloat16, as Muon's author does; that is too coarse for these
    polynomials, and to follow G without X, so X takes Jordan's, and G is made again for each.
    """
    wide = [x.mT if x.shape[-2] > x.shape[-1] else x for x in stacks]
    if wide[0].is_cuda or wide[0].dtype == torch.bfloat16:
        found = _together([x.bfloat16() for x in wide])
    else:
        found = [factor @ x for factor, x in zip(_factors(wide), wide, strict=True)]
    return [x.mT if like.shape[-2] > like.shape[-1] else x for x, like in zip(found, stacks, strict=True)]


def _together(wide: list[Tensor]) -> list[Tensor]:
    """Jordan's iteration of stacks, those of one shape at once: launches take a GPU longer than these matrices."""
    found: dict[int, Tensor] = {}
    for columns in {x.shape[-1] for x in wide}:
        places = [i for i, x in enumerate(wide) if x.shape[-1] == columns]
        done = _jordans(torch.cat([wide[i] for i in places]))
        found |= dict(zip(places, done.split([len(wide[i]) for i in places]), strict=True))
    return [found[i] for i in range(len(wide))]


def _factors(wide: list[Tensor]) -> tuple[Tensor, ...]:
    """What makes X of [n, r, columns] orthogonal, to be multiplied from the left: [n, r, r]."""
    gram = torch.cat([x @ x.mT for x in wide])
    squares = gram.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None].clamp(min=TINY)
    gram = gram / squares
    size = CUSHION * gram.norm(dim=(-2, -1), keepdim=True).clamp(min=TINY)  # nearer than 1 to the largest eigenvalue
    gram, product = gram / size, None
    for k, (a, b, c) in enumerate(MINIMAX):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if product is None else factor @ product
        if k + 1 < len(MINIMAX):
            gram = factor @ gram @ factor
    parts: tuple[Tensor, ...] = (product / (squares * size).sqrt()).split([len(x) for x in wide])
    return parts


def _jordans(x: Tensor) -> Tensor:
    """Muon's own Newton-Schulz iteration on [n, rows, columns], rows at most columns."""
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=math.sqrt(TINY))
    for a, b, c in JORDANS:
        gram = x @ x.mT
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, factor, x, beta=a)
    return x
