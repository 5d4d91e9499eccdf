"""python -m zoo.bench: it measures, its table is the arithmetic of what was measured, and bad options are refused."""

import json

import pytest
import torch

from zoo import bench as command_line
from zoo.benchmark import modes as bench
from zoo.benchmark import speed
from zoo.benchmark.machine import Options

ROUND = {
    "flop_per_image": 10**9,
    "activation_bytes": 3 * 10**7,
    "peak_memory_bytes": 5 * 10**8,
    "sampling_setup_seconds": 1.0,
    "threads": 2,
}


def test_the_table_is_the_arithmetic_of_the_measurements():
    rounds = [
        {**ROUND, "train_images_per_s": rate, "evaluations_per_s": 40.0, "setup_seconds": set_up, "auto": True}
        for rate, set_up in ((10.0, 60.0), (30.0, 4.0), (20.0, 5.0))
    ]
    found = {
        "machine": {
            "device": "a processor",
            "threads": 2,
            "flop_per_s": {"float32": 100e9, "bfloat16": 400e9},
            "copy_bytes_per_s": 12e9,
            "versions": {"torch": "2.15.0"},
        },
        "options": {"jobs": 1, "batch": 64},
        "image_shape": [1, 28, 28],
        "rows": [{"backbone": "dit", "mode": "compiled bfloat16", "rounds": rounds}],
    }
    text = bench.table(found)
    cells = [cell.strip() for cell in text.splitlines()[4].strip("|").split("|")]
    assert cells[:2] == ["dit", "compiled bfloat16 \\*"]
    # 3 x 1 GFLOP x 20 images a second of 400 GFLOP/s; 1 GFLOP x 40 of the same
    assert cells[2:] == ["20 (10..30)", "15%", "40", "10%", "30", "500", "60.0", "4.0"]
    assert "100 GFLOP/s in float32, 400 in bfloat16; a copy moves 12.0 GB/s" in text


def test_activations_are_what_the_backward_pass_needs():
    weight, x = torch.randn(3, 4, requires_grad=True), torch.randn(5, 3)
    kept = speed.activation_bytes(lambda: (x @ weight).exp().sum().backward())
    assert kept == 4 * (5 * 3 + 5 * 4)  # x for the weight's gradient (x asks for none), the exponentials


def test_a_small_network_is_measured(command, tmp_path):
    small = ["--backbone", "dit(width=32,depth=1,heads=1)", "--size", "8", "--batch", "16"]
    quick = ["--modes", "eager float32", "--rounds", "1", "--seconds", "0.1", "--json", str(tmp_path / "found.json")]
    done = command("-m", "zoo.bench", *small, *quick, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    (row,) = found["rows"]
    (measured,) = row["rounds"]
    assert (row["backbone"], row["mode"], measured["auto"]) == (small[1], "eager float32", True)
    assert min(measured[key] for key in bench.RATES) > 0
    assert found["machine"]["flop_per_s"]["float32"] > 1e8
    assert "| dit(width=32,depth=1,heads=1) | eager float32 \\* |" in done.stdout


def test_modes_that_do_not_work_here_are_left_out(monkeypatch, capsys):
    machine = {"type": "cpu", "flop_per_s": {"float32": 100e9, "bfloat16": 5e9}}
    found = {**ROUND, "train_images_per_s": 1.0, "evaluations_per_s": 1.0, "setup_seconds": 1.0, "auto": True}
    monkeypatch.setattr(bench, "_child", lambda options, what, *_: [machine if what == bench.CEILING else found])

    def modes():
        return {row["mode"] for row in bench.run(Options(backbone=("dit",), rounds=1).plan())["rows"]}

    assert modes() == {mode for mode in bench.MODES if "float32" in mode}
    machine["flop_per_s"]["bfloat16"] = 400e9
    assert modes() == {mode for mode in bench.MODES if "graphs" not in mode}
    assert "left out: compiled bfloat16, CUDA graphs, which needs a GPU" in capsys.readouterr().out
    machine["type"] = "cuda"
    assert modes() == set(bench.MODES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--modes", "fast"], "unknown mode 'fast'. Allowed: compiled bfloat16"),
        (["--backbone", "unett"], "Did you mean 'unet'"),
        (["--objective", "eps/linaer"], "Did you mean 'eps/linear'"),
        (["--rounds", "0"], "--rounds 0 must be at least 1"),
        (["--seconds", "0"], "--seconds 0 must be above 0"),
    ],
)
def test_bad_options_are_refused(arguments, said, refused):
    assert said in refused(command_line.main, *arguments)
