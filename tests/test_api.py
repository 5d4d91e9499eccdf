"""The Python API: the examples of its docstrings, silence, errors, and that it is the command lines' own code."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
import torch

import zoo
from tests.conftest import ROOT, near
from zoo.base.files import sha256

SIZE = "dit(width=32,depth=1)"
GRID = """
description = "two objectives, tiny"
dataset = "digits"
objectives = ["rf", "v/cosine"]
backbones = ["dit"]

[[budgets]]
name = "cpu"
datasets = ["digits"]
recipe = { batch = 16, precision = "float32", compile = false }
score = { n = 256, batch = 64, settings = [{ steps = 2 }], weights = ["ema"] }
sizes.dit = { size = "dit(width=32,depth=1)", images = 160, seconds = 2 }
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a second."""
    out = tmp_path_factory.mktemp("run")
    return zoo.train("rf", SIZE, dataset="digits", images=640, out=out, device="cpu")


def examples() -> list:
    """The docstrings of the verbs, and of a run's method."""
    finder = doctest.DocTestFinder(recurse=False)
    named = {name: getattr(zoo, name) for name in ("train", "load", "score", "compare", "run_grid")}
    named["Run.sample"] = zoo.Run.sample
    return [pytest.param(finder.find(verb, name)[0], id=name) for name, verb in named.items()]


@pytest.mark.parametrize("example", examples())
def test_every_verb_has_an_example_that_holds(example, tmp_path, data, capsys):
    (tmp_path / "tiny.toml").write_text(GRID)
    example.globs |= {"folder": tmp_path / "out", "data": data, "tiny": tmp_path / "tiny.toml"}
    assert example.examples
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    assert runner.run(example, out=said.append).failed == 0, "".join(said)


def in_python(code: str, **how) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, **how)  # noqa: S603


def test_the_face_is_imported_without_torch_or_anything_else():
    code = (
        "import sys, zoo; assert 'train' in dir(zoo); "
        "print(sorted(name for name in ('torch', 'numpy', 'pandas', 'pydantic', 'tyro') if name in sys.modules))"
    )
    assert in_python(code).stdout.strip() == "[]"


@pytest.mark.parametrize("first", ["import zoo.train", "import zoo.api", "from zoo.train import main", "pass"])
def test_train_is_the_verb_in_every_order_of_imports(first):
    """`python -m zoo.train` is a module of the same name."""
    code = f"{first}\nimport zoo\nfrom zoo import train\nimport zoo.train as module\n"
    code += "print(zoo.train.__module__, train is zoo.train)"
    assert in_python(code).stdout.strip() == "zoo.api True"


def test_an_unknown_verb_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = zoo.trian


def test_nothing_is_printed_unless_asked(tmp_path, data, capsys):
    run = zoo.train("rf", SIZE, dataset="digits", images=64, out=tmp_path / "a", device="cpu")
    zoo.score(run, n=256, steps=1, data_dir=data, device="cpu")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    zoo.train("rf", SIZE, dataset="digits", images=64, out=tmp_path / "b", device="cpu", progress=True)
    assert "images/s" in capsys.readouterr().out


def test_numbers_may_be_numpy_s(tmp_path, data):
    run = zoo.train("rf", SIZE, dataset="digits", images=np.int64(64), seed=np.uint8(3), out=tmp_path / "a",
                    learning_rate=np.float32(0.5), device="cpu")  # fmt: skip
    assert (run.config.images, run.config.seed, run.config.learning_rate) == (64, 3, 0.5)
    assert zoo.score(run, n=np.int64(256), steps=np.int32(1), data_dir=data, device="cpu").n == 256
    (tmp_path / "tiny.toml").write_text(GRID)
    how = {"seeds": np.int64(1), "jobs": np.int8(1), "timeout": np.float64(900), "budget": np.int64(64)}
    grid = zoo.run_grid(tmp_path / "tiny.toml", out=tmp_path / "out", data_dir=data, only="rf", device="cpu", **how)
    assert grid.not_done == ()
    with pytest.raises(zoo.ZooError, match="seeds = array"):
        zoo.run_grid(tmp_path / "tiny.toml", out=tmp_path / "out", seeds=np.array([1, 2]))


