"""The page: build(run) writes report.html, report.md, results.csv, results.json and figures/ into a run's folder.

All of it comes from the files there: the same files give the same bytes; no clock, no path, no order of a folder goes
in. Finished, partial and failed runs are all pages.
"""

from pathlib import Path

from eval.ranks import text as rank_words
from reports.figures.catalogue import caption, draw, of_section
from reports.read.export import json_bytes
from reports.read.load import load
from reports.read.results import csv_bytes
from reports.read.run import Run
from reports.render import html, markdown
from reports.words import about, ranktables, sentences, tables
from reports.words.answer import answer
from reports.words.bibtex import papers
from reports.words.document import Block, Bold, Heading, Paragraph, Picture
from reports.words.pairs import pairs
from reports.words.recipes import recipes
from zoo.base.files import write_atomic

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
    write_atomic(run.folder / "results.csv", csv_bytes(run))
    write_atomic(run.folder / "results.json", json_bytes(run))
    blocks = page(run, list(figures), running)
    write_atomic(run.folder / "report.html", html.render(blocks, figures, running).encode())
    path = run.folder / "report.md"
    write_atomic(path, markdown.render(blocks).encode())
    return path


def page(run: Run, figures: list[str], running: bool = False) -> list[Block]:
    """The whole page; figures: the names that were drawn. running: as in `build`."""
    warnings = (run.grid.get("notice"), about.unequal(run))
    blocks: list[Block] = [Heading(sentences.title(run), 1), *(part for w in warnings for part in _said(w, "warning"))]
    blocks += [part for note in run.notes for part in _said(note, "note")]
    lead, variants = recipes(run)
    blocks += [*lead, *answer(run, running), *_said(run.grid.get("sizes_note"), "note")]
    if run.done:
        blocks += [Heading("Ranks"), *_ranks(run), *_pictures(run, figures, "Ranks"), *variants]
    several = len(run.datasets) > 1
    for part in (run.on(dataset) for dataset in run.datasets):
        prefix = f"{part.datasets[0]}-" if several else ""
        blocks += _sections(part, figures, prefix, f" on {part.datasets[0]}" if several else "")
    none = "None so far." if running else f"All {len(run.cells)} cells are done."
    blocks += [Heading("Failures"), about.failures(run, running) or Paragraph(none)]
    blocks += [Heading("Configuration"), about.configuration(run), Heading("Versions"), about.versions(run)]
    blocks += [Heading("How to reproduce"), *about.commands(run)]
    return [*blocks, Heading("Papers"), about.papers(run), *papers(run)]


def _sections(run: Run, figures: list[str], prefix: str, where: str) -> list[Block]:
    """What is said of one data set; prefix: of its figures' names; where: the end of its headings."""

    def show(section: str) -> list[Block]:
        return _pictures(run, figures, section, prefix)

    training = [Heading(f"Training{where}"), *(show("Training") or [Paragraph("No training curves yet.")])]
    if not run.done:
        return training
    blocks: list[Block] = [Heading(f"Comparison{where}"), sentences.leaders(run), tables.comparison(run)]
    blocks += [sentences.how_to_read(run), *show("Comparison"), *pairs(run, where)]
    if len(run.compared) > len(run.headline) or show("Settings"):
        blocks += [Heading(f"Settings{where}"), Paragraph(SETTINGS), ranktables.every_setting(run), *show("Settings")]
    if studies := show("Parameters"):
        blocks += [Heading(f"Parameters{where}"), *studies]
    differences = ranktables.differences(run, sentences.lead(run))
    blocks += [Heading(f"Differences{where}"), Paragraph(DIFFERENCES), differences]
    blocks += [Heading(f"Samples{where}"), *show("Samples")]
    blocks += [Heading(f"Classes{where}"), sentences.class_note(run), tables.per_class(run), *show("Classes")]
    blocks += [Heading(f"Other scores{where}"), sentences.other_note(run), ranktables.other_scores(run)]
    kinds = sorted({setting.kind for setting in run.settings})
    weights = tables.weights(run) if len(kinds) > 1 else Paragraph(f"Only the {kinds[0]} weights were scored.")
    blocks += [Heading(f"EMA and raw weights{where}"), weights, *show("EMA and raw weights"), *training]
    return [*blocks, Heading(f"Cost{where}"), Paragraph(COST), tables.cost(run)]


def _pictures(run: Run, figures: list[str], section: str, prefix: str = "") -> list[Block]:
    """The section's figures, each with its caption."""
    return [Picture(prefix + name, caption(run, name)) for name in of_section(section, figures, prefix)]


def _ranks(run: Run) -> list[Block]:
    found = run.board
    places = f"{', '.join(found['datasets'])}; {', '.join(found['families'])}"
    count = f"{found['settings']} control settings: {places}"
    return [Paragraph(RANKS.format(count=count)), ranktables.ranks(found), *map(Paragraph, rank_words.notes(found))]


def _said(text: str | None, kind: str) -> list[Block]:
    return [Paragraph(Bold(text) if kind == "warning" else text, kind)] if text else []
