"""The first screen of a page: the verdict, a table of ranks with FID and accuracy, samples, and a row of facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eval.ranks.text import interval_text, rank_text
from reports.read.run import Run, Stat
from reports.read.setting import Setting
from reports.words.answer import answer
from reports.words.document import Bar, Block, Bullets, Facts, Fold, Paragraph, Picture, Table, Text, filled, table
from reports.words.fewsteps import fewest, is_about
from reports.words.forms import NONE, acc_mean, fid_at, fid_mean
from reports.words.names import names
from reports.words.ranktables import SET
from reports.words.sentences import judge
from zoo.base.counts import counted

ROOM = 840  # pixels that columns of scores may take beside the names and ranks
WIDE = 8  # columns of scores that fit beside the ranks
ROWS = 12  # objectives in the first table; the section on ranks has all
LIMIT = 160  # characters of a warning that are always shown
LEGEND = "Bars: the longer, the higher; a low FID and a high accuracy are good."


@dataclass(frozen=True, eq=False)
class Place:
    """A column of scores: data set and backbone, with the setting."""

    part: Run
    backbone: str
    setting: Setting
    metric: str

    def stat(self, objective: str) -> Stat | None:
        """The objective's score here."""
        return self.part.stat(self.backbone, objective, self.setting, self.metric)


def opening(run: Run, pictures: Sequence[Picture], running: bool = False, recipes: Sequence[Text] = ()) -> list[Block]:
    """What stands above the first section. pictures: samples; recipes: sentences about a grid's variants."""
    found = answer(run, running)
    told = [item for block in found if isinstance(block, Bullets) for item in block.items]
    told = [*recipes, *told]
    rest = [block for block in found if not isinstance(block, Bullets)]
    blocks: list[Block] = [Paragraph(told[0], "lead")] if told else []
    if run.done:
        blocks += [*(ranks(run) if run.ranks_objectives else []), *pictures, Facts(tuple(facts(run)))]
    if told[1:]:
        blocks.append(Bullets(tuple(told[1:])))
    return [*blocks, *rest, *names(objectives(run))]


def objectives(run: Run) -> list[str]:
    """The run's objectives, each once whatever the variants of its recipe."""
    return list(dict.fromkeys(name.partition(" [")[0] for name in run.objectives))


def ranks(run: Run) -> list[Block]:
    """The table of ranks with FID and accuracy under the headline settings, and how it is read."""
    shown = run.board["rows"][:ROWS]
    columns = places(run)
    most = [
        max((stat.mean for row in shown if (stat := column.stat(row["objective"]))), default=0.0) for column in columns
    ]
    header = ["objective", "rank", SET, *(_title(run, column) for column in columns)]
    rows = []
    for row in shown:
        scores = [_field(column, row["objective"], top) for column, top in zip(columns, most, strict=True)]
        rows.append([row["objective"], rank_text(row), interval_text(row), *scores])
    more = len(run.board["rows"]) - len(shown)
    note = f" {counted(more, 'more objective')} below, in Ranks." if more > 0 else ""
    kind = run.headline[0].kind
    judges = " ".join(dict.fromkeys(filter(None, (judge(run.on(dataset)) for dataset in run.datasets))))
    text = f"{judges} {LEGEND} {kind} weights; means over {counted(run.board['ended'], 'seed')}.{note}"
    found = filled(table(header, rows))
    return [Table(found.header, found.rows, 1, long=False), Paragraph(text, "legend")]


def places(run: Run) -> list[Place]:
    """The columns of scores that fit: both headline settings and both scores where there are few backbones."""
    parts = [run.on(dataset) for dataset in run.datasets]
    where = [(part, backbone) for part in parts for backbone in part.backbones if part.done]
    for settings, metrics in ((2, 2), (1, 2), (1, 1)):
        found = [
            Place(part, backbone, setting, metric)
            for part, backbone in where
            for setting in _shown(part)[:settings]
            for metric in ("fid", "acc")[:metrics]
        ]
        if len(found) <= WIDE and sum(_pixels(_title(run, column)) for column in found) <= ROOM:
            return found
    return found[:WIDE]


def _shown(part: Run) -> list[Setting]:
    """The two settings that stand for all; where few steps are the question, the fewest are one of them."""
    return list(dict.fromkeys([part.headline[0], fewest(part)])) if is_about(part) else part.shown


