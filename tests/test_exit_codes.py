"""Every command refuses what it cannot use: status 2, one message, the value that was wrong and one that is allowed."""

import io
import json
import sys
from pathlib import Path

import pytest
import torch

import run_all
from eval import compare, fid, judge, pace, simulate, submit, verify, worker
from reports import __main__ as reports
from reports import front, publish, tour
from tests.conftest import TINY
from zoo import bench, export, latents, letters, objective, sample
from zoo.base.errors import run_main
from zoo.base.sealed import write_sealed
from zoo.config.cell import CellConfig, ScoreConfig, TrainConfig
from zoo.config.control import Sampling
from zoo.data.dataset import load
from zoo.train import main as train_main
from zoo.training.run import train as train_run

GRID = """
description = "tiny"
dataset = "digits"
objectives = ["rf"]
backbones = ["dit"]
[[budgets]]
name = "cpu"
datasets = ["digits"]
recipe = { batch = 16 }
score = { n = 260, settings = [{ steps = 2 }] }
sizes.dit = { size = "dit(width=32,depth=1,heads=1)", images = 320, seconds = 5.0 }
"""
HUGE = "1000000000000"

# name -> (command, arguments, what names the wrong value, what names an allowed one). @ is a folder with the files of
# `place`, and a trained run in @/run.
BAD = {
    "grid's name": (run_all.main, ["--grid", "defalt"], "defalt", "default"),
    "grid's file": (run_all.main, ["--grid", "@/none.toml"], "none.toml", "no such file"),
    "grid of brackets": (run_all.main, ["--grid", "@/deep.toml"], "deep.toml", "TOML"),
    "grid in Latin-1": (run_all.main, ["--grid", "@/latin.toml"], "latin.toml", "TOML"),
    "grid that is a folder": (run_all.main, ["--grid", "@/folder.toml"], "folder.toml", "is a folder"),
    "grid of a wrong word": (run_all.main, ["--grid", "@/word.toml"], "'grahps'", "'graphs'"),
    "grid of a wrong nested number": (run_all.main, ["--grid", "@/steps.toml"], "settings.0.steps = 0", "equal to 1"),
    "grid of too wide a network": (run_all.main, ["--grid", "@/wide.toml"], "dit(width=1000000", "dit(width=256)"),
    "grid of too many images": (run_all.main, ["--grid", "@/many.toml"], "1,000,000,000,000,000", "Choose a smaller"),
    "data set": (run_all.main, ["--dataset", "mnits"], "mnits", "mnist"),
    "empty data set": (run_all.main, ["--dataset", ""], "--dataset ''", "digits"),
    "budget": (run_all.main, ["--budget", "huge"], "huge", "cpu"),
    "budget of nothing": (run_all.main, ["--budget", "0"], "'0'", "cpu"),
    "pattern": (run_all.main, ["--only", "eps/linaer", "--dataset", "digits"], "eps/linaer", "eps/linear"),
    "grid's backbone": (run_all.main, ["--backbone", "unett"], "unett", "unet"),
    "empty backbone": (run_all.main, ["--backbone="], "--backbone ''", "grid's backbones"),
    "no seeds": (run_all.main, ["--seeds", "0"], "0", "at least 1"),
    "seeds in words": (run_all.main, ["--seeds", "three"], "'three'", "20"),
    "more cells than there may be": (run_all.main, ["--seeds", "9999", "--dataset", "digits"], "159,984", "10,000"),
    "jobs": (run_all.main, ["--jobs", "0"], "0", "at least 1"),
    "a million jobs": (run_all.main, ["--jobs", "1000000"], "1,000,000", "1,024"),
    "time-out": (run_all.main, ["--timeout", "0"], "0", "above 0"),
    "time-out that is none": (run_all.main, ["--timeout", "nan"], "nan", "0.5"),
    "retry": (run_all.main, ["--retry", "faild"], "faild", "failed"),
    "device": (run_all.main, ["--device", "tpu"], "tpu", "cuda"),
    "device without numbers": (run_all.main, ["--device", "meta"], "meta", "cpu"),
    "no such GPU": (run_all.main, ["--grid", "smoke", "--device", "cuda:99"], "'cuda:99' does not work", "cuda:N"),
    "option": (run_all.main, ["--gird", "smoke"], "--gird", "--grid"),
    "option of one letter": (run_all.main, ["-n", "3"], "-n", "--seeds"),
    "word too many": (run_all.main, ["smoke"], "smoke", "--help"),
    "flag with a value": (run_all.main, ["--list", "True"], "True", "--no-list"),
    "value left out": (run_all.main, ["--only"], "--only", "cells whose name contains"),
    "line break in a folder": (run_all.main, ["--out", "a\nb"], "a\\nb", "printable"),
    "folder below a file": (run_all.main, ["--grid", "@/good.toml", "--out", "@/file/x"], "file/x", "--out"),
    "plug-in": (run_all.main, ["--plugin", "@/none.py"], "none.py", "zoo.registry.register"),
    "tracker": (run_all.main, ["--track", "wandbb"], "wandbb", "wandb"),
    "simulations": (simulate.main, ["--replicates", "0"], "--replicates", "at least 2"),
    "picture of nothing": (front.main, [], "which run", "grid.json"),
    "picture of no folder": (front.main, ["@/nowhere"], "nowhere", "grid.json"),
    "word for the tour": (tour.main, ["--gird", "smoke"], "gird", "--help"),
    "no letters": (letters.main, ["--variants", "0"], "--variants 0", "at least 1"),
    "letters over files": (letters.main, ["--out", "@/run"], "not empty", "another folder"),
    "no cell": (worker.main, [], "which cell", "FOLDER"),
    "cell that is none": (worker.main, ["@/nowhere"], "nowhere", "cell.json"),
    "no word for latents": (latents.main, [], "needs a command", "train, show, list, add"),
    "latents of no kind": (latents.main, ["train", "--latents", "kll(1e-6)"], "'kll'", "'kl'"),
    "latents of a data set": (latents.main, ["train", "--dataset", "mnits"], "mnits", "mnist"),
    "latents shown as": (latents.main, ["show", "--out", "x.jpg"], "x.jpg", ".png"),
    "latents of nothing": (latents.main, ["add"], "which auto-encoder", ".json"),
    "latents that are not there": (latents.main, ["add", "@/none.json"], "none.json", "No such file"),
    "trained on latents": (train_main, ["--latents", "plain(factor=3)"], "factor=3", "2, 4, 8"),
    "exported without a place": (export.main, ["@/run"], "which checkpoint", "python -m zoo.export CKPT DIR"),
    "exported thing": (export.main, ["@/none", "@/new"], "none", "folder"),
    "no submission": (submit.main, [], "which cells", "--out FILE.zip"),
    "submitted folder": (submit.main, ["@/none"], "none", "cell"),
    "submission's ending": (submit.main, ["@/run", "--out", "x.tar"], "x.tar", ".zip"),
    "no submission to verify": (verify.main, [], "which submission", "FILE.zip"),
    "submission that is none": (verify.main, ["@/file"], "file", "python -m eval.submit"),
    "submission that is not there": (verify.main, ["@/none.zip"], "none.zip does not exist", "python -m eval.submit"),
    "no such GPU to verify on": (verify.main, ["@/file", "--device", "cuda:99"], "'cuda:99' does not work", "cuda:N"),
    "pace of nothing": (pace.main, [], "standard input", "--budget"),
    "published run": (publish.main, ["@/none", "--place", "@/studies"], "none", "runs/default"),
    "no such GPU for a cell": (worker.main, ["@/cell", "--device", "cuda:99"], "'cuda:99' does not work", "cuda:N"),
    "no such GPU to train on": (train_main, ["--device", "cuda:99"], "'cuda:99' does not work", "cuda:N"),
    "objective": (train_main, ["--objective", "eps/cosin"], "eps/cosin", "eps/cosine"),
    "backbone": (train_main, ["--backbone", "unett"], "unett", "unet"),
    "width below 0": (train_main, ["--backbone", "dit(width=-4)"], "width=-4", "at least 1"),
    "width beyond memory": (train_main, ["--backbone", "dit(width=1000000)"], "width=1000000", "dit(width=256)"),
    "depth beyond memory": (train_main, ["--backbone", "unet(layers=9e9)"], "layers=9000000000", "dit(width=256)"),
    "patch": (train_main, ["--backbone", "dit(patch=3)"], "patch=3", "28 x 28"),
    "trained data set": (train_main, ["--dataset", "digitz"], "digitz", "digits"),
    "images": (train_main, ["--images", "0"], "images = 0", "equal to 1"),
    "a fraction of images": (train_main, ["--images", "1.5"], "1.5", "whole number"),
    "seed": (train_main, ["--seed", "-1"], "seed = -1", "equal to 0"),
    "a seed of 5,000 digits": (train_main, ["--seed", "1" * 5000], "5,000 characters", "such as 20"),
    "a seed beyond JSON": (train_main, ["--seed", "1" * 30], "111111", "9,007,199,254,740,992"),
    "batch": (train_main, ["--batch", "0"], "batch = 0", "equal to 1"),
    "batch beyond memory": (train_main, ["--batch", HUGE], "1,000,000,000,000", "such as 64"),
    "optimizer": (train_main, ["--optimizer", "sgd"], "sgd", "adamw"),
    "learning rate": (train_main, ["--learning-rate", "-1"], "-1", "greater than 0"),
    "endless learning rate": (train_main, ["--learning-rate", "inf"], "inf", "finite"),
    "precision": (train_main, ["--precision", "float16"], "float16", "bfloat16"),
    "compile": (train_main, ["--compile", "maybe"], "maybe", "auto"),
    "run's folder": (train_main, ["--dataset", "digits", "--out", "@/file"], "@/file", "another folder"),
    "no checkpoint": (sample.main, [], "which checkpoint", "python -m zoo.sample CKPT"),
    "no place": (sample.main, ["@/run"], "where to", "--out FILE.png"),
    "no such GPU to draw on": (sample.main, ["@/run", "--out", "@/x.png", "--device", "cuda:99"], "cuda:99", "cuda:N"),
    "sampler": (sample.main, ["@/run", "--out", "@/x.png", "--sampler", "hein"], "hein", "heun"),
    "steps": (sample.main, ["@/run", "--out", "@/x.png", "--steps", HUGE], HUGE, "10000"),
    "one end of an interval": (sample.main, ["@/run", "--out", "@/x.png", "--interval", "0.2"], "--interval", "0.5"),
    "class": (sample.main, ["@/run", "--out", "@/x.png", "--labels", "12"], "12", "0 to 11"),
    "ending": (sample.main, ["@/run", "--out", "@/x.jpg"], "x.jpg", ".png"),
    "picture that is a folder": (sample.main, ["@/run", "--out", "@/folder.png"], "folder.png", "name of a file"),
    "name beyond the file system": (sample.main, ["@/run", "--out", "x" * 5000 + ".png"], "xxxx", "another name"),
    "clip with a value": (sample.main, ["@/run", "--out", "@/x.png", "--clip", "False"], "False", "--no-clip"),
    "images beyond memory": (sample.main, ["@/run", "--out", "@/x.png", "--n", HUGE], "1,000,000,000", "such as 100"),
    "images beyond the disk": (sample.main, ["@/run", "--npz", "@/x.npz", "--n", "600000000"], "600,000,000", "100"),
    "damaged checkpoint": (sample.main, ["@/damaged", "--out", "@/x.png"], "step-000001.json", "JSON"),
    "set": (fid.main, ["@/none"], "none", "npz"),
    "set of a device": (fid.main, ["/dev/null", "--dataset", "digits"], "/dev/null", "folder"),
    "no set": (fid.main, [], "which images", ".npz"),
    "no such GPU to score on": (fid.main, ["@/run", "--device", "cuda:99"], "'cuda:99' does not work", "cuda:N"),
    "few images": (fid.main, ["@/run", "--n", "10"], "10", "256"),
    "scored images beyond memory": (fid.main, ["@/run", "--n", HUGE], "1,000,000,000,000", "Choose a smaller"),
    "judge's seed": (fid.main, ["@/run", "--judge-seed", "2"], "2", "0, 1"),
    "three sets": (fid.main, ["@/run", "@/run", "@/third"], "third", "A [B]"),
    "weights": (fid.main, ["@/run", "--weights", "emma"], "emma", "ema"),
    "no runs": (compare.main, [], "which runs", "runs/default"),
    "runs that are no folder": (compare.main, ["@/none"], "none", "runs/default"),
    "runs without cells": (compare.main, ["@/empty"], "empty", "runs/default"),
    "judge's command": (judge.main, ["chek"], "chek", "check"),
    "judge without a command": (judge.main, [], "command", "check"),
    "judge's data set": (judge.main, ["check", "--dataset", "digit"], "digit", "digits"),
    "judge's device": (judge.main, ["check", "--dataset", "digits", "--device", "meta"], "meta", "cpu"),
    "no such GPU for the gate": (judge.main, ["check", "--device", "cuda:99"], "'cuda:99' does not work", "cuda:N"),
    "no such GPU for a judge": (judge.main, ["train", "--device", "cuda:99"], "'cuda:99' does not work", "cuda:N"),
    "judge's second seed": (judge.main, ["train", "--seed", "x"], "'x'", "20"),
    "bench's backbone": (bench.main, ["--backbone", "--seconds", "1"], "--backbone", "with sizes"),
    "no such GPU to measure": (bench.main, ["--device", "cuda:99"], "'cuda:99' does not work", "cuda:N"),
    "no such GPU for all measurements": (
        bench.main, ["--minutes", "5", "--out", "b", "--device", "cuda:99"], "'cuda:99' does not work", "cuda:N",
    ),
    "bench's empty backbone": (bench.main, ["--backbone", ""], "--backbone ''", "with sizes"),
    "bench's size": (bench.main, ["--size", "0"], "--size 0", "at least 1"),
    "bench's uneven size": (bench.main, ["--backbone", "unet", "--size", "27"], "27 x 27", "multiples of 4"),
    "bench's size beyond memory": (bench.main, ["--size", "100000"], "100,000", "4,096"),
    "bench's time": (bench.main, ["--seconds", "inf"], "inf", "86,400"),
    "bench's mode": (bench.main, ["--modes", "eager float23"], "float23", "eager float32"),
    "bench's file": (bench.main, ["--json", "@/file/x.json"], "x.json", "another folder"),
    "explained objective": (objective.main, ["rf/lognrm(0,1)"], "rf/lognrm(0,1)", "rf/lognorm(0,1)"),
    "empty objective": (objective.main, [""], "NAME ''", "rf/lognorm(0,1)"),
    "picture's format": (objective.main, ["rf", "--plot", "@/x.jpg"], "x.jpg", ".png"),
    "picture of all": (objective.main, ["--plot", "@/x.png"], "--plot", "zoo.objective NAME"),
    "reported run": (reports.main, ["@/none"], "none", "runs/default"),
    "no reported run": (reports.main, [], "which run", "runs/default"),
    "misspelt command of reports": (reports.main, ["copmare", "@/run", "@/run"], "'copmare'", "'compare'"),
    "one compared run": (reports.main, ["compare", "@/run"], "which runs", "A B"),
    "comparison's format": (reports.main, ["compare", "@/run", "@/run", "--out", "@/x.txt"], "x.txt", ".csv"),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a trained run and the files that the cases name."""
    folder = tmp_path_factory.mktemp("bad")
    config = TrainConfig(**{**TINY, "objective": "rf", "images": 16})
    train_run(config, folder / "run", load("digits", folder / "data"), torch.device("cpu"))
    for name in ("empty", "folder.png", "folder.toml", "damaged"):
        (folder / name).mkdir()
    (folder / "damaged" / "step-000001.json").write_text("[" * 100_000)
    (folder / "damaged" / "step-000001.safetensors").write_bytes(b"")
    (folder / "file").write_text("in the way")
    cell = CellConfig(train=config, score=ScoreConfig(settings=(Sampling(steps=1),)))
    (folder / "cell").mkdir()
    write_sealed(folder / "cell" / "cell.json", {"key": cell.key, "config": cell.model_dump(mode="json")})
    (folder / "latin.toml").write_bytes(GRID.replace("tiny", "klein, größer").encode("latin-1"))
    texts = {
        "good": GRID,
        "deep": "a = " + "[" * 5000,
        "word": GRID.replace("batch = 16", 'batch = 16, compile = "grahps"'),
        "steps": GRID.replace("steps = 2", "steps = 0"),
        "wide": GRID.replace("width=32", "width=1000000").replace("heads=1", "heads=2"),
        "many": GRID.replace("n = 260", f"n = {HUGE}000"),
    }
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("main", "arguments", "wrong", "allowed"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_status_2_and_a_message_that_teaches(
    main, arguments, wrong, allowed, place, monkeypatch, capsys, tmp_path
):
    words = [word.replace("@", str(place)) for word in arguments]
    if main is run_all.main and "--out" not in words:
        words += ["--out", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data")]
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.chdir(tmp_path)  # what is written in spite of all is not written here
    monkeypatch.setattr(sys, "argv", ["command", *words])
    with pytest.raises(SystemExit) as end:
        run_main(main)
    said = capsys.readouterr()
    assert end.value.code == 2, said.err
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    assert wrong.replace("@", str(place)) in said.err
    assert allowed in said.err
    assert len(said.err.splitlines()) < 8  # a message, not a page
    assert not list(tmp_path.rglob("*"))  # the mistake was found before anything was written


def test_every_command_is_among_them():
    commands = {main.__module__ for main, *_ in BAD.values()}
    root = Path(run_all.__file__).parent
    runs = [path for room in ("zoo", "eval", "reports") for path in (root / room).glob("*.py")]
    named = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in runs
        if "run_main(main)" in path.read_text("utf-8")
    }
    assert commands == named | {"run_all"}


def test_a_mistake_in_a_grid_is_told_once_and_alone(place, refused):
    """pydantic adds `budgets: at least 1 item` to a budget's own mistake, and a line for each type of a union."""
    for name in ("word", "steps"):
        lines = refused(run_all.main, "--grid", str(place / f"{name}.toml"), "--list").splitlines()
        assert len(lines) == 2, lines


def test_the_table_of_exit_codes_holds_those_of_the_code():
    from zoo.base import errors
    from zoo.grid.executor import LOST, TIMED_OUT

    table = (Path(run_all.__file__).parent / "zoo" / "README.md").read_text("utf-8").partition("## Exit codes")[2]
    shown = {
        int(row.split("|")[1]) for row in table.splitlines() if row.startswith("| ") and row[2:4].strip().isdigit()
    }
    kinds = {e.exit_code for e in vars(errors).values() if isinstance(e, type) and hasattr(e, "exit_code")}
    assert shown == kinds | {0, 1, LOST, TIMED_OUT, 130, 143}


def test_status_of_a_full_disk_and_of_memory_that_ran_out(inside):
    def full():
        raise OSError(28, "No space left on device", "metrics.jsonl")

    def memory():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    assert inside(full, status=28) == "error: metrics.jsonl: No space left on device\n"
    assert "Lower the batch" in inside(memory, status=12)


def test_a_bug_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(ZeroDivisionError):
        run_main(lambda: 1 // 0)


def test_json_output_is_json(inside, place):
    assert json.loads(inside(fid.main, str(place / "run"), "--n", "260", "--steps", "1", "--json"))
