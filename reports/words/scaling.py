"""Two studies of a grid with variants: how loss and quality scale, and what switches change in speed and memory.

A grid asks for one by `study`; it stands in place of the section on recipes.
"""

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from eval.ranks.effects import student
from eval.ranks.scaling import Law, law
from reports.read.cell import Cell
from reports.read.run import Run
from reports.words.document import Block, Bold, Heading, Paragraph, Table, Text, table
from reports.words.forms import NONE, acc_mean, fid_at, fid_mean
from reports.words.tables import TRAINING

UNITS = {"PFLOP": 1e15, "TFLOP": 1e12, "GFLOP": 1e9}
SCALING = (
    "Each size was trained for several lengths, the rate decaying over each. Compute is that of training: three "
    "forward passes for each image seen. Loss is the EMA weights' validation loss."
)
LAW = (
    "The law of all runs is L = E + A N^-alpha + B D^-beta, N parameters and D images seen (arXiv 2203.15556). It "
    "has alpha = {alpha} and beta = {beta} (95% intervals). The runs lie within {residual:.1%} of it (standard "
    "deviation). "
)
FLOOR = "At infinite size and training it leaves E = {floor:.4f}."
NO_FLOOR = "E cannot be distinguished from 0: these runs do not show where the loss would level off."
NO_EXPONENT = " The interval of {names} contains 0: these runs do not fix how fast loss falls with {what}."
NO_LAW = "A power law in parameters and images seen cannot be fitted to these runs: they do not fix its exponents."
SWITCHES = (
    "Images per second of training and the largest memory of a run (on a GPU what was allocated, on a CPU the "
    "process's resident set), means over seeds, and their ratios to the first row's with 95% intervals over seeds. "
    "Timings hold for the machine that the facts above name, with as much else at work there as there was."
)

LATENTS = (
    "Runs on latents see {shape} numbers for an image of {pixels} by the auto-encoder {name} (SHA-256 {mark}). Their "
    "samples are decoded before they are scored, and their validation loss is in latents, so it compares with no loss "
    "of pixels. The auto-encoder gives test images back at a PSNR of {psnr:.1f} dB and a FID of {fid}, where the test "
    "images themselves have {floor}: samples of such runs are hardly better than that. It was trained once, in "
    "{seconds:,.0f} s, which no column counts."
)


def studied(run: Run, where: str = "", pictures: Sequence[Block] = ()) -> list[Block]:
    """The section of one data set (`run.on(..)`) that the grid asks for; [] if it asks for none."""
    made = {"scaling": _scaling, "switches": _switches}.get(run.grid.get("study") or "")
    return made(run, where, pictures) if made and run.done else []


def found(run: Run) -> list[Text]:
    """What stands first on the page: the law, or what the variants do to speed and memory on each backbone."""
    told: list[Text] = []
    for part in (run.on(dataset) for dataset in run.datasets):
        where = f" on {part.datasets[0]}" if len(run.datasets) > 1 else ""
        if run.grid.get("study") == "scaling" and part.done:
            told.append((Bold(f"Scaling{where}."), f" {_law(part)}"))
        if run.grid.get("study") == "switches":
            told += [text for backbone in part.backbones if (text := _fastest(part, backbone, where))]
    return told


def _fastest(run: Run, backbone: str, where: str) -> Text | None:
    """The variant of the most images per second, and that of the least memory, beside the first."""
    arms = {
        cells[0].variant: cells
        for name in dict.fromkeys(cell.objective for cell in run.done if cell.backbone == backbone)
        if (cells := [cell for cell in run.group(backbone, name) if cell.result])
    }
    if len(arms) < 2:
        return None
    first, parts = next(iter(arms)), []
    ends = (
        ("trains fastest", "images_per_s", "images/s", max),
        ("takes the least memory", "peak_memory_bytes", "", min),
    )
    for word, key, unit, choose in ends:
        value = _of(key)
        means = {name: fmean(map(value, cells)) for name, cells in arms.items()}
        best = choose(means, key=means.__getitem__)
        size = f"{means[best]:,.0f} {unit}" if unit else f"{means[best] / 2**20:,.0f} MiB"
        beside = "" if best == first else f", {_ratio(arms[best], arms[first], value)} times that of {first}"
        parts.append(f"{best} {word} ({size}{beside})")
    return Bold(f"On {backbone}{where} {parts[0]};"), f" {parts[1]}."


def validation_loss(cell: Cell) -> float | None:
    """The EMA weights' validation loss of a cell that is done."""
    found = ((cell.facts.get("validation") or {}).get("ema") or {}).get("val_target")
    return float(found) if found is not None and math.isfinite(found) else None


def compute(cell: Cell) -> float:
    """Floating-point operations of a cell's training."""
    train = cell.facts["train"]
    return float(TRAINING * train["flop_per_image"] * train["images"])


def unit_of(values: Sequence[float]) -> tuple[str, float]:
    """(the largest unit of computation in which none of these is below 1, how much it is)."""
    fits = [(word, size) for word, size in UNITS.items() if min(values, default=0.0) >= size]
    return fits[0] if fits else list(UNITS.items())[-1]