def test_a_function_gets_the_rows_that_training_logs_and_nothing_is_printed(tmp_path, capsys):
    rows = []
    run = zoo.train("rf", SIZE, dataset="digits", images=640, out=tmp_path, device="cpu", progress=rows.append)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    assert [row["step"] for row in rows] == list(run.metrics["step"]) == list(range(1, 11))
    assert [row["loss"] for row in rows] == list(run.metrics["loss"])


def test_a_checkpoint_has_the_metrics_of_its_run(trained):
    file = zoo.load(next(trained.folder.glob("step-*.safetensors")))
    assert list(file.metrics["step"]) == list(trained.metrics["step"]) == list(range(1, 11))


def test_a_function_that_raises_ends_training_and_the_same_call_goes_on(tmp_path, trained):
    def stop(row: dict) -> None:
        if row["step"] == 5:
            raise RuntimeError("seen enough")

    how = {"dataset": "digits", "images": 640, "out": tmp_path, "device": "cpu"}
    with pytest.raises(RuntimeError, match="seen enough"):
        zoo.train("rf", SIZE, **how, progress=stop)
    again = zoo.train("rf", SIZE, **how)
    ours, theirs = (sorted(folder.glob("step-*.safetensors"))[-1] for folder in (trained.folder, again.folder))
    assert sha256(ours) == sha256(theirs)


def test_the_environment_names_the_data_folder_for_python_and_commands(trained, tmp_path, command, monkeypatch):
    """Both write what they work out of the training images there; an argument goes before the variable."""
    for name in ("python", "command", "argument", "variable"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "python"))
    zoo.score(trained, n=256, steps=1, device="cpu")
    what = ("-m", "eval.fid", str(trained.folder), "--n", "256", "--steps", "1")
    assert command(*what, ZOO_DATA=str(tmp_path / "command")).returncode == 0
    given = ("--data-dir", str(tmp_path / "argument"))
    assert command(*what, *given, ZOO_DATA=str(tmp_path / "variable")).returncode == 0
    assert "ZOO_DATA" in command("run_all.py", "--help").stdout
    found = {name for name in ("python", "command", "argument", "variable") if any((tmp_path / name).iterdir())}
    assert found == {"python", "command", "argument"}


def test_the_command_line_trains_the_same_run(trained, tmp_path, command):
    what = ["--objective", "rf", "--backbone", SIZE, "--dataset", "digits", "--images", "640", "--device", "cpu"]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # equal bits are promised for equal threads
    assert command("-m", "zoo.train", *what, "--out", str(tmp_path), **threads).returncode == 0
    ours, theirs = (sorted(folder.glob("step-*.safetensors"))[-1] for folder in (trained.folder, tmp_path))
    assert sha256(ours) == sha256(theirs)


def test_a_run_s_metrics_are_a_table(trained):
    assert trained.metrics["images"].iloc[-1] == 640
    assert np.isfinite(trained.metrics["loss"]).all()


def test_scores_do_not_depend_on_the_form_of_the_images(trained, tmp_path, data):
    labels = [i % 10 for i in range(300)]
    images = trained.sample(labels, steps=3)
    path = tmp_path / "set.npz"
    np.savez(path, arr_0=images.permute(0, 2, 3, 1).numpy(), arr_1=np.array(labels))
    in_memory = zoo.score(images, labels, dataset="digits", data_dir=data, device="cpu")
    from_file = zoo.score(path, dataset="digits", data_dir=data, device="cpu")
    assert in_memory.fid == near(from_file.fid)
    assert in_memory.acc == from_file.acc
    unlabelled = zoo.score(images, dataset="digits", data_dir=data, device="cpu")
    assert unlabelled.acc is None


def test_a_run_scores_as_its_images_do(trained, data):
    own = zoo.score(trained, n=300, steps=3, data_dir=data, device="cpu")
    drawn = zoo.score(
        lambda labels: trained.sample(labels, steps=3), n=300, dataset="digits", data_dir=data, device="cpu"
    )
    assert drawn.fid == near(own.fid)
    assert drawn.fid_se == near(own.fid_se)
    assert drawn.acc == own.acc


