"""The zoo's objectives by name, in families: what the grids train, and what tests, lists and reports go through.

A new combination of known parts is one line in BEYOND.
"""

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple


class Published(NamedTuple):
    """A formulation in SD3's study (arXiv 2403.03206, tables 1 and 2): its name there, and its ranks if printed."""

    name: str
    rank: float | None = None  # averaged over all 24 control settings
    rank_5: float | None = None  # over those with 5 sampling steps
    rank_50: float | None = None  # over those with 50


DEFAULT = (
    "rf",
    "rf/lognorm(0,1)",
    "v/cosine",
    "eps/linear",
    "eps/cosine",
    "eps/linear+minsnr(5)",
    "eps/cosine+minsnr(5)",
    "v/cosine+minsnr(5)",
)

# The printed ranks: over all settings, at 5 steps, at 50 steps.
RANKS = {
    "rf/lognorm(0.00,1.00)": (1.54, 1.25, 1.50),
    "rf/lognorm(1.00,0.60)": (2.08, 3.50, 2.00),
    "rf/lognorm(0.50,0.60)": (2.71, 8.50, 1.00),
    "rf/mode(1.29)": (2.75, 3.25, 3.00),
    "rf/lognorm(0.50,1.00)": (2.83, 1.50, 2.50),
    "eps/linear": (2.88, 4.25, 2.75),
    "rf/mode(1.75)": (3.33, 2.75, 2.75),
    "rf/cosmap": (4.13, 3.75, 4.00),
    "edm(0.00,0.60)": (5.63, 13.25, 3.25),
    "rf": (5.67, 6.50, 5.75),
    "v/linear": (6.83, 5.75, 7.75),
    "edm(0.60,1.20)": (9.00, 13.00, 9.00),
    "v/cos": (9.17, 12.25, 8.75),
    "edm/cos": (11.04, 14.25, 11.25),
    "edm/rf": (13.04, 15.25, 13.25),
    "edm(-1.20,1.20)": (15.58, 20.25, 15.00),
}


def _sd3() -> dict[str, Published]:
    names = {
        "eps/ldm": "eps/linear",  # SD3's "linear" is latent diffusion's schedule, its "cos" the quarter circle
        "v/ldm": "v/linear",
        "eps/trig": "eps/cos",
        "v/trig": "v/cos",
        "rf": "rf",
        **{f"rf/mode({s:.6g})": f"rf/mode({s:.2f})" for s in (*(-1 + i * 2.75 / 6 for i in range(7)), 1.0)},
        **{
            f"rf/lognorm({m:g},{s:g})": f"rf/lognorm({m:.2f},{s:.2f})"
            for m, s in product((-1, -0.5, 0, 0.5, 1), (0.2, 0.6, 1, 1.4, 1.8, 2.2))
        },
        "rf/cosmap": "rf/cosmap",
        **{
            f"edm({m:g},{s:g})": f"edm({m:.2f},{s:.2f})" for m, s in product((-1.2, -0.6, 0, 0.6, 1.2), (0.6, 1.2, 1.8))
        },
        "edm/flow": "edm/rf",
        "edm/trig": "edm/cos",
    }
    return {name: Published(printed, *RANKS.get(printed, ())) for name, printed in names.items()}


SD3 = _sd3()
SD3_PRINTED = tuple(name for name, published in SD3.items() if published.rank is not None)


def beside_the_study(objectives: Iterable[str]) -> bool:
    """Whether enough of these objectives, half of those printed, have a rank that SD3's study prints."""
    return 2 * len({*objectives}.intersection(SD3_PRINTED)) >= len(SD3_PRINTED)


def _anatomy() -> tuple[str, ...]:
    """Five targets, each under three densities, plain and matched to one curve, all on the straight path.

    cosmap draws there what v/trig draws. Matched to its own curve rf/lognorm(0,1) is itself, and stands once.
    """
    densities = ("", "+lognorm(0,1)", "+cosmap")
    plain = [f"{target}/flow{density}" for target, density in product(("eps", "v", "x0", "edm"), densities)]
    plain += ["rf", COMMON, "rf/cosmap"]
    return (*plain, *(f"{name}+match({COMMON})" for name in plain if name != COMMON))


COMMON = "rf/lognorm(0,1)"  # whose effective weight all of ANATOMY's matched objectives have
ANATOMY = _anatomy()

# What the network puts out, times the error of what is trained: JiT's nine cells (arXiv 2511.13720, table 2), with its
# law of noise levels in this project's time.
NINE = tuple(
    f"{output}{density}+{loss}(0.05)"
    for output, density in (
        ("x0/flow", "+lognorm(0.8,0.8)"),
        ("eps/flow", "+lognorm(0.8,0.8)"),
        ("rf", "/lognorm(0.8,0.8)"),
    )
    for loss in ("xloss", "epsloss", "vloss")
)

# Objectives for few steps beside three ordinary ones, all trained alike; teachers come before their students.
FEWSTEPS = (
    "rf",
    "rf/lognorm(0,1)",
    "v/cosine",
    "meanflow",
    "imeanflow",
    "shortcut(128)",
    "ect",
    "scm",
    "scm(steady=16)",
    "reflow(rf)",
    "reflow(reflow(rf))",
    "progressive(v/cosine,8)",
    "progressive(v/cosine,4)",
    "progressive(v/cosine,2)",
    "progressive(v/cosine,1)",
)

BEYOND = (
    "x0/linear",
    "x0/cosine",
    "x0/trig",
    "v/linear",
    "eps/sigmoid",
    "v/sigmoid",
    "v/linear+ztsnr",
    "v/linear+ztsnr+minsnr(5)",
    "v/ldm+ztsnr",
    "x0/linear+ztsnr",
    "v/cosine+shift(2)",
    "rf+shift(3)",
    "rf/lognorm(0,1)+shift(3)",
    "x0/cosine+minsnr(5)",
    "v/cosine+softminsnr(4)",
    "eps/linear+softminsnr(4)",
    "eps/linear+p2(1,1)",
    "x0/cosine+p2(1,1)",
    "x0/cosine+snr",
    "x0/cosine+truncsnr",
    "eps/cosine+sigmoid(-3)",
    "v/cosine+sigmoid(-1)",
    "v/trig+laplace(0,0.5)",
    "eps/cosine+laplace(0,0.5)",
    "v/trig+minsnr(5)",
    "v/trig+match(rf/lognorm(0,1))",
    "eps/cosine+match(v/cosine)",
    "edm(sigma_data=1)/trig+edm(0,1)",
    "edm(sigma_data=1)/trig+edm(-1.2,1.2)",  # as published but for sigma_data, which is the data's own here
    "edm(sigma_data=1)/trig+edm(-0.506853,1.2)",  # as published in units of the data's deviation: -1.2 - log 0.5
    "x0/flow+flowloss(0.05)",
    "x0/flow+lognorm(0.8,0.8)+flowloss(0.05)",  # JiT: its t is the share of data, and its mean of the logit -0.8
    "edm(-1.2,1.2)+learned",
    "rf/lognorm(0,1)+learned",
    "rf+contrast(0.05)",
    "rf+ot",
    "rf+ot_class",
    "eps/linear+immiscible",
    "eps/linear+immiscible_class",
    "eps/linear+nearest(4)",
    "eps/linear+offset(0.1)",
    "v/linear+ztsnr+offset(0.1)",
    "rf/ushape(4)+huber(0.00054)",
    "guided(rf/lognorm(0,1))",
)
