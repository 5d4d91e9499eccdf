"""The page: build(run) writes report.html, report.md, results.csv and figures/ into a run's folder, from its files.

The same files give the same bytes: no clock, no path, no order of a folder goes in. Finished, partial and failed runs
are all pages.
"""

from pathlib import Path

from eval import compare
from reports import about, html, markdown, ranktables, sentences, tables
from reports.document import Block, Bold, Heading, Paragraph, Picture
from reports.figures import draw
from reports.load import load
from reports.results import csv_bytes
from reports.run import Run
from zoo.files import write_atomic

CAPTIONS = {
    "fid.png": "FID of every objective; bars are {spread}.",
    "accuracy-fid.png": "Accuracy against FID, the better towards the upper left; a line joins the settings of one "
    "objective. Bars: {bars}.",
    "classes.png": "Accuracy per class; the colours begin below the lowest share on the page.",
    "loss.png": "Training loss of the lowest seed. Every objective has its own units: only shapes can be compared.",
    "eps-error.png": "Squared error of the predicted noise by noise level, mean over the last quarter of the lowest "
    "seed's training: the same units for all. Colours as on the right, where it is divided by the lowest in the bin.",
}
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
SAMPLES = (
    "Rows are objectives, columns the classes asked for. The same noise and labels for every objective, so that tiles "
    "at the same place can be compared."
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
    blocks = page(run, list(figures), running)
    write_atomic(run.folder / "report.html", html.render(blocks, figures, running).encode())
    path = run.folder / "report.md"
    write_atomic(path, markdown.render(blocks).encode())
    return path


def page(run: Run, figures: list[str], running: bool = False) -> list[Block]:
    """The whole page; figures: the names that were drawn. running: as in `build`."""
    blocks: list[Block] = [Heading(sentences.title(run), 1), *_said(run.grid.get("notice"), "warning")]
    parts = [run.on(dataset) for dataset in run.datasets]
    several = len(parts) > 1
    for part in parts:
        leaders = sentences.leaders(part)
        blocks += [Paragraph(Bold(part.datasets[0]))] if several else []
        blocks += [leaders] if leaders.items else []
    blocks += [sentences.state(run, running), *_said(run.grid.get("sizes_note"), "note")]
    if run.done:
        blocks += [Heading("Ranks"), *_ranks(run)]
    for part in parts:
        prefix = f"{part.datasets[0]}-" if several else ""
        blocks += _sections(part, figures, prefix, f" on {part.datasets[0]}" if several else "")
    none = "None so far." if running else f"All {len(run.cells)} cells are done."
    blocks += [Heading("Failures"), about.failures(run, running) or Paragraph(none)]
    blocks += [Heading("Configuration"), about.configuration(run), Heading("Versions"), about.versions(run)]
    blocks += [Heading("Papers"), about.papers(run), Heading("How to reproduce"), *about.commands(run)]
    return blocks


def _sections(run: Run, figures: list[str], prefix: str, where: str) -> list[Block]:
    """What is said of one data set; prefix: of its figures' names; where: the end of its headings."""

    def show(*names: str) -> list[Block]:
        return [Picture(prefix + name, _caption(run, name)) for name in names if prefix + name in figures]

    curves = show("loss.png", "eps-error.png") or [Paragraph("No training curves yet.")]
    training = [Heading(f"Training{where}"), *curves]
    if not run.done:
        return training
    blocks = [Heading(f"Comparison{where}"), tables.comparison(run), sentences.how_to_read(run)]
    blocks += show("fid.png", "accuracy-fid.png")
    if len(run.compared) > len(run.headline):
        blocks += [Heading(f"Settings{where}"), Paragraph(SETTINGS), ranktables.every_setting(run)]
    differences = ranktables.differences(run, sentences.lead(run))
    blocks += [Heading(f"Differences{where}"), Paragraph(DIFFERENCES), differences]
    blocks += [Heading(f"Samples{where}"), Paragraph(SAMPLES)]
    blocks += [Picture(name, "") for name in figures if name.startswith(f"{prefix}samples-")]
    blocks += [Heading(f"Classes{where}"), sentences.class_note(run), tables.per_class(run), *show("classes.png")]
    blocks += [Heading(f"Other scores{where}"), sentences.other_note(run), ranktables.other_scores(run)]
    kinds = sorted({setting.kind for setting in run.settings})
    weights = tables.weights(run) if len(kinds) > 1 else Paragraph(f"Only the {kinds[0]} weights were scored.")
    blocks += [Heading(f"EMA and raw weights{where}"), weights, *training]
    return [*blocks, Heading(f"Cost{where}"), Paragraph(COST), tables.cost(run)]


def _ranks(run: Run) -> list[Block]:
    found = compare.board(run.entries, run.objectives)
    places = f"{', '.join(found['datasets'])}; {', '.join(found['families'])}"
    count = f"{found['settings']} control settings: {places}"
    return [Paragraph(RANKS.format(count=count)), ranktables.ranks(found), *map(Paragraph, compare.notes(found))]


def _said(text: str | None, kind: str) -> list[Block]:
    return [Paragraph(Bold(text) if kind == "warning" else text, kind)] if text else []


def _caption(run: Run, name: str) -> str:
    """The caption of a figure of numbers, which says what the bars are and which objectives are named."""
    one = max(len(run.group(b, o)) for b in run.backbones for o in run.objectives) == 1
    spread = "± one standard error" if one else "min and max over seeds"
    bars = f"{spread} for FID, 95% intervals for accuracy" if one else spread
    text = CAPTIONS[name].format(spread=spread, bars=bars)
    many = name in ("loss.png", "eps-error.png", "accuracy-fid.png") and len(run.objectives) > 8
    return f"{text} Named: the eight objectives of the lowest FID; the others are grey." if many else text