def test_a_function_is_asked_for_labels_in_the_training_set_s_proportions(data, digits):
    asked = []

    def images(labels: torch.Tensor) -> torch.Tensor:
        asked.append(labels)
        places = {label: iter((digits.train_labels == label).nonzero()[:, 0].tolist()) for label in range(10)}
        return digits.train[[next(places[label]) for label in labels.tolist()]]

    scores = zoo.score(images, dataset="digits", n=400, data_dir=data, device="cpu")
    wanted = digits.train_labels.bincount().double() / len(digits.train)
    assert (asked[0].bincount() - 400 * wanted).abs().max() < 1
    assert scores.acc > 0.97  # real images
    assert scores.fid < 3
    assert scores.ceiling > 0.97


BAD = {
    "an objective": (lambda out: zoo.train("rff", out=out), "Did you mean 'rf'"),
    "a field": (lambda out: zoo.train("rf", out=out, leraning_rate=1e-3), "Did you mean 'learning_rate'"),
    "a data set": (lambda out: zoo.train("rf", out=out, dataset="mnits"), "mnist"),
    "a device": (lambda out: zoo.train("rf", out=out, device="tpu0"), "Allowed: auto, cpu, cuda"),
    "no run": (lambda out: zoo.load(out), "checkpoint"),
    "no folder": (lambda out: zoo.compare(out / "none"), "is no folder"),
    "no cells": (lambda out: zoo.compare(out), "holds no cell"),
    "a grid": (lambda out: zoo.run_grid("defualt", out=out), "Did you mean 'default'"),
    "a count as a text": (lambda out: zoo.run_grid("smoke", out=out, seeds="two"), "seeds = 'two' should be int"),
    "half a seed": (lambda out: zoo.run_grid("smoke", out=out, seeds=1.5), "and is float"),
    "jobs as a text": (lambda out: zoo.run_grid("smoke", out=out, jobs="2"), "jobs = '2' should be int"),
    "a time as a text": (lambda out: zoo.run_grid("smoke", out=out, timeout="10"), "timeout = '10'"),
    "a data set of none": (lambda out: zoo.run_grid("smoke", out=out, dataset=["digits", None]), "dataset[1] = None"),
    "a data set as a number": (lambda out: zoo.run_grid("smoke", out=out, dataset=5), "dataset = 5 should be str"),
    "changes in a list": (lambda out: zoo.run_grid("smoke", out=out, changes=["train.clip=3"]), "changes = ["),
    "a change to nothing": (
        lambda out: zoo.run_grid("smoke", out=out, changes={"train.warmup_steps": None}),
        "give a number, a text",
    ),
    "no data set": (lambda out: zoo.score(torch.zeros(300, 1, 8, 8, dtype=torch.uint8)), "dataset="),
    "floats": (lambda out: zoo.score(torch.zeros(300, 1, 8, 8), dataset="digits"), "uint8"),
    "labels of a path": (lambda out: zoo.score(out, [1], dataset="digits"), "labels"),
}


@pytest.mark.parametrize(("call", "said"), BAD.values(), ids=BAD)
def test_bad_arguments_teach(call, said, tmp_path):
    with pytest.raises(zoo.ZooError) as error:
        call(tmp_path)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("labels", "said"), [([], "at least one class"), ([13], "classes are 0 to 11"), ([0.5], "a list of at least one")]
)
def test_bad_labels_teach(labels, said, trained):
    with pytest.raises(zoo.ZooError, match=said):
        trained.sample(labels)


def test_a_grid_runs_from_any_working_directory(tmp_path, data, monkeypatch):
    """Workers find the project, and nothing of the working directory is imported in its place."""
    (tmp_path / "tiny.toml").write_text(GRID)
    (tmp_path / "zoo.py").write_text("raise SystemExit('the wrong zoo')")
    monkeypatch.chdir(tmp_path)
    found = zoo.run_grid("tiny.toml", only="rf", out="out", data_dir=data, jobs=1, device="cpu")
    assert found.not_done == ()
    assert set(found.results["objective"].dropna()) >= {"rf"}
