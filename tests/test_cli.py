"""The commands as a user types them, each in a process of its own: a whole grid, its second run, faults, bad input."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eval import compare, fid
from eval.scores.sets import Asked, evaluate
from tests.conftest import ROOT, near
from zoo.base.errors import ZooError
from zoo.config.control import Setting
from zoo.sample import main as sample_main
from zoo.train import main as train_main

GRID = """
description = "two tiny cells"
dataset = "digits"
objectives = ["rf/lognorm(0,1)", "eps/cosine"]
backbones = ["dit"]
[[budgets]]
name = "cpu"
datasets = ["digits"]
recipe = { batch = 16, learning_rate = RATE }
score = { n = 256, batch = 67, settings = [{ steps = 2 }] }
sizes.dit = { size = "dit(width=32,depth=1,heads=1)", images = IMAGES, seconds = 5.0 }
"""


HOME = "home-of-someone"
SECRETS = {"ZOO_SECRET": "hunter2-abc", "WANDB_API_KEY": "hunter2-def"}


def write_grid(folder: Path, images: int = 320, rate: str = "2e-3") -> str:
    path = folder / "tiny.toml"
    path.write_text(GRID.replace("IMAGES", str(images)).replace("RATE", rate))
    return str(path)


def stamps(folder: Path) -> dict[Path, int]:
    """When each result, checkpoint and log was written."""
    kinds = ("result.json", "cell.json", "*.safetensors", "log.txt", "metrics.jsonl")
    return {path: path.stat().st_mtime_ns for kind in kinds for path in folder.rglob(kind)}


def assert_clear(done: subprocess.CompletedProcess, *said: str) -> None:
    """Exit status 2, one message that says all of this, no traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """Two cells of the smoke grid, from the command to the report."""
    out = tmp_path_factory.mktemp("runs") / "smoke"
    command = [sys.executable, "run_all.py", "--grid", "smoke", "--only", "lognorm", "--out", str(out)]
    (out.parent / HOME).mkdir()
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **SECRETS, "HOME": str(out.parent / HOME)}
    places = ["--data-dir", str(out.parent / HOME / "data")]
    done = subprocess.run([*command, *places], cwd=ROOT, env=environment, capture_output=True, text=True)  # noqa: S603
    return out, done


def test_two_cells_are_trained_scored_and_reported(smoke):
    out, done = smoke
    assert (out / "report.md").is_file(), done.stdout + done.stderr
    results = [json.loads(path.read_text()) for path in sorted(out.rglob("result.json"))]
    assert [result["cell"]["train"]["backbone"].split("(")[0] for result in results] == ["dit", "unet"]
    for result in results:
        settings = [(score["start"], score["guidance"], score["evaluations"]) for score in result["scores"]]
        assert settings == [(-10.0, 1.0, 10), (-5.4, 2.0, 20)]
        assert [score["setting"] for score in result["scores"]] == [
            "ema-euler-flow-10-g1",
            "ema-euler-flow-10-g2-s-5.4",
        ]
        tried = [(one["start"], one["guidance"]) for one in result["best"]["candidates"]]
        assert tried[:2] == [(-10.0, 1.0), (-5.4, 2.0)]
        assert len(tried) == 3
        assert [point["images"] for point in result["snapshots"]] == [round(79 / 2) * 64, 79 * 64]
        assert 0 < result["train"]["clipped"] < 1
        assert 0 < result["validation"]["ema"]["x0_high"] < 10
        assert all(np.isfinite(v) for score in result["scores"] for v in score.values() if isinstance(v, float))
        assert result["validation"]["ema"]["val_eps"] > 0
        *parts, total = result["seconds"].values()
        assert sum(parts) == pytest.approx(total)
        assert min(parts) > 0
        scored = [*result["scores"], result["best"]["score"]]
        assert result["seconds"]["sample"] > sum(score["seconds"] for score in scored)
    line = next(line for line in done.stdout.splitlines() if line.startswith("digits") and "unet" in line)
    assert int(line.split()[-1]) == round(results[1]["seconds"]["total"])
    guided = results[1]["scores"][1]
    assert guided["acc"] > 0.6  # the U-Net draws digits after a few thousand images; a guess scores 0.1
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    scored = [row for row in rows if row["status"] == "done"]
    assert len(scored) == 4
    assert {float(row["best_fid"]) for row in scored} == {result["best"]["score"]["fid"] for result in results}
    assert {float(row["fid"]) for row in scored} == {score["fid"] for result in results for score in result["scores"]}
    assert len(list((out / "figures").glob("*.png"))) >= 5


