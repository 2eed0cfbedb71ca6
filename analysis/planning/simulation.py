"""A discrete-event simulation of a fleet: replicas behind a balancer, under an open or a closed loop."""

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.planning.balancing import Balancer, choices
from analysis.planning.replica import Replica
from analysis.planning.service import Service

_BLOCK = 4096
# The share of a simulation that is left out at its start, when the fleet is emptier than in its steady state.
_WARM_UP = 0.15
# Kinds of events, in the order of events at the same time.
_FINISH, _ARRIVAL = 0, 1


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
class ClosedLoop:
    """`users` send, wait for the answer, pause, and send again; they start over the first `ramp_s`.

    A pause takes `wait_s`, or is exponential with that mean.
    """

    users: int
    wait_s: float
    duration_s: float
    ramp_s: float = 0.0
    pauses: Literal["constant", "exponential"] = "constant"


@dataclass(frozen=True)
class Simulated:
    """One row per request, by the time it was sent."""

    start_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    duration_s: float

    def between(self, from_s: float, until_s: float = math.inf) -> "Simulated":
        chosen = (self.start_s >= from_s) & (self.start_s < until_s)
        duration_s = min(until_s, self.duration_s) - from_s
        return Simulated(self.start_s[chosen], self.latency_s[chosen], duration_s)

    @property
    def steady(self) -> "Simulated":
        """Without the start, when the fleet was emptier than in its steady state."""
        return self.between(_WARM_UP * self.duration_s)

    def quantile_ms(self, quantile: float) -> float:
        """Infinite without any request."""
        return float(np.quantile(self.latency_s, quantile)) * 1000 if self.latency_s.size else math.inf

    @property
    def throughput_rps(self) -> float:
        """Answers per second, of the requests that were sent."""
        return self.latency_s.size / self.duration_s


def simulate(fleet: Fleet, load: OpenLoop | ClosedLoop, seed: int = 1) -> Simulated:
    """Run `load` against `fleet`; requests that were sent before the end are answered, however long that takes.

    With another rate the same seed draws the same random numbers, so that two rates differ in nothing else.
    """
    return _Run(fleet, load, seed).simulate()


class _Run:
    """The state of one simulation."""

    def __init__(self, fleet: Fleet, load: OpenLoop | ClosedLoop, seed: int) -> None:
        self._load = load
        self._scheduled_s = [math.inf] * fleet.replicas
        self._events: list[tuple[float, int, int]] = []
        # Streams of their own, so that the choices of a balancer do not move the arrivals.
        arrivals, work, balancing, callers, queues = np.random.default_rng(seed).spawn(5)
        self._replicas = [Replica(fleet.service, _endless(queues.random)) for _ in range(fleet.replicas)]
        alone_s = fleet.service.spread * fleet.service.alone_ms / 1000
        self._alone_s = _endless(lambda size: work.choice(alone_s, size))
        self._gaps = _endless(lambda size: arrivals.exponential(1.0, size))
        chances, self._callers = _endless(balancing.random), _endless(callers.random)
        self._clients = load.users if isinstance(load, ClosedLoop) else fleet.balancer.clients
        self._choices = choices(fleet.balancer, fleet.replicas, self._clients, lambda below: int(next(chances) * below))
        self._start_s: list[float] = []
        self._latency_s: list[float] = []
        self._client: list[int] = []
        if isinstance(load, OpenLoop):
            self._events.append((next(self._gaps) / load.rate_rps, _ARRIVAL, 0))
        else:
            self._events += [(user * (load.ramp_s / load.users), _ARRIVAL, user) for user in range(load.users)]

    def simulate(self) -> Simulated:
        while self._events:
            now_s, kind, which = heapq.heappop(self._events)
            if kind == _ARRIVAL:
                self._arrive(which, now_s)
            # An older event of the replica, which a newer one has replaced, is ignored.
            elif now_s == self._scheduled_s[which]:
                for request in self._replicas[which].advance(now_s):
                    self._end(request, which, now_s)
                self._schedule(which)
        return Simulated(np.array(self._start_s), np.array(self._latency_s), self._load.duration_s)

    def _arrive(self, client: int, now_s: float) -> None:
        if now_s >= self._load.duration_s:
            return
        if isinstance(self._load, OpenLoop):
            heapq.heappush(self._events, (now_s + next(self._gaps) / self._load.rate_rps, _ARRIVAL, 0))
            client = int(next(self._callers) * self._clients)
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
                heapq.heappush(self._events, (next_s, _FINISH, replica))

    def _end(self, request: int, replica: int, now_s: float) -> None:
        client = self._client[request]
        self._latency_s[request] = now_s - self._start_s[request]
        self._choices.end(client, replica)
        if isinstance(self._load, ClosedLoop):
            share = 1.0 if self._load.pauses == "constant" else next(self._gaps)
            heapq.heappush(self._events, (now_s + self._load.wait_s * share, _ARRIVAL, client))


def _endless(draw: Callable[[int], NDArray[np.float64]]) -> Iterator[float]:
    while True:
        yield from draw(_BLOCK).tolist()
