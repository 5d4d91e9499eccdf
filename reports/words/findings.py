"""README.md of the published studies: what they are, and what they say, question by question."""

from collections import Counter
from collections.abc import Sequence

from reports.read.run import Run
from reports.words import conditions, elsewhere
from reports.words.anatomy import anatomy
from reports.words.answer import answer
from reports.words.claims import claims
from reports.words.conditions import Studies
from reports.words.document import Block, Bullets, Code, Fold, Heading, Link, Paragraph, Table, Text, plain, table
from reports.words.fewsteps import few_steps, is_about
from reports.words.opening import facts, ranks
from reports.words.published import study as sd3
from reports.words.recipes import recipes
from reports.words.resolution import resolution
from reports.words.scaling import studied
from zoo.base.counts import counted

INTRO = (
    "Each study is one run of a grid, published with its exact command. A page has all tables and figures; "
    "cells.tar.gz holds the JSON of every cell, from which every number here is computed; weights.txt the SHA-256 of "
    "each cell's weights. This file is written by "
)
SCOPE = (
    "Networks are small and training is short: the results say what objectives do early, on small grey images. "
    "Differences are paired by seed; intervals are 95%, over training runs."
)
START = (
    "A sampler that begins at high noise multiplies the error of a predicted eps: at logsnr -10 by 148. So a part of "
    "what looks like an effect of the objective is one of the sampler's first step. Both starts are control settings."
)
GUIDANCE = "Guidance 1 is none. Where tau is low, the best objective depends on the guidance that you will use."
STEPS = (
    "Over the samplers and guidances that were scored with every number of steps; where objectives have maps of their "
    "own, the best sampler of each is under Few steps."
)
LOSS = (
    "Over the objectives of a study: does a lower held-out error go with a lower FID? A correlation near 1 would make "
    "the error a cheap substitute for FID; objectives are few, so that most of these correlations are uncertain."
)
SURVIVED = (
    "The order of each study, ranked again with another measure and without one of its seeds. A tau near 1: the same "
    "order. These are attempts to refute the order, and what they leave of it."
)
VERDICTS = ("agrees", "contradicts", "cannot be told", "too few runs")
PUBLISHED = (
    "Each claim is that the first of a pair has the lower FID. Agrees: the whole interval is below 0; contradicts: all "
    "of it is above 0, without a correction for their number. The papers trained large networks for long, so that a "
    "contradiction here refutes nothing there. The starts of one place are two ways to draw from the same networks."
)


def page(studies: Studies) -> list[Block]:
    """The whole file."""
    blocks: list[Block] = [Heading("Reference results", 1)]
    blocks += [Paragraph((INTRO, Code("python -m reports.publish"), "; a test compares the two."))]
    if not studies:
        return [*blocks, Paragraph("No study is published yet.")]
    studies = {name: studies[name] for name in sorted(studies, key=lambda name: (not _usual(studies[name]), name))}
    blocks += [_studies(studies), Paragraph(SCOPE)]
    plain = {name: run for name, run in studies.items() if not any(cell.variant for cell in run.cells)}
    blocks += [Heading("Which objective should I train with?")]
    for name, run in plain.items():
        if len(run.objectives) >= conditions.LEAST and not is_about(run):
            told = [item for block in answer(run) if isinstance(block, Bullets) for item in block.items]
            blocks += [Heading(name, 3), Bullets(tuple(told)), *ranks(run)]
    blocks += _section("Where sampling starts", START, conditions.by_setting(plain, "start", "{:g}"))
    blocks += _section("Guidance", GUIDANCE, conditions.by_setting(plain, "guidance", "{:g}"))
    blocks += _section("Steps", STEPS, conditions.by_setting(plain, "steps", "{}"))
    blocks += _section("EMA and raw weights", "", conditions.by_setting(plain, "weights", "{}"))
    for name, run in studies.items():
        blocks += _asked(name, run)
    blocks += _section("Does the loss predict quality?", LOSS, conditions.by_loss(plain))
    blocks += _published(conditions.claims(plain))
    blocks += _section("What survives", SURVIVED, conditions.survived(plain))
    return [*blocks, *_section("Elsewhere", elsewhere.ABOUT, elsewhere.orders(plain))]


