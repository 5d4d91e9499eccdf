"""A session of measurements that knows how little time it has, and loses nothing when it is cut off.

Each step is a process of its own with its own time limit; after each, the results (session.json), the tables
(session.md) and an archive of everything but weights (results.tar.gz) are written again. A step that fails or runs out
of time is recorded and passed over. In a folder that holds the results of an earlier session on the same kind of
machine, finished steps are not repeated. What steps need on the way (data, runs, compiled code) lies beside the folder,
in OUT.work, so that the folder itself holds few files, none of them large.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.files import write_atomic, write_json
from zoo.base.progress import say

ROOT = Path(__file__).parents[2]  # where run_all.py and tests/ lie
ARCHIVE_BYTES = 15 << 20  # what is packed, before compression of its text
KEPT = (".json", ".jsonl", ".txt", ".csv", ".md", ".html", ".png", ".log")
COMPILED = "inductor"  # the folder of compiled code, below `work`
UNPACKED = (COMPILED, "site", "data")  # folders there of which nothing is brought back: parts of a cache would mislead
RUNNING = "running"  # a file there for as long as a session has not come to its end
GRACE_SECONDS = 20.0  # for a step that saves when it is interrupted


@dataclass(frozen=True)
class Step:
    """A process: what follows the interpreter, seconds it may take, packages without which it cannot run.

    saves: it is interrupted GRACE_SECONDS before it is killed, for it saves its state then.
    """

    name: str
    command: tuple[str, ...]
    seconds: float
    needs: tuple[str, ...] = ()
    saves: bool = False


def child(name: str, limit: float, needs: tuple[str, ...] = (), **asked: object) -> Step:
    """A step that one process measures and prints as JSON, see `child.py`."""
    return Step(name, ("-m", "zoo.benchmark.child", json.dumps(asked)), limit, needs)


def work_of(out: Path) -> Path:
    """The folder beside a session's in which its steps work."""
    return out.with_name(f"{out.name}.work")


@dataclass
class Session:
    """The state of a session: its folder, its end, and what its steps gave, by name."""

    out: Path
    minutes: float
    missing: set[str] = field(default_factory=set)
    environment: dict[str, str] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    table: Callable[[dict[str, Any]], str] = lambda _: ""

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise ZooError(f"--minutes {self.minutes:g} must be above 0")
        self.began = time.monotonic()
        self.work = work_of(self.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(parents=True, exist_ok=True)
        if (self.work / RUNNING).exists():
            self._clear_compiled()
        (self.work / RUNNING).touch()
        self._resume()

    @property
    def left(self) -> float:
        """Seconds until the session's end."""
        return 60 * self.minutes - (time.monotonic() - self.began)

    def _resume(self) -> None:
        """Take up what an earlier session left in the folder."""
        archive, path = self.out / "results.tar.gz", self.out / "session.json"
        if archive.is_file():
            try:
                with tarfile.open(archive) as packed:
                    packed.extractall(self.work, filter="data")
            except (OSError, tarfile.TarError) as error:
                say(f"{archive} cannot be read ({error}): its cells are done again")
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))["results"]
                self.results = {name: one for name, one in found.items() if one["status"] == "ok"}
            except (OSError, ValueError, KeyError, TypeError) as error:
                say(f"{path} cannot be read ({error!r}): everything is measured again")

    def run(self, steps: Iterable[Step]) -> None:
        """Do the steps, in order, for as long as there is time; `steps` may look at `results` between two of them."""
        for step in steps:
            if step.name in self.results:
                say(f"{step.name}: known from before")
                continue
            if lacking := sorted(self.missing.intersection(step.needs)):
                self._record(step, {"status": "skipped", "reason": f"needs {', '.join(lacking)}", "seconds": 0.0})
                continue
            if self.left < 5:
                self._record(step, {"status": "skipped", "reason": "no time was left", "seconds": 0.0})
                continue
            self._record(step, self._do(step))
        (self.work / RUNNING).unlink(missing_ok=True)

    def _do(self, step: Step) -> dict[str, Any]:
        """Run a step's process to its end, or to the end of its time."""
        log = self.work / "logs" / f"{step.name.replace(' ', '_').replace('/', '_')}.log"
        log.parent.mkdir(exist_ok=True)
        limit, began = min(step.seconds, self.left), time.monotonic()
        environment = {**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 (our own interpreter)
                [sys.executable, *step.command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
            )  # fmt: skip
            output, late = self._wait(process, step, limit)
            errors.write(output)
        seconds = time.monotonic() - began
        if late:
            return {"status": "out of time", "reason": f"stopped after {seconds:.0f} s", "seconds": seconds}
        if process.returncode:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it printed nothing"]
            return {"status": "failed", "reason": f"status {process.returncode}: {said[-1][:300]}", "seconds": seconds}
        return {"status": "ok", "seconds": seconds, "data": printed(output.decode(errors="replace"))}

    def _clear_compiled(self) -> None:
        """Forget compiled code: a process that was stopped may have left half a library, which the next would load."""
        shutil.rmtree(self.work / COMPILED, ignore_errors=True)

    def _wait(self, process: subprocess.Popen[bytes], step: Step, limit: float) -> tuple[bytes, bool]:
        """(what the process printed, whether it was stopped); of a stopped one, nothing of its group is left."""
        try:
            early = GRACE_SECONDS if step.saves else 0.0
            return process.communicate(timeout=max(1.0, limit - early))[0], False
        except subprocess.TimeoutExpired:
            pass
        if step.saves:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=GRACE_SECONDS)[0], True
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[0]
        self._clear_compiled()
        return said, True

    def _record(self, step: Step, result: dict[str, Any]) -> None:
        """Keep a step's result, and write everything again."""
        self.results[step.name] = result
        reason = f": {result['reason']}" if "reason" in result else ""
        say(f"{step.name}: {result['status']} in {result['seconds']:.0f} s{reason} ({self.left:.0f} s left)")
        write_json(self.out / "session.json", {"minutes": self.minutes, "results": self.results})
        write_atomic(self.out / "session.md", (self.table(self.results) + "\n").encode())
        self.pack()

    def pack(self) -> None:
        """results.tar.gz: logs, results, metrics, pages and pictures below `work`, the smallest files first."""
        files = [Path(folder) / name for folder, _, names in os.walk(self.work) for name in names]
        files = [f for f in files if f.suffix in KEPT and f.relative_to(self.work).parts[0] not in UNPACKED]
        total, partial = 0, self.out / "results.tar.gz.tmp"
        with tarfile.open(partial, "w:gz") as packed:
            for size, file in sorted((size, file) for file in files if (size := size_of(file)) is not None):
                total += size
                if total > ARCHIVE_BYTES:
                    break
                with suppress(OSError):  # a step that was stopped may have left a process at work
                    content = file.read_bytes()
                    entry = packed.gettarinfo(file, str(file.relative_to(self.work)))
                    entry.size = len(content)
                    packed.addfile(entry, BytesIO(content))
        partial.replace(self.out / "results.tar.gz")


def printed(text: str) -> dict[str, Any]:
    """The JSON object with which a process's output ends, whatever it said before; {"said": its last line} without."""
    lines = text.strip().splitlines() or [""]
    for i, line in enumerate(lines):
        if line.startswith("{"):
            with suppress(ValueError):
                return dict(json.loads("\n".join(lines[i:])))
    return {"said": lines[-1][:300]}


def size_of(file: Path) -> int | None:
    """A file's bytes; None once it is gone."""
    try:
        return file.stat().st_size
    except OSError:
        return None
