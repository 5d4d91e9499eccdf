"""A Ray cluster of two loopback addresses of this machine, and a tiny grid for it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import ROOT
from zoo.base.files import sha256

NODES = ("127.0.0.2", "127.0.0.3")  # 127.0.0.1 would be replaced by the outward address
GRID = """
description = "executors"
objectives = {objectives}
backbones = {backbones}
seeds = {seeds}
dataset = "digits"
[[budgets]]
name = "cpu"
datasets = ["digits"]
{sizes}
recipe = {{ batch = 16 }}
score = {{ n = 256, batch = 268, settings = [{{ steps = 1 }}] }}
"""
SIZES = {"dit": "dit(width=32,depth=1,heads=1)", "unet": "unet(width=32,attention=1)"}
THREE = ("rf", "eps/cosine", "v/cosine")


def write(folder: Path, images: int = 320, objectives=THREE, backbones=("dit",), seeds: int = 1) -> Path:
    """A grid file in a folder: as many cells as its objectives, backbones and seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [f'sizes.{name} = {{ size = "{SIZES[name]}", images = {images}, seconds = 5.0 }}' for name in backbones]
    given = {"objectives": json.dumps(objectives), "backbones": json.dumps(backbones), "sizes": "\n".join(sizes)}
    (folder / "tiny.toml").write_text(GRID.format(seeds=seeds, **given))
    return folder / "tiny.toml"


def alone(grid: Path, out: Path, *words: str) -> None:
    """The grid by one process of this machine, or as the words say."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    words = ("--grid", str(grid), "--out", str(out), "--device", "cpu", *(words or ("--jobs", "1")))
    done = subprocess.run(  # noqa: S603
        [sys.executable, "run_all.py", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


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


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def processes(chosen: Callable[[Path], bool]) -> list[int]:
    """The processes, zombies aside, for whose folder in /proc this holds."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z" and chosen(entry):
                found.append(int(entry.name))
    return found


def of_session(pid: int) -> list[int]:
    """Processes of a session: a node and what it started."""
    return processes(lambda entry: int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == pid)


def with_variable(text: str) -> list[int]:
    """Processes that were started with this text in their environment."""
    return processes(lambda entry: text.encode() in (entry / "environ").read_bytes())


def is_cell(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"eval.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


class Nodes:
    """Nodes of one CPU each, with a token of their own."""

    def __init__(self, folder: Path):
        self.token = folder / "token"
        self.token.write_text("a" * 64)
        self.token.chmod(0o600)
        self.environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token)}
        self.environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}
        self.environment |= {"CUDA_VISIBLE_DEVICES": "", "TMPDIR": str(folder)}
        self.address, self.folder = f"{NODES[0]}:{free_port()}", folder
        self.started: dict[str, subprocess.Popen] = {}
        self.drivers: list[subprocess.Popen] = []

    @staticmethod
    def both(**environment: str) -> "Iterator[Nodes]":
        """A head and another node, which has these variables, until the generator ends."""
        folder = Path(tempfile.mkdtemp(prefix="zr"))  # short: a socket's path has 107 bytes
        made = Nodes(folder)
        try:
            made.head()
            made.start(NODES[1], "--address", made.address, **environment)
            made.up(NODES[1])
            yield made
        finally:
            for driver in made.drivers:
                driver.kill()
                driver.wait()
            for ip in list(made.started):
                made.kill(ip)
            shutil.rmtree(folder, ignore_errors=True)

    def head(self) -> None:
        """Start the head, and wait for it."""
        port = self.address.rpartition(":")[2]
        words = ["--head", "--port", port, "--include-dashboard", "false", "--temp-dir", str(self.folder / "h")]
        self.start(NODES[0], *words)
        self.up(NODES[0])

    def start(self, ip: str, *words: str, **environment: str) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--node-ip-address", ip, "--num-cpus", "1"]
        command += ["--disable-usage-stats", "--object-store-memory", "80000000", "--block", *words]
        with (self.folder / f"{ip}.log").open("wb") as log:
            self.started[ip] = subprocess.Popen(  # noqa: S603
                command, env={**self.environment, **environment}, stdout=log, stderr=log, start_new_session=True
            )

    def up(self, ip: str) -> None:
        log = self.folder / f"{ip}.log"
        while "Ray runtime started" not in log.read_text():
            assert self.started[ip].poll() is None, log.read_text()
            time.sleep(0.1)

    def signal(self, ip: str, number: int) -> list[int]:
        """Send a signal to all of a node: Ray's processes, and the cells', which have sessions of their own."""
        found = of_session(self.started[ip].pid)
        found += [pid for pid in self.cells() if parent(pid) in found]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return found

    def kill(self, ip: str) -> None:
        """Kill Ray's processes of a node; the cells' end with them."""
        for pid in of_session(self.started[ip].pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.started.pop(ip).wait()

    def cells(self) -> list[int]:
        """The processes of cells on the nodes."""
        return [pid for pid in with_variable(str(self.token)) if is_cell(pid)]

    def drive(self, grid: Path, out: Path, *words: str) -> subprocess.Popen:
        command = ["run_all.py", "--grid", str(grid), "--out", str(out), "--executor", "ray", "--device", "cpu", *words]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        driver = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=self.environment, **streams)  # noqa: S603
        self.drivers.append(driver)
        return driver


def parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
