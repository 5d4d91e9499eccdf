"""The page: build(run) writes report.html, report.md, results.csv, results.json and figures/ into a run's folder.

All of it comes from the files there: the same files give the same bytes; no clock, no path, no order of a folder goes
in. Finished, partial and failed runs are all pages.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.ranks import text as rank_words
from reports.figures.alts import seen
from reports.figures.catalogue import caption, draw, of_section
from reports.read.export import json_bytes
from reports.read.load import load
from reports.read.results import csv_bytes
from reports.read.run import Run
from reports.render import html, markdown
from reports.words import about, mixed, ranktables, sentences, tables
from reports.words.anatomy import anatomy, answer
from reports.words.best import best_case
from reports.words.bibtex import papers
from reports.words.claims import claims, lead
from reports.words.document import Block, Bold, Fold, Heading, Paragraph, Picture, Table, filled
from reports.words.fewsteps import few_steps
from reports.words.glossary import glossary
from reports.words.opening import notice, opening
from reports.words.pairs import pairs
from reports.words.published import notes, study
from reports.words.recipes import recipes
from reports.words.resolution import lead as meeting
from reports.words.resolution import resolution
from reports.words.scaling import found, studied
from zoo.base.counts import counted
from zoo.base.files import write_atomic
from zoo.data import sets

COST = (
    "Medians over the seeds that are done, as runs share the machine; seconds of wall clock. Start: imports and data; "
    "setup: building the network and compiling; scoring: all but drawing the images. For GFLOP/s, training an "
    "image counts as three forward passes."
)
RANKS = (
    "An objective's FID is averaged on a logarithmic scale over seeds and {count}. Its rank is one more than the "
    "number of objectives that are better by more than one standard error. {sets}The mean front follows the rank of "
    "Stable Diffusion 3's study: the mean number of the Pareto front in FID and accuracy, where a difference within "
    "its standard error is a tie and accuracy above the real images' counts as equal to it."
)
SETS = (
    "The confidence set of all ranks at once, and who cannot be distinguished, follow from tests of all pairs that are "
    "wrong together with a chance of 5% at most. "
)
SETTINGS = (
    "What the sampler's choices do. Settings are to be compared at equal network evaluations, not at equal steps; the "
    "other tables show only those of the most evaluations."
)
DIFFERENCES = (
    "Differences to the objective of the lowest FID, paired by seed: the two saw the same images, noise and labels. In "
    "brackets 95% intervals over seeds, each as if it were the only one, by an additive model of all objectives."
)


def build(run_dir: Path, running: bool = False) -> Path:
    """Write the report of a run and return the path of its report.md.

    running: the grid is at work; cells without a file are still to come, and the page reloads itself in the browser.
    Raises ZooError for a folder that holds no run, and for scores by different judges.
    """
    run = load(Path(run_dir))
    figures = draw(run)
    for name, data in figures.items():
        write_atomic(run.folder / "figures" / name, data)
    for old in (run.folder / "figures").glob("*.png"):  # an earlier page's figures are no part of this one
        if old.name not in figures:
            old.unlink()
    table = csv_bytes(run)
    write_atomic(run.folder / "results.csv", table)
    write_atomic(run.folder / "results.json", json_bytes(run))
    blocks = page(run, list(figures), running)
    whole = html.render(blocks, figures, running, {"results.csv": table})
    write_atomic(run.folder / "report.html", whole.encode())
    path = run.folder / "report.md"
    write_atomic(path, markdown.render(blocks).encode())
    return path


def page(run: Run, figures: list[str], running: bool = False) -> list[Block]:
    """The whole page; figures: the names that were drawn. running: as in `build`."""
    told, variants = recipes(run)
    blocks: list[Block] = [Heading(sentences.title(run), 1), *_warnings(run)]
    blocks += opening(
        run, _pictures(run, figures, "Opening"), running, [*lead(run), *found(run), *meeting(run), *answer(run), *told]
    )
    blocks += [Paragraph(note, "note")] if (note := run.grid.get("sizes_note")) else []
    if run.done and run.ranks_objectives:
        beside = study(run)
        blocks += [Heading("Ranks"), *_ranks(run, bool(beside)), *_pictures(run, figures, "Ranks"), *variants, *beside]
    if run.done:
        blocks += resolution(run, _pictures(run, figures, "Resolution"))
    several = len(run.datasets) > 1
    for part in (run.on(dataset) for dataset in run.datasets):
        prefix = f"{sets.short(part.datasets[0])}-" if several else ""
        blocks += _sections(part, figures, prefix, f" on {part.datasets[0]}" if several else "")
    none = "None so far." if running else "None: all cells are done."
    blocks += [Heading("Failures"), about.failures(run, running) or Paragraph(none)]
    blocks += mixed.grouped(run)
    blocks += [Heading("How to reproduce"), *about.commands(run), Heading("Details")]
    blocks += [Fold("Configuration", (about.configuration(run),)), Fold("Versions", (about.versions(run),))]
    blocks += [Fold("Papers", (about.papers(run), *papers(run)))]
    blocks += [Heading("Glossary"), glossary()]
    return [tidy(block) for block in blocks]


def tidy(block: Block) -> Block:
    """The block without columns of dashes, also where it is folded."""
    if isinstance(block, Fold):
        return Fold(block.title, tuple(map(tidy, block.blocks)))
    return filled(block) if isinstance(block, Table) else block


def _warnings(run: Run) -> list[Block]:
    blocks: list[Block] = []
    if told := run.grid.get("notice"):
        blocks += notice(told, run.grid.get("cause") or "")
    blocks += [Paragraph(note, "note") for note in run.notes]
    told = about.unequal(run), mixed.warning(run)
    return [*blocks, *(Paragraph(Bold(text), "warning") for text in told if text)]


def _sections(run: Run, figures: list[str], prefix: str, where: str) -> list[Block]:
    """What is said of one data set; prefix: of its figures' names; where: the end of its headings."""

    def show(section: str) -> list[Block]:
        return [*_pictures(run, figures, section, prefix)]

    training: list[Block] = [Heading(f"Training{where}"), *(show("Training") or [Paragraph("No training curves yet.")])]
    if not run.done:
        return training
    leaders = [sentences.leaders(run)] if run.ranks_objectives else []
    blocks: list[Block] = [Heading(f"Comparison{where}"), *leaders, tables.comparison(run)]
    blocks += [sentences.how_to_read(run), *notes(run), *show("Comparison"), *_folded("Pareto fronts", show("Fronts"))]
    blocks += [*claims(run, where), *studied(run, where, show("Scaling"))]
    blocks += few_steps(run, where, [*_pictures(run, figures, "Few steps", prefix)])
    first, *others = show("Samples") or [Paragraph("No pictures.")]
    blocks += [Heading(f"Samples{where}"), first, *_folded("More samples", others)]
    blocks += [*best_case(run, where), *anatomy(run, where), *pairs(run, where, show("Pairs"))]
    if len(run.compared) > len(run.headline) or show("Settings"):
        blocks += [Heading(f"Settings{where}"), Paragraph(SETTINGS), ranktables.every_setting(run), *show("Settings")]
    if studies := show("Parameters"):
        blocks += [Heading(f"Parameters{where}"), *studies]
    differences = ranktables.differences(run, sentences.lead(run))
    blocks += [*training, *_folded("Samples after every epoch", show("Epochs"))]
    blocks += [Heading(f"Differences{where}"), Paragraph(DIFFERENCES), differences]
    blocks += [Heading(f"Classes{where}"), sentences.class_note(run), tables.per_class(run), *show("Classes")]
    blocks += [Heading(f"Other scores{where}"), sentences.other_note(run), ranktables.other_scores(run)]
    if len({setting.kind for setting in run.settings}) > 1:
        blocks += [Heading(f"EMA and raw weights{where}"), tables.weights(run), *show("EMA and raw weights")]
    return [*blocks, Heading(f"Cost{where}"), Paragraph(COST), tables.cost(run), tables.machine(run)]


def _pictures(run: Run, figures: list[str], section: str, prefix: str = "") -> list[Picture]:
    """The section's figures, each with its caption and what is seen in it."""
    return [
        Picture(prefix + name, caption(run, name), seen(run, name)) for name in of_section(section, figures, prefix)
    ]


def _folded(title: str, blocks: Sequence[Block]) -> list[Block]:
    return [Fold(title, tuple(blocks))] if blocks else []


def _ranks(run: Run, beside: bool) -> list[Block]:
    """beside: whether a section of its own sets them beside the study's ranks."""
    found = run.board | ({"agreement": None} if beside else {})
    places = f"{', '.join(found['datasets'])}; {', '.join(found['families'])}"
    kinds = " and ".join(dict.fromkeys(setting.kind for setting in run.settings))
    count = f"{counted(found['settings'], 'control setting')} ({places}; {kinds} weights)"
    sets = SETS if any(row["low"] is not None for row in found["rows"]) else ""
    return [Paragraph(RANKS.format(count=count, sets=sets)), ranktables.ranks(found), *_notes(found)]


def _notes(found: dict[str, Any]) -> list[Block]:
    return [Paragraph(text) for text in rank_words.notes(found)]