def _usual(run: Run) -> bool:
    """Whether it is the default grid's, the first to read."""
    return run.grid.get("name") == "default"


def _asked(name: str, run: Run) -> list[Block]:
    """The sections of a page for which its grid was made."""
    blocks: list[Block] = []
    for dataset in run.datasets:
        part, where = run.on(dataset), f"{name}, {dataset}"
        blocks += _renamed(few_steps(part, "", []), f"Few steps: {where}")
        blocks += _renamed(claims(part), f"Claims: {where}")
        blocks += _renamed(studied(part), f"{str(run.grid.get('study')).capitalize()}: {where}")
        if not any(cell.variant for cell in run.cells):
            blocks += _renamed(anatomy(part), f"Effects on FID: {where}")
    told, variants = recipes(run)
    blocks += _renamed([*variants[:1], Bullets(tuple(told)), *variants[1:]] if told else [], f"Recipes: {name}")
    blocks += _renamed(resolution(run), f"Resolution: {name}")
    return [*blocks, *_renamed(sd3(run), f"Stable Diffusion 3's order: {name}")]


def _studies(studies: Studies) -> Table:
    header = ["study", "grid", "cells", "seeds", "images seen", "machine", "minutes of all runs", "command"]
    rows = [_row(name, run) for name, run in studies.items()]
    return table(header, rows, names=len(header))


def _row(name: str, run: Run) -> list[Text]:
    told = dict(facts(run)) if run.done else {}
    seeds = len({cell.seed for cell in run.cells})
    done = f"{len(run.done)} of {len(run.cells)}" if len(run.done) < len(run.cells) else f"{len(run.cells)}"
    grid = f"{run.grid.get('name')} on {', '.join(run.datasets)}"
    values = [told.get(key, "-") for key in ("images seen, each run", "machine", "minutes of all runs")]
    link = Link(name, f"{name}/report.md")
    return [link, grid, done, f"{seeds}", *values, Code(str(run.grid.get("command", "")))]


def _section(title: str, text: str, found: Table | None) -> list[Block]:
    if found is None:
        return []
    return [Heading(title), *([Paragraph(text)] if text else []), found]


def _renamed(blocks: Sequence[Block], title: str) -> list[Block]:
    """A page's section under a title that says which study it is of."""
    return [Heading(title), *blocks[1:]] if blocks else []


def _published(rows: list[list[Text]]) -> list[Block]:
    """A row for each claim and pair, how often it agrees; and, folded, every comparison."""
    if not rows:
        return []
    header = ["claim", "pair", "study", "difference in FID", "here"]
    claims: list[tuple[list[Text], Counter[str]]] = []
    found: dict[tuple[str, str], str] = {}  # (pair, place and start): two papers may claim the same of one pair
    for row in rows:
        if row[0]:
            claims.append((row[:2], Counter()))
        claims[-1][1][str(row[-1])] += 1
        found[plain(claims[-1][0][1]), str(row[2])] = str(row[-1])
    counts = Counter(found.values())
    told = ", ".join(f"{what} {counted(count, 'time')}" for what, count in counts.most_common())
    networks = len({(pair, place.rpartition(", start")[0]) for pair, place in found})
    over = f"Over {counted(len(found), 'comparison')} of {counted(networks, 'pair', 'pairs')} of networks"
    verdicts = [word for word in VERDICTS if counts[word]]
    short = [[*said, *(f"{count[word]}" for word in verdicts)] for said, count in claims]
    return [
        Heading("Beside published studies"),
        Paragraph(f"{PUBLISHED} {over}: {told}."),
        table(["claim", "pair", *verdicts], short, names=2),
        Fold("Every comparison, by study, backbone and start", (table(header, rows, names=3),)),
    ]
