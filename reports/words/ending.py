"""What a run says at its end, in a terminal: who came where, the verdict in a sentence, and where the page lies."""

import os
from pathlib import Path

from eval.ranks.text import interval_text, rank_text
from reports.read.run import Run, Stat
from reports.read.setting import Setting
from reports.words.answer import answer
from reports.words.document import Block, Bullets, Paragraph, Table, table
from reports.words.forms import NONE
from zoo.base.counts import counted

MOST = 20  # objectives in the table; the page has all


def ending(run: Run, page: Path) -> list[Block]:
    """The rank table, the verdict, and the page's path. page: the file that was written."""
    blocks: list[Block] = []
    if run.done:
        blocks += [*_ranks(run), *_verdict(run)]
    place = os.fsencode(page).decode(errors="replace")  # readable also where the locale knows ASCII only
    return [*blocks, Paragraph(f"The page: {place}")]


def _verdict(run: Run) -> list[Block]:
    """The page's first sentence: who leads, and how surely."""
    first = next((block.items[0] for block in answer(run) if isinstance(block, Bullets)), None)
    return [Paragraph(first)] if first is not None else []


def _ranks(run: Run) -> list[Block]:
    """Rank and interval of each objective, and its FID and accuracy on every data set and backbone."""
    found, shown = run.board, _headline(run)
    rows = []
    for row in found["rows"][:MOST]:
        head = [row["objective"], rank_text(row), interval_text(row)]
        for part in (run.on(dataset) for dataset in run.datasets):
            for backbone in part.backbones:
                numbers = [_numbers(part, backbone, row["objective"], setting) for setting in _headline(part)]
                if not any(cell.result for cell in part.cells if cell.backbone == backbone):
                    continue
                rows.append([*head, _place(run, part, backbone), *numbers])
                head = ["", "", ""]
    header = ["objective", "rank", "95%\ninterval", "on", *(_title(run, setting) for setting in shown)]
    lead = f"{run.fid_name} and accuracy by the {shown[0].kind} weights, means over seeds; ranks over all settings:"
    more = len(found["rows"]) - MOST
    rest = [Paragraph(f"{counted(more, 'more objective is', 'more objectives are')} on the page.")] if more > 0 else []
    return [Paragraph(lead), _filled(table(header, rows, names=1)), *rest]


def _headline(run: Run) -> list[Setting]:
    """The first of the compared settings and the one of the highest guidance, or the one there is."""
    return list(dict.fromkeys([run.headline[0], run.highest])) if run.headline else []


def _title(run: Run, setting: Setting) -> str:
    label = run.label(setting)
    label = label.replace("guidance 1", "no guidance", 1) if setting.guidance == 1 else label
    return f"{label}:\nfid, acc"


def _place(run: Run, part: Run, backbone: str) -> str:
    """`dit`, or with its sizes where there are several, and the data set if the run has more than one."""
    word = backbone.split("(")[0]
    name = word if [b.split("(")[0] for b in part.backbones].count(word) == 1 else backbone
    return f"{name}, {part.datasets[0]}" if len(run.datasets) > 1 else name


def _numbers(part: Run, backbone: str, name: str, setting: Setting) -> str:
    fid, acc = (part.stat(backbone, name, setting, metric) for metric in ("fid", "acc"))
    return f"{_form(fid, '{:.2f}', 1)} {_form(acc, '{:.1f}%', 100):>6}"


def _form(stat: Stat | None, form: str, unit: float) -> str:
    return NONE if stat is None else form.format(unit * stat.mean)


def _filled(made: Table) -> Table:
    """The table without a column that is empty for all, such as the intervals of one seed."""
    keep = [i for i in range(len(made.header)) if i == 0 or any(row[i] not in ("", NONE) for row in made.rows)]
    rows = [[row[i] for i in keep] for row in made.rows]
    return table([made.header[i] for i in keep], rows, names=made.names)
