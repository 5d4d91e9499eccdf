"""A grid's claims, each with its verdict: holds, does not hold, or cannot be told, with effect and interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from eval.ranks.board import KEYS
from eval.ranks.claims import FAILS, HOLDS, OPEN, by_divergence, contrast, correlation, related, verdict
from eval.ranks.effects import Difference, holm
from eval.ranks.paired import sampled
from eval.ranks.sensitivity import paired
from eval.ranks.table import Entry, Scores, scores_of
from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.document import Block, Bold, Bullets, Heading, Paragraph, Table, Text, table
from reports.words.forms import NONE, acc_mean, fid_at, fid_mean
from reports.words.losses import elsewhere, histories, settings_of
from reports.words.pairs import common, difference_text
from zoo.base.counts import counted

TOO_FEW = "too few kinds of runs with a validation loss"
ARMS = "all arms"  # the one place at which all arms are compared, whatever their backbones
HOW = (
    "Each claim compares runs that differ in one thing, paired by seed and averaged over {settings}. FID's ratio is "
    "that of the changed runs over the others (below 1 is better), with its 95% interval over seeds by the additive "
    "model of all runs on this page. What neither holds nor fails cannot be told from these runs."
)
RULES = (
    "A claim of an improvement holds if it remains after Holm's correction over all claims, and does not hold if one "
    "of a tenth of FID is ruled out.",
    "A claim of no effect holds if the interval lies within a tenth to either side, and does not hold if the "
    "difference remains after the correction.",
)
LOSS = (
    "A claim of loss: its rank correlation with FID (Spearman's; 1 if both always rise together), over cells under the "
    "first of these settings and over time at the points of training that were scored. Its interval is that of "
    "resampled kinds of runs: it holds if that lies above 0, and does not hold if it lies below 0.3. Loss is the EMA "
    "weights' validation loss; runs whose loss has another unit (another target, pixels of another scale, or latents) "
    "are left out."
)
UNSCALED = (
    "With pixels from -1 to 1 the images' variance is not 1, and what is named by noise level means something else: at "
    "one logsnr of the path the ratio of signal to noise is that of the pixels, lower for a data set of less variance, "
    "the network's input has another size, and sampling starts from noise without the pixels' mean."
)
RATE = (
    "The learning rate of the other runs is not the best one: with {variant}, which is {times:g} times theirs, FID is "
    "{ratio:.2f} times as high. The other claims were tested at the {side} rate. At the better one they may come out "
    "differently."
)


@dataclass(frozen=True)
class Found:
    """A claim with its answer. effect: log of FID's ratio, or a rank correlation."""

    claim: dict[str, Any]
    verdict: str
    effect: Difference | None
    fid: Difference | None = None
    acc: Difference | None = None
    why: str = ""


def claims(run: Run, where: str = "") -> list[Block]:
    """The section of one data set (`run.on(..)`); [] for a grid without claims."""
    found = answers(run)
    if not found:
        return []
    settings = "; ".join(run.label(setting) for setting in common(run))
    over = [bool(one.claim["over"]) for one in found]
    rules = [*(RULES if not all(over) else ()), *([LOSS] if any(over) else ())]
    blocks: list[Block] = [Heading(f"Claims{where}")]
    blocks += [*([Paragraph(HOW.format(settings=settings))] if not all(over) else []), Bullets(tuple(rules))]
    blocks += [Paragraph(text) for text in (_summary(found),) if text]
    rows = [_row(one) for one in found]
    blocks.append(
        table(["claim", "verdict", "effect (95% interval)", "FID", "accuracy, points", "runs"], rows, names=2)
    )
    if text := _better_rate(run, found):
        blocks.append(Paragraph(text, "note"))
    if any(settings_of(cell).get("standardise") is False for cell in run.done):
        blocks.append(Paragraph(UNSCALED, "note"))
    return [*blocks, Paragraph("The runs that the claims are about, means over seeds:"), arms_table(run)]


