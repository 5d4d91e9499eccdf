"""What is seen in each figure, in a sentence with its numbers, for readers who do not see it."""

from collections.abc import Callable
from typing import Any

from reports.figures import effort
from reports.figures.catalogue import PLOTS, arguments
from reports.read.run import Run
from reports.read.setting import Setting
from reports.words.forms import acc_mean, fid_mean
from reports.words.resolution import pairings
from zoo.base.counts import counted


def seen(run: Run, name: str) -> str:
    """The alternative text of a figure of the run, by its file's name (without a data set's prefix)."""
    stem, further = arguments(run, name)
    words: Callable[..., str] | None = SEEN.get(stem)
    return words(run, *further) if words else PLOTS[stem].caption.split(".")[0].split("{")[0].strip()


def _extremes(run: Run, setting: Setting | None = None) -> str:
    """`on dit lowest rf (25.7), highest eps/cosine (64.8)` for each backbone."""
    setting = setting or (run.headline[0] if run.headline else None)
    parts = []
    for backbone in run.backbones:
        found = {o: stat for o in run.objectives if setting and (stat := run.stat(backbone, o, setting, "fid"))}
        if found:
            low, high = (choose(found, key=lambda o: found[o].mean) for choose in (min, max))
            parts.append(
                f"on {backbone} lowest {low} ({fid_mean(found[low])}), highest {high} ({fid_mean(found[high])})"
            )
    return "; ".join(parts)


def _fid(run: Run) -> str:
    return f"Dots with error bars: FID of {counted(len(run.objectives), 'objective')}, {_extremes(run)}."


def _accuracy_fid(run: Run) -> str:
    parts = []
    for backbone in run.backbones:
        for o in run.by_fid(backbone)[:1]:
            stat = run.stat(backbone, o, run.headline[0], "acc")
            parts.append(f"on {backbone} {o} is farthest left, with {acc_mean(stat)} of samples as asked for")
    return f"Points of accuracy against FID: {'; '.join(parts)}."


def _ranks(run: Run) -> str:
    rows = [row for row in run.board["rows"] if row["rank"] is not None]
    best = ", ".join(f"{row['objective']} {row['rank']:.2f}" for row in rows[:3])
    last = f"; last {rows[-1]['objective']} {rows[-1]['rank']:.2f}" if len(rows) > 3 else ""
    number = counted(run.board["settings"], "control setting")
    return f"A table of places under {number} in shades of blue; ranks {best}{last}."


def _samples(run: Run, backbone: str, setting: Setting) -> str:
    rows = [o for o in run.ranked if run.stat(backbone, o, setting, "fid")]
    accuracy = [stat.mean for o in run.objectives if (stat := run.stat(backbone, o, setting, "acc"))]
    shares = f"; {100 * min(accuracy):.0f}% to {100 * max(accuracy):.0f}% are the class asked for" if accuracy else ""
    ends = f", by rank from {rows[0]} to {rows[-1]}" if len(rows) > 1 else ""
    return f"Rows of small sample images by {backbone}, one row an objective{ends}{shares}."


def _strip(run: Run) -> str:
    return f"Small sample images, one of each class, for each objective, the best first: {', '.join(run.ranked[:8])}."


def _lines(what: str) -> Callable[..., str]:
    def words(run: Run, *_: Any) -> str:
        end = _extremes(run)
        return f"Lines of FID against {what}, one an objective{f'; in the end {end}' if end else ''}."

    return words


def _evaluations(run: Run) -> str:
    drawn = list(effort.by_steps(run).values())
    last = max(drawn[0], key=lambda setting: setting.steps)
    ends = f"under {run.label(last)} {_extremes(run, last)}"
    return f"Lines of FID against network evaluations, one an objective or a sampler; {ends}."


def _guidance(run: Run) -> str:
    parts: list[str] = []
    for backbone in run.backbones:
        curves = {o: dict(zip(*effort.by_guidance(run, backbone, o), strict=True)) for o in run.objectives}
        for value in sorted({value for curve in curves.values() for value in curve}):
            fids = {o: curve[value] for o, curve in curves.items() if value in curve}
            low, high = min(fids, key=fids.__getitem__), max(fids, key=fids.__getitem__)
            parts.append(
                f"on {backbone} at guidance {value:g} lowest {low} ({fids[low]:.1f}), highest {high} ({fids[high]:.1f})"
            )
    return f"Lines of FID against guidance, one an objective, each at its best start and sampler: {'; '.join(parts)}."


def _weights(run: Run) -> str:
    known = {c.objective for c in run.done if any((c.facts.get("fingerprint") or {}).get("weight") or ())}
    return f"Curves of effective weight against logsnr for {counted(len(known), 'objective')}, 1 at logsnr 0."


def _confusion(run: Run) -> str:
    return "Tables of the class asked for against the class that the judge saw; right answers lie on the diagonal."


def _classes(run: Run) -> str:
    shares = [v for b in run.backbones for o in run.objectives for v in run.class_shares(b, o, run.highest).values()]
    ends = f", from {100 * min(shares):.0f}% to {100 * max(shares):.0f}%" if shares else ""
    return f"A table of accuracy for each objective and class{ends}."


def _epochs(run: Run, backbone: str) -> str:
    return f"Rows of small sample images by {backbone}, a row an epoch of training, the first epoch above."


def _resolution(run: Run) -> str:
    found = next((one for one in pairings(run) if one.found), None)
    if found is None or found.found is None:
        return ""
    sizes = [part.datasets[0] for part, _ in (found.small, found.large)]
    return (
        f"Two curves of the error of x_hat against logsnr, {sizes[0]} and {sizes[1]}; beside it the same with the "
        f"second moved by shift({found.found.k:.2f}), where they meet."
    )


SEEN: dict[str, Callable[..., str]] = {
    "strip": _strip,
    "ranks": _ranks,
    "fid": _fid,
    "accuracy-fid": _accuracy_fid,
    "samples": _samples,
    "guidance": _guidance,
    "snapshots": _lines("training images seen"),
    "evaluations": _evaluations,
    "few-steps": _lines("network evaluations, each objective under its best sampler"),
    "fid-seconds": _lines("seconds of training"),
    "weights": _weights,
    "confusion": _confusion,
    "classes": _classes,
    "epochs": _epochs,
    "resolution": _resolution,
}
