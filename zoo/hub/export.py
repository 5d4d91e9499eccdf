"""A checkpoint as a folder that diffusers loads: network, scheduler, pipeline with its code, and a model card.

    DIR/model_index.json       which classes the parts are of
    DIR/unet/ or transformer/  configuration, safetensors; of `dit` its code beside them
    DIR/scheduler/             a stock scheduler
    DIR/pipeline.py            the pipeline: stock ones take no class, and know no data but those in [-1, 1]
    DIR/README.md              the card; .eval_results/ with the same numbers for programs

diffusers' flow scheduler draws at this project's own noise levels, for every objective. A path that is DDPM's table,
step for step, gets DDIM's or DDPM's scheduler, unless the flow one is asked for.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from zoo import registry
from zoo.backbones.sizes import DiTSize, UNetSize
from zoo.base.errors import ZooError
from zoo.base.files import current_umask, sync_folder, write_error
from zoo.config.cell import TrainConfig
from zoo.config.schema import validated
from zoo.data import sets
from zoo.data.spec import Spec
from zoo.hub import pipeline as code
from zoo.hub.card import write_card
from zoo.objectives import path as paths
from zoo.objectives.core import Objective
from zoo.objectives.path import LDM, Cosine, Linear, Table, ZeroTerminal, logsnr_table
from zoo.objectives.target import EDM, X0, Eps, FlowTarget, Target, V
from zoo.solvers.steps import LOGSNR_SPAN
from zoo.training import checkpoint

if TYPE_CHECKING:
    from torch import Tensor, nn

SchedulerName = Literal["auto", "flow", "ddim", "ddpm"]
TARGETS: dict[type[Target], str] = {Eps: "eps", X0: "x0", V: "v", FlowTarget: "flow", EDM: "edm"}
PREDICTIONS: dict[type[Target], str] = {Eps: "epsilon", X0: "sample"}  # the others are safe at both ends as v
TABLES: dict[type[Table], dict[str, object]] = {
    Linear: {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
    Cosine: {"beta_schedule": "squaredcos_cap_v2"},
    LDM: {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
}
CODE = ("zoo_dit.py", "dit.py", "conditioning.py")  # of zoo/backbones


def export(
    ckpt: Path,
    out: Path,
    weights: Literal["ema", "raw"] = "ema",
    wish: SchedulerName = "auto",
    place: str | None = None,
    licence: str | None = None,
) -> str:
    """Write the folder, which must be new or empty; returns the scheduler's name.

    ckpt: as `checkpoint.find` takes it. place: the repository that the card names (default: the folder). Raises
    ZooError for a folder with files in it, and for what diffusers' parts cannot express.
    """
    manifest, tensors = checkpoint.find(ckpt)
    config = validated(TrainConfig, manifest["config"], f"the configuration of {ckpt}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        sent = f"; `hf upload {place} {out}` sends it as it is" if place else ""
        raise ZooError(f"{out} holds files already. Choose another folder, or delete it first{sent}")
    if config.latents is not None:
        raise ZooError(
            f"{ckpt} was trained on latents of auto-encoder {config.latents}, and the pipeline has no decoder. "
            "Draw by python -m zoo.sample, or export a run without --latents"
        )
    objective = registry.objective(config.objective)
    scheduler = scheduler_for(objective, wish)
    spec = sets.known(config.dataset, manifest.get("data", {}))
    parts = pipeline_config(objective, manifest["standard"], spec)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
            made = Path(folder) / "pipeline"
            made.mkdir()
            chosen = checkpoint.part(tensors, {"ema": "ema", "raw": "net"}[weights])
            kind, entry = write_network(config, spec, chosen, made)
            scheduler.save_pretrained(made / "scheduler")
            shutil.copyfile(str(code.__file__), made / "pipeline.py")
            name = type(scheduler).__name__
            write_index(made, parts | {kind: entry, "scheduler": ["diffusers", name]})
            write_card(made, ckpt, manifest, weights, name, place or out.name, licence)
            made.chmod(0o777 & ~current_umask())
            made.replace(out)
        sync_folder(out.parent)
    except OSError as error:
        raise write_error(out, sum(t.nbytes for t in tensors.values()), error) from error
    return name


def write_network(config: TrainConfig, spec: Spec, weights: "dict[str, Tensor]", folder: Path) -> tuple[str, list[str]]:
    """Write the network; returns its name in the pipeline and what model_index.json says of it."""
    from zoo.backbones.unet import UNet
    from zoo.backbones.zoo_dit import ZooDiT

    size, shape = registry.sizes_for(config.backbone, spec.image_shape), spec.image_shape
    if isinstance(size, DiTSize):
        model = ZooDiT(
            shape, spec.num_classes, size.width, size.depth, size.head_count, size.patch, size.stream, size.qk_norm
        )
        _load(model.net, weights)
        model.save_pretrained(folder / "transformer")
        for name in CODE:
            shutil.copyfile(Path(__file__).parents[1] / "backbones" / name, folder / "transformer" / name)
        return "transformer", ["zoo_dit", "ZooDiT"]
    if isinstance(size, UNetSize) and isinstance(module := size.build(shape, spec.num_classes), UNet):
        _load(module, weights)
        module.net.save_pretrained(folder / "unet")
        return "unet", ["diffusers", "UNet2DModel"]
    raise ZooError(f"backbone {config.backbone} is a plug-in's: zoo.export writes unet and dit")


def _load(module: "nn.Module", weights: "dict[str, Tensor]") -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ZooError(
            f"the checkpoint's weights are another version's: {str(error).splitlines()[-1].strip()}"
        ) from None


def pipeline_config(objective: Objective, standard: tuple[float, float], spec: Spec) -> dict[str, Any]:
    """What the pipeline is told of an objective and its data. Raises ZooError for a part that it does not know."""
    if objective.two_times:
        raise ZooError(f"the network of {objective.name} is told two times, which no scheduler of diffusers does")
    target = TARGETS.get(type(objective.target))
    if target is None:
        raise ZooError(
            f"the target of {objective.name} is a plug-in's: the pipeline knows {', '.join(TARGETS.values())}"
        )
    low, high = objective.path.span()
    return {
        "target": target,
        "curve": curve_of(objective.path),
        "sigma_data": getattr(objective.target, "sigma_data", 0.5),
        "mean": standard[0],
        "std": standard[1],
        "num_classes": spec.num_classes,
        "image_shape": list(spec.image_shape),
        "logsnr_low": max(low, LOGSNR_SPAN[0]),
        "logsnr_high": min(high, LOGSNR_SPAN[1]),
        "time_scale": objective.time_scale,
    }


def curve_of(path: paths.Path) -> str:
    """`circle` (alpha^2 + sigma^2 = 1) or `line` (alpha + sigma = 1). Raises ZooError for neither."""
    alpha, sigma = path.coefficients(torch.linspace(-8, 8, 9, dtype=torch.float64))
    for name, length in (("circle", alpha.hypot(sigma)), ("line", alpha + sigma)):
        if torch.allclose(length, torch.ones_like(length)):
            return name
    raise ZooError(f"{type(path).__name__} is neither on the circle nor on the line: the pipeline knows these two")


def scheduler_for(objective: Objective, wish: SchedulerName) -> Any:
    """A stock scheduler of diffusers. Raises ZooError for DDIM or DDPM on a path that is not its table."""
    from diffusers import DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler

    table = _table(objective)
    if wish in ("ddim", "ddpm") and table is None:
        raise ZooError(
            f"the path of {objective.name} is no table of diffusers' (linear, cosine and ldm are, also with ztsnr): "
            "choose --scheduler flow"
        )
    if wish == "flow" or table is None:
        return FlowMatchEulerDiscreteScheduler()
    made: type[Any] = DDPMScheduler if wish == "ddpm" else DDIMScheduler
    kind = PREDICTIONS.get(type(objective.target), "v_prediction")
    shared = {"clip_sample": False, "timestep_spacing": "trailing", "prediction_type": kind}
    scheduler = made(**shared, **table)
    ours = logsnr_table(objective.path, "cpu").sigmoid() if isinstance(objective.path, Table) else None
    if ours is not None and not torch.allclose(scheduler.alphas_cumprod.double(), ours, rtol=1e-4, atol=1e-7):
        raise ZooError(
            f"diffusers' {table['beta_schedule']} is not the path of {objective.name}: choose --scheduler flow"
        )
    return scheduler


def _table(objective: Objective) -> dict[str, object] | None:
    """What makes diffusers' table the objective's path; None where nothing does."""
    path = objective.path
    if isinstance(path, ZeroTerminal):
        base = TABLES.get(type(path.base))  # type: ignore[arg-type]  # a ZeroTerminal's base is a Table
        return base and {**base, "rescale_betas_zero_snr": True}
    return TABLES.get(type(path))  # type: ignore[arg-type]  # other paths are not found


def write_index(folder: Path, facts: dict[str, Any]) -> None:
    """model_index.json, as diffusers writes it."""
    import diffusers

    head = {"_class_name": ["pipeline", code.ObjectivePipeline.__name__], "_diffusers_version": diffusers.__version__}
    absent = {name: [None, None] for name in ("unet", "transformer") if name not in facts}
    (folder / "model_index.json").write_text(json.dumps({**head, **absent, **facts}, indent=2) + "\n", encoding="utf-8")