def lead(run: Run) -> list[Text]:
    """What stands first on the page: how many claims hold, and which."""
    texts: list[Text] = []
    for part in (run.on(dataset) for dataset in run.datasets):
        if found := answers(part):
            where = f" on {part.datasets[0]}" if len(run.datasets) > 1 else ""
            texts.append((Bold(f"Of {counted(len(found), 'claim')}{where} {_counts(found)}."), f" {_named(found)}"))
    return texts


def answers(run: Run) -> list[Found]:
    """Every claim of the grid on this data set, with Holm's correction over those that were tested."""
    asked = (run.grid.get("claims") or {}).get(run.datasets[0] if run.datasets else "") or []
    if not asked or not run.done:
        return []
    scores = arms_scores(run)
    effects = [
        correlation(histories(run, claim["over"]), claim["over"])
        if claim["over"]
        else contrast(scores, arm(claim["changed"]), arm(claim["against"]))
        for claim in asked
    ]
    tested = [
        effect.p if effect and not claim["over"] and effect.seeds > 1 else None
        for claim, effect in zip(asked, effects, strict=True)
    ]
    return [
        _answer(run, scores, claim, effect, p) for claim, effect, p in zip(asked, effects, holm(tested), strict=True)
    ]


def _answer(run: Run, scores: Scores, claim: dict[str, Any], effect: Difference | None, p: float | None) -> Found:
    if claim["over"]:
        why = elsewhere(run, claim["over"]) if effect and effect.low is not None else TOO_FEW
        return Found(claim, related(effect), effect, why=why)
    names = arm(claim["changed"]), arm(claim["against"])
    groups = [run.group(claim[side]["backbone"], claim[side]["objective"]) for side in ("changed", "against")]
    ended = [(sum(c.status == "diverged" for c in group), len(group)) for group in groups]
    told = by_divergence(claim["expect"], *ended)
    if told:
        return Found(
            claim, told, None, why=f"{ended[0][0]} of {counted(ended[0][1], 'run')} diverged, against {ended[1][0]}"
        )
    fid, acc = (_difference(run, scores, metric, names, groups) for metric in ("fid", "acc"))
    if effect is None:
        return Found(claim, OPEN, None, fid, acc, why="no seed has both")
    why = "one seed: what training again would change is not known" if effect.seeds < 2 else ""
    return Found(claim, verdict(claim["expect"], effect, p), effect, fid, acc, why=why)


def _difference(
    run: Run, scores: Scores, metric: str, names: tuple[str, str], groups: Sequence[Sequence[Cell]]
) -> Difference | None:
    """changed minus against over seeds; for one seed with the interval of sampling alone."""
    if any(name not in scores.objectives for name in names):
        return None
    found = paired(scores, metric, *names)
    if found is None or found.seeds > 1:
        return found
    by_seed = [{cell.seed: cell for cell in group if cell.result} for group in groups]
    for seed in sorted(by_seed[0].keys() & by_seed[1].keys()):
        rows = [tuple(cells[seed].score(setting) for cells in by_seed) for setting in common(run)]
        both = [(a, b) for a, b in rows if a and b]
        if both and len(both) == len(rows) and (one := sampled(both, metric)):
            return one
    return found


def arm(place: dict[str, str]) -> str:
    """An arm's name, in the claims' table and the additive model."""
    return f"{place['objective']} on {place['backbone']}"


def arms_scores(run: Run) -> Scores:
    """The arms as objectives at one place, under the common settings."""
    settings = set(common(run))
    entries = []
    for cell in run.cells:
        name = arm({"objective": cell.objective, "backbone": cell.backbone})
        rows = [row for setting, row in cell.by_setting.items() if setting in settings]
        entries.append(Entry(cell.dataset, ARMS, name, cell.seed, cell.status, rows, cell.ceiling))
    return scores_of(entries, KEYS)


