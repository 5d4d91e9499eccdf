"""Objectives of one's own: the README's example as it stands there, an entry point, and clashes of names."""

import json
import os
import re
import subprocess
import sys

import pytest

import zoo
from tests.conftest import ROOT
from zoo import plugins, registry
from zoo.base.errors import ZooError


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The README's example file."""
    text = (ROOT / "zoo" / "README.md").read_text()
    code = re.search(r"```python\n(# sqrtsnr\.py.*?)```", text, flags=re.DOTALL)[1]
    assert len(code.strip().splitlines()) < 15
    path = tmp_path_factory.mktemp("plugin") / "sqrtsnr.py"
    path.write_text(code)
    return path


def test_the_readme_s_example_is_an_objective_like_any_other(example, command):
    done = command("-m", "zoo.objective", "v/cosine+sqrtsnr", "--plugin", str(example))
    assert done.returncode == 0, done.stderr
    row = re.search(r"weight on \|x_hat - x\|\^2 +(.*)", done.stdout)[1].split()
    assert [float(value) for value in row] == pytest.approx([0.0183, 0.135, 0.368, 1, 2.72, 7.39, 54.6], rel=1e-2)


def test_the_readme_s_example_trains_and_is_scored(example, command, tmp_path):
    out = tmp_path / "mine"
    size = ["--backbone", "dit(width=32,depth=1,heads=1)", "--dataset", "digits", "--images", "640", "--out", str(out)]
    done = command("-m", "zoo.train", "--plugin", str(example), "--objective", "v/cosine+sqrtsnr", *size)
    assert done.returncode == 0, done.stderr
    scored = command("-m", "eval.fid", str(out), "--plugin", str(example), "--n", "256", "--steps", "2", "--json")
    assert json.loads(scored.stdout)["score"]["n"] == 256
    without = command("-m", "eval.fid", str(out), "--n", "256", "--steps", "2")
    assert without.returncode == 2
    assert "unknown objective 'v/cosine+sqrtsnr'" in without.stderr
    assert "--plugin" in without.stderr
    changed = tmp_path / example.name
    changed.write_text(example.read_text() + "# a change\n")
    again = command("-m", "zoo.train", "--plugin", str(changed), "--objective", "v/cosine+sqrtsnr", *size)
    assert again.returncode == 2
    assert f"begun with another version of {example.name}" in again.stderr


def test_a_grid_takes_a_plugin_and_says_so(example, command, tmp_path):
    grid = tmp_path / "mine.toml"
    grid.write_text(
        'description = "mine"\nobjectives = ["v/cosine+sqrtsnr"]\nbackbones = ["dit"]\n[[budgets]]\nname = "cpu"\n'
        'datasets = ["digits"]\nscore = { n = 256, settings = [{ steps = 2 }] }\n'
        'sizes.dit = { size = "dit(width=32,depth=1)", images = 640, seconds = 1 }\n'
    )
    arguments = ["--grid", str(grid), "--dataset", "digits", "--out", str(tmp_path / "out"), "--plugin", str(example)]
    done = command("run_all.py", *arguments)
    assert done.returncode == 0, done.stderr
    result = json.loads(next((tmp_path / "out").rglob("result.json")).read_text())
    assert list(result["plugins"]) == ["sqrtsnr.py"]
    assert "--plugin sqrtsnr.py" in (tmp_path / "out" / "report.md").read_text()


def test_an_installed_package_s_entry_point_is_loaded(example, tmp_path):
    (tmp_path / "their_module.py").write_text(example.read_text().replace('"sqrtsnr"', '"theirs"'))
    folder = tmp_path / "their_package-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text("[zoo.objectives]\ntheirs = their_module\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "zoo.objective", "eps/linear+theirs"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert "eps/linear+theirs" in done.stdout


FAULTY = {
    "a clash": (
        'from zoo.registry import register\nregister("weight", "minsnr")(int)',
        "'minsnr' is taken, by zoo.objectives.weight",
    ),
    "a clash across kinds": ('from zoo.registry import register\nregister("density", "p2")(int)', "'p2' is taken"),
    "an unknown kind": ('from zoo.registry import register\nregister("wait", "x")', "Did you mean 'weight'"),
    "a word that is none": (
        'from zoo.registry import register\nregister("weight", "a-b")',
        "cannot be a weight's name",
    ),
    "a fault of its own": ("\n1 / 0", "mine.py, line 2 cannot be loaded: ZeroDivisionError"),
    "an end of the process": ("import sys\nsys.exit(0)", "mine.py, line 2 cannot be loaded: SystemExit: 0"),
    "no Python": ("(", "cannot be loaded: SyntaxError"),
}


