"""The page: build(run) writes report.md, results.csv and figures/ into a run's folder, from the files that lie there.

The same files give the same bytes: no clock, no path, no order of a folder goes in. Finished, partial and failed runs
are all pages.
"""

import math
import re
from pathlib import Path

from eval import compare
from reports import ranktables, tables
from reports.figures import caption, draw, of_section
from reports.load import load
from reports.results import csv_bytes
from reports.run import FULL, Run, Stat
from reports.tables import acc_text, fid_at, fid_text, md
from zoo.files import write_atomic

COST = (
    "Means over the seeds that are done; seconds of wall clock. Start: imports and data; setup: building the network "
    "and compiling; scoring: all but drawing the images. For GFLOP/s, training an image counts as three forward passes."
)
RANKS = (
    "Under each control setting scores are averaged over seeds and Pareto fronts peeled over FID and accuracy; a rank "
    "is the mean number of an objective's front over {count} (each with every setting and kind of weights). The "
    "interval is that of resampling runs; objectives that cannot be told apart are before one another in 5% to 95% of "
    "the samples."
)
SETTINGS = (
    "What the sampler's choices do. Settings are to be compared at equal network evaluations, not at equal steps; the "
    "other tables show only those of the most evaluations."
)
DIFFERENCES = (
    "Differences to the objective of the lowest FID, paired by seed: the two saw the same images, noise and labels. In "
    "brackets 95% intervals over seeds by Student's t; below three seeds they say little."
)
OTHER = (
    "fid2: FID by the second judge; cfid_max: FID of the worst class (from 128 samples a class on); pfd: Frechet "
    "distance in pixels, uncorrected; kid: kernel distance; precision, recall, density, coverage: by the 5th "
    "neighbour, against as many real images; is: inception score of the judge's classes; mem: share of samples that "
    "are near copies of a training image; val_eps: squared error of the predicted noise on test images, mean over 8 "
    "noise levels."
)


def build(run_dir: Path) -> Path:
    """Write the report of a run and return its path.

    Raises ZooError for a folder that holds no run, and for scores by different judges.
    """
    run = load(Path(run_dir))
    figures = draw(run)
    for name, data in figures.items():
        write_atomic(run.folder / "figures" / name, data)
    for old in (run.folder / "figures").glob("*.png"):  # an earlier page's figures are no part of this one
        if old.name not in figures:
            old.unlink()
    write_atomic(run.folder / "results.csv", csv_bytes(run))
    path = run.folder / "report.md"
    write_atomic(path, page(run, list(figures)).encode())
    return path


