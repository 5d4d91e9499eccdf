"""What two objectives share in theory, read off their parts: where they differ, and what is equal all the same.

In expectation an objective is one curve over logsnr: its effective weight, the law of the levels drawn times the weight
on the error there (`Objective.effective_weight`). Parts of other names may give the same law, weight or curve:

    law      on `flow`, lognorm(m,s) draws what edm(m,s) draws, and cosmap what uniform times draw on `trig`
    weight   plain eps is `snr` on any target; v on the circle is edm's with sigma_data 1; p2(k,1) is
             softminsnr(k) / k
    curve    rf and v/trig: exp(-logsnr / 2); sigmoid(b) is the curve, whatever is drawn; match(OBJECTIVE) has that of
             its objective

torch is not imported; a test holds these rules against the curves themselves.
"""

from zoo.objectives.auxiliary import Plain
from zoo.objectives.core import Objective, unwrap
from zoo.objectives.density import CosMap, EDMLogNormal, LogitNormal, Uniform, natural
from zoo.objectives.match import Match
from zoo.objectives.path import Circle, Flow, Path, Sigmoid, Trig, ZeroTerminal
from zoo.objectives.target import EDM, Eps, FlowTarget, V
from zoo.objectives.weight import P2, SNR, Flat, SigmoidWeight, SoftMinSNR, SpaceLoss

AXES = ("target", "path", "density", "weight", "coupling", "auxiliary", "scheme")
EVERYWHERE = (Flow(), Trig(), Sigmoid())  # paths through every logsnr: what is drawn in logsnr is not cut off


def apart(a: Objective, b: Objective) -> tuple[str, ...]:
    """The axes on which two objectives differ; where neither name gives a density, none but the path does."""
    axes = [axis for axis in AXES if getattr(a, axis) != getattr(b, axis)]
    if "path" in axes and a.density == natural(a.path) and b.density == natural(b.path):
        axes = [axis for axis in axes if axis != "density"]
    return tuple(axes)


def same_law(a: Objective, b: Objective) -> bool:
    """Whether both draw the same noise levels in training."""
    return _law(a) == _law(b)


def same_curve(a: Objective, b: Objective) -> bool:
    """Whether both have the same effective weight, up to a constant: the same expected loss over all denoisers."""
    plain = a.auxiliary == b.auxiliary == Plain() or _output(a) == _output(b)
    return (
        plain
        and a.scheme == b.scheme
        and a.coupling == b.coupling
        and a.auxiliary == b.auxiliary
        and _curve(a) == _curve(b)
    )


def same(a: Objective, b: Objective) -> bool:
    """Whether the two are one objective written in two ways: levels, weights and what the network puts out."""
    return same_curve(a, b) and same_law(a, b) and _output(a) == _output(b)


def _law(one: Objective) -> tuple[object, ...]:
    path, density = one.path, one.density
    if path == Flow() and isinstance(density, LogitNormal):
        density = EDMLogNormal(density.mean, density.std)
    if path == Flow() and isinstance(density, CosMap):
        return Trig(), Uniform()
    return ("logsnr", density) if density.of_logsnr and path in EVERYWHERE else (path, density)


def _output(one: Objective) -> object:
    """What the network regresses, up to its sign and length."""
    if isinstance(one.target, V):
        return EDM(1.0) if isinstance(unwrap(one.path)[0], Circle) else (one.target, "on the straight line")
    return one.target


def _weight(one: Objective) -> object:
    """The weight on the error of x_hat, up to a constant."""
    match one.weight:
        case SpaceLoss():
            return one.weight, one.target  # where it is capped depends on what the network puts out
        case Flat():
            return SNR() if one.target == Eps() else _output(one)
        case SoftMinSNR(gamma) | P2(gamma, 1.0):
            return "soft", f"{gamma:.6g}"
    return one.weight


def _curve(one: Objective) -> object:
    match one.weight:
        case SigmoidWeight(b):
            return "sigmoid", b, _cut(one.path)
        case Match(like):
            whole = like.path == one.path or _cut(one.path) is None
            return _curve(like) if whole else (_curve(like), one.path)
    found = _law(one), _weight(one)
    straight, circle = ((Flow(), Uniform()), FlowTarget()), ((Trig(), Uniform()), EDM(1.0))
    return "exp(-logsnr / 2)" if found in (straight, circle) else found


def _cut(path: Path) -> Path | None:
    """The path, if it does not pass through every logsnr, so that its curves end somewhere; else None."""
    first, *rest = unwrap(path)
    return None if first in EVERYWHERE and not any(isinstance(part, ZeroTerminal) for part in rest) else path
