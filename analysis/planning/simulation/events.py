"""A discrete-event simulation of a fleet: replicas behind a balancer, under an open loop."""

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.planning.replica_model.service import Service
from analysis.planning.simulation.balancing import Balancer, choices
from analysis.planning.simulation.replica import Replica

_BLOCK = 4096
# The share of a simulation that is left out at its start, when the fleet is emptier than in its steady state.
_WARM_UP = 0.15
# Kinds of events, in the order of events at the same time.
_FINISH, ARRIVAL = 0, 1


@dataclass(frozen=True)
class Fleet:
    """`replicas` of one kind."""

    replicas: int
    service: Service
    balancer: Balancer

    @property
    def limit_rps(self) -> float:
        """From this rate on the queues grow without end."""
        return self.replicas * self.service.limit_rps


@dataclass(frozen=True)
class OpenLoop:
    """Requests arrive as a Poisson process, however long answers take."""

    rate_rps: float
    duration_s: float


@dataclass(frozen=True)
class Simulated:
    """One row per request, by the time it was sent."""

    start_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    duration_s: float

    @property
    def steady(self) -> "Simulated":
        """Without the start, when the fleet was emptier than in its steady state."""
        from_s = _WARM_UP * self.duration_s
        chosen = self.start_s >= from_s
        return Simulated(self.start_s[chosen], self.latency_s[chosen], self.duration_s - from_s)


def simulate(fleet: Fleet, load: OpenLoop, seed: int = 1) -> Simulated:
    """Run `load` against `fleet`; requests that were sent before the end are answered, however long that takes.

    With another rate the same seed draws the same random numbers, so that two rates differ in nothing else.
    """
    return Run(fleet, fleet.balancer.clients, load, seed).simulate()


class Run:
    """The state of one simulation, in which so many `clients` send."""

    def __init__(self, fleet: Fleet, clients: int, load: OpenLoop, seed: int) -> None:
        self._load = load
        self._scheduled_s = [math.inf] * fleet.replicas
        self._events: list[tuple[float, int, int]] = []
        # Streams of their own, so that the choices of a balancer do not move the arrivals.
        arrivals, work, balancing, callers, queues = np.random.default_rng(seed).spawn(5)
        self._replicas = [Replica(fleet.service, _endless(queues.random)) for _ in range(fleet.replicas)]
        alone_s = fleet.service.spread * fleet.service.alone_ms / 1000
        self._alone_s = _endless(lambda size: work.choice(alone_s, size))
        self._gaps = _endless(lambda size: arrivals.exponential(1.0, size))
        chances, self._callers, self._clients = _endless(balancing.random), _endless(callers.random), clients
        self._choices = choices(fleet.balancer, fleet.replicas, clients, lambda below: int(next(chances) * below))
        self._start_s: list[float] = []
        self._latency_s: list[float] = []
        self._client: list[int] = []

    def simulate(self) -> Simulated:
        self._begin()
        while self._events:
            now_s, kind, which = heapq.heappop(self._events)
            if kind == ARRIVAL:
                self._arrive(which, now_s)
            # An older event of the replica, which a newer one has replaced, is ignored.
            elif now_s == self._scheduled_s[which]:
                for request in self._replicas[which].advance(now_s):
                    self._end(request, which, now_s)
                self._schedule(which)
        return Simulated(np.array(self._start_s), np.array(self._latency_s), self._load.duration_s)

    def _begin(self) -> None:
        self._push(next(self._gaps) / self._load.rate_rps, ARRIVAL, 0)

    def _arrive(self, _: int, now_s: float) -> None:
        if now_s < self._load.duration_s:
            self._push(now_s + next(self._gaps) / self._load.rate_rps, ARRIVAL, 0)
            self._send(int(next(self._callers) * self._clients), now_s)

    def _push(self, at_s: float, kind: int, which: int) -> None:
        heapq.heappush(self._events, (at_s, kind, which))

    def _send(self, client: int, now_s: float) -> None:
        request = len(self._start_s)
        self._start_s.append(now_s)
        self._latency_s.append(math.nan)
        self._client.append(client)
        replica = self._choices.choose(client)
        self._replicas[replica].offer(request, next(self._alone_s), now_s)
        self._schedule(replica)

    def _schedule(self, replica: int) -> None:
        next_s = self._replicas[replica].next_s
        if next_s != self._scheduled_s[replica]:
            self._scheduled_s[replica] = next_s
            if next_s < math.inf:
                self._push(next_s, _FINISH, replica)

    def _end(self, request: int, replica: int, now_s: float) -> None:
        client = self._client[request]
        self._latency_s[request] = now_s - self._start_s[request]
        self._choices.end(client, replica)


def _endless(draw: Callable[[int], NDArray[np.float64]]) -> Iterator[float]:
    while True:
        yield from draw(_BLOCK).tolist()
