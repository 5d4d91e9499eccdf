"""Tables of what follows from scores: ranks, paired differences, settings, and the scores besides FID and accuracy."""

from statistics import fmean
from typing import Any

from eval.ranks.board import KEYS
from eval.ranks.ranking import Scores, scores_of
from eval.ranks.sensitivity import paired
from eval.ranks.text import alike_text, interval_text, rank_text, runs_text, text
from reports.read.run import Cell, Run
from reports.words.document import Table, table
from reports.words.tables import NONE, acc_text, fid_at, fid_text, scored

OTHER = {  # column -> its form
    "fid2": "{:.2f}",
    "cfid_max": "{:.2f}",
    "pfd": "{:.1f}",
    "kid": "{:.4f}",
    "precision": "{:.3f}",
    "recall": "{:.3f}",
    "density": "{:.3f}",
    "coverage": "{:.3f}",
    "is": "{:.2f}",
    "mem": "{:.1%}",
    "val_eps": "{:.4f}",
}


def other_scores(run: Run) -> Table:
    """The scores besides FID and accuracy under the highest guidance, means over seeds; real test images below."""
    real = (run.done[0].facts.get("real") or {}) if run.done else {}
    columns = {name: form for name, form in OTHER.items() if real.get(name) is not None or name in ("fid2", "val_eps")}
    rows = []
    for backbone, name in scored(run):
        stats = {key: run.stat(backbone, name, run.highest, key) for key in columns if key != "val_eps"}
        values = {key: form_of(columns[key], stat.mean) if stat else NONE for key, stat in stats.items()}
        held_out = [
            v for cell in run.group(backbone, name) if (v := _validation(cell, run.highest.weights)) is not None
        ]
        values["val_eps"] = form_of(columns["val_eps"], fmean(held_out)) if held_out else NONE
        rows.append([backbone, name, *(values[key] for key in columns)])
    second = ((run.done[0].facts.get("second_judge") or {}).get("floor") or {}).get("fid") if run.done else None
    floors = {**real, "fid2": second, "val_eps": None}
    real_row = ["real test images", "", *(form_of(columns[key], floors.get(key)) for key in columns)]
    return table(["backbone", "objective", *columns], rows, names=2, foot=[real_row])


def _validation(cell: Cell, weights: str) -> float | None:
    return (((cell.result or {}).get("validation") or {}).get(weights) or {}).get("val_eps")


def form_of(form: str, value: float | None) -> str:
    """A number in a column's form, - for none."""
    return NONE if value is None else form.format(value)


def every_setting(run: Run) -> Table:
    """Each compared setting: its network evaluations, the objective of the lowest FID, and means over objectives."""
    header = ["backbone", "setting", "evaluations", "lowest fid", "fid", "acc", "mean fid", "mean acc"]
    rows = []
    for backbone in run.backbones:
        for setting in run.compared:
            found = {o: stat for o in run.objectives if (stat := run.stat(backbone, o, setting, "fid"))}
            if not found:
                continue
            lead = min(found, key=lambda o: found[o].mean)
            accs = [stat.mean for o in found if (stat := run.stat(backbone, o, setting, "acc"))]
            counts = {s["evaluations"] for cell in run.done if (s := cell.score(setting))}
            rows.append([
                backbone, run.label(setting), " to ".join(f"{n}" for n in sorted({min(counts), max(counts)})),
                lead, fid_text(found[lead]), acc_text(run.stat(backbone, lead, setting, "acc")),
                f"{fmean(stat.mean for stat in found.values()):.2f}", f"{100 * fmean(accs):.1f}%",
            ])  # fmt: skip
    return table(header, rows, names=2)


def ranks(board: dict[str, Any]) -> Table:
    """The leader board: mean Pareto fronts with their intervals."""
    families = board["families"] if len(board["families"]) > 1 else []
    steps = board["steps"] if len(board["steps"]) > 1 else []
    published = any(row["published"] is not None for row in board["rows"]) and board["agreement"] is not None
    header = ["objective", "rank", "95% interval", "P(first)", *families, *(f"{n} steps" for n in steps)]
    header += [*(["in SD3's study"] if published else []), "runs", "not told apart from"]
    rows = []
    for row in board["rows"]:
        parts = [row["families"][name] for name in families] + [row["steps"][str(n)] for n in steps]
        parts += [row["published"]] if published else []
        lead = [row["objective"], rank_text(row), interval_text(row), text(row["first"])]
        rest = [runs_text(row), alike_text(row["alike"])]
        rows.append([*lead, *map(text, parts), *rest])
    return table(header, rows, names=1)


def differences(run: Run, leaders: dict[str, str]) -> Table:
    """Paired differences in FID and accuracy to each backbone's leader, seed by seed, under the headline settings."""
    header = ["backbone", "objective, minus the leader"]
    for setting in run.headline:
        header += [f"{fid_at(setting)}, {run.label(setting)}", f"acc points, {run.label(setting)}"]
    scores = scores_of(run.entries, KEYS)

    def of(backbone: str, key: tuple[object, ...]) -> Scores:
        return scores.part(lambda control: control.backbone == backbone and control.setting == key)

    rows = []
    for backbone, name in scored(run):
        lead = leaders.get(backbone)
        if lead is None or name == lead:
            continue
        cells = []
        for setting in run.headline:
            key = tuple(getattr(setting, field) for field in KEYS)
            part = of(backbone, key)
            cells += [_difference(part, "fid", name, lead, 1), _difference(part, "acc", name, lead, 100)]
        rows.append([backbone, f"{name} - {lead}", *cells])
    return table(header, rows, names=2)


def _difference(part: Scores, metric: str, a: str, b: str, unit: float) -> str:
    found = paired(part, metric, a, b) if part.controls else None
    if found is None:
        return NONE
    span = "" if found.low is None or found.high is None else f" ({unit * found.low:+.2f}..{unit * found.high:+.2f})"
    return f"{unit * found.mean:+.2f}{span}"