def page(run: Run, figures: list[str]) -> str:
    """The whole page as Markdown; figures: the names that were drawn."""
    blocks = [_title(run), _notice(run.grid.get("notice"))]
    parts = [run.on(dataset) for dataset in run.datasets]
    several = len(parts) > 1
    for part in parts:
        blocks += [f"**{md(part.datasets[0])}**" if several else "", _leaders(part)]
    blocks += [_state(run), _quote(run.grid.get("sizes_note"))]
    if run.done:
        blocks += ["## Ranks", *_ranks(run), *_pictures(run, figures, "Ranks")]
    for part in parts:
        prefix = f"{part.datasets[0]}-" if several else ""
        blocks += _sections(part, figures, prefix, f" on {md(part.datasets[0])}" if several else "")
    blocks += ["## Failures", tables.failures(run) or f"All {len(run.cells)} cells are done."]
    blocks += ["## Configuration", tables.configuration(run)]
    blocks += ["## Versions", tables.versions(run), "## Papers", tables.papers(run), "## How to reproduce", _again(run)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _sections(run: Run, figures: list[str], prefix: str, where: str) -> list[str]:
    """What is said of one data set; prefix: of its figures' names; where: the end of its headings."""

    def show(section: str) -> list[str]:
        return _pictures(run, figures, section, prefix)

    blocks = []
    if run.done:
        blocks += [
            f"## Comparison{where}",
            tables.comparison(run),
            _how_to_read(run),
            *show("Comparison"),
        ]
        if len(run.compared) > len(run.headline) or show("Settings"):
            blocks += [f"## Settings{where}", SETTINGS, ranktables.every_setting(run), *show("Settings")]
        if studies := show("Parameters"):
            blocks += [f"## Parameters{where}", *studies]
        blocks += [f"## Differences{where}", DIFFERENCES, ranktables.differences(run, _lead(run))]
        blocks += [f"## Samples{where}", *show("Samples")]
        blocks += [f"## Classes{where}", _class_note(run), tables.per_class(run), *show("Classes")]
        blocks += [f"## Other scores{where}", _other_note(run), ranktables.other_scores(run)]
        blocks += [*_weights(run, where), *show("EMA and raw weights")]
    blocks += [f"## Training{where}", *(show("Training") or ["No training curves yet."])]
    if run.done:
        blocks += [f"## Cost{where}", COST, tables.cost(run)]
    return blocks


def _pictures(run: Run, figures: list[str], section: str, prefix: str = "") -> list[str]:
    """The section's figures, each with its caption."""
    return [
        f"![{Path(name).stem}](figures/{prefix}{name})\n\n*{caption(run, name)}*"
        for name in of_section(section, figures, prefix)
    ]


def _ranks(run: Run) -> list[str]:
    found = compare.board(run.entries, run.objectives)
    places = f"{', '.join(map(md, found['datasets']))}; {', '.join(map(md, found['families']))}"
    count = f"{found['settings']} control settings: {places}"
    return [RANKS.format(count=count), ranktables.ranks(found), *map(md, compare.notes(found))]


def _lead(run: Run) -> dict[str, str]:
    """The objective of the lowest FID on each backbone, under the first of the compared settings."""
    leads = {}
    for backbone in run.backbones:
        found = {o: stat.mean for o in run.objectives if (stat := run.stat(backbone, o, run.headline[0], "fid"))}
        if found:
            leads[backbone] = min(found, key=found.get)
    return leads


def _title(run: Run) -> str:
    sizes = f"{_count(len(run.objectives), 'diffusion objective')} on {_count(len(run.backbones), 'backbone')}"
    return f"# {' and '.join(map(md, run.datasets))}: {sizes} (grid {md(run.grid.get('name'))})"


def _notice(text: str | None) -> str:
    return f"> [!WARNING]\n> **{md(text)}**" if text else ""


def _quote(text: str | None) -> str:
    return f"> {md(text)}" if text else ""


def _leaders(run: Run) -> str:
    """Which objective leads on each backbone and by how much."""
    return "\n".join(f"- {text}" for backbone in run.backbones if (text := _leader(run, backbone)))


def _state(run: Run) -> str:
    """How many cells are done, and what the seeds allow to say."""
    seeds = run.grid.get("seeds") or sorted({cell.seed for cell in run.cells})
    states = [cell.status for cell in run.cells]
    rest = ", ".join(f"{states.count(state)} {md(state)}" for state in sorted(set(states) - {"done"}))
    text = f"{len(run.done)} of {_count(len(states), 'cell')} are done{f'; {rest} (see Failures)' if rest else ''}."
    if run.done and len(seeds) == 1:
        text += " **One seed: a sketch.** Training again can move these numbers more than the error bars show."
    elif run.done and len(seeds) < 3:
        text += f" {len(seeds)} seeds are too few to claim an order."
    return text


def _leader(run: Run, backbone: str) -> str:
    """`On dit rf leads with fid 5.80 ± 0.30, next is ..`, and who leads under the other settings."""
    text, first = "", ""
    for setting in run.headline:
        found = {o: stat for o in run.objectives if (stat := run.stat(backbone, o, setting, "fid"))}
        order = sorted(found, key=lambda o: found[o].mean)
        if not order:
            continue
        lead, how = order[0], acc_text(run.stat(backbone, order[0], setting, "acc"))
        if not text:
            first, where = lead, f"{md(setting.kind)} weights, {md(run.label(setting))}"
            leads = "leads" if len(order) > 1 else "is the only one scored,"
            text = f"On {md(backbone)} ({where}) **{md(lead)}** {leads} with {fid_at(setting)} {fid_text(found[lead])}"
            text += f" and accuracy {how}{_behind(found, order)}."
        else:
            who = (
                "it has" if len(order) == 1 else "it leads too, with" if lead == first else f"**{md(lead)}** leads with"
            )
            text += f" At {md(run.label(setting))} {who} {fid_text(found[lead])} and {how}."
    return text


def _behind(found: dict[str, Stat], order: list[str]) -> str:
    """`; next is rf with 6.90 ± 0.35, last of 8 eps/linear with ..`, and who is too near to be told from the first."""
    lead, *others = order
    text = f"; next is {md(others[0])} with {fid_text(found[others[0]])}" if others else ""
    if len(others) > 1:
        text += f", last of {len(order)} {md(others[-1])} with {fid_text(found[others[-1]])}"
    near = [o for o in others if found[o].mean - found[lead].mean < 2 * math.hypot(found[o].se, found[lead].se)]
    if near:
        more = f" and {len(near) - 4} more" if len(near) > 4 else ""
        text += f" (within two standard errors of the lead: {', '.join(map(md, near[:4]))}{more})"
    return text


def _how_to_read(run: Run) -> str:
    widths = [(s["acc_high"] - s["acc_low"]) / 2 for c in run.done for s in c.scores if s.get("acc_high") is not None]
    seeds = max(len(run.group(b, o)) for b in run.backbones for o in run.objectives)
    several = "mean over seeds (min..max)" if seeds > 1 else "value ± one standard error of sampling"
    text = [f"fid: Frechet distance of the judge's features, lower is better, {several}"]
    if any(setting.n < FULL for setting in run.headline):
        text += [f"`fid@N` marks fewer than {FULL:,} samples: not comparable with a fid at another N"]
    text += ["acc: share of digits judged to be what was asked for"]
    text += [f"95% intervals of at most ± {100 * max(widths):.1f} points" if widths else ""]
    text += ["bold: best of the backbone", "guidance 1 is no guidance"]
    return f"{'; '.join(part for part in text if part)}. Every number: [results.csv](results.csv)."


def _class_note(run: Run) -> str:
    setting = run.highest
    return (
        f"{md(setting.kind)} weights, {md(run.label(setting))}; samples of all seeds together. "
        "Digits: judged to be what was asked for. Black and white: that all over; they do not count in acc."
    )


def _other_note(run: Run) -> str:
    setting = run.highest
    return f"{md(setting.kind)} weights, {md(run.label(setting))}; means over the seeds that are done. {OTHER}"


def _weights(run: Run, where: str) -> list[str]:
    kinds = sorted({setting.weights for setting in run.settings})
    title = f"## EMA and raw weights{where}"
    return [title, tables.weights(run)] if len(kinds) > 1 else [title, f"Only the {md(kinds[0])} weights were scored."]


def _again(run: Run) -> str:
    first = (run.done or run.cells)[0].folder if run.cells else "CELL"
    git = run.grid.get("git")
    commands = [
        ("The whole run" + (f", at commit {md(git)}" if git else "") + ":", run.grid.get("command") or ""),
        ("Score one checkpoint again, with RUN for the folder of this page:", f"python -m eval.fid RUN/{first}"),
        ("Write this page again:", "python -m reports RUN"),
    ]
    return "\n\n".join(f"{text}\n\n{_fenced(command)}" for text, command in commands if command)


def _fenced(command: str) -> str:
    text = " ".join(str(command).split())
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}sh\n{text}\n{fence}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
