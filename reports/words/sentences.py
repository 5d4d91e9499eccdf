"""The page's sentences that are made from the numbers: who leads, what is done, how the columns are to be read."""

import math

from eval.ranks.table import FULL
from reports.read.run import Run, Stat
from reports.words.document import Bold, Bullets, Code, Download, Mark, Paragraph
from reports.words.forms import acc_text, fid_at, fid_text
from zoo.base.counts import counted

OTHER = (
    "FID, second judge: the same by another classifier; FID of the worst class: from 128 samples a class on; kernel "
    "distance: of the judge's features, without bias at any number of samples; pixel distance: Frechet distance in "
    "pixels, uncorrected; precision, recall, density, coverage: by the 5th neighbour, against as many real images; "
    "inception score: of the judge's classes; near copies: share of samples that are close to a training image; error "
    "of predicted noise: squared, on test images, mean over 8 noise levels; error of x_hat at high noise: over that of "
    "the class's mean image, at logsnr -10 to -4, lower is better."
)
BELOW = (
    " A FID below zero is no mistake: the correction for the number of samples is right on average, so that near the "
    "floor its error falls on both sides."
)


def title(run: Run) -> str:
    """Which data, how much of it was compared, and the grid's name."""
    recipes = len({cell.variant for cell in run.cells if cell.variant})
    sizes = counted(len({name.partition(" [")[0] for name in run.objectives}), "diffusion objective")
    sizes += f" with {counted(recipes, 'recipe')}" if recipes else ""
    each = max((len(run.on(dataset).backbones) for dataset in run.datasets), default=0)  # a size for each data set
    sizes += f" on {counted(each, 'backbone')}"
    return f"{' and '.join(run.datasets)}: {sizes} (grid {run.grid.get('name')})"


def leaders(run: Run) -> Bullets:
    """Which objective leads on each backbone and by how much."""
    return Bullets(tuple(text for backbone in run.backbones if (text := _leader(run, backbone))))


def lead(run: Run) -> dict[str, str]:
    """The objective of the lowest FID on each backbone, under the first of the compared settings."""
    found = {}
    for backbone in run.backbones:
        means = {o: stat.mean for o in run.objectives if (stat := run.stat(backbone, o, run.headline[0], "fid"))}
        if means:
            found[backbone] = min(means, key=means.__getitem__)
    return found


def how_to_read(run: Run) -> Paragraph:
    """What the columns of the comparison mean."""
    widths = [(s["acc_high"] - s["acc_low"]) / 2 for c in run.done for s in c.scores if s.get("acc_high") is not None]
    seeds = max(len(run.group(b, o)) for b in run.backbones for o in run.objectives)
    several = "mean over seeds (min..max)" if seeds > 1 else "value ± one standard error of sampling"
    parts: list[Mark] = [
        f"{judge(run)} Rows by {'rank' if run.ranks_objectives else 'FID'}. fid: Frechet distance of the judge's "
        f"features, lower is better, {several}; "
    ]
    if any(setting.n < FULL for setting in run.headline):
        parts += [Code("fid@N"), f" marks fewer than {FULL:,} samples: not comparable with a fid at another N; "]
    parts += ["accuracy: share of samples judged to be what was asked for; "]
    parts += [f"95% intervals of at most ± {100 * max(widths):.1f} points; "] if widths else []
    parts += ["bold: best of the backbone. Every number: ", Download("results.csv", "results.csv"), "."]
    values = [score["fid"] for cell in run.done for score in cell.scores if score.get("fid") is not None]
    below = min([*values, run.floor.get("fid") or 0.0]) < 0
    return Paragraph((*parts, BELOW) if below else tuple(parts))


def class_note(run: Run) -> Paragraph:
    """Under which setting the classes were scored."""
    blanks = 'Black and white: that all over; they do not count in "all classes".' if run.spec.blanks else ""
    judged = "Classes: judged to be what was asked for."
    return Paragraph(f"{_under(run)}; samples of all seeds together. {judged} {blanks}".rstrip())


def judge(run: Run) -> str:
    """`Judge: mnist-v1-seed0, right about 99.7% of real test images.`; "" before anything is scored."""
    name, right = run.judge.get("name"), run.ceiling
    if name is None or right is None:
        return ""
    return f"Judge: {name}, right about {100 * right:.1f}% of real test images."


def other_note(run: Run) -> Paragraph:
    """Under which setting the other scores are shown, and what they are."""
    return Paragraph(f"{_under(run)}; means over the seeds that are done. {OTHER}")


def _under(run: Run) -> str:
    return f"{run.highest.kind} weights, {run.label(run.highest)}"


def _leader(run: Run, backbone: str) -> tuple[Mark, ...]:
    """`On dit rf leads with fid 5.80 ± 0.30, next is ..`, and who leads under the other settings."""
    parts: list[Mark] = []
    named = ""  # the one that "it" is
    lost = {o for o in run.objectives if any(cell.status == "diverged" for cell in run.group(backbone, o))}
    for setting in run.headline:
        found = {o: stat for o in run.objectives if o not in lost and (stat := run.stat(backbone, o, setting, "fid"))}
        order = sorted(found, key=lambda o: found[o].mean)
        if not order:
            continue
        best, how = order[0], acc_text(run.stat(backbone, order[0], setting, "acc"))
        if not parts:
            named, leads = best, "leads" if len(order) > 1 else "is the only one scored,"
            parts += [f"On {backbone} ({setting.kind} weights, {run.label(setting)}) ", Bold(best)]
            parts += [f" {leads} with {fid_at(setting)} {fid_text(found[best])} and accuracy {how}"]
            parts += [f"{_behind(found, order)}."]
            continue
        who = "it has" if len(order) == 1 else "it leads too, with"
        again = best == named
        named = best
        parts += [f" At {run.label(setting)} ", *([who] if again else [Bold(best), " leads with"])]
        parts += [f" {fid_text(found[best])} and {how}."]
    if parts and lost:
        parts.append(f" Left out here, as runs of theirs diverged: {', '.join(sorted(lost))}.")
    return tuple(parts)


def _behind(found: dict[str, Stat], order: list[str]) -> str:
    """`; next is rf with 6.90 ± 0.35, last of 8 eps/linear with ..`, and who is too near to be told from the first."""
    best, *others = order
    text = f"; next is {others[0]} with {fid_text(found[others[0]])}" if others else ""
    if len(others) > 1:
        text += f", last of {len(order)} {others[-1]} with {fid_text(found[others[-1]])}"
    near = [o for o in others if found[o].mean - found[best].mean < 2 * math.hypot(found[o].se, found[best].se)]
    if near:
        more = f" and {len(near) - 4} more" if len(near) > 4 else ""
        text += f" (within two standard errors of the lead: {', '.join(near[:4])}{more})"
    return text