def test_artefacts_hold_no_secret_and_no_place_of_the_machine(smoke):
    files = [path for path in smoke[0].rglob("*") if path.is_file()]
    assert {"result.json", "grid.json", "log.txt", "report.md", "results.csv"} <= {path.name for path in files}
    for path in files:
        data = path.read_bytes()
        for word in (*SECRETS.values(), HOME, str(ROOT)):
            assert word.encode() not in data, path


def test_only_the_chosen_cells_count_for_the_exit_status(smoke):
    _, done = smoke
    assert done.returncode == 0, done.stderr


def test_the_same_command_again_does_no_work(smoke, command):
    out, _ = smoke
    before, page = stamps(out), (out / "report.md").read_bytes()
    done = command("run_all.py", "--grid", "smoke", "--only", "lognorm", "--out", str(out))
    assert done.returncode == 0
    assert done.stdout.count("done, skipped") == 2
    assert stamps(out) == before
    assert (out / "report.md").read_bytes() == page


def test_eval_fid_repeats_the_cell_s_score(smoke, command):
    out, _ = smoke
    path = next(out.rglob("result.json"))
    result = json.loads(path.read_text())
    score = result["cell"]["score"]
    arguments = ["--n", str(score["n"]), "--steps", str(score["settings"][1]["steps"]), "--batch", str(score["batch"])]
    arguments += ["--start", str(score["settings"][1]["start"])]
    done = command("-m", "eval.fid", str(path.parent), *arguments, "--guidance", "2", "--json")
    found = json.loads(done.stdout)
    expected = next(row for row in result["scores"] if (row["weights"], row["guidance"]) == ("ema", 2.0))
    for key in expected.keys() - {"seconds", "measure_seconds", "images_per_s"}:
        assert found["score"][key] == near(expected[key]), key
    assert found["judge"]["sha256"] == result["judge"]["sha256"]


def test_list_shows_the_state_and_another_budget_is_refused(smoke, command):
    out, _ = smoke
    listed = command("run_all.py", "--grid", "smoke", "--list", "--out", str(out))
    assert listed.returncode == 0
    assert listed.stdout.count(" done ") == 2
    assert listed.stdout.count(" to do ") == 4
    other = command("run_all.py", "--grid", "smoke", "--only", "lognorm", "--budget", "640", "--out", str(out))
    assert_clear(other, "train.images: asked 640, found 5000", "--out")


def test_list_imports_nothing_slow(command):
    program = "import sys, run_all; sys.argv = ['run_all.py', '--list']; run_all.main(); "
    program += "assert not sys.modules.keys() & {'torch', 'typeguard', 'pandas', 'matplotlib'}"
    done = command("-c", program)
    assert done.returncode == 0, done.stderr
    assert "eps/cosine+minsnr(5)" in done.stdout


def test_help_imports_still_less(command):
    program = "import atexit, sys, run_all; sys.argv = ['run_all.py', '--help']; "
    program += "atexit.register(lambda: print(sys.modules.keys() & {'torch', 'pydantic', 'tqdm', 'urllib.request'})); "
    done = command("-c", program + "run_all.main()")
    assert done.returncode == 0, done.stderr
    assert "--grid" in done.stdout
    assert done.stdout.rstrip().endswith("set()")


def test_a_failing_cell_is_recorded_and_the_grid_goes_on(command, tmp_path):
    grid, out = write_grid(tmp_path), tmp_path / "out"
    blocked = out / "digits" / "dit-width-32-depth-1-heads-1" / "rf-lognorm-0-1" / "seed0"
    (blocked / "metrics.jsonl").mkdir(parents=True)  # a folder where a file should go
    done = command("run_all.py", "--grid", grid, "--out", str(out))
    assert done.returncode == 1
    assert "1 of 2 cells are not done" in done.stderr
    failed = json.loads((blocked / "failed.json").read_text())
    assert failed["exit_status"] == 2
    assert "metrics.jsonl" in failed["message"]
    assert len(list(out.rglob("result.json"))) == 1
    assert failed["log"] in (out / "report.md").read_text()
    skipped = command("run_all.py", "--grid", grid, "--out", str(out))
    assert skipped.returncode == 1
    assert "--retry failed" in skipped.stdout
    (blocked / "metrics.jsonl").rmdir()
    again = command("run_all.py", "--grid", grid, "--out", str(out), "--retry", "failed")
    assert again.returncode == 0, again.stderr
    assert not (blocked / "failed.json").exists()


