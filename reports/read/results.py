"""The long table results.csv: the row schema of a run's results.

One row per cell and control setting; a cell without scores has one row. Lower is better for fid, pfd, kid, mem, the
validation errors; higher for acc, precision, recall, density, coverage, is.

| column | meaning (unit) |
|---|---|
| grid, dataset, backbone, objective, seed | which cell |
| published, published_rank | the objective's name in SD3's study, and its rank there over all settings if printed |
| status | done, failed, diverged, missing (no file yet) or unreadable (a damaged or foreign result.json) |
| setting | the control setting in one word, also the name of its pictures |
| weights, sampler, step_grid, steps | ema or raw; how the noise levels were stepped through |
| start | logsnr at which sampling began; a path that ends nearer to the data began there |
| guidance, interval, rescale, clip | guidance 1 is none; shares of noise it is applied in; x_hat clamped or not |
| evaluations | network evaluations per sample, guidance included |
| n | generated samples; fid at one n is never compared with fid at another |
| fid, fid_se | Frechet distance of the judge's features, corrected by the jackknife, and its standard error |
| fid_plain | the same without the correction |
| fid_floor | fid of real test images |
| fid2, fid2_se, acc2 | fid and acc by the second judge |
| cfid_max, cfid_0 .. | fid of a class against its own training images, and the largest; from 128 samples on |
| pfd | Frechet distance of the pixels, scaled so that the training set's trace is their number; uncorrected |
| kid | unbiased kernel distance of the features, cubic kernel |
| precision, recall, density, coverage | by the 5th neighbour, against as many training images |
| is | inception score of the judge's classes (1 to their number) |
| mem, duplicates | share of up to 2,000 samples near to one training image alone (0 to 1); equal to one (count) |
| val_target, val_eps | held-out squared error of y_hat in the target's units, of eps_hat; mean over 8 noise levels |
| x0_high | held-out error of the clipped x_hat at logsnr -10, -8, -6, -4, over that of the class's mean image |
| best_setting, best_fid, best_fid_se, best_acc | the run's best case, scored on images that it was not chosen by |
| acc, acc_low, acc_high | share of samples judged to be the asked class, its 95% Wilson interval (0 to 1) |
| acc_0 .. | the same per class; behind the real ones: share that is all black, all white; acc leaves these two out |
| images, clipped | training images seen; share of the steps whose gradient was clipped |
| selected_step | the step of training whose weights were scored |
| train_seconds | training without setup (s) |
| sample_seconds, measure_seconds | drawing this setting's samples, and measuring them (s) |
| images_per_s, sample_images_per_s | throughput of training, and of sampling (1/s) |
| parameters, flop_per_image | size of the network; one image's forward pass (FLOP) |
| train_precision, compiled, device | how it was trained |
| judge, judge_sha256 | who scored; different hashes are never in one table |
| key | hash of the cell's configuration |
| message | why there is no score |
"""

import csv
import io
from typing import Any

from reports.read.run import Run, share
from zoo.grid.held import CELL
from zoo.objectives.families import SD3

# fmt: off
COLUMNS = (
    "grid", "dataset", "backbone", "objective", "seed", "status", "published", "published_rank",
    "setting", "weights", "sampler", "step_grid", "steps", "start", "guidance", "interval", "rescale", "clip",
    "evaluations",
    "n", "fid", "fid_se", "fid_plain", "fid_floor", "acc", "acc_low", "acc_high",
    "fid2", "fid2_se", "acc2", "cfid_max", "pfd", "kid",
    "precision", "recall", "density", "coverage", "is", "mem", "duplicates", "val_target", "val_eps", "x0_high",
    "best_setting", "best_fid", "best_fid_se", "best_acc",
    "images", "clipped", "selected_step", "train_seconds", "images_per_s", "sample_seconds", "sample_images_per_s",
    "measure_seconds",
    "parameters", "flop_per_image",
    "train_precision", "compiled", "device", "judge", "judge_sha256", "key", "message",
)
# fmt: on


def columns(run: Run) -> tuple[str, ...]:
    """COLUMNS, and behind acc_high and cfid_max one for each class of the data set that has the most."""
    specs = [part.spec for name in run.datasets if (part := run.on(name)).done]
    of_class = {
        "acc_high": [f"acc_{label}" for label in range(max((spec.num_classes for spec in specs), default=0))],
        "cfid_max": [f"cfid_{label}" for label in range(max((spec.real for spec in specs), default=0))],
    }
    return tuple(each for name in COLUMNS for each in (name, *of_class.get(name, ())))


def rows(run: Run) -> list[dict[str, Any]]:
    """The long table, one dict of `columns` per row; None where there is no value."""
    table, every = [], columns(run)
    for cell in run.cells:
        result, train = cell.result or {}, (cell.result or {}).get("train", {})
        base = dict.fromkeys(every) | {"grid": run.grid.get("name"), "status": cell.status, "message": cell.message}
        base |= {key: getattr(cell, key) for key in CELL} | {key: train[key] for key in COLUMNS if key in train}
        if cell.objective in SD3:
            base |= {"published": SD3[cell.objective].name, "published_rank": SD3[cell.objective].rank}
        base |= {"train_seconds": train.get("seconds"), "key": result.get("key")}
        base |= {"train_precision": train.get("precision"), "precision": None}  # a score has that name too
        if result:
            base |= {"judge": result["judge"].get("name"), "judge_sha256": result["judge"].get("sha256")}
            base |= {"fid_floor": (result["judge"].get("floor") or {}).get("fid")}
        if best := result.get("best"):
            base |= {f"best_{key}": best["score"][key] for key in ("setting", "fid", "fid_se", "acc")}
        for score in cell.scores or [{}]:
            row = base | {key: score[key] for key in COLUMNS if key in score and key != "images_per_s"}
            for one in score.get("classes", []):
                row[f"acc_{one['label']}"] = share([one]) if one["n"] else None
                if one.get("fid") is not None:
                    row[f"cfid_{one['label']}"] = one["fid"]
            held_out = (result.get("validation") or {}).get(score.get("weights")) or {}
            row |= {key: held_out.get(key) for key in ("val_target", "val_eps", "x0_high")}
            row |= {"sample_seconds": score.get("seconds"), "sample_images_per_s": score.get("images_per_s")}
            table.append(row)
        for one in cell.unscored:
            row = base | {key: one[key] for key in COLUMNS if key in one}
            table.append(row | {"message": f"not scored: {one['reason']}"})
    return table


def csv_bytes(run: Run) -> bytes:
    """results.csv: UTF-8, one header line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    every = columns(run)
    writer.writerow(every)
    writer.writerows([field(row[key]) for key in every] for row in rows(run))
    return out.getvalue().encode()


def field(value: object) -> object:
    """A value as a CSV file holds it: text that a spreadsheet would run as a formula is disarmed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(map(str, value))
    if not isinstance(value, str):
        return value
    text = " ".join(value.split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
