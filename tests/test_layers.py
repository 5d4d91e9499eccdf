"""The rooms: which may import which, and that no files import each other in a circle; lazy imports count too."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

# From the bottom up. A file may import from its own room and from those before it. `zoo.*`, `eval.*` and `reports.*`
# are the files at a package's top; a package's own __init__.py, which gathers the Python API, is above everything.
ROOMS = (
    ("zoo.base",),
    ("zoo.objectives",),
    ("zoo.solvers", "zoo.backbones", "zoo.data"),
    ("zoo.spaces",),
    ("zoo.registry", "zoo.plugins"),
    ("zoo.config",),
    ("zoo.training",),
    ("zoo.sampling",),
    ("zoo.hub",),
    ("zoo.grid",),
    ("zoo.benchmark",),
    ("zoo.*",),
    ("eval.ranks",),
    ("eval.judging",),
    ("eval.scores",),
    ("eval.*",),
    ("reports.read",),
    ("reports.words",),
    ("reports.figures",),
    ("reports.render",),
    ("reports.*",),
    ("run_all",),
)
FACES = ("zoo", "eval", "reports")


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file, of the project's own code."""
    files = [root / "run_all.py", *(file for face in FACES for file in (root / face).rglob("*.py"))]
    names = (".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for file in files)
    return dict(zip(names, files, strict=True))


def imports(name: str, source: str, known: dict[str, Path]) -> set[str]:
    """The project's modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".")[: -node.level] if node.level else []
            head = ".".join([*package, *([node.module] if node.module else [])])
            submodules = {f"{head}.{alias.name}" for alias in node.names}
            found |= {module if module in known else head for module in submodules}
    return {module for module in found if module in known} - {name}


def room(name: str) -> tuple[int, str]:
    """(floor, room) of a module."""
    if name in FACES:
        return len(ROOMS), name
    for floor, rooms in enumerate(ROOMS):
        for one in rooms:
            if name == one or name.startswith(f"{one}."):
                return floor, one
    top = f"{name.split('.')[0]}.*"
    return next((floor, top) for floor, rooms in enumerate(ROOMS) if top in rooms)


def arrows_up(graph: dict[str, set[str]]) -> list[str]:
    """`a -> b` for every import of a higher room, or of another room on the same floor."""
    found = []
    for name, targets in graph.items():
        floor, own = room(name)
        for target in sorted(targets):
            other, theirs = room(target)
            if other > floor or (other == floor and own != theirs):
                found.append(f"{name} -> {target}")
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The files of a circle of imports, the first again at its end; [] where there is none."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph.get(name, ())):
            if found := visit(target, [*trail, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules(ROOT)
    return {name: imports(name, file.read_text(encoding="utf-8"), known) for name, file in known.items()}


def test_no_arrow_points_back_up(graph):
    assert len(graph) > 80
    assert arrows_up(graph) == []


def test_no_circle_of_imports(graph):
    assert " -> ".join(circle(graph)) == ""


def test_a_planted_arrow_and_a_planted_circle_are_named(graph):
    source = "def late():\n    from reports import page\n"
    planted = graph | {"zoo.base.files": graph["zoo.base.files"] | imports("zoo.base.files", source, modules(ROOT))}
    assert arrows_up(planted) == ["zoo.base.files -> reports.page"]
    found = circle(planted)
    assert found[0] == found[-1]
    assert {"zoo.base.files", "reports.page"} <= set(found)


LONGEST, SHORTEST = 260, 30
SHORT = {
    "zoo/base/children.py",
    "zoo/base/counts.py",
    "eval/ranks/stats.py",
}


def test_files_are_neither_long_nor_tiny():
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in modules(ROOT).values()}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}
    tiny = {name for name, count in lines.items() if count < SHORTEST and not name.endswith("__init__.py")}
    assert tiny == SHORT


@pytest.mark.parametrize("face", FACES)
def test_a_readme_s_table_of_folders_has_every_file(face):
    """But for the figures' folder, in which each kind has its file, and the results, which hold no code."""
    text = (ROOT / face / "README.md").read_text()
    for folder in {file.parent for file in (ROOT / face).rglob("*.py")} - {ROOT / face, ROOT / "reports" / "figures"}:
        if (name := str(folder.relative_to(ROOT / face))) in ("grid/grids", "judging/judges"):
            continue
        (row,) = re.findall(rf"^\| \[`{name}/`\].*$", text, re.MULTILINE)
        files = {file.name for file in folder.glob("*.py")} - {"__init__.py"}
        assert {file for file in files if f"`{file}`" not in row} == set(), folder


def test_every_room_says_what_it_is_for():
    for face in FACES:
        for folder in {file.parent for file in (ROOT / face).rglob("*.py")}:
            docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
            assert docstring, f"{folder.relative_to(ROOT)}/__init__.py has no docstring"
