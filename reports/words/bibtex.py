"""The papers behind a run: those of exactly the objectives, samplers, backbones and scores that are in it."""

import re
import unicodedata

from reports.read.run import Run
from reports.words.bibliography import PAPERS, Paper
from reports.words.document import Block, Bullets, Link, Listing, Paragraph, Text
from zoo.base.errors import ZooError
from zoo.registry import objective

SAMPLERS = {  # as zoo/solvers/sampler.py names them
    "euler": ("2010.02502",),
    "heun": ("2206.00364",),
    "ancestral": ("2006.11239",),
    "euler_a": ("2006.11239",),
    "dpmpp_2m": ("2211.01095",),
    "map": ("2505.13447",),
    "renoise": ("2303.01469",),
}
STEP_GRIDS = {"karras": ("2206.00364",), "trailing": ("2305.08891",)}  # zoo/solvers/steps.py
BACKBONES = {"dit": ("2212.09748", "2403.13298", "2302.05442"), "unet": ("2006.11239",)}  # zoo/backbones/
GUIDANCE, INTERVAL, RESCALE = "2207.12598", "2404.07724", "2305.08891"  # zoo/sampling/denoiser.py
SCORES = {  # eval/scores/frechet.py, eval/scores/metrics.py
    "fid": ("1706.08500",),
    "kid": ("1801.01401",),
    "precision": ("1904.06991",),
    "density": ("2002.09797",),
    "is": ("1606.03498",),
    "mem": ("2301.13188",),
}
ALWAYS = ("1711.05101", "2107.00630")  # in zoo/training: the optimiser (state.py), the stratified levels (noise.py)
RANKS = "2403.03206"  # eval/ranks/ranking.py
SMALL = {"a", "an", "the", "on", "of", "for", "and", "with", "by"}  # words that name no paper
GROUPS = {
    "objectives": "The objectives",
    "drawing": "Samplers and guidance",
    "networks": "Backbones and training",
    "scores": "Scores and ranks",
}


def papers(run: Run) -> list[Block]:
    """A list by what each paper is behind, and the same as BibTeX; nothing where there is none."""
    blocks: list[Block] = []
    groups = used(run)
    for group, ids in groups.items():
        if ids:
            blocks += [Paragraph(f"{GROUPS[group]}:"), Bullets(tuple(map(_line, ids)))]
    everything = sorted({paper for ids in groups.values() for paper in ids})
    if not everything:
        return []
    return [*blocks, Paragraph("The same as BibTeX:"), Listing("\n\n".join(map(entry, everything)), "bibtex")]


def used(run: Run) -> dict[str, list[str]]:
    """arXiv ids by the group of GROUPS that they belong to, sorted; each stands in the first group that names it."""
    scores = [score for cell in run.done for score in cell.scores]
    drawing: list[str] = []
    for score in scores:
        drawing += [*SAMPLERS.get(score["sampler"], ()), *STEP_GRIDS.get(_word(score["step_grid"]), ())]
        drawing += [GUIDANCE] if score["guidance"] != 1 else []
        drawing += [INTERVAL] if list(score["interval"]) != [0.0, 1.0] else []
        drawing += [RESCALE] if score["rescale"] else []
    found = {
        "objectives": [paper for name in run.objectives for paper in of(name)],
        "drawing": drawing,
        "networks": [paper for name in run.backbones for paper in BACKBONES.get(_word(name), ())] + [*ALWAYS],
        "scores": [paper for name, ids in SCORES.items() if any(name in s for s in scores) for paper in ids]
        + ([RANKS] if scores else []),
    }
    seen: set[str] = set()
    kept = {}
    for group, ids in found.items():
        kept[group] = sorted(set(ids) - seen)
        seen |= set(ids)
    return kept


def of(name: str) -> tuple[str, ...]:
    """The papers of an objective, variant or not; none for a name that the registry does not know."""
    try:
        return objective(name.partition(" [")[0]).papers
    except ZooError:
        return ()


def entry(paper: str) -> str:
    """The BibTeX entry of an arXiv id."""
    found = PAPERS.get(paper)
    fields = {"title": f"{{{_tex(found.title)}}}", "author": _tex(" and ".join(found.authors.split(", "))),
              "year": str(found.year)} if found else {}  # fmt: skip
    fields |= {"eprint": paper, "archivePrefix": "arXiv", "url": f"https://arxiv.org/abs/{paper}"}
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{key(found) if found else 'arxiv' + paper.replace('.', '')},\n{body}\n}}"


def key(paper: Paper) -> str:
    """`liu2022flow`: the first author's surname, the year, and the first word of the title that says something."""
    surname = paper.authors.split(", ")[0].split()[-1]
    words = re.findall(r"\w+", _ascii(paper.title).lower())
    first: str = next(word for word in words if word not in SMALL)
    return _ascii(surname).lower() + str(paper.year) + first


def _line(paper: str) -> Text:
    link = Link(f"arXiv {paper}", f"https://arxiv.org/abs/{paper}")
    if (found := PAPERS.get(paper)) is None:  # a plug-in's
        return link
    names = found.authors.split(", ")
    short = names if len(names) < 4 else [*names[:1], "others"]
    who = short[0] if len(short) == 1 else f"{', '.join(short[:-1])} and {short[-1]}"
    return (f"{who} ({found.year}). {found.title}. ", link)


def _word(name: str) -> str:
    return name.split("(")[0]


def _ascii(text: str) -> str:
    plain = text.replace("ł", "l").replace("ø", "o")
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()


def _tex(text: str) -> str:
    """Text as LaTeX takes it; accents stay, as UTF-8."""
    return re.sub(r"([&%$#_])", r"\\\1", text)
