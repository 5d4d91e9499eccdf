"""The long table results.csv: the row schema of a run's results.

One row per cell and control setting (weights x guidance x sampler x steps); a cell without scores has one row.

| column | meaning (unit) |
|---|---|
| grid, dataset, backbone, objective, seed | which cell |
| published, published_rank | the objective's name in SD3's study, and its rank there over all settings if printed |
| status | done, failed, diverged, missing (no file yet) or unreadable (a damaged or foreign result.json) |
| weights, guidance, sampler, steps | the control setting: ema or raw; guidance 1 is none |
| evaluations | network evaluations per sample: steps, doubled under guidance |
| n | generated samples; fid at one n is never compared with fid at another |
| fid, fid_se | Frechet distance of the judge's features, corrected by the jackknife, and its standard error |
| fid_plain | the same without the correction |
| fid_floor | fid of real test images |
| acc, acc_low, acc_high | share of samples judged to be the asked digit, its 95% Wilson interval (0 to 1) |
| acc_0 .. acc_11 | the same per class; 10 and 11: share that is all black, all white; acc leaves these two out |
| images | training images seen |
| train_seconds, score_seconds | training without setup; sampling and scoring of this setting (s) |
| images_per_s | training throughput (1/s) |
| parameters, flop_per_image | size of the network; one image's forward pass (FLOP) |
| precision, compiled, device | how it was trained |
| judge, judge_sha256 | who scored; different hashes are never in one table |
| key | hash of the cell's configuration |
| message | why there is no score, or what does not add up |
"""

import csv
import io

from reports.run import CELL, Run, share
from zoo.families import SD3

# fmt: off
COLUMNS = (
    "grid", "dataset", "backbone", "objective", "seed", "status", "published", "published_rank",
    "weights", "guidance", "sampler", "steps", "evaluations", "n", "fid", "fid_se", "fid_plain", "fid_floor",
    "acc", "acc_low", "acc_high", *(f"acc_{label}" for label in range(12)),
    "images", "train_seconds", "images_per_s", "score_seconds", "parameters", "flop_per_image",
    "precision", "compiled", "device", "judge", "judge_sha256", "key", "message",
)
# fmt: on


def rows(run: Run) -> list[dict]:
    """The long table, one dict of COLUMNS per row; None where there is no value."""
    table = []
    for cell in run.cells:
        result, train = cell.result or {}, (cell.result or {}).get("train", {})
        base = dict.fromkeys(COLUMNS) | {"grid": run.grid.get("name"), "status": cell.status, "message": cell.message}
        base |= {key: getattr(cell, key) for key in CELL} | {key: train[key] for key in COLUMNS if key in train}
        if cell.objective in SD3:
            base |= {"published": SD3[cell.objective].name, "published_rank": SD3[cell.objective].rank}
        base |= {"train_seconds": train.get("seconds"), "key": result.get("key")}
        if result:
            base |= {"judge": result["judge"].get("name"), "judge_sha256": result["judge"].get("sha256")}
            base |= {"fid_floor": run.floor.get("fid")}
        for score in cell.scores or [{}]:
            row = base | {key: score[key] for key in COLUMNS if key in score and key != "images_per_s"}
            row |= {f"acc_{c['label']}": share([c]) if c["n"] else None for c in score.get("classes", [])}
            table.append(row | {"score_seconds": score.get("seconds")})
    return table


def csv_bytes(run: Run) -> bytes:
    """results.csv: UTF-8, one header line; text that a spreadsheet would run as a formula is disarmed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_field(row[key]) for key in COLUMNS] for row in rows(run))
    return out.getvalue().encode()


def _field(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = " ".join(value.split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