def _scaling(run: Run, where: str, pictures: Sequence[Block]) -> list[Block]:
    settings, (word, unit) = run.headline, unit_of([compute(cell) for cell in run.done])
    header = ["backbone", "variant", "runs", "parameters", "images", word, "validation loss"]
    header += [f"{fid_at(s)}, {run.label(s)}" for s in settings] + [f"accuracy, {run.label(s)}" for s in settings]
    rows = []
    for backbone, name in dict.fromkeys((cell.backbone, cell.objective) for cell in run.done):
        cells = [cell for cell in run.group(backbone, name) if cell.result]
        losses = [loss for cell in cells if (loss := validation_loss(cell)) is not None]
        train = cells[0].facts["train"]
        rows.append([
            backbone, cells[0].variant or name, str(len(cells)), f"{train['parameters']:,}", f"{train['images']:,}",
            f"{fmean(map(compute, cells)) / unit:,.1f}", f"{fmean(losses):.4f}" if losses else NONE,
            *(fid_mean(run.stat(backbone, name, s, "fid")) for s in settings),
            *(acc_mean(run.stat(backbone, name, s, "acc")) for s in settings),
        ])  # fmt: skip
    return [
        Heading(f"Scaling{where}"), Paragraph(SCALING), table(header, rows, names=2), *pictures, Paragraph(_law(run)),
    ]  # fmt: skip


def _law(run: Run) -> str:
    known = [(cell.facts["train"], loss) for cell in run.done if (loss := validation_loss(cell)) is not None]
    found = law([t["parameters"] for t, _ in known], [t["images"] for t, _ in known], [loss for _, loss in known])
    return sentence(found)


def sentence(found: Law | None) -> str:
    """A law in words, and what of it the runs do not show."""
    if found is None:
        return NO_LAW
    ends = [
        f"{value:.2f} ({low:.2f} to {high:.2f})"
        for value, (low, high) in ((found.alpha, found.alpha_ends), (found.beta, found.beta_ends))
    ]
    told = LAW.format(alpha=ends[0], beta=ends[1], residual=found.residual)
    told += FLOOR.format(floor=found.floor) if found.floor > found.floor_error else NO_FLOOR
    unknown = {
        name: what
        for name, what, (low, _) in (("alpha", "size", found.alpha_ends), ("beta", "images seen", found.beta_ends))
        if low <= 0
    }
    if unknown:
        told += NO_EXPONENT.format(names=" and of ".join(unknown), what=" and with ".join(unknown.values()))
    return told


def _switches(run: Run, where: str, pictures: Sequence[Block]) -> list[Block]:
    blocks: list[Block] = [Heading(f"Switches{where}"), Paragraph(SWITCHES), *pictures]
    for backbone in run.backbones:
        names = list(dict.fromkeys(cell.objective for cell in run.done if cell.backbone == backbone))
        if names:
            blocks += [Heading(backbone, 3), _switch_table(run, backbone, names)]
    return [*blocks, *map(Paragraph, latents(run))]


def latents(run: Run) -> list[str]:
    """A paragraph for each auto-encoder of the runs: what it makes of an image, and what it loses."""
    found = {facts["sha256"]: (cell, facts) for cell in run.done if (facts := cell.facts.get("latents"))}
    texts = []
    for cell, facts in found.values():
        floor = cell.facts["judge"]["floor"]
        sides = [" x ".join(map(str, shape)) for shape in (facts["shape"], run.spec.image_shape)]
        fid, least = (f"{one['fid']:.2f} ± {one[key]:.2f}" for one, key in ((facts, "fid_se"), (floor, "se")))
        told = {"name": facts["name"], "mark": facts["sha256"][:12], "psnr": facts["psnr"]}
        texts.append(
            LATENTS.format(shape=sides[0], pixels=sides[1], fid=fid, floor=least, seconds=facts["seconds"], **told)
        )
    return texts


def _switch_table(run: Run, backbone: str, names: Sequence[str]) -> Table:
    setting = run.headline[0]
    header = ["variant", "images/s", "over the first", "peak MiB", "over the first", "set-up s"]
    header += [f"{fid_at(setting)}, {run.label(setting)}", "runs"]
    first = [cell for cell in run.group(backbone, names[0]) if cell.result]
    rows: list[list[Text]] = []
    for name in names:
        cells = [cell for cell in run.group(backbone, name) if cell.result]
        row: list[Text] = [cells[0].variant or name]
        for key, unit in (("images_per_s", 1.0), ("peak_memory_bytes", 2.0**20)):
            value = _of(key)
            row += [f"{fmean(map(value, cells)) / unit:,.0f}", "1" if name == names[0] else _ratio(cells, first, value)]
        row += [f"{fmean(map(_of('setup_seconds'), cells)):.1f}", fid_mean(run.stat(backbone, name, setting, "fid"))]
        rows.append([*row, str(len(cells))])
    return table(header, rows)


def _of(key: str) -> Callable[[Cell], float]:
    return lambda cell: float(cell.facts["train"][key])


def _ratio(cells: Sequence[Cell], first: Sequence[Cell], value: Callable[[Cell], float]) -> str:
    """`1.42 (1.30 to 1.55)`, paired by seed."""
    theirs: dict[Any, float] = {cell.seed: value(cell) for cell in first}
    logs = [
        math.log(value(cell) / theirs[cell.seed]) for cell in cells if theirs.get(cell.seed, 0) > 0 and value(cell) > 0
    ]
    if not logs:
        return NONE
    found = student(logs)
    ends = (
        "" if found.low is None or found.high is None else f" ({math.exp(found.low):.2f} to {math.exp(found.high):.2f})"
    )
    return f"{math.exp(found.mean):.2f}{ends}"
