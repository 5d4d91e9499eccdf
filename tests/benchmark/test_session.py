"""A session of measurements: limits, failures, what is resumed, what is brought back, and counted costs."""

import itertools
import json
import os
import re
import tarfile
import time
from pathlib import Path

import pytest
import torch

from tests.grid.test_wishes import options
from zoo.backbones.sizes import DiTSize
from zoo.base.errors import ZooError
from zoo.benchmark import call, gpu, needs
from zoo.benchmark.count import step_cost
from zoo.benchmark.session import Session, Step, printed
from zoo.benchmark.tables import markdown
from zoo.grid import estimate, plan


def python(name: str, code: str, seconds: float = 20.0, **how) -> Step:
    """A step that runs this code."""
    return Step(name, ("-c", code), seconds, **how)


def test_steps_are_recorded_whatever_becomes_of_them(tmp_path):
    session = Session(tmp_path, 5, missing={"absent"}, table=markdown)
    session.run([
        python("good", "print('{\"x\": 3}')"),
        python("plain", "print('only words')"),
        python("bad", "import sys; sys.exit('no such thing')"),
        python("lacking", "print(1)", needs=("absent",)),
    ])  # fmt: skip
    found = json.loads((tmp_path / "session.json").read_text())["results"]
    assert found["good"]["data"] == {"x": 3}
    assert found["plain"]["data"] == {"said": "only words"}
    assert (found["bad"]["status"], "no such thing" in found["bad"]["reason"]) == ("failed", True)
    assert (found["lacking"]["status"], found["lacking"]["reason"]) == ("skipped", "needs absent")
    text = (tmp_path / "session.md").read_text()
    assert all(f"| {name} |" in text for name in found)


def test_a_step_out_of_time_leaves_no_process(tmp_path):
    code = (
        "import subprocess, sys, time, pathlib; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    session = Session(tmp_path / "out", 5)
    session.run([python("endless", code, seconds=2.0)])
    assert session.results["endless"]["status"] == "out of time"
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # killed, and not yet waited for by the system
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    pytest.fail("the step's own child is still running")


def test_compiled_code_of_a_stopped_step_is_forgotten(tmp_path):
    session = Session(tmp_path, 5)
    half = session.work / "inductor" / "half.so"
    half.parent.mkdir()
    half.write_bytes(b"half a library")
    session.run([python("good", "print(1)")])
    assert half.exists()
    session.run([python("endless", "import time; time.sleep(60)", seconds=1.0)])
    assert not half.exists()
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"of a session that came to its end")
    assert Session(tmp_path, 5) and half.exists()
    Session(tmp_path, 5)  # the one before was cut off
    assert not half.exists()


