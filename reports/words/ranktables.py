"""Tables of what follows from scores: ranks, paired differences, settings, and the scores besides FID and accuracy."""

from statistics import fmean
from typing import Any

from eval.ranks.board import KEYS
from eval.ranks.sensitivity import paired
from eval.ranks.table import Scores, scores_of
from eval.ranks.text import alike_text, interval_text, place, rank_text, runs_text, text
from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.document import Table, Text, grouped, table
from reports.words.forms import NONE, acc_text, decimals, fid_at, fid_text, number
from reports.words.tables import by_backbone, scored
from zoo.base.counts import counted

SET, FIRST, ALIKE = "95% confidence set", "chance of first place", "cannot be distinguished from"
UNITS = {"fid": 1, "acc": 100}
OTHER = {  # score -> (its column, its form)
    "fid2": ("FID, second judge", "{:.1f}"),
    "cfid_max": ("FID of the worst class", "{:.1f}"),
    "kid": ("kernel distance", "{:.3f}"),
    "pfd": ("pixel distance", "{:.1f}"),
    "precision": ("precision", "{:.2f}"),
    "recall": ("recall", "{:.2f}"),
    "density": ("density", "{:.2f}"),
    "coverage": ("coverage", "{:.2f}"),
    "is": ("inception score", "{:.2f}"),
    "mem": ("near copies", "{:.1%}"),
}
HELD_OUT = {  # error on test images -> (its column, its form)
    "val_eps": ("error of predicted noise", "{:.4f}"),
    "x0_high": ("error of x_hat at high noise", "{:.3f}"),
}


def other_scores(run: Run) -> Table:
    """The scores besides FID and accuracy under the highest guidance, means over seeds; real test images below."""
    real = (run.done[0].facts.get("real") or {}) if run.done else {}
    columns = {name: OTHER[name] for name in OTHER if real.get(name) is not None or name == "fid2"}

    def row(backbone: str, name: str) -> list[Text]:
        stats = {key: run.stat(backbone, name, run.highest, key) for key in columns}
        values = [form_of(columns[key][1], stat.mean) if stat else NONE for key, stat in stats.items()]
        for key, (_, form) in HELD_OUT.items():
            found = [_validation(cell, run.highest.weights, key) for cell in run.group(backbone, name)]
            known = [value for value in found if value is not None]
            values.append(form_of(form, fmean(known)) if known else NONE)
        return [name, *values]

    second = ((run.done[0].facts.get("second_judge") or {}).get("floor") or {}).get("fid") if run.done else None
    floors = {**real, "fid2": second}
    real_row = ["real test images", *(form_of(columns[key][1], floors.get(key)) for key in columns), NONE, NONE]
    header = ["objective", *(name for name, _ in (*columns.values(), *HELD_OUT.values()))]
    return grouped(header, by_backbone(run, row), foot=[real_row])


def _validation(cell: Cell, weights: str, key: str) -> float | None:
    return (((cell.result or {}).get("validation") or {}).get(weights) or {}).get(key)


def form_of(form: str, value: float | None) -> str:
    """A number in a column's form, - for none."""
    return NONE if value is None else form.format(value + 0.0 if abs(value) > 5e-5 else 0.0)


def every_setting(run: Run) -> Table:
    """Each compared setting: its network evaluations, the objective of the lowest FID, and means over objectives."""
    header = [
        "setting",
        "lowest FID",
        "evaluations",
        "its FID",
        "its accuracy",
        "mean FID of all",
        "mean accuracy of all",
    ]
    groups = []
    for backbone in run.backbones:
        rows = []
        for setting in run.compared:
            found = {o: stat for o in run.objectives if (stat := run.stat(backbone, o, setting, "fid"))}
            if not found:
                continue
            lead = min(found, key=lambda o: found[o].mean)
            accs = [stat.mean for o in found if (stat := run.stat(backbone, o, setting, "acc"))]
            counts = {s["evaluations"] for cell in run.done if (s := cell.score(setting))}
            mean = fmean(stat.mean for stat in found.values())
            rows.append([
                run.label(setting), lead, " to ".join(f"{n}" for n in sorted({min(counts), max(counts)})),
                fid_text(found[lead]), acc_text(run.stat(backbone, lead, setting, "acc")),
                number(mean, found[lead].se), f"{100 * fmean(accs):.0f}%",
            ])  # fmt: skip
        groups.append((backbone, rows))
    return grouped(header, groups, names=2)


def ranks(board: dict[str, Any]) -> Table:
    """The leader board: ranks with their confidence sets, and mean Pareto fronts; and the runs, if any is missing."""
    families = board["families"] if len(board["families"]) > 1 else []
    steps = board["steps"] if len(board["steps"]) > 1 else []
    published = any(row["published"] is not None for row in board["rows"]) and board["agreement"] is not None
    header = ["objective", "rank", SET, FIRST, "FID", *families, *(counted(n, "step") for n in steps)]
    missing = any(row["diverged"] or row["done"] < row["runs"] for row in board["rows"])
    header += ["mean front", *(["in SD3's study"] if published else []), *(["runs"] if missing else []), ALIKE]
    rows = []
    for row in board["rows"]:
        parts = [row["families"][name] for name in families] + [row["steps"][str(n)] for n in steps]
        fronts = [row["front"], *([row["published"]] if published else [])]
        lead = [row["objective"], rank_text(row), interval_text(row), text(row["first"]), text(row["fid"])]
        rest = [*([runs_text(row)] if missing else []), alike_text(row["alike"])]
        rows.append([*lead, *map(place, parts), *map(text, fronts), *rest])
    return table(header, rows, names=1)


def differences(run: Run, leaders: dict[str, str]) -> Table:
    """Paired differences in FID and accuracy to each backbone's leader, seed by seed, under the headline settings."""
    header = ["objective, minus the leader"]
    for setting in run.headline:
        header += [f"{fid_at(setting)}, {run.label(setting)}", f"accuracy, points, {run.label(setting)}"]
    scores = scores_of(run.entries, KEYS)

    def of(backbone: str, key: tuple[object, ...]) -> Scores:
        return scores.part(lambda control: control.backbone == backbone and control.setting == key)

    def row(backbone: str, name: str) -> list[Text]:
        cells = []
        for setting in run.headline:
            key = tuple(getattr(setting, field) for field in KEYS)
            part = of(backbone, key)
            cells += [_difference(part, metric, name, leaders[backbone], unit) for metric, unit in UNITS.items()]
        return [name, *cells]

    groups = [
        (f"{backbone}, minus {leaders[backbone]}",
         [row(backbone, name) for name in scored(run, backbone) if name != leaders[backbone]])
        for backbone in run.backbones if backbone in leaders
    ]  # fmt: skip
    return grouped(header, groups)


def _difference(part: Scores, metric: str, a: str, b: str, unit: float) -> str:
    found = paired(part, metric, a, b) if part.controls else None
    if found is None:
        return NONE
    if found.low is None or found.high is None:
        return f"{unit * found.mean:+.{decimals(0)}f}"
    places = decimals(unit * (found.high - found.low) / 4)
    low, mean, high = (f"{unit * value:+.{places}f}" for value in (found.low, found.mean, found.high))
    return f"{mean} ({low}..{high})"
