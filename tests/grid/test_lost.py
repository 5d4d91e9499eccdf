"""What is killed, stopped or cut off on a cluster costs no cell its result, and leaves no process."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.grid.nodes import NODES, Nodes, alone, weights, with_variable, write
from zoo.base.files import read_json

pytestmark = pytest.mark.slow
LEFT_SECONDS = 5.0


@pytest.fixture
def nodes():
    yield from Nodes.both()


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> dict[str, str]:
    """The weights that one process of this machine makes."""
    folder = tmp_path_factory.mktemp("calm")
    alone(write(folder, images=16 * 400), folder / "out")
    return weights(folder / "out")


def until(driver: subprocess.Popen, text: str, said: list[str]) -> None:
    """Read what the driver says until this comes."""
    for line in driver.stdout:
        said.append(line)
        if text in line:
            return
    raise AssertionError("".join(said))


def rest(driver: subprocess.Popen, said: list[str], seconds: float = 600) -> str:
    more, _ = driver.communicate(timeout=seconds)
    return "".join([*said, more])


def at_work(nodes: Nodes, count: int) -> list[int]:
    """The processes of cells, once there are so many and each has begun to train."""
    deadline = time.monotonic() + 600
    while len(found := nodes.cells()) < count or len(rows(nodes)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def rows(nodes: Nodes) -> list[Path]:
    return list(nodes.folder.glob("objective-zoo-*/*/digits/*/*/seed*/metrics.jsonl"))


def gone(pids: list[int]) -> bool:
    """Whether these processes end within LEFT_SECONDS."""
    deadline = time.monotonic() + LEFT_SECONDS
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def check(out: Path, calm: dict[str, str]) -> None:
    """Every cell has one result, that of a run that nothing happened to."""
    assert weights(out) == calm
    results = sorted(str(path.parent.relative_to(out)) for path in out.rglob("result.json"))
    assert results == sorted(calm)
    assert not list(out.rglob("failed.json"))
    for path in out.rglob("result.json"):
        steps = [json.loads(line)["step"] for line in (path.parent / "metrics.jsonl").read_text().splitlines()]
        assert steps == sorted(set(steps)) and steps[-1] == read_json(path)["train"]["steps"]  # none logged twice


def test_a_killed_driver_leaves_no_cell_and_another_goes_on(nodes, calm, tmp_path):
    grid, said = write(tmp_path, images=16 * 400), []
    driver = nodes.drive(grid, tmp_path / "out", "--ray-address", nodes.address)
    cells = at_work(nodes, 2)
    driver.kill()
    driver.wait()
    assert gone(cells)
    driver = nodes.drive(grid, tmp_path / "out", "--ray-address", nodes.address)
    told = rest(driver, said)
    assert driver.returncode == 0, told
    check(tmp_path / "out", calm)
    assert gone(nodes.cells())


def test_a_killed_driver_with_a_cluster_of_its_own_leaves_no_process(calm, tmp_path):
    mark = f"ZOO_TEST_MARK={tmp_path}"
    grid, out = write(tmp_path, images=16 * 400), tmp_path / "out"
    own = Nodes(tmp_path)
    own.environment |= {"ZOO_TEST_MARK": str(tmp_path), "TMPDIR": "/tmp"}  # noqa: S108
    for name in ("RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        del own.environment[name]
    driver = own.drive(grid, out)
    while not list(out.rglob("metrics.jsonl")):
        assert driver.poll() is None, driver.stdout.read()
        time.sleep(0.1)
    found = with_variable(mark)
    driver.kill()
    driver.wait()
    assert len(found) > 3  # Ray's own, and the cell's
    assert gone(found), [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found if Path(f"/proc/{pid}").exists()]
    driver = own.drive(grid, out)
    told = rest(driver, [])
    assert driver.returncode == 0, told
    check(out, calm)
    assert gone(with_variable(mark))


def test_a_node_that_is_stopped_is_lost_and_what_it_does_later_is_not_counted(nodes, calm, tmp_path):
    """As a network that is cut: nothing of the node answers, and all of it goes on once the others gave it up."""
    driver, said = nodes.drive(write(tmp_path, images=16 * 400), tmp_path / "out", "--ray-address", nodes.address), []
    at_work(nodes, 2)
    stopped = nodes.signal(NODES[1], signal.SIGSTOP)
    try:
        told = rest(driver, said)
        assert driver.returncode == 0, told
        assert "its node was lost" in told
    finally:
        for pid in stopped:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGCONT)
    check(tmp_path / "out", calm)
    assert gone([pid for pid in stopped if pid != nodes.started[NODES[1]].pid])
    check(tmp_path / "out", calm)


def test_a_seat_that_hangs_is_given_up(nodes, calm, tmp_path):
    """The node answers, the seat's process on it does not."""
    words = ("--ray-address", nodes.address, "--timeout", "60")
    driver, said = nodes.drive(write(tmp_path, images=16 * 400), tmp_path / "out", *words), []
    cell = at_work(nodes, 2)[0]
    seat = int(Path(f"/proc/{cell}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(seat, signal.SIGSTOP)
    told = rest(driver, said)
    assert driver.returncode == 0, told
    assert "its node was lost" in told
    check(tmp_path / "out", calm)
    assert gone([seat, cell])


def test_a_killed_head_is_a_sentence_and_the_next_cluster_goes_on(nodes, calm, tmp_path):
    grid = write(tmp_path, images=16 * 400)
    driver, said = nodes.drive(grid, tmp_path / "out", "--ray-address", nodes.address), []
    cells = at_work(nodes, 2)
    nodes.kill(NODES[0])
    told = rest(driver, said)
    assert driver.returncode == 2, told
    assert "does not answer any more" in told and "Traceback" not in told
    nodes.kill(NODES[1])
    assert gone(cells)
    nodes.head()
    driver = nodes.drive(grid, tmp_path / "out", "--ray-address", nodes.address)
    told = rest(driver, [])
    assert driver.returncode == 0, told
    check(tmp_path / "out", calm)
