"""The tables of a session, as Markdown, from its results alone."""

from collections.abc import Iterator, Sequence
from typing import Any

FORWARD_BACKWARD = 3  # passes that training an image counts as
SAMPLES_AND_STEPS = 10_000 * 25


def markdown(results: dict[str, Any]) -> str:
    """Everything that a session measured: the machine, speed, time to quality, and what became of each step."""
    blocks = ["# Measured on one machine", *_machine(results), *_speed(results), *_quality(results), *_steps(results)]
    return "\n\n".join(blocks)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _data(results: dict[str, Any], name: str) -> dict[str, Any] | None:
    one = results.get(name, {})
    return one["data"] if one.get("status") == "ok" else None


def _machine(results: dict[str, Any]) -> Iterator[str]:
    found = _data(results, "machine")
    if not found:
        return
    flop = found["flop_per_s"]
    yield (
        f"{found['device']}, torch {found['versions']['torch']}: a large matrix product reaches "
        f"{flop['float32'] / 1e12:,.2f} TFLOP/s in float32 and {flop['bfloat16'] / 1e12:,.2f} in bfloat16, a copy "
        f"moves {found['copy_bytes_per_s'] / 1e9:,.0f} GB/s."
    )
    rows = []
    for kind in ("dit", "unet"):
        if cost := _data(results, f"cost {kind}"):
            moved = [cost[key] / found["copy_bytes_per_s"] for key in ("bytes", "product_bytes")]
            floors = [cost["flop"] / flop["bfloat16"], *moved]
            numbers = (f"{cost['flop'] / 1e9:,.0f}", f"{cost['bytes'] / 1e9:,.2f}", f"{cost['launches']:,}")
            rows.append([kind, *numbers, *(f"{1e3 * floor:,.2f}" for floor in floors)])
    if rows:
        yield "## What a training step costs (counted, operation by operation)"
        header = ["backbone", "GFLOP", "GB", "operations", "floor by FLOP, ms", "floor by bytes, ms"]
        yield table([*header, "by bytes of products, ms"], rows)


def _speed(results: dict[str, Any]) -> Iterator[str]:
    machine = _data(results, "machine")
    rows = []
    for name in results:
        if not name.startswith("speed ") or not (data := _data(results, name)):
            continue
        kind, _, mode = name.removeprefix("speed ").partition(": ")
        share = "-"
        if machine:
            work = FORWARD_BACKWARD * data["flop_per_image"] * data["train_images_per_s"]
            share = f"{work / machine['flop_per_s']['bfloat16']:.0%}"
        rows.append([
            kind, mode, f"{data['train_images_per_s']:,.0f}", share, _drawn(data), f"{data['setup_seconds']:.1f}",
            f"{data['peak_memory_bytes'] / 1e6:,.0f}",
        ])  # fmt: skip
    if rows:
        yield "## Speed"
        header = ["backbone", "mode", "training, images/s", "share of ceiling", "sampling, evaluations/s (10k x 25)"]
        yield table([*header, "set-up, s", "memory, MB"], rows)


def _drawn(data: dict[str, Any]) -> str:
    """Evaluations a second, and seconds for 10,000 samples of 25 steps."""
    if not (rate := data.get("evaluations_per_s")):
        return "-"
    return f"{rate:,.0f} ({SAMPLES_AND_STEPS / rate:,.1f} s)"


def _quality(results: dict[str, Any]) -> Iterator[str]:
    rows = []
    for name in results:
        if not name.startswith("score ") or "score" not in (data := _data(results, name) or {}):
            continue
        kind, rate, seconds, _ = name.removeprefix("score ").split(" ")
        score = data["score"]
        acc = f"{score['acc']:.1%}"
        rows.append([kind, rate, seconds, f"{score['fid']:.2f} ± {score['fid_se']:.2f}", acc, f"{score['n']:,}"])
    if rows:
        yield "## Time to quality (rf/lognorm(0,1), no guidance, EMA weights)"
        yield table(["backbone", "learning rate", "training, s", "FID", "accuracy", "samples"], rows)


def _steps(results: dict[str, Any]) -> Iterator[str]:
    rows = [[name, one["status"], f"{one['seconds']:.0f}", one.get("reason", "")] for name, one in results.items()]
    yield "## Steps"
    yield table(["step", "outcome", "seconds", "reason"], rows)
