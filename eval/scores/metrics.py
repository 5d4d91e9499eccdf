"""Scores besides the Frechet distance, each of which sees what it does not.

    kid                  unbiased squared maximum mean discrepancy, kernel (x.y / d + 1)^3         (arXiv 1801.01401);
                         over pairs of classes where the samples' labels were chosen
    precision            share of samples within the k-th neighbour's distance of any real image   (arXiv 1904.06991)
    recall               share of real images within that of any sample
    density, coverage    the same counted, and seen from the real images alone                     (arXiv 2002.09797)
    is                   exp of the mean Kullback-Leibler divergence of p(class | image) from p(class)  (1606.03498)
    mem                  share of samples whose nearest training image is less than half as far as the second nearest,
                         in pixels (as in arXiv 2301.13188, with a bound of one half)

Sums are float64 and taken in blocks, so that memory does not grow with the square of the number of images. All run on
the device of their arguments.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURS = 5
BLOCK = 250  # rows at once: beside 10,000 others they stay near a CPU's cache
MEMORISED = 0.5  # nearest over second nearest distance, below which a sample counts as a copy
MEM_SAMPLES = 2000
PAIRS = 8


def kid(a: Tensor, b: Tensor, strata: Tensor | None = None, within_b: float | None = None) -> float:
    """The full U-statistic between features [N, d] and [M, d], N and M at least 2. May be below 0 near equality.

    strata: labels [N] of a whose counts were chosen rather than drawn; then pairs count by the classes' shares, each
    class's own pairs without those of an image with itself. within_b: kernel_within(b), where it is known already.
    """
    a, b = a.double(), b.double()
    few = strata is None or int(strata.unique(return_counts=True)[1].min()) < 2
    within_b = kernel_within(b) if within_b is None else within_b
    return float(kernel_within(a, None if few else strata) + within_b - 2 * _kernel_sums(a, b).mean() / len(b))


def kernel_within(x: Tensor, strata: Tensor | None = None) -> float:
    """The kernel's mean over pairs of two images of features x [N, d], every pair of strata [N] by its share."""
    x = x.double()
    strata = x.new_zeros(len(x), dtype=torch.int64) if strata is None else strata.to(x.device)
    members = torch.nn.functional.one_hot(strata.unique(return_inverse=True)[1]).to(x)
    count = members.sum(0)
    sums = members.T @ _kernel_sums(x, x, members)
    own = members.T @ (x.square().sum(1) / x.shape[1] + 1).pow(3)
    means = sums / count.outer(count)
    means.diagonal().copy_((sums.diagonal() - own) / (count * (count - 1)))
    share = count / count.sum()
    return float(share @ means @ share)


def _kernel_sums(a: Tensor, b: Tensor, members: Tensor | None = None) -> Tensor:
    """Sums over b of each image's kernel values, [N, 1], or over each of its strata, [N, K]; members: [M, K]."""
    members = members if members is not None else b.new_ones(len(b), 1)
    return torch.cat([(rows @ b.T / a.shape[1] + 1).pow(3) @ members for rows in a.split(BLOCK)])


def prdc(real: Tensor, samples: Tensor, k: int = NEIGHBOURS) -> dict[str, float]:
    """precision, recall, density, coverage of features [N, d] against real ones [M, d]; N and M above k."""
    real, samples = real.double(), samples.double()
    real_radius, sample_radius = _radius(real, k), _radius(samples, k)
    hits, covered = [], torch.zeros(len(real), dtype=torch.bool, device=real.device)
    reached = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for rows, radius in zip(samples.split(BLOCK), sample_radius.split(BLOCK), strict=True):
        distance = torch.cdist(rows, real, compute_mode="use_mm_for_euclid_dist")
        inside = distance < real_radius
        hits.append(inside.sum(1))
        covered |= inside.any(0)
        reached |= (distance < radius[:, None]).any(0)
    count = torch.cat(hits).double()
    return {
        "precision": float((count > 0).double().mean()),
        "recall": float(reached.double().mean()),
        "density": float(count.mean() / k),
        "coverage": float(covered.double().mean()),
    }


def _radius(x: Tensor, k: int) -> Tensor:
    """Distance of each to its k-th nearest neighbour among the others, [N]."""
    rows = (torch.cdist(part, x, compute_mode="use_mm_for_euclid_dist") for part in x.split(BLOCK))
    # topk takes half the time of kthvalue on a CPU; the nearest is itself
    return torch.cat([distance.topk(k + 1, dim=1, largest=False).values[:, -1] for distance in rows])


def inception_score(logits: Tensor) -> float:
    """Of class scores [N, K], without splits; 1 to K."""
    log_p = logits.double().log_softmax(1)
    log_mean = log_p.logsumexp(0) - torch.tensor(float(len(log_p)), dtype=torch.float64, device=log_p.device).log()
    return float((log_p.exp() * (log_p - log_mean)).sum(1).mean().exp())


@dataclass(frozen=True)
class Copies:
    """`mem`, `duplicates` (samples equal to a training image, pixel by pixel), and the pairs nearest to being copies.

    pairs: the samples' and the training images' indices, the smallest ratio of distances first, at most PAIRS.
    """

    mem: float
    duplicates: int
    pairs: tuple[list[int], list[int]]


def copies(samples: Tensor, train: Tensor) -> Copies:
    """Of uint8 images [N, 1, H, W] against training images [M, 1, H, W], M at least 2.

    Of more than MEM_SAMPLES samples a fixed random choice is looked at.
    """
    chosen = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))[:MEM_SAMPLES].sort().values
    ratios, nearest, same = [], [], 0
    for first, second, index in _two_nearest(samples[chosen.to(samples.device)], train):
        ratios.append(torch.where(first == 0, 0.0, (first / second.clamp(min=1)).sqrt()))
        nearest.append(index)
        same += int((first == 0).sum())
    ratio, index = torch.cat(ratios), torch.cat(nearest)
    order = ratio.argsort(stable=True)[:PAIRS].cpu()
    pairs = chosen[order].tolist(), index[order.to(index.device)].tolist()
    return Copies(float((ratio < MEMORISED).double().mean()), same, pairs)


def _two_nearest(samples: Tensor, train: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Blocks of samples' squared distances to the nearest and second nearest training image, and the nearest's index.

    Candidates come from a float32 product; their distances are whole numbers and exact.
    """
    flat = train.flatten(1).float()
    norms = flat.square().sum(1)
    for rows in samples.flatten(1).split(BLOCK):
        candidates = (norms - 2 * (rows.float() @ flat.T)).topk(min(4, len(flat)), dim=1, largest=False).indices
        exact = (rows[:, None].double() - flat[candidates].double()).square().sum(2)
        found, place = exact.sort(dim=1, stable=True)
        yield found[:, 0], found[:, 1], candidates.gather(1, place)[:, 0]
