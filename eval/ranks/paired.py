"""The error of sampling of a difference between two networks that drew from the same noise.

FID. A block of the jackknife holds the same starting noise and labels for both, so that what a block does to one it
does to the other: their leave-one-out distances are subtracted block by block. With d the plain distance, d_(-j) that
without block j of m_j of n images, h_j = n / m_j and c the corrected distance, as in eval/scores/frechet.py,

    e_j = h_j d - (h_j - 1) d_(-j) - c,     se^2 of sum_k w_k c_k = 1/g sum_j (sum_k w_k e_kj)^2 / (h_j - 1)

for any weights, so for a difference, and for one averaged over control settings, which share a network and its noise.

Accuracy. What each image was judged to be is compared image by image, as in McNemar's test: x is 1 where only the first
is right, -1 where only the second, else 0; averaged over control settings. Two images are added, 1 and -1, and

    mean -+ z sd / sqrt(n + 2)

(Bonett and Price, J. Educ. Behav. Stat. 37, 2012), which has a width even where no image differs.

The error of sampling says how well two trained networks were measured. What training again would change is no part of
it, and is often larger.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from eval.ranks.effects import LEVEL, Difference
from eval.ranks.stats import Z


def packed(right: np.ndarray) -> str:
    """Truth values [n] as hexadecimal digits, a bit each, the first the highest; the last byte is filled with 0."""
    return np.packbits(np.asarray(right, bool)).tobytes().hex()


def unpacked(text: str, n: int) -> np.ndarray:
    """The n truth values behind `packed`."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8), count=n).astype(bool)


def influence(row: dict) -> np.ndarray:
    """[g] e_j / sqrt(g (h_j - 1)) of a row of scores: the root of the sum of their squares is its standard error."""
    left = np.asarray(row["fid_leave_one_out"], float)
    sizes = np.array([len(range(j, row["n"], len(left))) for j in range(len(left))])
    h = row["n"] / sizes
    return (h * row["fid_plain"] - (h - 1) * left - row["fid"]) / np.sqrt(len(left) * (h - 1))


def sampled(pairs: Sequence[tuple[dict, dict]], metric: str) -> Difference | None:
    """`metric` (fid or acc) of the first minus that of the second, with the interval of sampling alone.

    pairs: rows of scores of one run and of another, one pair for each control setting, of the same seed. None where a
    row lacks the metric; no interval where a row lacks what its error follows from, or the numbers of images differ.
    """
    if not pairs or any(row.get(metric) is None for pair in pairs for row in pair):
        return None
    mean = float(np.mean([a[metric] - b[metric] for a, b in pairs]))
    source = {"fid": "fid_leave_one_out", "acc": "right"}[metric]
    rows = [row for pair in pairs for row in pair]
    if any(row.get(source) is None for row in rows) or len({row["n"] for row in rows}) > 1:
        return Difference(mean, None, None, 1)
    return (_fid if metric == "fid" else _accuracy)(pairs, mean)


def _fid(pairs: Sequence[tuple[dict, dict]], mean: float) -> Difference:
    each = np.mean([influence(a) - influence(b) for a, b in pairs], axis=0)
    error = float(np.linalg.norm(each))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(each) - 1)) * error
    p = 1.0 if mean == 0 else float(2 * stats.t.sf(abs(mean) / error, len(each) - 1)) if error > 0 else 0.0
    return Difference(mean, mean - half, mean + half, 1, p)


def _accuracy(pairs: Sequence[tuple[dict, dict]], mean: float) -> Difference:
    n = pairs[0][0]["n"]
    images = np.mean([unpacked(a["right"], n) * 1.0 - unpacked(b["right"], n) for a, b in pairs], axis=0)
    images = np.append(images, [1.0, -1.0])
    centre, error = float(images.mean()), float(images.std() / math.sqrt(len(images)))
    low, high = max(-1.0, centre - Z * error), min(1.0, centre + Z * error)
    return Difference(mean, min(low, mean), max(high, mean), 1, float(2 * stats.norm.sf(abs(centre) / error)))
