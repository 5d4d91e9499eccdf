"""The page's tables of scores and costs, as blocks."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from reports.read.cell import Cell
from reports.read.run import SECONDS, Run, Stat
from reports.read.setting import Setting
from reports.words.document import Block, Bold, Paragraph, Table, Text, grouped, table
from reports.words.forms import NONE, acc_mean, acc_text, fid_at, fid_mean, fid_text, number
from zoo.objectives.families import SD3, Published, beside_the_study

TRAINING = 3  # forward and backward over forward alone


def comparison(run: Run) -> Table:
    """Objective x backbone: FID and accuracy under each compared setting. What training took is in `costs`."""
    header = ["objective", "seeds"]
    for setting in run.headline:
        header += [f"{fid_at(setting)}, {run.label(setting)}", f"accuracy, {run.label(setting)}"]
    study = beside_the_study(run.objectives)
    header += ["rank in SD3's study"] if study else []
    groups = []
    for backbone in run.backbones:
        names = [o for o in run.ranked if run.group(backbone, o)]
        columns = []
        for s in run.headline:
            columns += [_best([run.stat(backbone, o, s, "fid") for o in names], fid_text, min)]
            columns += [_best([run.stat(backbone, o, s, "acc") for o in names], acc_text, max)]
        rows = []
        for i, name in enumerate(names):
            cells = run.group(backbone, name)
            done, rest = sum(cell.result is not None for cell in cells), run.outcome(backbone, name)
            seeds = f"{done}/{len(cells)}{f', {rest}' if rest else ''}"
            rows.append([name, seeds, *(column[i] for column in columns), *([_printed(name)] if study else [])])
        groups.append((backbone, rows))
    floor, real = run.floor.get("fid"), run.ceiling
    pad = [NONE] if study else []
    floors = [number(floor, run.floor.get("se") or 0) if floor is not None else NONE, NONE] * len(run.headline)
    reals = [NONE, f"{100 * real:.1f}%" if real is not None else NONE] * len(run.headline)
    floor_row = ["floor: real test images against training images", "", *floors, *pad]
    return grouped(header, groups, names=2, foot=[floor_row, ["ceiling: real test images", "", *reals, *pad]])


def _printed(name: str) -> str:
    published = SD3.get(name, Published(name))
    rank = f"{published.rank:.2f}" if published.rank is not None else "not printed"
    return rank if published.name == name else f"{rank} ({published.name})"


def weights(run: Run) -> Table:
    """FID and accuracy of every kind of weights, side by side per setting; means over seeds."""
    plain: dict[Setting, list[Setting]] = {}
    for setting in run.settings:
        if replace(setting, weights=run.headline[0].weights) in run.headline:
            plain.setdefault(replace(setting, weights=""), []).append(setting)
    pairs = [setting for group in plain.values() for setting in group]
    header = ["objective"]
    header += [f"{fid_at(s)} {s.kind}, {run.label(s)}" for s in pairs]
    header += [f"accuracy {s.kind}, {run.label(s)}" for s in pairs]

    def row(backbone: str, name: str) -> list[Text]:
        fids = [fid_mean(run.stat(backbone, name, s, "fid")) for s in pairs]
        return [name, *fids, *(acc_mean(run.stat(backbone, name, s, "acc")) for s in pairs)]

    return grouped(header, by_backbone(run, row))


def per_class(run: Run) -> Table:
    """Accuracy per class under the highest guidance, and the mistake made most often; the blanks apart."""
    spec = run.spec

    def row(backbone: str, name: str) -> list[Text]:
        shares = run.class_shares(backbone, name, run.highest)
        values = {label: f"{100 * value:.0f}%" for label, value in shares.items()}
        middle = [acc_text(run.stat(backbone, name, run.highest, "acc")), _mistake(run, backbone, name)]
        real, rest = ([values.get(label, NONE) for label in group] for group in (range(spec.real), spec.blank))
        return [name, *real, *middle, *rest]

    header = ["objective", *spec.classes, "all classes", "most frequent mistake", *spec.names[spec.real :]]
    return grouped(header, by_backbone(run, row))


def cost(run: Run) -> Table:
    """What every row took; medians over the seeds that are done, as some may have waited, and the total of all."""
    columns: dict[str, tuple[str | tuple[str, str], str, float]] = {
        **{f"{word} s": (("seconds", part), "{:,.0f}", 1) for part, word in SECONDS.items()},
        "images/s": ("images_per_s", "{:,.0f}", 1),
        "peak MiB": ("peak_memory_bytes", "{:,.0f}", 2**20),
        "forward MFLOP": ("flop_per_image", "{:,.0f}", 1e6),
    }

    def row(backbone: str, name: str) -> list[Text]:
        cells = run.group(backbone, name)
        numbers = [_median(cells, key, form, unit) for key, form, unit in columns.values()]
        speed = [
            flop * rate * TRAINING / 1e9
            for cell in cells
            if (flop := _train(cell, "flop_per_image")) is not None
            and (rate := _train(cell, "images_per_s")) is not None
        ]
        return [name, *numbers, f"{median(speed):,.0f}" if speed else NONE]

    totals = {f"{word} s": f"{spent:,.0f}" for word, spent in time_spent(run.done).items()}
    total: list[Text] = [Bold("all that are done"), *(totals.get(name, "") for name in columns), ""]
    return grouped(["objective", *columns, "GFLOP/s"], by_backbone(run, row), foot=[total])


def machine(run: Run) -> Table:
    """On what each backbone was trained: number format, compilation, device and threads."""
    keys = {"parameters": "parameters", "trained in": "precision", "compiled": "compiled", "device": "device",
            "threads": "threads"}  # fmt: skip
    rows = []
    for backbone in run.backbones:
        cells = [cell for cell in run.done if cell.backbone == backbone]
        if cells:
            rows.append([backbone, *(_same(cells, key) for key in keys.values())])
    return table(["backbone", *keys], rows)


def time_spent(done: Sequence[Cell]) -> dict[str, float]:
    """Seconds of cells that are done, added up by what they were spent on."""
    return {word: sum(cell.facts["seconds"][part] for cell in done) for part, word in SECONDS.items()}


def time_table(run: Run, report: float) -> list[Block]:
    """Where the time went. report: seconds that the report took."""
    rows: list[list[Text]] = []
    for part in [run.on(dataset) for dataset in run.datasets]:
        for backbone in part.backbones:
            cells = [cell for cell in part.done if cell.backbone == backbone]
            seconds = [f"{value:.0f}" for value in time_spent(cells).values()]
            rows.append([part.datasets[0], backbone, str(len(cells)), *seconds])
    lead = f"Seconds of the cells that are done, added up; the report took {report:.0f} s:"
    return [Paragraph(lead), table(["data set", "backbone", "cells", *SECONDS.values()], rows, names=2)]


def _best(stats: list[Stat | None], text: Callable[[Stat | None], str], choose: Callable[..., Any]) -> list[Text]:
    """The column as text, its best value in bold."""
    best = choose((stat.mean for stat in stats if stat), default=None)
    return [Bold(text(stat)) if stat and stat.mean == best else text(stat) for stat in stats]


def scored(run: Run, backbone: str) -> list[str]:
    """The objectives with any score on a backbone, by rank."""
    return [name for name in run.ranked if any(cell.scores for cell in run.group(backbone, name))]


def by_backbone(run: Run, row: Callable[[str, str], list[Text]]) -> list[tuple[Text, list[list[Text]]]]:
    """The rows of a table, row(backbone, objective), as parts of which each is a backbone's."""
    return [(backbone, [row(backbone, name) for name in scored(run, backbone)]) for backbone in run.backbones]


