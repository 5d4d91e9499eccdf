"""Runs exported to diffusers: the same images at equal noise and noise levels, cards that the hub's library reads."""

import logging
from pathlib import Path

import pytest
import torch
import yaml

from tests.conftest import ROOT
from zoo import export as export_command
from zoo import registry
from zoo.base.errors import ZooError
from zoo.base.sealed import read_sealed, write_sealed
from zoo.config.control import Setting
from zoo.data.sets import source
from zoo.hub import push
from zoo.hub.card import HUB_DATA, eval_results, metadata, name_of
from zoo.hub.export import curve_of, export, pipeline_config, scheduler_for
from zoo.objectives.core import Objective
from zoo.objectives.families import DEFAULT
from zoo.objectives.path import Table, logsnr_table
from zoo.sampling.model import Model, image_noise
from zoo.solvers import sampler
from zoo.training import checkpoint
from zoo.training.network import initialise

UNET, DIT = "unet(width=16,attention=1)", "dit(width=32,depth=1)"
SHAPE = (1, 8, 8)
NONE = source("digits").spec.num_classes
COUNT, STEPS = 6, 8
EXACT = 1e-3  # relative error
# every target on a path of every kind, beside the default grid's objectives
MORE = (
    "x0/cosine",
    "v/ldm",
    "edm(-1.2,1.2)",
    "flow/trig",
    "v/sigmoid",
    "v/linear+ztsnr",
    "rf+shift(3)",
    "edm/flow",
    "scm",
)
CLASSES = torch.tensor([0, 3, 5, 9, 10, NONE])


def checkpoint_of(folder: Path, objective: str, backbone: str, digits, tiny) -> Path:
    """A checkpoint of random weights, far from the constant 0 that networks begin as."""
    config = tiny(objective=objective, backbone=backbone)
    module = initialise(config, digits.spec, torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.randn(p.shape, generator=generator), alpha=0.03)
    tensors = {f"{kind}.{name}": p * scale for name, p in module.named_parameters() for kind, scale in
               (("net", 0.9), ("ema", 1.0))}  # fmt: skip
    facts = {"config": config.model_dump(mode="json"), "standard": digits.standard, "data_sha256": digits.sha256,
             "parameters": sum(p.numel() for p in module.parameters()), "images": 192, "seconds": 1.0,
             "precision": "float32", "device": "cpu"}  # fmt: skip
    checkpoint.save(folder, 12, tensors, facts)
    return folder


@pytest.fixture(scope="session", autouse=True)
def quiet():
    logging.getLogger("diffusers").setLevel(logging.ERROR)


