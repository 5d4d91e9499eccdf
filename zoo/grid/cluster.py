"""The executor `ray`: the same cells on the nodes of a Ray cluster, or on a cluster of this machine alone.

A seat is an actor that does one cell at a time (`seat.py`); a node has as many as its CPUs and GPUs allow. Seats that
stand ready get cells; nodes that come later get seats, and of a node that is lost its cells come back as LOST. Ray
itself restarts and retries nothing: the driver does, as everywhere.
"""

import hashlib
import math
import secrets
import socket
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from zoo.base.counts import counted
from zoo.base.environment import versions
from zoo.base.errors import ZooError
from zoo.base.files import sha256, write_atomic
from zoo.base.progress import say
from zoo.base.threads import threads_asked
from zoo.grid import connect, parcel
from zoo.grid.executor import GRACE_SECONDS, LOG, LOST, ROOT
from zoo.grid.needs import Place, Traffic, Wanted
from zoo.grid.seat import Order, Outcome, Seat

LOOK_SECONDS = 5.0  # between two looks at the cluster's nodes
LINE_SECONDS = 2.0  # between two questions for a cell's last line
START_SECONDS = 90.0  # for the first seat of a node to stand ready
COMPARED = ("code", "torch")  # what must be the same everywhere


class Cluster:
    """Seats on the nodes of a cluster. Raises ZooError where there is none, or none that may be used."""

    def __init__(self, wanted: Wanted):
        self.wanted, self.traffic, self.places = wanted, Traffic(), list[Place]()
        self.refused: dict[str, str] = {}  # node -> why it is not used
        self.looked = self.told = -math.inf
        self.ends = ExitStack()
        try:
            code = parcel.stage_code(ROOT, Path(self.ends.enter_context(tempfile.TemporaryDirectory())))
            self.ray = self.ends.enter_context(
                connect.connected(wanted.address, None if wanted.needs.gpus else 0, code)
            )
            self.order, self.sign = self._order(), self._sign()
            self.digests = {name: sha256(file) for name, file in wanted.data.items()}
            self.facts = {"code": parcel.code_digest(ROOT), **versions()}
            self._look()
            self._first()
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        return len(self.places)

    def room(self) -> int:
        most = self.wanted.needs.most or len(self.places)
        busy = sum(place.work is not None for place in self.places)
        return min(sum(place.ready and place.work is None for place in self.places), max(0, most - busy))

    def begin(self, folder: Path) -> None:
        place = next(place for place in self.places if place.ready and place.work is None)
        sent = {} if self.wanted.shared else parcel.fitting(parcel.pack(folder))[0]
        self.traffic.out += parcel.weight(sent)
        self.traffic.cells += 1
        name = folder.relative_to(self.wanted.out).as_posix()
        place.work = place.actor.work.remote(name, sent, self.wanted.kinds.get(folder, ["ema"]))
        place.folder, place.said, place.asked = folder, "", None

    def ended(self, seconds: float) -> list[tuple[Path, int]]:
        if time.monotonic() - self.looked > LOOK_SECONDS:
            self._look()
        pending = [place.facts for place in self.places if not place.ready] + [p.work for p in self.places if p.work]
        if not pending:
            time.sleep(seconds)
            return []
        done, _ = self.ray.wait(pending, num_returns=1, timeout=seconds)
        found = []
        for place in list(self.places) if done else ():
            if not place.ready and place.facts in done:
                self._stands(place)
            elif place.work in done and place.folder:
                found.append((place.folder, self._came(place)))
        return found

    def line(self, folder: Path) -> str:
        place = next((place for place in self.places if place.folder == folder), None)
        if place is None:
            return ""
        if place.asked and self.ray.wait([place.asked], timeout=0)[0]:
            try:
                place.said, place.asked = self.ray.get(place.asked), None
            except self.ray.exceptions.RayError:
                place.asked = None  # `ended` finds out
        if place.asked is None and time.monotonic() - place.asked_at > LINE_SECONDS:
            place.asked, place.asked_at = place.actor.line.remote(), time.monotonic()
        return place.said

    def stop(self) -> None:
        busy = [place for place in self.places if place.work]
        for place in busy:
            place.actor.stop.remote()
        until = time.monotonic() + GRACE_SECONDS
        while busy and time.monotonic() < until:
            done, _ = self.ray.wait([place.work for place in busy], num_returns=1, timeout=0.5)
            for place in [place for place in busy if place.work in done]:
                busy.remove(place)
                self._came(place)

    def close(self) -> None:
        if self.places and self.ray.is_initialized():
            leaving = [place.actor.leave.remote() for place in self.places if place.ready and not place.work]
            self.ray.wait(leaving, num_returns=len(leaving), timeout=3.0) if leaving else None
            for place in self.places:
                self.ray.kill(place.actor)
        self.places.clear()
        if self.traffic.cells:
            say(self.traffic.told())
            self.traffic = Traffic()
        self.ends.close()

    def _order(self) -> Order:
        """What every seat is told."""
        wanted = self.wanted
        run = hashlib.sha256(f"{socket.gethostname()}:{wanted.out.resolve()}".encode()).hexdigest()[:12]
        plugin = (wanted.plugin.name, wanted.plugin.read_bytes()) if wanted.plugin else None
        threads = threads_asked() or max(1, int(wanted.needs.cpus))  # by its own, Ray sets the number of its CPUs
        environment = {"OMP_NUM_THREADS": str(threads)}
        shared = str(wanted.out.resolve()) if wanted.shared else None
        return Order(run, wanted.command, environment, wanted.timeout, wanted.fresh, plugin, shared)

    def _sign(self) -> str | None:
        """A file in the shared folder by which nodes tell that it is the same one."""
        if not self.wanted.shared:
            return None
        file = self.wanted.out.resolve() / f".seen-{secrets.token_hex(8)}"
        write_atomic(file, b"")
        self.ends.callback(file.unlink, missing_ok=True)
        return str(file)

    def _look(self) -> None:
        """Give seats to nodes that have none yet, and forget those of nodes that are gone."""
        self.looked = time.monotonic()
        nodes = {node["NodeID"]: node for node in self.ray.nodes() if node["Alive"]}
        self.places = [p for p in self.places if p.node in nodes or p.work]
        here = Counter(place.node for place in self.places)
        for name, node in nodes.items():
            if name not in self.refused:
                for _ in range(self.wanted.needs.seats(node["Resources"]) - here[name]):
                    self._seat(name, node["NodeManagerAddress"])

    def _seat(self, node: str, address: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        strategy = NodeAffinitySchedulingStrategy(node, soft=False)
        how = {
            "num_cpus": self.wanted.needs.cpus,
            "num_gpus": self.wanted.needs.gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
        }
        made = self.ray.remote(Seat).options(**how, max_concurrency=3, scheduling_strategy=strategy)
        actor = made.remote(self.order, node)
        self.places.append(Place(node, address, actor, actor.facts.remote(self.sign)))

    def _first(self) -> None:
        """Wait until every node's first seat stands ready; raise ZooError if versions differ or there is no room."""
        if not self.places:
            needs = self.wanted.needs
            wanted = f"{needs.cpus:g} CPUs" + (f" and {needs.gpus:g} GPUs" if needs.gpus else "")
            raise ZooError(f"no node of the cluster has {wanted}, which a cell takes: lower --cpus-per-cell or "
                           "--gpus-per-cell")  # fmt: skip
        nodes = {place.node for place in self.places}
        until = time.monotonic() + START_SECONDS
        while {p.node for p in self.places if not p.ready} & nodes - {p.node for p in self.places if p.ready}:
            if time.monotonic() > until:
                break
            self.ended(0.5)
        if self.refused and not any(place.ready for place in self.places):
            raise ZooError("no node can be used:\n  " + "\n  ".join(self.refused.values()))
        if self.refused and not self.wanted.mixed:
            lines = "\n  ".join(self.refused.values())
            raise ZooError(f"some nodes cannot be used:\n  {lines}\n  Make them alike, or allow it with --allow-mixed")
        hosts = len({place.node for place in self.places})
        say(f"Ray: {counted(len(self.places), 'cell')} at once on {counted(hosts, 'node')}")

    def _stands(self, place: Place) -> None:
        """A seat has told what it found on its node."""
        try:
            facts = self.ray.get(place.facts)
            why = self._differs(place, facts)
            if not why and (lacking := self.ray.get(place.actor.lacks.remote(self.digests))):
                files = {name: self.wanted.data[name].read_bytes() for name in lacking}
                self.traffic.out += parcel.weight(files)
                self.ray.get(place.actor.take.remote(files, self.digests))
        except self.ray.exceptions.RayError as error:
            why = f"{place.address}: {_reason(error)}"
        if not why:
            place.ready = True
            return
        if place.node not in self.refused:
            self.refused[place.node] = why
            say(f"not used: {why}")
        for other in [other for other in self.places if other.node == place.node]:
            self.ray.kill(other.actor)
            self.places.remove(other)

    def _differs(self, place: Place, facts: dict[str, Any]) -> str:
        """Why a node may not be used, or ""."""
        if not facts["sees"]:
            return f"{facts['host']} ({place.address}) does not see {self.wanted.out}, which --shared-out needs"
        other = [key for key in COMPARED if facts[key] != self.facts[key]]
        if not other or self.wanted.mixed:
            return ""
        told = {
            "code": "another version of this project",
            "torch": f"torch {facts['torch']}, not {self.facts['torch']}",
        }
        return f"{facts['host']} ({place.address}) has {' and '.join(told[key] for key in other)}"

    def _came(self, place: Place) -> int:
        """Take what a cell brought back; its exit status."""
        folder, place.folder = place.folder, None
        work, place.work = place.work, None
        assert folder is not None  # noqa: S101 (it has work)
        try:
            outcome: Outcome = self.ray.get(work)
        except self.ray.exceptions.RayError as error:
            self.places.remove(place)
            self.looked = -math.inf
            with (folder / LOG).open("a", encoding="utf-8") as log:
                log.write(f"error: {place.address} was lost: {_reason(error)}\n")
            return LOST
        self.traffic.back += parcel.weight(outcome.made)
        parcel.unpack(outcome.made, folder)
        if outcome.note:
            say(f"{folder}: {outcome.note}")
        return outcome.status


def _reason(error: BaseException) -> str:
    """Ray's errors are pages long; the line that says most."""
    cause = getattr(error, "cause", None)
    lines = [line.strip() for line in str(cause or error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