def _row(one: Found) -> tuple[Text, ...]:
    runs = f"{one.effect.seeds} {'cells' if one.claim['over'] else 'seeds'}" if one.effect else NONE
    verdict: Text = Bold(one.verdict) if one.verdict != OPEN else one.verdict
    why = f" ({one.why})" if one.why else ""
    differences = [
        NONE if one.claim["over"] else difference_text(d, unit) for d, unit in ((one.fid, 1), (one.acc, 100))
    ]
    return one.claim["text"], (verdict, why) if why else verdict, _effect(one), *differences, runs


def _effect(one: Found) -> str:
    """`FID x 0.80 (0.71 to 0.90)`, or `rank correlation 0.65 (0.31 to 0.88)`."""
    found = one.effect
    if found is None:
        return NONE

    def change(value: float) -> str:
        return f"{value if one.claim['over'] else math.exp(value):.2f}"

    name = "rank correlation" if one.claim["over"] else "FID x"
    ends = "" if found.low is None or found.high is None else f" ({change(found.low)} to {change(found.high)})"
    return f"{name} {change(found.mean)}{ends}"


def _counts(found: Sequence[Found]) -> str:
    each = [(word, sum(one.verdict == word for one in found)) for word in (HOLDS, FAILS, OPEN)]
    words = {HOLDS: ("holds", "hold"), FAILS: ("does not hold", "do not hold"), OPEN: ("cannot be told",) * 2}
    parts = [f"{count} {words[word][count != 1]}" for word, count in each if count]
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _better_rate(run: Run, found: Sequence[Found]) -> str:
    """What it means for the others that a claim of another learning rate alone holds; "" where none does."""
    variants, better = run.grid.get("variants") or {}, []
    for one in found:
        variant = one.claim["changed"]["objective"].removesuffix("]").rpartition(" [")[2]
        changes = variants.get(variant) or {}
        if one.effect and one.verdict == HOLDS and not one.claim["over"] and [*changes] == ["times_rate"]:
            better.append((one.effect.mean, variant, changes["times_rate"]))
    effect, variant, times = min(better, default=(0.0, "", 1.0))
    if effect >= 0:
        return ""
    return RATE.format(variant=variant, times=times, ratio=math.exp(effect), side="lower" if times > 1 else "higher")


def _named(found: Sequence[Found]) -> str:
    """The claims that hold and those that do not, as sentences."""
    told = {word: [one.claim["text"].rstrip(".") for one in found if one.verdict == word] for word in (HOLDS, FAILS)}
    heads = {HOLDS: "Holds", FAILS: "Does not hold"}
    return " ".join(f"{heads[word]}: {'; '.join(texts)}." for word, texts in told.items() if texts)


def _summary(found: Sequence[Found]) -> str:
    return f"{_counts(found)[:1].upper()}{_counts(found)[1:]}." if found else ""


def arms_table(run: Run) -> Table:
    """Every arm: runs, FID and accuracy under the common settings, validation loss, and how steady training was."""
    settings = common(run)
    header = ["runs of", "backbone", "done", *(f"{fid_at(s)}, {run.label(s)}" for s in settings)]
    header += [*(f"accuracy, {run.label(s)}" for s in settings), "validation loss", "clipped steps", "diverged"]
    rows = []
    for backbone, name in dict.fromkeys((cell.backbone, cell.objective) for cell in run.cells):
        cells = run.group(backbone, name)
        done = [cell for cell in cells if cell.result]
        tested = [((cell.facts.get("validation") or {}).get("ema") or {}).get("val_target") for cell in done]
        losses = [value for value in tested if value is not None]
        clipped = [cell.facts["train"]["clipped"] for cell in done if cell.facts["train"].get("clipped") is not None]
        rows.append([
            name, backbone, f"{len(done)}/{len(cells)}",
            *(fid_mean(run.stat(backbone, name, s, "fid")) for s in settings),
            *(acc_mean(run.stat(backbone, name, s, "acc")) for s in settings),
            f"{fmean(losses):.4f}" if losses else NONE, f"{100 * fmean(clipped):.0f}%" if clipped else NONE,
            str(sum(cell.status == "diverged" for cell in cells)),
        ])  # fmt: skip
    return replace(table(header, rows, names=2), long=len(rows) > 8)
