"""Scores of sets of images as text for a terminal."""

from typing import Any

from zoo.base.counts import counted
from zoo.base.texttable import paragraph, table

COLUMNS = {  # what is printed, beside real images: name, format
    "fid": ("FID, corrected", ".3f"),
    "fid_plain": ("FID, plain", ".3f"),
    "fid2": ("FID by the second judge", ".3f"),
    "cfid_max": ("FID of the worst class", ".3f"),
    "pfd": ("Frechet distance in pixels", ".3f"),
    "kid": ("KID", ".5f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "density": ("density", ".3f"),
    "coverage": ("coverage", ".3f"),
    "is": ("inception score", ".3f"),
    "mem": ("memorised", ".2%"),
    "acc": ("accuracy", ".2%"),
}


def page(found: dict[str, Any], width: int | None = None) -> str:
    """The scores as text for a terminal of so many columns; None: tables are as wide as they are."""
    sets = [found["a"], found["b"]] if "between" in found else [found]
    marks = ["A", "B"] if len(sets) == 2 else ["samples"]
    real = found["real"]
    lines = [f"{mark}: {_about(each)}" for mark, each in zip(marks, sets, strict=True)]
    judge = f"judge {found['judge']['name']} ({found['judge']['sha256'][:12]})"
    lines.append(f"{found['data']}, {judge}, right about {real['acc']:.1%} of real test images")
    rows = []
    for key, (name, form) in COLUMNS.items():
        if any(each["score"].get(key) is not None for each in sets):
            values = [_value(each["score"], key, form) for each in sets]
            rows.append([name, *values, _value(real, key, form)])
    for mark, each in zip(marks, sets, strict=True):
        lines += [f"warning: {mark}: {note}" for note in each.get("notes", ())]
    blocks = [
        "\n".join(paragraph(line, width, rest="  ") for line in lines),
        table(["", *marks, f"real test images ({real['n']:,})"], rows, width),
    ]
    classes = {f"{mark}": each["score"].get("classes") for mark, each in zip(marks, sets, strict=True)}
    shown = {mark: {c["label"]: c for c in rows} for mark, rows in classes.items() if rows}
    if shown:
        blocks.append(_classes(shown, {c["label"]: c for c in real["classes"]}, found["classes"], width))
    if "between" in found:
        fid, se, plain = (fixed(found["between"][key], ".3f") for key in ("fid", "fid_se", "fid_plain"))
        blocks.append(paragraph(f"between A and B: FID {fid} ± {se} (plain {plain})", width))
    for one in (each["score"] for each in sets if "evaluations" in each["score"]):
        speed = f"{one['images_per_s']:,.0f} images/s, {counted(one['evaluations'], 'network evaluation')} an image"
        blocks.append(paragraph(speed, width))
    return "\n\n".join(blocks)


def fixed(value: float, form: str) -> str:
    """A number with so many digits; what rounds to zero has no sign."""
    text = f"{value:{form}}"
    return text.removeprefix("-") if not text.strip("-0.%") else text


def _about(one: dict[str, Any]) -> str:
    row = one["score"]
    if "checkpoint" not in one:
        return f"{one['path']}, {counted(row['n'], 'image')}"
    config, step = one["checkpoint"]["config"], one["checkpoint"]["step"]
    return (
        f"{config['objective']} on {config['backbone']}, seed {config['seed']}, step {step:,}: "
        f"{counted(row['n'], 'image')}, {row['weights']} weights, {row['sampler']}, {counted(row['steps'], 'step')} "
        f"({row['step_grid']}), guidance {row['guidance']:g}"
    )


def _value(row: dict[str, Any], key: str, form: str) -> str:
    if row.get(key) is None:
        return "-"
    text = fixed(row[key], form)
    if f"{key}_se" in row:
        return f"{text} ± {row[f'{key}_se']:{form}}"
    return f"{text} [{row['acc_low']:{form}}, {row['acc_high']:{form}}]" if key == "acc" else text


def _classes(shown: dict[str, dict[str, Any]], real: dict[str, Any], names: list[str], width: int | None) -> str:
    rows = []
    for label in next(iter(shown.values())):
        cells = [names[int(label)]]
        for each in (*shown.values(), real):
            c = each.get(label)
            cells.append(f"{c['correct'] / c['n']:.1%} of {c['n']}" if c and c["n"] else "-")
        rows.append(cells)
    return table(["class", *shown, "real test images"], rows, width)
