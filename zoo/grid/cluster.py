"""The executor `ray`: the same cells on the nodes of a Ray cluster, or on a cluster of this machine alone.

A seat is an actor that does one cell at a time (`seat.py`); a node has as many as its CPUs and GPUs allow. Seats that
stand ready get cells; nodes that come later get seats, and of a node that is lost its cells come back as LOST. Ray
itself restarts and retries nothing: the driver does, as everywhere. A seat gets its next cell before what the last one
made is on the driver's disk (`Landing`).
"""

import math
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from zoo.base.counts import counted
from zoo.base.environment import versions
from zoo.base.errors import ZooError
from zoo.base.files import sha256
from zoo.base.progress import say
from zoo.grid import connect, parcel, terms
from zoo.grid.executor import GRACE_SECONDS, LOST, ROOT
from zoo.grid.head import Head, reason
from zoo.grid.landing import Landing
from zoo.grid.needs import Place, Traffic, Wanted
from zoo.grid.seat import Outcome, Seat

LOOK_SECONDS = 5.0  # between two looks at the cluster's nodes
LINE_SECONDS = 2.0  # between two questions for a cell's last line
START_SECONDS = 90.0  # for the first seat of a node to stand ready


class Cluster:
    """Seats on the nodes of a cluster. Raises ZooError where there is none, or none that may be used."""

    def __init__(self, wanted: Wanted):
        self.wanted, self.traffic, self.places = wanted, Traffic(), list[Place]()
        self.refused: dict[str, str] = {}  # node -> why it is not used
        self.supplied: set[str] = set()  # nodes that have the data
        self.landing = Landing()
        self.looked, self.alone = -math.inf, False
        self.ends = ExitStack()
        try:
            code = ROOT  # nodes of other machines get a copy
            if wanted.address is not None:
                code = parcel.stage_code(ROOT, Path(self.ends.enter_context(tempfile.TemporaryDirectory())))
            self.ray = self.ends.enter_context(
                connect.connected(wanted.address, None if wanted.needs.gpus else 0, code)
            )
            self.head = Head(self.ray)
            self.order = terms.order(wanted)
            self.sign = self.ends.enter_context(terms.sign(wanted.out)) if wanted.shared else None
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
        if self.landing.full:
            return 0
        most = self.wanted.needs.most or len(self.places)
        busy = sum(place.work is not None for place in self.places)
        return min(sum(place.ready and place.work is None for place in self.places), max(0, most - busy))

    def begin(self, folder: Path) -> None:
        place = next(place for place in self.places if place.ready and place.work is None)
        sent = {} if self.wanted.shared else parcel.fitting(parcel.pack(folder))[0]
        self.traffic.out += parcel.weight(sent)
        self.traffic.cells += 1
        name = folder.relative_to(self.wanted.out).as_posix()
        with self.head.asked():
            place.work = place.actor.work.remote(name, sent, self.wanted.kinds.get(folder, ["ema"]))
        place.folder, place.said, place.asked = folder, "", None

    def ended(self, seconds: float) -> list[tuple[Path, int]]:
        with self.head.asked():
            if time.monotonic() - self.looked > LOOK_SECONDS:
                self._look()
            self._listen()
            pending = [p.facts for p in self.places if not p.ready] + [p.work for p in self.places if p.work]
            if not pending:
                return self.landing.done(seconds)
            done, _ = self.ray.wait(pending, num_returns=1, timeout=self.landing.patience(seconds))
            for place in list(self.places) if done else ():
                if not place.ready and place.facts in done:
                    self._stands(place)
                elif place.work in done and place.folder:
                    self._came(place)
        return self.landing.done(0)

    def _listen(self) -> None:
        """Ask every seat at work for its cell's last line; one that says nothing for too long is given up."""
        for place in self.places:
            now = time.monotonic()
            if place.asked is not None and self.ray.wait([place.asked], timeout=0)[0]:
                with suppress(self.ray.exceptions.RayError):  # its work ends, too
                    place.said = self.ray.get(place.asked)
                place.asked = None
            if place.asked is None and place.work and now - place.asked_at > LINE_SECONDS:
                place.asked, place.asked_at = place.actor.line.remote(), now
            elif place.asked is not None and now - place.asked_at > self.wanted.timeout:
                self.ray.kill(place.actor)  # a process of Ray's that hangs; the cell's is watched by its seat
                place.asked, place.asked_at = None, now

    def line(self, folder: Path) -> str:
        return next((place.said for place in self.places if place.folder == folder), "")

    def stop(self) -> None:
        busy = [place for place in self.places if place.work]
        with self.head.asked():
            for place in busy:
                place.actor.stop.remote()
            until = time.monotonic() + GRACE_SECONDS
            while busy and time.monotonic() < until:
                done, _ = self.ray.wait([place.work for place in busy], num_returns=1, timeout=0.5)
                for place in [place for place in busy if place.work in done]:
                    busy.remove(place)
                    self._came(place)
        self.landing.close()
        self.landing.done(0)

    def close(self) -> None:
        try:
            if self.places and not self.head.gone and self.ray.is_initialized():
                with suppress(self.ray.exceptions.RayError):  # the head is gone
                    leaving = [place.actor.leave.remote() for place in self.places if place.ready and not place.work]
                    self.ray.wait(leaving, num_returns=len(leaving), timeout=3.0) if leaving else None
                    for place in self.places:
                        self.ray.kill(place.actor)
        finally:
            self.places.clear()
            self.landing.close()
            if self.traffic.cells:
                say(self.traffic.told())
                self.traffic = Traffic()
            self.ends.close()

    def _look(self) -> None:
        """Give seats to nodes that have none yet, and forget those of nodes that are gone."""
        self.looked = time.monotonic()
        if not self.head.answers():
            return
        nodes = {node["NodeID"]: node for node in self.ray.nodes() if node["Alive"]}
        self.places = [p for p in self.places if p.node in nodes or p.work]
        here = Counter(place.node for place in self.places)
        for name, node in nodes.items():
            if name not in self.refused:
                for _ in range(self.wanted.needs.seats(node["Resources"]) - here[name]):
                    self._seat(name, node["NodeManagerAddress"])
        if not self.places and not self.alone:
            say("no node is left that can do a cell; waiting for one to join the cluster (Ctrl-C ends the run)")
        self.alone = not self.places

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
            why = terms.differs(facts, self.facts, self.wanted, place.address)
            if not why and self.digests and place.node not in self.supplied:
                lacking = self.ray.get(place.actor.lacks.remote(self.digests), timeout=START_SECONDS)
                files = {name: self.wanted.data[name].read_bytes() for name in lacking}
                self.traffic.out += parcel.weight(files)
                self.ray.get(place.actor.take.remote(files, self.digests), timeout=START_SECONDS)
                self.supplied.add(place.node)
        except self.ray.exceptions.RayError as error:
            why = f"{place.address}: {reason(error)}"
        if not why:
            place.ready = True
            return
        if place.node not in self.refused:
            self.refused[place.node] = why
            say(f"not used: {why}")
        for other in [other for other in self.places if other.node == place.node]:
            self.ray.kill(other.actor)
            self.places.remove(other)

    def _came(self, place: Place) -> None:
        """A cell has ended: its seat is free, and what it made lands in its folder."""
        folder, place.folder = place.folder, None
        work, place.work = place.work, None
        assert folder is not None  # noqa: S101 (it has work)
        try:
            outcome: Outcome = self.ray.get(work)
        except self.ray.exceptions.RayError as error:
            self.places.remove(place)
            self.looked = -math.inf
            self.landing.add(folder, Outcome(LOST, {}, f"{place.address} was lost: {reason(error)}"))
            return
        self.traffic.back += parcel.weight(outcome.made)
        self.landing.add(folder, outcome)
