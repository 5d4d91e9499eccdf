"""Intervals for counts.

    centre = (p + z^2 / 2n) / (1 + z^2 / n),  half = z sqrt(p (1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n)

Wilson's score interval (J. Am. Stat. Assoc. 22, 1927): the p whose normal test at level 5% does not reject the count.
It stays inside [0, 1] and has a width at 0 and at n, where the textbook interval has none.
"""

import math

from zoo.base.errors import ZooError

Z = 1.959963984540054  # the normal law's 97.5% point


def wilson(correct: int, n: int) -> tuple[float, float]:
    """The 95% confidence interval (low, high) of a share.

    correct: how many of n were right. Both ends lie in [0, 1]. Raises ZooError unless 0 <= correct <= n and n > 0.
    """
    if not 0 <= correct <= n or n == 0:
        raise ZooError(f"a share needs 0 <= correct <= n and n > 0, not correct = {correct}, n = {n}")
    p, spread = correct / n, Z * Z / n
    centre = (p + spread / 2) / (1 + spread)
    half = Z * math.sqrt(p * (1 - p) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
