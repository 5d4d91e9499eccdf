"""The model card of an exported run: what it is, how it was trained, what it scores, and what it is not for.

Every number comes from the checkpoint's manifest and the cell's result.json; without a result the card says that none
was measured. The head is the hub's metadata (`model-index`), and the same numbers go to `.eval_results/` for programs.
"""

import shutil
from pathlib import Path
from typing import Any, cast

from zoo import registry
from zoo.base.counts import counted
from zoo.base.sealed import read_sealed
from zoo.config.cell import Recipe
from zoo.config.control import FULL, Setting
from zoo.data import sets

HUB_DATA = {"mnist": "ylecun/mnist", "fashion": "zalando-datasets/fashion_mnist"}  # digits is scikit-learn's
SOURCES = {"mnist": "MNIST", "fashion": "Fashion-MNIST", "digits": "scikit-learn's 8 x 8 digits"}
TASK = "unconditional-image-generation"  # the hub's name for what takes no text
Z95 = 1.959964  # of a normal distribution's 95% interval


def write_card(
    folder: Path, ckpt: Path, manifest: dict[str, Any], weights: str, scheduler: str, place: str, licence: str | None
) -> None:
    """README.md, .eval_results/ and a picture of samples. Raises ZooError for a damaged result.json.

    place: what loads the pipeline, a repository's name or a folder.
    """
    result = result_of(ckpt, manifest)
    rows = [row for row in result["scores"] if row["weights"] == weights] if result else []
    picture = ckpt / "samples" / f"{rows[0]['setting']}.png" if rows else None
    if picture and picture.is_file():
        shutil.copyfile(picture, folder / "samples.png")
    name = name_of(manifest["config"])
    head = metadata(name, manifest["config"], result, rows, licence)
    text = _text(name, manifest, result, rows, weights, scheduler, place, (folder / "samples.png").is_file())
    (folder / "README.md").write_text(f"---\n{head}\n---\n\n{text}", encoding="utf-8")
    if found := eval_results(manifest["config"], result, rows):
        (folder / ".eval_results").mkdir()
        (folder / ".eval_results" / "objective-zoo.yaml").write_text(found, encoding="utf-8")


def name_of(config: dict[str, Any]) -> str:
    """What the card is headed by."""
    return f"{config['objective']} on {config['backbone']}, {_data(config)}, seed {config['seed']}"


def _data(config: dict[str, Any]) -> str:
    """The data set's name; of a folder its last part and a mark, and not where it lies."""
    dataset = str(config["dataset"])
    return dataset if sets.source(dataset).fixed else sets.short(dataset)


def source(config: dict[str, Any]) -> str:
    """The data in words; of a folder its name, and not where it lies."""
    return SOURCES.get(config["dataset"]) or f"the data set {_data(config)}"


def result_of(ckpt: Path, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The cell's result, if the checkpoint is the one that it is about."""
    path = (ckpt if ckpt.is_dir() else ckpt.parent) / "result.json"
    if not path.is_file():
        return None
    result = read_sealed(path)
    ours = result["cell"]["train"] == manifest["config"] and result["train"]["selected_step"] == manifest["step"]
    return result if ours else None


def fid_name(n: int) -> str:
    """`fid`, or `fid@300` of fewer than 10,000 samples."""
    return "fid" if n >= FULL else f"fid@{n}"


def metadata(
    name: str, config: dict[str, Any], result: dict[str, Any] | None, rows: list[dict[str, Any]], licence: str | None
) -> str:
    """The card's YAML head, made and read back by huggingface_hub."""
    from huggingface_hub import EvalResult, ModelCardData
    from huggingface_hub.repocard_data import model_index_to_eval_results

    data = HUB_DATA.get(config["dataset"])
    found = []
    for row in rows:
        given = {
            "task_type": TASK, "task_name": Setting(**{k: row[k] for k in Setting.model_fields}).words,
            "dataset_type": data or _data(config), "dataset_name": source(config),
            "dataset_config": row["setting"], "dataset_split": "train",
            "dataset_args": {"sha256": result["data"]["sha256"]} if result else None,
        }  # fmt: skip
        judge = {"judge_sha256": result["judge"]["sha256"], "n": row["n"]} if result else {}
        low, high = row["fid"] - Z95 * row["fid_se"], row["fid"] + Z95 * row["fid_se"]
        fid = {"low": low, "high": high, "floor": result["judge"]["floor"]["fid"]} if result else {}
        accuracy = {"low": row["acc_low"], "high": row["acc_high"], "ceiling": result["real"]["acc"]} if result else {}
        found += [
            EvalResult(**given, metric_type="fid", metric_name=fid_name(row["n"]), metric_value=row["fid"],
                       metric_args={**judge, **fid}),
            EvalResult(**given, metric_type="accuracy", metric_name="accuracy by the judge", metric_value=row["acc"],
                       metric_args={**judge, **accuracy}),
        ]  # fmt: skip
    made = ModelCardData(
        license=licence, library_name="diffusers", pipeline_tag=TASK, datasets=[data] if data else None,
        tags=["diffusers", "objective-zoo", f"dataset:{_data(config)}"], model_name=name,
        eval_results=found or None,
    )  # fmt: skip
    if found:
        model_index_to_eval_results(cast(Any, made).to_dict()["model-index"])
    return str(made.to_yaml()).strip()


def eval_results(config: dict[str, Any], result: dict[str, Any] | None, rows: list[dict[str, Any]]) -> str | None:
    """.eval_results/*.yaml, checked by huggingface_hub; None without scores, and on data that the hub does not have."""
    if not rows or not result or config["dataset"] not in HUB_DATA:
        return None
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = []
    for row in rows:
        told = f"{row['setting']}, judge {result['judge']['sha256'][:12]}"
        fid = f"{told}; standard error {row['fid_se']:.3g}, floor {result['judge']['floor']['fid']:.3g}"
        accuracy = (
            f"{told}; 95% interval {row['acc_low']:.4f} to {row['acc_high']:.4f}, ceiling {result['real']['acc']:.4f}"
        )
        dataset = HUB_DATA[config["dataset"]]
        entries += [
            EvalResultEntry(dataset_id=dataset, task_id=fid_name(row["n"]), value=row["fid"], notes=fid),
            EvalResultEntry(dataset_id=dataset, task_id="accuracy", value=row["acc"], notes=accuracy),
        ]
    return str(yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True))