def test_a_step_that_saves_is_interrupted_first(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.benchmark.session.GRACE_SECONDS", 8.0)
    saved = tmp_path / "saved"
    code = f"import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: open({str(saved)!r}, 'w').write('x')"
    session = Session(tmp_path / "out", 5)
    session.run([python("grid", code, seconds=11.0, saves=True)])
    assert session.results["grid"]["status"] == "out of time"
    assert saved.exists()


def test_compiled_code_stays_if_a_step_that_saves_has_ended_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.benchmark.session.GRACE_SECONDS", 8.0)
    session = Session(tmp_path / "out", 5)
    (library := session.work / "inductor" / "whole.so").parent.mkdir()
    library.touch()
    code = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: pass"
    session.run([python("grid", code, seconds=11.0, saves=True)])
    assert library.exists()
    monkeypatch.setattr("zoo.benchmark.session.GRACE_SECONDS", 1.0)
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    session.run([python("deaf", deaf, seconds=3.0, saves=True)])
    assert session.results["deaf"]["status"] == "out of time"
    assert not library.exists()


def test_files_that_vanish_end_no_session(tmp_path, monkeypatch):
    session = Session(tmp_path / "out", 5)
    for name in ("gone.json", "here.json"):
        (session.work / name).write_text("{}")
    read = Path.read_bytes

    def reading(path):
        if path.name == "gone.json":
            path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", reading)
    session.pack()
    with tarfile.open(session.out / "results.tar.gz") as packed:
        assert [name for name in packed.getnames() if name.endswith("e.json")] == ["here.json"]


def test_a_second_session_goes_on_from_the_files_brought_back(tmp_path):
    first = Session(tmp_path / "a", 5)
    (first.work / "grid").mkdir()
    (first.work / "grid" / "result.json").write_text("{}")
    (first.work / "grid" / "weights.safetensors").write_bytes(b"large")
    first.run([python("one", "print('{\"x\": 1}')"), python("two", "raise SystemExit(1)")])
    brought = tmp_path / "b"
    brought.mkdir()
    for name in ("session.json", "results.tar.gz"):  # nothing else is brought back
        (brought / name).write_bytes((tmp_path / "a" / name).read_bytes())
    second = Session(brought, 5)
    assert (second.work / "grid" / "result.json").exists()
    assert not (second.work / "grid" / "weights.safetensors").exists()
    second.run([python("one", "raise SystemExit('not again')"), python("two", "print('{\"x\": 2}')")])
    assert second.results["one"]["data"] == {"x": 1}
    assert second.results["two"]["data"] == {"x": 2}


def test_what_is_packed_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.benchmark.session.ARCHIVE_BYTES", 100)
    session = Session(tmp_path, 5)
    (session.work / "small.json").write_text("x" * 60)
    (session.work / "large.json").write_text("x" * 90)
    session.pack()
    with tarfile.open(tmp_path / "results.tar.gz") as packed:
        assert packed.getnames() == ["small.json"]


def test_compiled_code_is_not_packed(tmp_path):
    """Of a compiler's cache only the small text files would come back, and name files that did not."""
    session = Session(tmp_path, 5)
    for folder in ("inductor/triton", "site/package", "data/cache", "logs"):
        (session.work / folder).mkdir(parents=True)
        (session.work / folder / "a.json").write_text("{}")
    session.pack()
    with tarfile.open(tmp_path / "results.tar.gz") as packed:
        assert packed.getnames() == ["logs/a.json"]


def test_damaged_files_of_an_earlier_session_are_passed_over(tmp_path, capsys):
    (tmp_path / "session.json").write_text("{")
    (tmp_path / "results.tar.gz").write_bytes(b"junk")
    assert Session(tmp_path, 5).results == {}
    said = capsys.readouterr()
    assert (said.out + said.err).count("cannot be read") == 2


def test_no_time_is_refused(tmp_path):
    with pytest.raises(ZooError, match="must be above 0"):
        Session(tmp_path, 0)


def names_of(session: Session, device: str) -> list[str]:
    return [step.name for step in gpu.steps(session, device, None)]


def test_the_tests_verdict_decides_whether_graphs_are_measured(tmp_path):
    session = Session(tmp_path, 5)
    said = {
        count: {"status": "ok", "seconds": 1.0, "data": {"said": f"17 {count} in 3.1s"}}
        for count in ("passed", "skipped")
    }
    graphs, speedups = "tests of graphs", "tests of speedups"
    session.results |= {graphs: {"status": "failed", "seconds": 1.0}, speedups: said["passed"]}
    names = names_of(session, "cuda")
    assert not any("recorded" in name for name in names)
    assert sum("compiled, lean, ahead" in name for name in names) == 2
    session.results |= {graphs: said["skipped"], speedups: said["skipped"]}
    names = names_of(session, "cuda")
    assert not any("recorded" in name or "lean" in name for name in names)
    session.results |= {graphs: said["passed"]}
    names = names_of(session, "cuda")
    assert sum(name.endswith(": recorded") for name in names) == 2
    assert not any("lean" in name or "ahead" in name for name in names)
    session.results |= {speedups: said["passed"]}
    names = names_of(session, "cuda")
    assert names[3:6] == ["speed dit: compiled", "speed dit: recorded", "speed dit: recorded, lean, ahead"]
    assert sum(name.endswith(": recorded") for name in names) == 2
    assert not any("compiled, lean, ahead" in name for name in names)
    assert not any("recorded" in name for name in names_of(session, "cpu"))


def test_what_the_tests_print_has_their_count(tmp_path):
    """A verdict is read from the last line of the command itself; here, without a GPU, all of them are skipped."""
    session = Session(tmp_path, 5)
    made = gpu.steps(session, "cpu", None)
    (step,) = (step for step in itertools.islice(made, 2) if step.name == "tests of graphs")
    session.run([step])
    wanted = "passed" if torch.cuda.is_available() else "skipped"
    assert re.search(rf"\b\d+ {wanted}\b", session.results[step.name]["data"]["said"])


def test_time_to_quality_takes_the_best_learning_rate(tmp_path):
    session = Session(tmp_path, 5)
    rate = {"status": "ok", "seconds": 1.0, "data": {"train_images_per_s": 1000.0}}
    session.results["speed dit: compiled"] = rate
    for lr, value in ((2e-3, 3.0), (1e-3, 5.0), (4e-3, 2.0)):
        score = {"status": "ok", "seconds": 1.0, "data": {"score": {"fid": value}}}
        session.results[f"score {gpu.quality_name('dit', lr, 30)}"] = score
    steps = {step.name: step for step in gpu.steps(session, "cuda", None)}
    lengths = [name for name in steps if name.startswith("train dit 0.004")]
    assert lengths == [f"train dit 0.004 {s} s" for s in (30, 10, 20, 60)]
    command = steps["train dit 0.004 60 s"].command
    assert int(command[command.index("--images") + 1]) == pytest.approx(60_000, abs=256)
    assert not any(name.startswith("train unet") for name in steps)  # its speed was not measured
    assert "grid dit" in steps
    assert "grid unet" not in steps


def test_the_first_backbone_has_its_first_run_before_the_second_is_timed(tmp_path):
    session = Session(tmp_path, 8)
    for kind in ("dit", "unet"):
        rate = {"status": "ok", "seconds": 1.0, "data": {"train_images_per_s": 1000.0}}
        session.results[f"speed {kind}: compiled"] = rate
    names = [step.name for step in gpu.steps(session, "cuda", None)]
    assert (
        names.index("train dit 0.002 30 s") < names.index("speed unet: compiled") < names.index("train unet 0.002 30 s")
    )


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_what_a_cell_draws_is_counted(kind, tmp_path):
    """The number that a session's time for the grid is shared out by is that of the grid's own cells."""
    scale = gpu.SCALES["cuda" if kind == "gpu" else "cpu"]
    asked = options(grid="default", dataset="mnist", budget=kind, seeds=1, set=scale.score, out=str(tmp_path))
    cells = plan.make(asked, fetch=False).chosen
    assert len(cells) == gpu.CELLS
    for cell in cells:
        assert estimate.evaluations(0, cell.config.score) == pytest.approx(scale.drawn, abs=1)


def test_time_for_samples_is_taken_from_training(tmp_path):
    """With 10 evaluations a second a cell's samples take longer than its time: it is trained for a second."""
    images = {}
    for name, rate in (("slow", 10.0), ("fast", 1e9)):
        session = Session(tmp_path / name, 8)
        data = {"train_images_per_s": 10_000.0, "evaluations_per_s": rate}
        session.results |= {
            f"speed {kind}: compiled": {"status": "ok", "seconds": 1.0, "data": data} for kind in gpu.BACKBONES
        }
        found = {step.name: step.command for step in gpu.steps(session, "cuda", None)}["grid dit"]
        images[name] = int(found[found.index("--budget") + 1])
    assert images["slow"] == 0.5 * 10_000
    assert images["fast"] == pytest.approx(0.5 * 10_000 * (8 * 60 - 60) / gpu.CELLS, rel=0.05)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('{"x": 1}', {"x": 1}),
        ('{\n "x": {\n  "y": 1\n }\n}\n', {"x": {"y": 1}}),
        ('not compiled: no C++ compiler\n{\n "x": 1\n}', {"x": 1}),
        ("{broken\n17 passed in 3.1s\n", {"said": "17 passed in 3.1s"}),
        ("", {"said": ""}),
    ],
)
def test_what_a_step_gave_is_the_json_at_its_end(said, found):
    assert printed(said) == found


