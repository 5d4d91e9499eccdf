"""Pipelines of diffusers on disk, scored: unconditional and by class, grey and in colour, of the right size or not."""

import json

import pytest
import torch

import zoo
from eval import fid as command
from eval.scores import pipelines
from zoo.base.errors import ZooError
from zoo.config.control import Setting
from zoo.hub.export import export

N = 256


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    return zoo.train("rf", "dit(width=32,depth=1)", dataset="digits", images=1280, out=folder, precision="float32")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def stock(folder, channels: int = 1, size: int = 8):
    """An unconditional pipeline of diffusers' own classes, untrained."""
    from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

    torch.manual_seed(0)
    net = UNet2DModel(
        sample_size=size, in_channels=channels, out_channels=channels, block_out_channels=(16, 16),
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"), norm_num_groups=4,
        layers_per_block=1,
    )  # fmt: skip
    DDIMPipeline(net, DDIMScheduler()).save_pretrained(folder)
    return folder


def test_an_exported_run_scores_as_the_run_does(run, data, tmp_path):
    """Other noise, so equal within the errors of both."""
    export(run.folder, tmp_path / "hf")
    kept = {"n": 1000, "steps": 8, "guidance": 2.0, "data_dir": data}
    ours = zoo.score(run, **kept)
    theirs = zoo.score(tmp_path / "hf", dataset="digits", trust_remote_code=True, **kept)
    assert abs(ours.fid - theirs.fid) < 4 * (ours.fid_se**2 + theirs.fid_se**2) ** 0.5
    assert abs(ours.acc - theirs.acc) < 0.1
    assert theirs.n == 1000


def test_an_exported_table_is_scored_with_its_own_scheduler(data, tmp_path):
    made = zoo.train("eps/linear", "dit(width=32,depth=1)", dataset="digits", images=320, out=tmp_path / "run")
    export(made.folder, tmp_path / "hf")
    kept = {"dataset": "digits", "n": N, "steps": 2, "data_dir": data, "trust_remote_code": True}
    assert zoo.score(tmp_path / "hf", guidance=2.0, **kept).n == N
    with pytest.raises(ZooError, match="FlowMatchEulerDiscreteScheduler"):  # DDIM begins where its table does
        zoo.score(tmp_path / "hf", start=-5.0, **kept)


def test_an_unconditional_pipeline_has_no_accuracy(data, tmp_path, inside):
    folder = stock(tmp_path / "ddim")
    said = inside(command.main, str(folder), "--dataset", "digits", "--n", str(N), "--steps", "2", "--data-dir",
                  str(data), "--json")  # fmt: skip
    found = json.loads(said)
    assert found["path"].startswith("ddim")
    assert found["score"]["n"] == N
    assert found["score"]["fid"] > found["floor"]["fid"]
    assert "acc" not in found["score"]


@pytest.mark.parametrize(("channels", "size", "message"), [(3, 8, "colours"), (1, 16, "16 x 16 pixels")])
def test_colours_and_sizes_that_do_not_fit_are_named(channels, size, message, data, tmp_path):
    folder = stock(tmp_path / "hf", channels, size)
    with pytest.raises(ZooError, match=message):
        zoo.score(folder, dataset="digits", n=N, steps=1, data_dir=data)


def test_code_runs_only_if_trusted(run, data, tmp_path):
    export(run.folder, tmp_path / "hf")
    assert pipelines.code_of(tmp_path / "hf") == ["pipeline.py", "transformer/zoo_dit.py"]
    (tmp_path / "hf" / "pipeline.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ZooError, match=r"pipeline\.py, transformer/zoo_dit\.py.*--trust-remote-code"):
        zoo.score(tmp_path / "hf", dataset="digits", n=N, data_dir=data)
    assert not (tmp_path / "ran").exists()


def test_options_that_a_pipeline_does_not_take_are_refused(data, tmp_path):
    folder = stock(tmp_path / "hf")
    for setting, message in (({"guidance": 2.0}, "guidance_scale"), ({"sampler": "heun"}, "own scheduler"),
                             ({"start": -5.0}, "takes no start")):  # fmt: skip
        with pytest.raises(ZooError, match=message):
            zoo.score(folder, dataset="digits", n=N, data_dir=data, **setting)
    assert pipelines.options_of(pipelines.load_pipeline(folder, False, "cpu"), Setting(steps=3)) == {
        "num_inference_steps": 3
    }


def test_damaged_folders_and_pickles_are_refused(data, tmp_path):
    folder = stock(tmp_path / "hf")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    with pytest.raises(ZooError, match="cannot be loaded"):
        zoo.score(folder, dataset="digits", n=N, data_dir=data)
    weights.unlink()
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ZooError, match="cannot be loaded"):
        zoo.score(folder, dataset="digits", n=N, data_dir=data)
    (folder / "model_index.json").write_text("[")
    with pytest.raises(ZooError, match="cannot be read as JSON"):
        zoo.score(folder, dataset="digits", n=N, data_dir=data)
