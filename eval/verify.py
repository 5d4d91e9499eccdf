"""Score a submission again from its weights: python -m eval.verify FILE.zip

It passes if every number holds within twice its standard error, the judge is the one that comes with this project, and
every objective has at least three distinct seeds with weights of their own. Exit status 0: it passes; 1: it does not.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.base.counts import counted
from zoo.base.errors import ZooError, run_main
from zoo.base.options import EXPERT, WHERE, option
from zoo.cli import Places, parse

if TYPE_CHECKING:
    import torch

    from eval.packing import Packed

ERRORS = 2.0  # standard errors by which a number may differ: another machine rounds otherwise
OTHER_NOISE = 3.0  # and of a difference of two samples, where there are many settings
FRESH = 2_000_000  # the first image that neither a score nor a choice has seen


@dataclass
class Options(Places):
    """Verify a submission."""

    file: str = option("", "a submission, as python -m eval.submit writes it", positional=True, metavar="FILE.zip")
    fresh: bool = option(False, "draw from other noise, so that no luck in the images is left", EXPERT)
    into: str | None = option(
        None, "a folder that the cells are added to if all is well; eval.compare ranks it", WHERE, metavar="DIR"
    )


def main() -> int:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m eval.verify", __doc__)
    if not options.file:
        raise ZooError("which submission? python -m eval.verify FILE.zip")
    from eval import packing  # torch, which --help does without
    from zoo.base.environment import pick_device

    device = pick_device(options.device)
    with tempfile.TemporaryDirectory() as scratch:
        cells = packing.unpack(Path(options.file), Path(scratch))
        if options.into:
            places(cells, Path(options.into))
        faults = [*packing.seed_faults(cells), *(fault for cell in cells for fault in judge_faults(cell))]
        print("\n".join(f"fault: {fault}" for fault in faults), end="\n" if faults else "")
        for cell in cells:
            lines, wrong = score_again(cell, Path(options.data_dir), options.mirror, device, options.fresh)
            print("\n".join([cell.name, *lines, *(f"fault: {fault}" for fault in wrong)]), flush=True)
            faults += wrong
        if not faults and options.into:
            print(f"added to {add(cells, Path(options.into))}: python -m eval.compare {options.into} ranks it")
    total = sum(len(cell.result["scores"]) for cell in cells)
    verdict = counted(len(faults), "fault") if faults else "all numbers hold"
    verdict += f"; nothing is added to {options.into}" if faults and options.into else ""
    print(f"{options.file}: {counted(len(cells), 'cell')}, {counted(total, 'score')}: {verdict}")
    return 1 if faults else 0


def judge_faults(cell: "Packed") -> list[str]:
    """What is wrong with the judge, and with the data that it saw."""
    from eval.judging.store import SHIPPED

    judge = cell.result["judge"]
    if SHIPPED.get(judge["name"]) == judge["sha256"]:
        return []
    known = ", ".join(name for name in SHIPPED if name.startswith(cell.config.train.dataset)) or "none of this data set"
    return [f"{cell.name}: scored by {judge['name']} ({judge['sha256'][:12]}), not by a shipped judge ({known})"]


def score_again(
    cell: "Packed", data_dir: Path, mirror: str | None, device: "torch.device", fresh: bool
) -> tuple[list[str], list[str]]:
    """(a line for each setting, what does not hold). Raises ZooError for weights that cannot be drawn from."""
    from eval.scores.score import Bench, score
    from zoo.data.dataset import load
    from zoo.sampling.model import Model
    from zoo.training import checkpoint
    from zoo.training.refuse import refuse_changed

    data = load(cell.config.train.dataset, data_dir, mirror)
    manifest, tensors = checkpoint.find(cell.folder)
    refuse_changed(manifest["plugins"], cell.folder)
    if manifest["config"] != cell.config.train.model_dump(mode="json"):
        return [], [f"{cell.name}: the weights are of a run of another configuration"]
    if data.sha256 != cell.result["data"]["sha256"]:
        return [], [f"{cell.name}: scored on other data than this {data.name}"]
    bench = Bench.load(data, data_dir, device)
    model = Model(manifest, tensors, device, cell.config.score.batch)
    rows = {row["setting"]: row for row in cell.result["scores"]}
    excused = {one["setting"] for one in cell.result.get("unscored") or ()}
    lines, faults = [], [] if rows else [f"{cell.name}: no setting is scored"]
    for setting in cell.config.score.controls:
        if (told := rows.pop(setting.name, None)) is None:
            if setting.name not in excused:
                faults.append(f"{cell.name}, {setting.words}: not scored, though its configuration names it")
            continue
        found = score(model, setting, cell.config.score.n, bench, FRESH if fresh else 0).row
        problems = differing(told, found, fresh)
        verdict = "; ".join(problems) or "holds"
        lines.append(
            f"  {setting.words}: FID {told['fid']:.3f} ± {told['fid_se']:.3f}, again {found['fid']:.3f}; accuracy "
            f"{told['acc']:.1%}, again {found['acc']:.1%}: {verdict}"
        )
        faults += [f"{cell.name}, {setting.words}: {problem}" for problem in problems]
    faults += [f"{cell.name}: a score under {name}, which its configuration does not name" for name in rows]
    return lines, faults


def differing(told: dict[str, Any], found: dict[str, Any], fresh: bool) -> list[str]:
    """Which numbers of a setting do not hold, in words."""
    problems = []
    if told["n"] != found["n"]:
        problems.append(f"from {counted(told['n'], 'image')}, not {found['n']}")
    wide = OTHER_NOISE * (told["fid_se"] ** 2 + found["fid_se"] ** 2) ** 0.5 if fresh else ERRORS * found["fid_se"]
    if abs(told["fid"] - found["fid"]) > wide:
        problems.append(f"FID differs by {abs(told['fid'] - found['fid']):.3f}, more than {wide:.3f}")
    half = (found["acc_high"] - found["acc_low"]) / 2 * (OTHER_NOISE / 2 * 2**0.5 if fresh else 1)
    if abs(told["acc"] - found["acc"]) > half:
        problems.append(f"accuracy differs by {abs(told['acc'] - found['acc']):.1%}, more than {half:.1%}")
    return problems


def places(cells: "Sequence[Packed]", folder: Path) -> list[Path]:
    """Where each cell goes in a board's folder. Raises ZooError where one is there already, or two would share one."""
    from zoo.grid.cell import Cell

    found = [folder / Cell(cell.config, 0.0, cell.variant).folder for cell in cells]
    for place in found:
        if place.exists():
            raise ZooError(f"{place} is there already: move it away, or choose another --into")
        if found.count(place) > 1:
            raise ZooError(f"two cells of the submission would both be {place}: a board has one of each")
    return found


def add(cells: "Sequence[Packed]", folder: Path) -> Path:
    """Copy verified cells into a board's folder, all of them or none. Errors as `places`."""
    found = places(cells, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".added-") as scratch:
        for i, cell in enumerate(cells):
            shutil.copytree(cell.folder, Path(scratch) / str(i))
        for i, place in enumerate(found):
            place.parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / str(i)).rename(place)
    return folder


if __name__ == "__main__":
    run_main(main)