def _mistake(run: Run, backbone: str, name: str) -> str:
    """`4 as 9 (12%)`: of the samples asked to be a 4, the share that was judged to be a 9."""
    found: dict[tuple[int, int], int] = {}
    for score in (cell.score(run.highest) for cell in run.group(backbone, name)):
        for asked, row in enumerate((score or {}).get("confusion") or []):
            for judged, count in enumerate(row):
                found[asked, judged] = found.get((asked, judged), 0) + count
    totals = {asked: sum(count for (a, _), count in found.items() if a == asked) for asked, _ in found}
    wrong = {pair: count / totals[pair[0]] for pair, count in found.items() if pair[0] != pair[1] and count}
    if not wrong:
        return NONE
    (asked, judged), rate = max(wrong.items(), key=lambda item: item[1])
    names = run.spec.classes
    return f"{names[asked]} as {names[judged]} ({100 * rate:.0f}%)"


def _train(cell: Cell, key: str | tuple[str, str]) -> float | None:
    """A number of the training section, or of another if a pair names it."""
    section, key = key if isinstance(key, tuple) else ("train", key)
    found: float | None = cell.facts.get(section, {}).get(key)
    return found


def _median(cells: list[Cell], key: str | tuple[str, str], form: str, unit: float = 1) -> str:
    values = [value for cell in cells if (value := _train(cell, key)) is not None]
    return form.format(median(values) / unit) if values else NONE


def _same(cells: list[Cell], key: str) -> str:
    found = {_train(cell, key) for cell in cells if cell.result}
    values = sorted(f"{value:,}" if type(value) is int else json.dumps(value) for value in found)
    return "; ".join(values).replace('"', "").replace("true", "yes").replace("false", "no").replace("null", NONE)