def test_a_missing_package_is_told_with_what_it_is_for(monkeypatch):
    known = needs.importlib.util.find_spec
    monkeypatch.setattr(needs.importlib.util, "find_spec", lambda name: None if name == "tabulate" else known(name))
    lines = {one.package.name: one.line for one in needs.look()}
    assert lines["tabulate"] == "tabulate: missing; needed for tables: scoring, the grid"
    assert needs.missing(needs.look()) == {"tabulate"}
    assert lines["torch"].startswith("torch 2.")


def test_the_command_starts_without_packages_and_refuses_bad_minutes(command):
    code = (
        "import sys; sys.modules |= dict.fromkeys(('tabulate', 'pydantic', 'diffusers', 'einops')); "
        "sys.argv = ['zoo.bench', '--minutes', '{}', '--out', 'x']; from zoo import bench; bench.run_main(bench.main)"
    )
    for text in ("nan", "0", "-1", "many"):
        done = command("-c", code.format(text))
        assert done.returncode == 2
        assert "--minutes" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_session_ends_in_its_time_with_its_tables(tmp_path, monkeypatch):
    """The whole chain with steps that cost nothing."""
    quick = [python("machine", "print('{\"x\": 1}')"), python("cost dit", "raise SystemExit(3)")]
    monkeypatch.setattr(gpu, "steps", lambda session, device, mirror: iter(quick))
    monkeypatch.setattr(call, "markdown", lambda results: f"{len(results)} steps")
    monkeypatch.setattr("sys.argv", ["zoo.bench", "--minutes", "1", "--out", str(tmp_path / "out"), "--device", "cpu"])
    assert call.main() == 0
    assert (tmp_path / "out" / "session.md").read_text() == "2 steps\n"


