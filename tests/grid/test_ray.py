"""The executor `ray`: nodes of this machine's loopback addresses do the cells that a process here would do."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from zoo.base.errors import ZooError
from zoo.base.files import sha256
from zoo.grid import connect

NODES = ("127.0.0.2", "127.0.0.3")  # 127.0.0.1 would be replaced by the outward address
GRID = """
description = "executors"
objectives = ["rf", "eps/cosine", "v/cosine"]
backbones = ["dit"]
dataset = "digits"
[[budgets]]
name = "cpu"
datasets = ["digits"]
sizes.dit = {{ size = "dit(width=32,depth=1,heads=1)", images = {images}, seconds = 5.0 }}
recipe = {{ batch = 16 }}
score = {{ n = 256, batch = 268, settings = [{{ steps = 1 }}] }}
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def session(pid: int) -> list[int]:
    """Processes of a session: a node and what it started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if entry.name.isdecimal() and int(fields[3]) == pid and fields[0] != "Z":
            found.append(int(entry.name))
    return found


class Nodes:
    """A head and another node of one CPU each, with a token of their own."""

    def __init__(self, folder: Path):
        self.token = folder / "token"
        self.token.write_text("a" * 64)
        self.token.chmod(0o600)
        self.environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token)}
        self.environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}
        self.environment |= {"CUDA_VISIBLE_DEVICES": "", "TMPDIR": str(folder)}
        self.address, self.folder = f"{NODES[0]}:{free_port()}", folder
        self.started: dict[str, subprocess.Popen] = {}

    def start(self, ip: str, *words: str) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--node-ip-address", ip, "--num-cpus", "1"]
        command += ["--disable-usage-stats", "--object-store-memory", "80000000", "--block", *words]
        with (self.folder / f"{ip}.log").open("wb") as log:
            self.started[ip] = subprocess.Popen(  # noqa: S603
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def up(self, ip: str) -> None:
        log = self.folder / f"{ip}.log"
        while "Ray runtime started" not in log.read_text():
            assert self.started[ip].poll() is None, log.read_text()
            time.sleep(0.1)

    def kill(self, ip: str) -> None:
        for pid in session(self.started[ip].pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.started.pop(ip).wait()

    def drive(self, grid: Path, out: Path, *words: str) -> subprocess.Popen:
        command = ["run_all.py", "--grid", str(grid), "--out", str(out), "--executor", "ray", "--device", "cpu", *words]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([sys.executable, *command], cwd=ROOT, env=self.environment, **streams)  # noqa: S603


@pytest.fixture(scope="module")
def nodes(tmp_path_factory) -> Iterator[Nodes]:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="zr"))  # short: a socket's path has 107 bytes
    made = Nodes(folder)
    try:
        port = made.address.rpartition(":")[2]
        made.start(NODES[0], "--head", "--port", port, "--include-dashboard", "false", "--temp-dir", str(folder / "h"))
        made.up(NODES[0])
        made.start(NODES[1], "--address", made.address)
        made.up(NODES[1])
        yield made
    finally:
        for ip in list(made.started):
            made.kill(ip)
        shutil.rmtree(folder, ignore_errors=True)


def write(folder: Path, images: int = 320) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.toml").write_text(GRID.format(images=images))
    return folder / "tiny.toml"


def weights(out: Path) -> dict[str, str]:
    """Cell -> SHA-256 of its whole last checkpoint."""
    found = {}
    for cell in sorted(out.rglob("cell.json")):
        newest = max(cell.parent.glob("step-*.json"))
        kept = json.loads(newest.read_text())
        found[str(cell.parent.relative_to(out))] = kept.get("whole_sha256") or sha256(
            newest.with_suffix(".safetensors")
        )
    return found


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> dict[str, str]:
    """The weights that one process of this machine makes."""
    folder = tmp_path_factory.mktemp("calm")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    words = ["--grid", str(write(folder)), "--out", str(folder / "out"), "--jobs", "1", "--device", "cpu"]
    subprocess.run([sys.executable, "run_all.py", *words], cwd=ROOT, env=environment, check=True, capture_output=True)  # noqa: S603
    return weights(folder / "out")


def test_two_nodes_give_the_weights_of_one_process_and_a_killed_worker_is_tried_again(nodes, calm, tmp_path):
    driver = nodes.drive(write(tmp_path), tmp_path / "out", "--ray-address", nodes.address)
    killed, said = False, ""
    for line in driver.stdout:
        said += line
        if "begins" in line and not killed:
            killed = end_a_cell(nodes)
    assert driver.wait(timeout=120) == 0, said
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
        for entry in Path("/proc").iterdir():
            try:
                words, variables = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except OSError:
                continue
            if b"eval.worker" in words and str(nodes.token).encode() in variables:
                os.kill(int(entry.name), signal.SIGKILL)
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
    said, _ = driver.communicate(timeout=120)
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


def test_a_token_that_others_can_read_is_closed(nodes, asked):
    nodes.token.chmod(0o644)
    asked(f"{NODES[0]}:{free_port()}")
    assert nodes.token.stat().st_mode & 0o777 == 0o600


def test_a_lost_node_loses_no_cell(nodes, calm, tmp_path):
    """The last test here: the second node is gone after it."""
    driver = nodes.drive(write(tmp_path), tmp_path / "out", "--ray-address", nodes.address)
    said = ""
    for line in driver.stdout:
        said += line
        if "[2/3]" in line and "begins" in line and NODES[1] in nodes.started:  # a cell may begin twice
            nodes.kill(NODES[1])
    assert driver.wait(timeout=180) == 0, said
    assert "its node was lost" in said
    assert weights(tmp_path / "out") == calm