@pytest.mark.slow
def test_a_diverged_cell_is_recorded_as_such(command, tmp_path):
    out = tmp_path / "out"
    done = command("run_all.py", "--grid", write_grid(tmp_path, rate="1e38"), "--only", "eps", "--out", str(out))
    assert done.returncode == 1
    (record,) = (json.loads(path.read_text()) for path in tmp_path.rglob("failed.json"))
    assert record["status"] == "diverged"
    assert "stopped being finite at step" in record["message"]
    assert "diverged" in (tmp_path / "out" / "report.md").read_text()


def test_ctrl_c_saves_and_the_same_command_goes_on(command, tmp_path):
    grid = write_grid(tmp_path, images=8_000)
    arguments = ["run_all.py", "--grid", grid, "--only", "eps", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not (saved := list(tmp_path.rglob("step-*.json"))):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "the same command continues from here" in output
    log = saved[0].parent / "log.txt"
    assert "run again to go on" in log.read_text()
    assert not list(tmp_path.rglob("failed.json"))
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert "resumed at step" in log.read_text()


RUN_ALL = {
    "grid": (["--grid", "defalt"], ["unknown grid 'defalt'", "Did you mean 'default'"]),
    "data set": (["--dataset", "mnits"], ["unknown data set", "Did you mean 'mnist'"]),
    "budget": (["--budget", "huge"], ["'huge'", "auto, cpu, gpu"]),
    "pattern": (["--only", "eps/linaer"], ["eps/linear"]),
    "backbone": (["--backbone", "unett"], ["unknown backbone of this grid 'unett'", "Did you mean 'unet'"]),
    "time-out": (["--timeout", "0"], ["--timeout must be above 0"]),
    "seeds": (["--seeds", "0"], ["--seeds must be at least 1"]),
    "an option": (["--gird", "smoke"], ["--gird"]),
    "mnist without a way to it": (
        ["--dataset", "mnist", "--mirror", "/nowhere"],
        ["could not be had", "--dataset digits"],
    ),
}


@pytest.mark.parametrize(("arguments", "said"), RUN_ALL.values(), ids=RUN_ALL.keys())
def test_run_all_refuses_what_it_does_not_know(arguments, said, command, tmp_path):
    done = command("run_all.py", *arguments, "--out", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data"))
    assert_clear(done, *said)
    assert not (tmp_path / "out").exists()


def test_an_unwritable_output_folder_is_one_message(command, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert_clear(
        command("run_all.py", "--grid", "smoke", "--out", str(tmp_path / "file" / "runs")), "cannot write", "--out"
    )


def test_auto_without_network_says_so_loudly_and_uses_digits(command, tmp_path):
    out = tmp_path / "out"
    program = (
        "import run_all, sys; from zoo.grid import driver; driver._to_do = lambda *a, **b: []\n"
        f"sys.argv = ['run_all.py', '--out', {str(out)!r}, '--mirror', '/nowhere']\n"
        f"sys.argv += ['--data-dir', {str(tmp_path / 'data')!r}]\n"
        "sys.exit(run_all.main())"
    )
    done = command("-c", program)
    assert done.returncode == 1  # no cell was run
    assert "MNIST is not available" in done.stdout
    assert "MNIST is not available" in (out / "report.md").read_text()[:600]
    assert json.loads((out / "grid.json").read_text())["datasets"] == ["digits"]


@pytest.mark.slow
def test_a_second_data_set_that_cannot_be_had_is_digits_and_the_report_says_so(command, tmp_path):
    text = Path(write_grid(tmp_path)).read_text()
    grid, out = tmp_path / "two.toml", tmp_path / "out"
    both = 'dataset = ["digits", "fashion"]'
    grid.write_text(text.replace('dataset = "digits"', both))
    nowhere = ["--only", "eps", "--mirror", "/nowhere", "--data-dir", str(tmp_path / "data"), "--out", str(out)]
    done = command("run_all.py", "--grid", str(grid), *nowhere)
    assert done.returncode == 0, done.stderr
    said = ["FashionMNIST is not available", "1 of 2 data sets are left, and so fewer control settings."]
    for words in said:
        assert words in done.stdout
        assert words in (out / "report.md").read_text()
    found = json.loads((out / "grid.json").read_text())
    assert (found["datasets"], found["dataset_requested"]) == (["digits"], ["digits", "fashion"])
    again = command("run_all.py", "--grid", str(grid), *nowhere)
    assert (again.returncode, again.stdout.count("done, skipped")) == (0, 1)
    named = command(
        "run_all.py", "--grid", str(grid), *nowhere[:-2], "--dataset", "digits,fashion", "--out", str(out) + "2"
    )
    assert_clear(named, "could not be had")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--objective", "eps/cosin"], ["objective", "Did you mean 'eps/cosine'"]),
        (["--backbone", "unett"], ["backbone", "Did you mean 'unet'"]),
        (["--dataset", "digitz"], ["dataset = 'digitz'", "'digits'"]),
        (["--images", "0"], ["images = 0", "greater than or equal to 1"]),
        (["--dataset", "digits", "--backbone", "dit(patch=3)"], ["patch=3 does not divide"]),
        (["--dataset", "digits", "--device", "tpu9"], ["device 'tpu9' does not work here"]),
    ],
)
def test_train_refuses_what_it_does_not_know(arguments, said, refused, tmp_path):
    text = refused(train_main, *arguments, "--out", str(tmp_path / "run"))
    assert all(words in text for words in said)


def test_the_board_of_the_report_is_that_of_the_command(smoke, inside):
    out, _ = smoke
    board = json.loads(inside(compare.main, str(out), "--json"))
    assert [row["objective"] for row in board["rows"] if row["rank"]] == ["rf/lognorm(0,1)"]  # --only left two out
    assert len(board["rows"]) == 3
    assert (board["settings"], board["families"], board["datasets"]) == (4, ["dit", "unet"], ["digits"])
    text = (out / "report.md").read_text()
    assert "## Ranks" in text
    assert re.search(r"^\| rf/lognorm\(0,1\) \| 1 ", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def unet(smoke) -> Path:
    """The folder of a U-Net that draws digits."""
    return next(path.parent for path in smoke[0].rglob("result.json") if "unet" in str(path))


def test_sample_draws_a_grid_a_path_and_a_file(unet, inside, tmp_path):
    names = {flag: str(tmp_path / f"x.{flag}") for flag in ("png", "gif", "npz")}
    files = ["--out", names["png"], "--trajectory", names["gif"], "--npz", names["npz"]]
    how = ["--labels", "0-9", "--n", "3", "--sampler", "heun", "--steps", "5", "--guidance", "1.5"]
    assert "18 network evaluations" in inside(sample_main, str(unet), *how, *files)  # 9 calls with the class, 9 without
    with np.load(names["npz"], allow_pickle=False) as arrays:
        images, labels = arrays["arr_0"], arrays["arr_1"]
    assert (images.shape, images.dtype) == ((30, 8, 8, 3), np.uint8)
    assert labels.tolist() == list(range(10)) * 3
    picture = np.array(Image.open(names["png"]))
    scale = picture.shape[1] // (10 * 9 - 1)
    assert picture.shape == ((3 * 9 - 1) * scale, (10 * 9 - 1) * scale)
    assert np.array_equal(picture[9 * scale : 17 * scale : scale, : 8 * scale : scale], images[10, :, :, 0])
    with Image.open(names["gif"]) as film:
        assert film.n_frames == 5


def test_two_sets_are_scored_and_compared(unet, command, inside, tmp_path):
    drawn = command("-m", "zoo.sample", str(unet), "--n", "26", "--steps", "5", "--npz", str(tmp_path / "a.npz"))
    assert drawn.returncode == 0, drawn.stderr
    (tmp_path / "b").mkdir()
    with np.load(tmp_path / "a.npz") as arrays:
        for i, image in enumerate(arrays["arr_0"]):
            Image.fromarray(image[:, :, 0] if i % 2 else image).save(tmp_path / "b" / f"{i:03}.png")
    two = [str(tmp_path / "a.npz"), str(tmp_path / "b"), "--dataset", "digits", "--json"]
    found = json.loads(inside(fid.main, *two))
    assert found["between"]["fid_plain"] == pytest.approx(0, abs=1e-8)
    assert found["a"]["score"]["fid_plain"] == pytest.approx(found["b"]["score"]["fid_plain"])
    assert found["a"]["score"]["acc"] > 0.5
    assert "acc" not in found["b"]["score"]  # nobody says what the PNGs should be
    page = inside(fid.main, str(tmp_path / "a.npz"), str(unet), "--n", "256", "--steps", "3")
    assert "between A and B: FID" in page


SAMPLE = {
    "no place": ([], "where to?"),
    "a sampler": (["--out", "x.png", "--sampler", "hein"], "Did you mean 'heun'"),
    "a step grid": (["--out", "x.png", "--step-grid", "karas"], "Did you mean 'karras'"),
    "no steps": (["--out", "x.png", "--steps", "0"], "steps = 0"),
    "no guidance": (["--out", "x.png", "--guidance", "0"], "guidance = 0"),
    "negative guidance": (["--out", "x.png", "--guidance", "-1"], "guidance = -1"),
    "an interval": (["--out", "x.png", "--interval", "0.8", "0.2"], "the lower share of noise first"),
    "an ending": (["--out", "x.gif"], "should end in .png"),
    "no image": (["--out", "x.png", "--n", "0"], "--n must be at least 1"),
}


@pytest.mark.parametrize(("arguments", "said"), SAMPLE.values(), ids=SAMPLE.keys())
def test_sample_refuses_what_makes_no_sense(arguments, said, refused):
    assert said in refused(sample_main, "runs/none", *arguments)


def images(folder: Path, name: str, **arrays) -> str:
    np.savez(folder / name, **arrays)
    return str(folder / name)


def test_eval_fid_refuses_images_that_cannot_be_scored(command, tmp_path):
    good = np.zeros((200, 8, 8, 1), np.uint8)
    float_nan = np.full((200, 8, 8, 1), np.nan, np.float32)
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    for i, size in enumerate((8, 9)):
        Image.fromarray(np.zeros((size, size), np.uint8)).save(tmp_path / "mixed" / f"{i}.png")
    np.save(tmp_path / "a.npy", good)
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    pickled = np.array([{"a": 1}], dtype=object)
    (part_of_a_grid := tmp_path / "digits" / "dit").mkdir(parents=True)
    (cell := part_of_a_grid / "rf" / "seed0").mkdir(parents=True)
    for ending in ("json", "safetensors"):
        (cell / f"step-000001.{ending}").write_text("{}")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(cell / "samples.png")
    cases = {
        str(part_of_a_grid): f"Give one of the runs below it, such as {cell}",
        images(tmp_path, "nan.npz", arr_0=float_nan): "holds NaN or infinite pixels",
        images(tmp_path, "float.npz", arr_0=good.astype(np.float32)): "holds float32; it should hold uint8",
        images(
            tmp_path, "large.npz", arr_0=np.zeros((200, 28, 28, 1), np.uint8)
        ): "28 x 28 pixels, and the data set's are 8 x 8",
        images(tmp_path, "few.npz", arr_0=good[:50]): "50 images are too few: the judge has 128 features",
        images(
            tmp_path, "flat.npz", arr_0=np.zeros((200, 64), np.uint8)
        ): "[N, H, W, C] or [N, H, W] as arr_0, not [200, 64]",
        images(tmp_path, "none.npz", arr_0=good[:0]): "not [0, 8, 8, 1]",
        images(tmp_path, "named.npz", x=good): "holds x; images should be its arr_0: np.savez(FILE, images, labels)",
        images(tmp_path, "labels.npz", arr_0=good, arr_1=np.zeros(3, int)): "one label for each of the 200 images",
        images(tmp_path, "classes.npz", arr_0=good, arr_1=np.full(200, 40)): "holds classes 40 to 40",
        images(tmp_path, "pickle.npz", arr_0=pickled): "cannot be read as .npz",
        images(
            tmp_path, "red.npz", arr_0=np.stack([good[..., 0] + 9, good[..., 0], good[..., 0]], -1)
        ): "holds colours",
        str(tmp_path / "broken.npz"): "cannot be read as .npz",
        str(
            tmp_path / "a.npy"
        ): "is no checkpoint; give a run's folder, a checkpoint, a pipeline's folder, an .npz file",
        str(tmp_path / "empty"): "holds no PNG",
        str(tmp_path / "mixed"): "of another size than 0.png",
        str(tmp_path / "nowhere"): "does not exist",
    }
    for path, said in cases.items():
        with pytest.raises(ZooError) as error:
            evaluate([Path(path)], Setting(), Asked(1000, "digits", tmp_path / "data"), torch.device("cpu"))
        assert said in str(error.value), path
    with pytest.raises(ZooError, match="nothing says it"):
        evaluate([tmp_path / "few.npz"], Setting(), Asked(1000, None, tmp_path / "data"), torch.device("cpu"))
    assert_clear(command("-m", "eval.fid", str(tmp_path / "empty"), "--dataset", "digits"), "holds no PNG")


def test_a_judge_of_another_data_set_is_refused(unet, refused):
    text = refused(fid.main, str(unet), "--dataset", "fashion")
    assert "of which data set are these images?" in text
    assert "digits and fashion" in text


def test_eval_fid_refuses_what_is_no_checkpoint(refused, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04")
    assert "is a pickle" in refused(fid.main, str(tmp_path / "model.pt"))
    assert "does not exist" in refused(fid.main, str(tmp_path / "none"))
    assert "fewer than 256 images" in refused(fid.main, str(tmp_path), "--n", "10")
    assert "guidance = 0" in refused(fid.main, str(tmp_path), "--guidance", "0")
