"""How many control settings there are in effect: settings under which objectives score alike are hardly several.

    M_eff = M^2 / sum_ij rho_ij^2

is the participation ratio of the eigenvalues of the settings' correlation: 1 where all agree, M where none is related
to another (as in Bretherton et al., J. Climate 12, 1999, equation 5). rho is Spearman's, over objectives. A sample
correlation's square is too large by chance, 1 / (n - 1) for n objectives that are unrelated, so what chance adds is
taken away: rho^2 <- ((n - 1) rho^2 - 1) / (n - 2), their sum kept within its bounds.
"""

import numpy as np
from scipy import stats


def effective_settings(values: np.ndarray) -> float:
    """M_eff of scores [objective, setting], between 1 and their number; nan for fewer than three objectives.

    Objectives without a score under some setting are left out; infinite scores count as the worst.
    """
    whole = values[~np.isnan(values).any(1)]
    objectives, settings = whole.shape
    if settings < 2:
        return float(settings)
    if objectives < 3:
        return float("nan")
    ranks = stats.rankdata(whole, axis=0)
    ranks -= ranks.mean(0)
    length = np.sqrt((ranks**2).sum(0))
    ranks = ranks / np.where(length > 0, length, 1)  # all alike under a setting: related to none
    squares = ((objectives - 1) * (ranks.T @ ranks) ** 2 - 1) / (objectives - 2)
    np.fill_diagonal(squares, 0)
    return float(settings**2 / (settings + np.clip(squares.sum(), 0, settings * (settings - 1))))