def load(folder: Path):
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(folder, trust_remote_code=True, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def own(model: Model, setting: Setting, times: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    model.use(setting.weights)
    path = model.objective.path
    with torch.no_grad():
        begin = sampler.start(path, times[0], x)
        return sampler.last(sampler.euler(model.denoiser(setting), path, times, begin, CLASSES, lambda _: x))


@pytest.mark.parametrize(
    ("name", "backbone"), [*((name, DIT) for name in (*DEFAULT, *MORE)), ("rf", UNET), ("eps/linear", UNET)]
)
def test_diffusers_draws_the_same_images(name, backbone, tmp_path, digits, tiny):
    from diffusers import FlowMatchEulerDiscreteScheduler

    folder = checkpoint_of(tmp_path / "run", name, backbone, digits, tiny)
    kind = export(folder, tmp_path / "out")
    pipe, model = load(tmp_path / "out"), Model(*checkpoint.find(folder), torch.device("cpu"), COUNT)
    x = image_noise(0, "sample", 0, COUNT, SHAPE)
    if kind != "FlowMatchEulerDiscreteScheduler":  # DDPM's table: its own integer steps
        found = pipe(CLASSES, latents=x, num_inference_steps=STEPS, output_type="latent").images
        times = pipe.scheduler.timesteps.double() / (Table.STEPS - 1)
        assert relative(found, own(model, Setting(steps=STEPS), times, x)) < EXACT
        pipe.scheduler = FlowMatchEulerDiscreteScheduler()
    for setting in (Setting(steps=STEPS), Setting(steps=STEPS, guidance=2.0, start=-5.0, rescale=0.5)):
        given = {"guidance_scale": setting.guidance, "guidance_rescale": setting.rescale, "start": setting.start}
        found = pipe(CLASSES, latents=x, num_inference_steps=STEPS, output_type="latent", **given).images
        wanted = own(model, setting, setting.times(model.objective.path), x)
        assert wanted.std() > 0.1
        assert relative(found, wanted) < EXACT


def test_raw_weights_other_levels_and_unclipped_images(tmp_path, digits, tiny):
    folder = checkpoint_of(tmp_path / "run", "v/cosine", DIT, digits, tiny)
    export(folder, tmp_path / "out", weights="raw", wish="flow")
    pipe, model = load(tmp_path / "out"), Model(*checkpoint.find(folder), torch.device("cpu"), COUNT)
    setting = Setting(steps=STEPS, weights="raw", step_grid="karras(7)", clip=False)
    times = setting.times(model.objective.path)
    alpha, sigma = model.objective.path.at(times)
    x = image_noise(0, "sample", 0, COUNT, SHAPE)
    levels = (sigma / (alpha + sigma)).tolist()
    found = pipe(CLASSES, latents=x, sigmas=levels, clip=False, output_type="latent").images
    assert relative(found, own(model, setting, times, x)) < EXACT


def test_what_a_user_gets(tmp_path, digits, tiny):
    folder = checkpoint_of(tmp_path / "run", "rf", UNET, digits, tiny)
    export(folder, tmp_path / "out")
    pipe = load(tmp_path / "out")
    assert type(pipe.unet).__module__.startswith("diffusers.")
    images = pipe(class_labels=[3, 4], num_inference_steps=3, generator=torch.Generator().manual_seed(0)).images
    assert [image.size for image in images] == [(8, 8), (8, 8)]
    assert [image.mode for image in images] == ["L", "L"]
    x = image_noise(0, "sample", 0, 2, SHAPE)
    array = pipe(batch_size=2, latents=x, num_inference_steps=3, output_type="np").images
    model = Model(*checkpoint.find(folder), torch.device("cpu"), 2)
    ours = model.images(torch.tensor([NONE, NONE]), Setting(steps=3), seed=0)
    assert abs((array * 255).round() - ours.permute(0, 2, 3, 1).numpy()).max() <= 1
    for wrong in (
        {"class_labels": [13]},
        {"class_labels": []},
        {"class_labels": [1], "latents": torch.zeros(1, 1, 9, 9)},
    ):
        with pytest.raises(ValueError, match=r"class_labels|latents"):
            pipe(num_inference_steps=1, **wrong)
    saved = tmp_path / "again"
    pipe.save_pretrained(saved)  # as a user would after a change
    assert (saved / "unet" / "diffusion_pytorch_model.safetensors").is_file()


def test_code_of_a_folder_runs_only_with_consent(tmp_path, digits, tiny):
    from diffusers import DiffusionPipeline

    export(checkpoint_of(tmp_path / "run", "rf", DIT, digits, tiny), tmp_path / "out")
    with pytest.raises(ValueError, match="trust_remote_code"):
        DiffusionPipeline.from_pretrained(tmp_path / "out", local_files_only=True)
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert not any(name.endswith((".bin", ".pt", ".ckpt", ".pkl")) for name in files)
    for name in ("pipeline.py", "transformer/zoo_dit.py", "transformer/dit.py", "transformer/conditioning.py"):
        text = (tmp_path / "out" / name).read_text()
        assert "from zoo" not in text
        assert "import zoo" not in text


def test_a_network_of_two_times_is_refused(digits):
    with pytest.raises(ZooError, match="told two times"):
        pipeline_config(registry.objective("meanflow"), digits.standard, digits.spec)


@pytest.mark.parametrize("name", ["eps/linear", "eps/cosine", "v/ldm", "v/linear+ztsnr"])
def test_ddpm_s_table_is_the_path(name):
    made, path = registry.objective(name), registry.objective(name).path
    scheduler = scheduler_for(made, "ddpm")
    t = torch.linspace(0, 1, Table.STEPS, dtype=torch.float64)
    ours = logsnr_table(path, "cpu") if isinstance(path, Table) else path.logsnr(t)
    assert torch.allclose(scheduler.alphas_cumprod.double(), ours.sigmoid(), rtol=1e-3, atol=1e-6)


def test_what_cannot_be_expressed_is_refused(tmp_path, digits, tiny, monkeypatch):
    with pytest.raises(ZooError, match="--scheduler flow"):
        scheduler_for(registry.objective("rf"), "ddim")

    class Bent(type(registry.objective("rf").path)):
        def coefficients(self, logsnr):
            alpha, sigma = super().coefficients(logsnr)
            return alpha, sigma * 2

    with pytest.raises(ZooError, match="neither on the circle nor on the line"):
        curve_of(Bent())
    folder = checkpoint_of(tmp_path / "run", "rf", DIT, digits, tiny)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(ZooError, match="holds files already"):
        export(folder, tmp_path / "full")

    class Strange(type(registry.objective("rf").target)):
        pass

    strange = Objective(registry.objective("rf").path, Strange(), registry.objective("rf").density, name="mine")
    monkeypatch.setattr(registry, "objective", lambda name: strange)
    with pytest.raises(ZooError, match="plug-in's"):
        export(folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "run"]  # nothing half written is left


ROW = {**Setting(guidance=2.0).model_dump(mode="json"), "setting": "ema-euler-flow-20-g2", "n": 300, "fid": 2.5,
       "fid_se": 0.1, "acc": 0.9, "acc_low": 0.88, "acc_high": 0.92, "evaluations": 39}  # fmt: skip
RESULT = {
    "data": {"sha256": "d" * 64},
    "judge": {"name": "j", "sha256": "a" * 64, "floor": {"fid": 0.11, "se": 0.01, "plain": 0.2, "n": 359}},
    "real": {"acc": 0.99},
    "scores": [ROW],
    "train": {"selected_step": 12},
}


def test_a_card_holds_results_with_floor_and_interval_that_the_hub_s_library_reads(tmp_path, digits, tiny):
    from huggingface_hub import ModelCard

    folder = checkpoint_of(tmp_path / "run", "rf", DIT, digits, tiny)
    config = read_sealed(folder / "step-000012.json")["config"]
    write_sealed(folder / "result.json", {**RESULT, "cell": {"train": config}})
    export(folder, tmp_path / "out", place="me/model", licence="mit")
    card = ModelCard.load(tmp_path / "out" / "README.md")
    (fid, acc) = card.data.eval_results
    assert (fid.metric_type, fid.metric_value, fid.metric_name) == ("fid", 2.5, "fid@300")
    assert fid.metric_args["floor"] == 0.11
    assert fid.metric_args["low"] == pytest.approx(2.5 - 1.96 * 0.1, abs=1e-4)
    assert fid.metric_args["judge_sha256"] == "a" * 64
    assert (acc.metric_value, acc.metric_args["low"], acc.metric_args["ceiling"]) == (0.9, 0.88, 0.99)
    assert (card.data.library_name, card.data.license) == ("diffusers", "mit")
    for told in ("2.50 [2.30, 2.70] | 0.11", "90.0% [88.0%, 92.0%] | 99.0%", "a" * 64, digits.sha256, "learning_rate",
                 "Intended use", '"me/model"', "noise levels"):  # fmt: skip
        assert told in card.content, told
    write_sealed(folder / "result.json", {**RESULT, "cell": {"train": {**config, "seed": 7}}})  # of another run
    export(folder, tmp_path / "other")
    other = ModelCard.load(tmp_path / "other" / "README.md")
    assert other.data.eval_results is None
    assert "None were measured" in other.content


def test_a_card_tells_no_place_of_the_machine():
    config = {"objective": "rf", "backbone": DIT, "dataset": "folder:/home/me/secret place/pets(size=8)", "seed": 0}
    told = metadata(name_of(config), config, RESULT, [ROW], None) + name_of(config)
    assert "secret" not in told and "/home" not in told
    assert "pets-" in told


def test_eval_results_for_programs():
    from huggingface_hub import parse_eval_result_entries

    text = eval_results({"dataset": "mnist"}, RESULT, [ROW])
    fid, acc = parse_eval_result_entries(yaml.safe_load(text))
    assert (fid.dataset_id, fid.task_id, fid.value) == (HUB_DATA["mnist"], "fid@300", 2.5)
    assert "floor 0.11" in fid.notes
    assert (acc.task_id, acc.value) == ("accuracy", 0.9)
    assert "0.8800 to 0.9200" in acc.notes
    assert eval_results({"dataset": "digits"}, RESULT, [ROW]) is None  # the hub has no such data
    assert eval_results({"dataset": "mnist"}, None, []) is None
    assert "model-index" not in metadata("x", {"dataset": "digits"}, None, [], None)


def test_nothing_is_sent_unless_asked(tmp_path, digits, tiny, inside, refused, monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import LocalTokenNotFoundError

    sent = []

    class Hub:
        def create_repo(self, repo, **given):
            sent.append(("create", repo, given["private"]))

        def upload_folder(self, repo_id, folder_path, **given):
            sent.append(("upload", repo_id, sorted(path.name for path in Path(folder_path).iterdir())))

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    folder = str(checkpoint_of(tmp_path / "run", "rf", DIT, digits, tiny))
    said = inside(export_command.main, folder, str(tmp_path / "a"))
    assert "FlowMatchEulerDiscreteScheduler" in said
    before = sorted(path.name for path in tmp_path.iterdir())
    for there in ("a", "b"):  # a folder that is there already, and a new one: neither is written
        said = inside(export_command.main, folder, str(tmp_path / there), "--push", "me/model", "--dry-run")
    assert "would be sent to me/model" in said
    assert "transformer/diffusion_pytorch_model.safetensors" in said
    assert sent == []
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert "`hf upload me/model" in refused(export_command.main, folder, str(tmp_path / "a"), "--push", "me/model")
    said = inside(export_command.main, folder, str(tmp_path / "c"), "--push", "me/model", "--private")
    assert "sent to https://huggingface.co/me/model" in said
    assert sent[0] == ("create", "me/model", True)
    assert {"README.md", "model_index.json", "pipeline.py"} <= set(sent[1][2])

    def no_token(self, *_, **__):
        raise LocalTokenNotFoundError("Token is required, but no token found")

    monkeypatch.setattr(Hub, "create_repo", no_token)
    with pytest.raises(ZooError, match="hf auth login"):
        push.push(tmp_path / "a", "me/model", False)

    class Lost(Exception):
        """What a library for HTTP raises where there is no network: no OSError, and of no type that we know."""

    def no_network(self, *_, **__):
        raise Lost("All connection attempts failed")

    monkeypatch.setattr(Hub, "create_repo", no_network)
    with pytest.raises(ZooError, match=r"was not pushed: All connection attempts failed.*hf upload me/model"):
        push.push(tmp_path / "a", "me/model", False)
    for words, message in ((["--dry-run"], "belong to --push"), (["--push", "model"], "USER/NAME"),
                           (["--push", "a/b/c"], "USER/NAME")):  # fmt: skip
        assert message in refused(export_command.main, folder, str(tmp_path / "d"), *words)
    assert "which checkpoint" in refused(export_command.main, folder)


def test_loading_an_export_warns_of_nothing(tmp_path, digits, tiny, caplog):
    export(checkpoint_of(tmp_path / "run", "eps/linear", UNET, digits, tiny), tmp_path / "out")
    library = logging.getLogger("diffusers")
    before, passes = library.level, library.propagate
    library.setLevel(logging.WARNING)
    library.propagate = True
    try:
        load(tmp_path / "out")
    finally:
        library.setLevel(before)
        library.propagate = passes
    told = [record.message for record in caplog.records if record.name.startswith("diffusers")]
    assert [message for message in told if "`accelerate` was not found" not in message] == []  # an optional package


def test_the_exported_code_is_what_is_tested(tmp_path, digits, tiny):
    export(checkpoint_of(tmp_path / "run", "rf", DIT, digits, tiny), tmp_path / "out")
    pairs = {"pipeline.py": "zoo/hub/pipeline.py", "transformer/dit.py": "zoo/backbones/dit.py"}
    for theirs, ours in pairs.items():
        assert (tmp_path / "out" / theirs).read_bytes() == (ROOT / ours).read_bytes()
