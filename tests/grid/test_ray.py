"""The executor `ray`: nodes of this machine's loopback addresses do the cells that a process here would do."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.grid.nodes import NODES, Nodes, alone, free_port, weights, write
from tests.reports.test_reports import section
from zoo.base.errors import ZooError
from zoo.grid import connect

nodes = pytest.fixture(scope="module")(Nodes.both)


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> dict[str, str]:
    """The weights that one process of this machine makes."""
    folder = tmp_path_factory.mktemp("calm")
    alone(write(folder), folder / "out")
    return weights(folder / "out")


def test_two_nodes_give_the_weights_of_one_process_and_a_killed_worker_is_tried_again(nodes, calm, tmp_path):
    driver = nodes.drive(write(tmp_path), tmp_path / "out", "--ray-address", nodes.address)
    killed, said = False, ""
    for line in driver.stdout:
        said += line
        if "begins" in line and not killed:
            killed = end_a_cell(nodes)
    assert driver.wait(timeout=600) == 0, said
    assert "Ray: 2 cells at once on 2 nodes" in said
    assert "is tried again (2 of 3 attempts)" in said
    assert "came back" in said
    assert weights(tmp_path / "out") == calm
    assert len(list((tmp_path / "out").rglob("result.json"))) == 3
    left = list(nodes.folder.glob("objective-zoo-*/*/digits"))
    assert left == []  # what was delivered is removed there


def end_a_cell(nodes: Nodes) -> bool:
    """Kill the process of a cell on a node, once there is one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for pid in nodes.cells():
            os.kill(pid, signal.SIGKILL)
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_brings_the_states_back_and_the_other_executor_goes_on(nodes, calm, tmp_path):
    grid = write(tmp_path, images=16 * 20_000)
    driver = nodes.drive(grid, tmp_path / "out", "--ray-address", nodes.address, "--only", "rf")
    while not list(nodes.folder.glob("objective-zoo-*/*/digits/*/rf/seed0/metrics.jsonl")):
        assert driver.poll() is None, driver.stdout.read()
        time.sleep(0.1)
    driver.send_signal(signal.SIGINT)
    said, _ = driver.communicate(timeout=600)
    assert driver.returncode == 130, said
    (cell,) = (tmp_path / "out").rglob("cell.json")
    step = int(max(cell.parent.glob("step-*.json")).stem[5:])
    assert 0 < step < 20_000
    assert {name.partition(".")[0] for name in tensors(max(cell.parent.glob("step-*.safetensors")))} >= {"opt", "net"}


def tensors(file: Path) -> set[str]:
    import safetensors

    with safetensors.safe_open(file, "pt") as opened:
        return set(opened.keys())


@pytest.fixture
def asked(nodes, monkeypatch):
    """asked(address, **environment) -> how the connection is refused, and within how many seconds."""

    def ask(address: str = nodes.address, **environment: str) -> str:
        for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"RAY_AUTH_TOKEN_PATH": str(nodes.token), **environment}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ZooError) as refused, connect.connected(address, 0, ROOT):
            pass
        return str(refused.value)

    return ask


def test_what_keeps_a_driver_from_a_cluster_is_a_sentence(nodes, asked, tmp_path):
    assert "another token" in asked(RAY_AUTH_TOKEN="b" * 64)
    assert "there is no token at" in asked(RAY_AUTH_TOKEN_PATH=str(tmp_path / "none"))
    (tmp_path / "empty").touch()
    (tmp_path / "open").mkdir(mode=0o755)
    for none in (tmp_path / "empty", tmp_path / "open"):
        before = none.stat().st_mode
        assert "holds no token" in asked(RAY_AUTH_TOKEN_PATH=str(none))
        assert none.stat().st_mode == before  # nothing but a token is closed to others
    assert "nobody answers there" in asked(f"{NODES[0]}:{free_port()}")
    assert "is no HOST:PORT" in asked("head")
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Info(tuple):\n"
        "    major, minor, micro, releaselevel, serial = *sys.version_info[:2], 99, 'final', 0\n"
        "sys.version_info = Info((*sys.version_info[:2], 99, 'final', 0))\n"
    )
    other = asked(PYTHONPATH=str(tmp_path))
    assert "other versions (" in other and ".99 here" in other
    assert "(Python " in other and "Ray " not in other.partition("(")[2]  # Ray is the same there


def test_a_token_that_others_can_read_is_closed(nodes, asked):
    nodes.token.chmod(0o644)
    asked(f"{NODES[0]}:{free_port()}")
    assert nodes.token.stat().st_mode & 0o777 == 0o600


def test_a_node_with_another_torch_is_refused_or_its_cells_are_grouped(tmp_path):
    """The other node says that its torch is older."""
    facts = tmp_path / "torch-2.13.5.dist-info" / "METADATA"
    facts.parent.mkdir()
    facts.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.13.5\n")
    with contextlib.contextmanager(Nodes.both)(PYTHONPATH=str(tmp_path)) as nodes:
        words = ("--ray-address", nodes.address)
        said, _ = (driver := nodes.drive(write(tmp_path), tmp_path / "out", *words)).communicate(timeout=600)
        assert driver.returncode == 2, said
        assert f"({NODES[1]}) has torch 2.13.5, not" in said and "--allow-mixed" in said
        assert not list((tmp_path / "out").rglob("result.json"))
        driver = nodes.drive(write(tmp_path), tmp_path / "out", *words, "--allow-mixed")
        said, _ = driver.communicate(timeout=600)
    assert driver.returncode == 0, said
    text = (tmp_path / "out" / "report.md").read_text()
    groups = section(text, "Groups of versions")
    assert groups[0] == ["group", "torch", "cells"]
    assert "2.13.5" in {row[1] for row in groups[2:4]} and sum(int(row[2]) for row in groups[2:4]) == 3
    assert "different versions, torch" in text


def test_a_lost_node_loses_no_cell(nodes, calm, tmp_path):
    """The last test here: the second node is gone after it."""
    driver = nodes.drive(write(tmp_path), tmp_path / "out", "--ray-address", nodes.address)
    said = ""
    for line in driver.stdout:
        said += line
        if "[2/3]" in line and "begins" in line and NODES[1] in nodes.started:  # a cell may begin twice
            nodes.kill(NODES[1])
    assert driver.wait(timeout=600) == 0, said
    assert "its node was lost" in said
    assert weights(tmp_path / "out") == calm