def test_counted_flop_are_three_forward_passes_and_bytes_follow_the_type():
    batch, shape = 4, (1, 8, 8)
    cost = step_cost("dit(width=32,depth=1,heads=1)", shape, 12, batch, torch.float32)
    forward = DiTSize(width=32, depth=1, heads=1).forward_flop(shape, 12)
    assert 2.5 * forward * batch < cost.flop < 3.1 * forward * batch  # the first layer's input has no gradient
    half = step_cost("dit(width=32,depth=1,heads=1)", shape, 12, batch, torch.bfloat16)
    assert half.flop == cost.flop
    assert half.bytes < cost.bytes
    assert cost.floor(1e30, 1e9) == pytest.approx(cost.bytes / 1e9)


def test_bytes_of_a_known_product():
    """A linear layer without bias: forward reads x and w and writes y, backward makes the gradient of w alone."""
    from zoo.benchmark.count import _Traffic

    with torch.device("meta"):
        x, w = torch.zeros(8, 16), torch.zeros(16, 4)
        with _Traffic() as traffic:
            x @ w
    assert traffic.launches == 1
    assert traffic.bytes == 4 * (8 * 16 + 16 * 4 + 8 * 4)


def test_torch_counts_attention_as_one_kernel_reads_and_writes_it():
    """Forward and backward of flash attention: no scores of tokens x tokens reach memory."""
    from torch.nn import functional as F

    from zoo.benchmark.count import _Flash, _Traffic

    with torch.device("meta"):
        q, k, v = (torch.zeros(2, 4, 50, 16, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
        with _Traffic() as traffic, _Flash():
            out = F.scaled_dot_product_attention(q, k, v)
        forward = traffic.product_bytes
        with _Traffic() as traffic, _Flash():
            out.backward(torch.zeros_like(out))
    tokens, sums = 2 * q.numel(), 4 * 2 * 4 * 50  # bytes of q, and of a float32 for each token
    assert forward == pytest.approx(4 * tokens + sums, abs=64)  # q, k, v and the output
    assert traffic.product_bytes == pytest.approx(8 * tokens + sums, abs=64)  # and its gradient, and those of q, k, v


def test_the_readme_holds_the_costs_that_are_counted():
    from tests.conftest import ROOT
    from zoo.benchmark import count

    text = (ROOT / "zoo" / "training" / "README.md").read_text()
    for name in count.BACKBONES:
        rows = (
            next(line for line in page.splitlines() if line.startswith(f"| {name} ")) for page in (text, count.table())
        )
        told, counted = ([float(part.replace(",", "")) for part in row.split("|")[2:-1]] for row in rows)
        exact = [0, 3, 4, 5, 7, 9]  # arithmetic and products; how many small operations there are is torch's version
        assert [told[i] for i in exact] == [counted[i] for i in exact]
        assert told == pytest.approx(counted, rel=0.1)