@pytest.mark.parametrize(("code", "said"), FAULTY.values(), ids=FAULTY.keys())
def test_faulty_plugins_are_one_message(code, said, command, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(code)
    done = command("-m", "zoo.objective", "rf", "--plugin", str(path))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plugin_that_adds_no_name_is_told(example, command, tmp_path):
    path = tmp_path / "mine.py"
    for text, told in (("WEIGHTS = 1\n", True), (example.read_text(), False)):
        path.write_text(text)
        done = command("-m", "zoo.objective", "rf", "--plugin", str(path))
        assert done.returncode == 0, done.stderr
        assert ("mine.py adds no name: nothing in it calls zoo.registry.register" in done.stderr) == told


MISTAKES = {  # what stands in the example in place of `return logsnr / 2` -> what is said of it
    "an error of its own": ("return logsnr.halved()", "--plugin {}, line {}: AttributeError: "),
    "nothing given back": ("logsnr / 2", "the weight SqrtSNR gives NoneType for logsnr of shape"),
    "one number for a batch": ("return logsnr.mean().reshape(1, 1)", "the weight SqrtSNR gives [1, 1] for logsnr of"),
    "no number": ("return logsnr.sqrt()", "the weight of v/cosine+sqrtsnr is no number at logsnr -12"),
}


@pytest.mark.parametrize(("body", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_a_part_s_method_is_one_message(body, said, example, inside_plugin):
    """The part is registered, and fails when it is first used: the user's mistake, so no traceback."""
    text = example.read_text().replace("return logsnr / 2", body)
    line = 1 + next(i for i, row in enumerate(text.splitlines()) if body in row)
    status, err, path = inside_plugin(text)
    assert status == 2, err
    assert said.format(path, line) in err
    assert "Traceback" not in err


def test_a_weight_that_is_no_number_is_not_trained(example, command, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(example.read_text().replace("return logsnr / 2", "return logsnr.sqrt()"))
    size = ["--backbone", "dit(width=32,depth=1,heads=1)", "--dataset", "digits", "--images", "640"]
    train = ["--objective", "v/cosine+sqrtsnr", *size, "--out", str(tmp_path / "mine")]
    done = command("-m", "zoo.train", "--plugin", str(path), *train)
    assert done.returncode == 2
    assert "the weight of v/cosine+sqrtsnr is no number" in done.stderr


@pytest.mark.parametrize(
    ("text", "other", "said"),
    [
        ("log_x0(self, logsnr)", "log_x1(self, logsnr)", "the class of weight 'sqrtsnr' lacks log_x0"),
        ("log_x0(self, logsnr)", "log_x0(self)", "has log_x0(self), which should be log_x0(self, logsnr)"),
        ("@dataclass(frozen=True)\n", "", "the class of weight 'sqrtsnr' is no dataclass"),
    ],
)
def test_a_class_that_is_unlike_its_kind_is_one_message(text, other, said, example, inside_plugin):
    status, err, _ = inside_plugin(example.read_text().replace(text, other))
    assert status == 2
    assert said in err


def test_another_file_of_a_name_is_refused_and_the_same_is_not_loaded_again(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "LOADED", {})
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(f"import zoo\nzoo.seen_{name} = 1\n")
    plugins.load(str(tmp_path / "a" / "mine.py"))
    monkeypatch.delattr(zoo, "seen_a")
    plugins.load(str(tmp_path / "a" / "mine.py"))
    assert not hasattr(zoo, "seen_a")
    with pytest.raises(ZooError, match="another mine.py was loaded by this process"):
        plugins.load(str(tmp_path / "b" / "mine.py"))
    with pytest.raises(ZooError, match="No such file"):
        plugins.load(str(tmp_path / "none" / "mine.py"))


@pytest.fixture
def inside_plugin(command, tmp_path):
    """Explain an objective of a plug-in's text: (status, standard error, the plug-in's file)."""

    def explain(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        done = command("-m", "zoo.objective", "v/cosine+sqrtsnr", "--plugin", str(path))
        return done.returncode, done.stderr, path

    return explain


def test_a_missing_plugin_is_one_message(command, tmp_path):
    done = command("-m", "zoo.objective", "rf", "--plugin", str(tmp_path / "none.py"))
    assert done.returncode == 2
    assert "none.py: No such file" in done.stderr


@pytest.mark.parametrize("kind", ["target", "path", "density", "weight", "coupling", "auxiliary", "backbone"])
def test_every_kind_of_part_can_be_registered_once(kind):
    class Mine:
        pass

    word = f"test_{kind}"
    try:
        assert registry.register(kind, word)(Mine) is Mine
        assert registry.TABLES[kind][word] is Mine
        with pytest.raises(ZooError, match="is taken"):
            registry.register(kind, word)
    finally:
        registry.TABLES[kind].pop(word, None)
