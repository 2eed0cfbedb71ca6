"""A discrete-event simulation of a fleet: replicas in zones behind a balancer, under an open or a closed loop."""

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.planning.replica import Replica
from analysis.planning.service import Service
from stacks.serving_variant import Batching

Balancer = Literal["random", "round-robin"]
_BLOCK = 4096


@dataclass(frozen=True)
class Fleet:
    """`replicas` of one kind, spread evenly over `zones`: replica i is in zone i modulo `zones`."""

    replicas: int
    service: Service
    balancer: Balancer
    batching: Batching | None = None
    zones: int = 1


@dataclass(frozen=True)
class OpenLoop:
    """Requests arrive as a Poisson process, however long answers take."""

    rate_rps: float
    duration_s: float


@dataclass(frozen=True)
class ClosedLoop:
    """`users` send, wait for the answer, pause `wait_s`, and send again; they start over the first `ramp_s`."""

    users: int
    wait_s: float
    duration_s: float
    ramp_s: float = 0.0


@dataclass(frozen=True)
class ZoneLoss:
    """Zone 0 is lost at `at_s`; for `noticed_after_s` more the balancer still sends its share there."""

    at_s: float
    noticed_after_s: float


@dataclass(frozen=True)
class Simulated:
    """One row per request, by the time it was sent; `latency_s` of a failed request is the time until it failed."""

    start_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    ok: NDArray[np.bool_]
    duration_s: float

    def between(self, from_s: float, until_s: float = math.inf) -> "Simulated":
        chosen = (self.start_s >= from_s) & (self.start_s < until_s)
        duration_s = min(until_s, self.duration_s) - from_s
        return Simulated(self.start_s[chosen], self.latency_s[chosen], self.ok[chosen], duration_s)

    def quantile_ms(self, quantile: float) -> float:
        """Of the good answers; infinite where there is none."""
        good = self.latency_s[self.ok]
        return float(np.quantile(good, quantile)) * 1000 if good.size else math.inf

    @property
    def throughput_rps(self) -> float:
        """Good answers per second, of the requests that were sent."""
        return int(self.ok.sum()) / self.duration_s

    @property
    def error_ratio(self) -> float:
        return 1 - float(self.ok.mean()) if self.ok.size else 0.0


def simulate(fleet: Fleet, load: OpenLoop | ClosedLoop, seed: int = 1, loss: ZoneLoss | None = None) -> Simulated:
    """Run `load` against `fleet`; requests that were sent before the end are answered, however long that takes."""
    return _Run(fleet, load, np.random.default_rng(seed), loss).simulate()


class _Kind(IntEnum):
    """Kinds of events, in the order of events at the same time."""

    REPLICA = 0
    ZONE_LOST = 1
    LOSS_NOTICED = 2
    ARRIVAL = 3


class _Run:
    """The state of one simulation."""

    def __init__(
        self, fleet: Fleet, load: OpenLoop | ClosedLoop, rng: np.random.Generator, loss: ZoneLoss | None
    ) -> None:
        self._load = load
        self._replicas = [Replica(fleet.service, fleet.batching) for _ in range(fleet.replicas)]
        self._zone_0 = range(0, fleet.replicas, fleet.zones)
        self._scheduled_s = [math.inf] * fleet.replicas
        self._balanced = list(range(fleet.replicas))
        self._lost: frozenset[int] = frozenset()
        self._events: list[tuple[float, _Kind, int]] = []
        alone_s = fleet.service.spread * fleet.service.alone_ms / 1000
        self._alone_s = _endless(lambda size: rng.choice(alone_s, size))
        self._chances = _endless(rng.random) if fleet.balancer == "random" else None
        self._gaps = _endless(lambda size: rng.exponential(1.0, size))
        self._turn = 0
        self._start_s: list[float] = []
        self._latency_s: list[float] = []
        self._ok: list[bool] = []
        self._users: list[int] = []
        if isinstance(load, OpenLoop):
            self._events.append((next(self._gaps) / load.rate_rps, _Kind.ARRIVAL, 0))
        else:
            self._events += [(user * (load.ramp_s / load.users), _Kind.ARRIVAL, user) for user in range(load.users)]
        if loss:
            self._events.append((loss.at_s, _Kind.ZONE_LOST, 0))
            self._events.append((loss.at_s + loss.noticed_after_s, _Kind.LOSS_NOTICED, 0))
            heapq.heapify(self._events)

    def simulate(self) -> Simulated:
        while self._events:
            now_s, kind, which = heapq.heappop(self._events)
            match kind:
                case _Kind.ARRIVAL:
                    self._arrive(which, now_s)
                # An older event of the replica, which a newer one has replaced, is ignored.
                case _Kind.REPLICA if now_s == self._scheduled_s[which]:
                    for request in self._replicas[which].advance(now_s):
                        self._end(request, now_s, ok=True)
                    self._schedule(which)
                case _Kind.ZONE_LOST:
                    self._lose_zone(now_s)
                case _Kind.LOSS_NOTICED:
                    self._balanced = [replica for replica in self._balanced if replica not in self._lost]
        return Simulated(
            np.array(self._start_s), np.array(self._latency_s), np.array(self._ok, dtype=bool), self._load.duration_s
        )

    def _arrive(self, user: int, now_s: float) -> None:
        if now_s >= self._load.duration_s:
            return
        if isinstance(self._load, OpenLoop):
            heapq.heappush(self._events, (now_s + next(self._gaps) / self._load.rate_rps, _Kind.ARRIVAL, 0))
        request = len(self._start_s)
        self._start_s.append(now_s)
        self._latency_s.append(math.nan)
        self._ok.append(True)
        self._users.append(user)
        replica = self._choose()
        if replica in self._lost or not self._replicas[replica].offer(request, next(self._alone_s), now_s):
            self._end(request, now_s, ok=False)
        self._schedule(replica)

    def _choose(self) -> int:
        """The replica that the balancer sends the next request to, which may be a lost one."""
        if self._chances is not None:
            return self._balanced[int(next(self._chances) * len(self._balanced))]
        self._turn = (self._turn + 1) % len(self._balanced)
        return self._balanced[self._turn]

    def _schedule(self, replica: int) -> None:
        next_s = self._replicas[replica].next_s
        if next_s != self._scheduled_s[replica]:
            self._scheduled_s[replica] = next_s
            if next_s < math.inf:
                heapq.heappush(self._events, (next_s, _Kind.REPLICA, replica))

    def _end(self, request: int, now_s: float, *, ok: bool) -> None:
        self._latency_s[request] = now_s - self._start_s[request]
        self._ok[request] = ok
        if isinstance(self._load, ClosedLoop):
            # A user who is refused at once and never pauses would send again at the same moment, endlessly.
            pause_s = self._load.wait_s if ok else max(self._load.wait_s, 1e-3)
            heapq.heappush(self._events, (now_s + pause_s, _Kind.ARRIVAL, self._users[request]))

    def _lose_zone(self, now_s: float) -> None:
        self._lost = frozenset(self._zone_0)
        for replica in self._zone_0:
            for request in self._replicas[replica].fail():
                self._end(request, now_s, ok=False)
            self._schedule(replica)
        if len(self._lost) == len(self._replicas):
            raise ValueError("a fleet in one zone is lost with it, so there is nothing to simulate; give more zones")


def _endless(draw: Callable[[int], NDArray[np.float64]]) -> Iterator[float]:
    while True:
        yield from draw(_BLOCK).tolist()