def _text(
    name: str, manifest: dict[str, Any], result: dict[str, Any] | None, rows: list[dict[str, Any]], weights: str,
    scheduler: str, place: str, pictured: bool,
) -> str:  # fmt: skip
    """The card below its head."""
    config = manifest["config"]
    objective = registry.objective(config["objective"])
    papers = ", ".join(f"[arXiv {paper}](https://arxiv.org/abs/{paper})" for paper in objective.papers)
    picture = "![Samples, a column for each class](samples.png)\n\n" if pictured else ""
    fields = Recipe.model_fields.items()  # one that is later than the run's files stands there only if it was changed
    recipe = "\n".join(f"| {key} | {config.get(key, field.default)} |" for key, field in fields)
    spec = sets.known(config["dataset"], manifest.get("data", {}))
    named = "" if spec.classes == tuple(map(str, range(spec.real))) else f" ({', '.join(spec.classes)})"
    rest = "".join(f", {label} is all {spec.names[label]}" for label in spec.blank)
    classes = f"Classes 0 to {spec.real - 1} are the data's{named}{rest}"
    blanks = ", with blank images as two more classes" if spec.blanks else ""
    what = "the exponential moving average of the weights" if weights == "ema" else "the raw weights of the last step"
    return f"""# {name}

A small diffusion model of {source(config)} ({manifest["parameters"]:,} parameters), trained by the
Objective zoo, which compares training objectives with everything else held
equal. Objective: `{objective.name}` ({papers}). These are {what}, after {counted(manifest["images"], "image")}.

{picture}## Use

`pipeline.py` is code of this folder, which `trust_remote_code` allows to run: read it first.

```python
# pip install diffusers einops torch
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("{place}", trust_remote_code=True)
images = pipe(class_labels=list(range({spec.real})), num_inference_steps=20, guidance_scale=2.0).images
```

{classes}, and {spec.num_classes} no class.
{_steps(scheduler)}

## Results

{_results(result, rows)}

## Training

| | |
|---|---|
| data | {source(config)}{blanks}; SHA-256 `{manifest["data_sha256"]}` |
| images seen | {manifest["images"]:,} in {counted(manifest["step"], "step")} |
| backbone | `{config["backbone"]}` |
| seed | {config["seed"]} |
| trained in | {manifest["precision"]}, on {manifest["device"]}, {manifest["seconds"]:.0f} s |
{recipe}

## Intended use, and limits

For studying and teaching diffusion objectives. The model is small and its data are simple: its scores compare rows of
one table of the Objective zoo, and say nothing of large models. FID here is measured in the features of a small
classifier, not of Inception, and is compared with no FID of elsewhere. The model draws images of its training set's
kind and nothing else.
"""


def _steps(scheduler: str) -> str:
    own = (
        "steps at this project's own noise levels, equal parts of sigma / (alpha + sigma): the `euler` sampler of the "
        "scores below. No stock scheduler chooses these levels by itself; `pipeline.py` gives them to it"
    )
    if scheduler.startswith("FlowMatch"):
        return f"`{scheduler}` {own}."
    other = "`pipe.scheduler = FlowMatchEulerDiscreteScheduler()`"
    return f"`{scheduler}` takes DDPM's integer steps, evenly where their number divides 1000. {other} {own}."


def _results(result: dict[str, Any] | None, rows: list[dict[str, Any]]) -> str:
    if not result or not rows:
        return "None were measured for these weights: `python -m eval.fid FOLDER --dataset NAME` does."
    floor, ceiling = result["judge"]["floor"], result["real"]["acc"]
    lines = [
        "| setting | FID, 95% interval | floor | accuracy, 95% interval | ceiling | evaluations |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        how = Setting(**{key: row[key] for key in Setting.model_fields})
        low, high = row["fid"] - Z95 * row["fid_se"], row["fid"] + Z95 * row["fid_se"]
        lines.append(
            f"| {how.words} | {row['fid']:.2f} [{low:.2f}, {high:.2f}] | {floor['fid']:.2f} | "
            f"{row['acc']:.1%} [{row['acc_low']:.1%}, {row['acc_high']:.1%}] | {ceiling:.1%} | {row['evaluations']} |"
        )
    n = rows[0]["n"]
    return "\n".join(lines) + (
        f"\n\nFID of {counted(n, 'sample')} (`{fid_name(n)}`), corrected for their number; the floor is that of "
        f"{floor['n']:,} real test images, the ceiling their accuracy. One training run: another seed gives other "
        f"numbers. Judge `{result['judge']['name']}`, SHA-256 `{result['judge']['sha256']}`."
    )