def _pixels(title: str) -> int:
    """About how wide a column of this title is: as its longest word."""
    return 24 + 8 * max(map(len, title.split()))


def _title(run: Run, column: Place) -> str:
    """`fid@300, dit, guidance 2`, with the data set where there are several."""
    name = _brief(column.backbone, column.part)
    where = f"{name} on {column.part.datasets[0]}" if len(run.datasets) > 1 else name
    score = fid_at(column.setting) if column.metric == "fid" else "accuracy"
    return f"{score}, {where}, {column.part.label(column.setting)}"


def _brief(backbone: str, part: Run) -> str:
    """`dit`, or with its sizes where there are several."""
    word = backbone.split("(")[0]
    return word if [b.split("(")[0] for b in part.backbones].count(word) == 1 else backbone


def _field(column: Place, objective: str, most: float) -> Text:
    stat = column.stat(objective)
    if stat is None:
        return NONE
    if column.metric == "acc":
        return Bar(acc_mean(stat), stat.mean)
    return Bar(fid_mean(stat), stat.mean / most if most > 0 else 0.0)


def facts(run: Run) -> list[tuple[str, Text]]:
    """(what, value): data, images seen, parameters, sampler, steps, start, machine, minutes."""
    trained = [cell.facts["train"] for cell in run.done]
    found: list[tuple[str, Text]] = [("data", ", ".join(run.datasets))]
    for what, key in (("images seen, each run", "images"), ("parameters", "parameters")):
        values = _by_backbone(run, key)
        if values:
            found.append((what, values))
    found.append(("sampler", _all(run, "sampler")))
    found.append(("steps", _all(run, "steps")))
    if (starts := _all(run, "start")) != NONE:
        found.append(("start, logsnr", starts))
    found.append(("samples scored", _all(run, "n")))
    found.append(("machine", "; ".join(dict.fromkeys(map(_machine, trained)))))
    minutes = sum(cell.facts["seconds"].get("total", 0) for cell in run.done) / 60
    found.append(("minutes of all runs", f"{minutes:,.0f}" if minutes >= 10 else f"{minutes:.1f}"))
    return found


def _machine(train: dict[str, Any]) -> str:
    """`cpu, 2 threads, bfloat16`"""
    threads = counted(train["threads"], "thread") if train.get("threads") else None
    return ", ".join(filter(None, (train.get("device"), threads, train.get("precision"))))


def _by_backbone(run: Run, key: str) -> str:
    """`28,000`, or where the backbones differ `28,000 (dit), 10,000 (unet)`; of a backbone's runs the ends."""
    found: dict[str, str] = {}
    for part in (run.on(dataset) for dataset in run.datasets):
        for backbone in part.backbones:
            values = [c.facts["train"][key] for c in part.done if c.backbone == backbone and key in c.facts["train"]]
            if values:
                where = f"{_brief(backbone, part)}{f' on {part.datasets[0]}' if len(run.datasets) > 1 else ''}"
                found[where] = " to ".join(f"{end:,.0f}" for end in dict.fromkeys((min(values), max(values))))
    if len(set(found.values())) <= 1:
        return next(iter(found.values()), "")
    return ", ".join(f"{value} ({where})" for where, value in found.items())


def _all(run: Run, key: str) -> str:
    """The values of a field of the compared settings."""
    values = [getattr(setting, key, None) for setting in run.compared]
    known = dict.fromkeys(f"{v:g}" if isinstance(v, float) else str(v) for v in values if v is not None)
    return ", ".join(known) or NONE


def notice(text: str, cause: str = "") -> list[Block]:
    """A warning of one line, what is longer folded below it, without Markdown's marks."""
    plain = " ".join(text.replace("`", "").split())
    cut = len(plain)
    if cut > LIMIT:
        ends = [i + 1 for i, mark in enumerate(plain[:LIMIT]) if mark == "." and plain[i + 1 : i + 2] in (" ", "")]
        cut = ends[-1] if ends else LIMIT
    head, rest = plain[:cut].strip(), f"{plain[cut:].strip()} {cause.replace('`', '')}".strip()
    shown = head if cut == len(plain) or head.endswith(".") else f"{head}…"
    return [Paragraph(shown, "warning"), *([Fold("Why", (Paragraph(rest),))] if rest else [])]
