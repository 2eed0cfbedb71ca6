"""An independent simulation of a fleet: by Lindley's recursion in the order of arrival, with no events and no law.

It shares no code with `analysis.planning`, which it grades, and serves in another way: a request is slowed down by
those that are in service when it starts, once and for all.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Work = Callable[[np.random.Generator, int], Floats]

_WARM_UP = 0.2
_BLOCK = 4096


@dataclass(frozen=True)
class Server:
    """One node: `workers` serve first come, first served. `work_s` draws times of a request alone, in seconds.

    A request that starts beside k others takes `1 + k * sharing` times as long.
    """

    workers: int
    work_s: Work
    sharing: float = 0.0


@dataclass(frozen=True)
class Clients:
    """Who sends. `number` None: each request goes to a replica at random.

    `grpc`: each client to all replicas in turn, beginning anywhere. `rest`: each client over keep-alive connections,
    each to the replica that was drawn when it was opened; the one that became idle last is used first. `number` 0 over
    gRPC is our generator in an open loop: each request is sent by the user who became idle last, and each user sends
    to all replicas in turn.
    """

    protocol: Literal["rest", "grpc"]
    number: int | None


def lognormal(mean_ms: float, cv: float) -> Work:
    variance = np.log1p(cv**2)
    mean = np.log(mean_ms / 1000) - variance / 2
    return lambda rng, size: rng.lognormal(mean, np.sqrt(variance), size)


def gamma(mean_ms: float, cv: float) -> Work:
    return lambda rng, size: rng.gamma(cv**-2, mean_ms / 1000 * cv**2, size)


def pauses(mean_ms: float, share: float, factor: float) -> Work:
    """A share of the requests takes `factor` times as long, as beside a pause of a garbage collector."""
    usual_s = mean_ms / 1000 / (1 + share * (factor - 1))

    def work_s(rng: np.random.Generator, size: int) -> Floats:
        return np.where(rng.random(size) < share, factor, 1.0) * usual_s * rng.uniform(0.9, 1.1, size)

    return work_s


def steady(mean_ms: float) -> Work:
    return lambda _, size: np.full(size, mean_ms / 1000)


class Fleet:
    """So many nodes and their clients, who connect anew in each fleet; all times are in seconds of one clock."""

    def __init__(self, server: Server, nodes: int, clients: Clients, rng: np.random.Generator) -> None:
        self._server = server
        self._work_s = _endless(lambda: server.work_s(rng, _BLOCK))
        chances = _endless(lambda: rng.random(_BLOCK))
        self._free_s = [[0.0] * server.workers for _ in range(nodes)]
        self._choose, self._end = _balancer(clients, nodes, chances.__next__)
        # The node that answers each request, in the order in which they are due.
        self.nodes: list[int] = []

    def end_s(self, offset_s: float) -> float:
        """When the request that is due at `offset_s` is answered. Call it in the order in which requests are due."""
        sender, node = self._choose(offset_s)
        workers, sharing = self._free_s[node], self._server.sharing
        start_s = max(offset_s, workers[0])
        beside = sum(worker > start_s for worker in workers) if sharing else 0
        end_s = start_s + next(self._work_s) * (1 + sharing * beside)
        heapq.heapreplace(workers, end_s)
        self._end(sender, node, end_s)
        self.nodes.append(node)
        return end_s


@dataclass(frozen=True)
class Grading:
    """How a truth is simulated: so many requests in all, over so many fleets, whose clients connect anew."""

    requests: int
    fleets: int
    seed: int


def missed_share(server: Server, nodes: int, clients: Clients, rps: float, latency_s: float, grading: Grading) -> float:
    """The share of Poisson requests that are late in the steady state."""
    shares = []
    for number in range(grading.fleets):
        rng = np.random.default_rng((grading.seed, number))
        offsets_s = rng.exponential(1 / rps, grading.requests // grading.fleets).cumsum()
        fleet = Fleet(server, nodes, clients, rng)
        response_s = np.array([fleet.end_s(at_s) for at_s in offsets_s.tolist()]) - offsets_s
        shares.append(float((response_s[int(_WARM_UP * offsets_s.size) :] > latency_s).mean()))
    return float(np.mean(shares))


def _endless(draw: Callable[[], Floats]) -> Iterator[float]:
    while True:
        yield from draw().tolist()


_Choose = Callable[[float], tuple[int, int]]
_End = Callable[[int, int, float], None]


def _balancer(clients: Clients, nodes: int, chance: Callable[[], float]) -> tuple[_Choose, _End]:
    """Who sends the next request and to which node, and what to do when it is known when that ends."""
    number = clients.number
    if number is None:
        return lambda _: (0, int(chance() * nodes)), lambda *_: None
    if clients.protocol == "grpc" and number:
        turns = [int(chance() * nodes) for _ in range(number)]

        def in_turn(_: float) -> tuple[int, int]:
            sender = int(chance() * number)
            turns[sender] += 1
            return sender, turns[sender] % nodes

        return in_turn, lambda *_: None
    # Idle ones as a stack, busy ones by when they end: connections of a client, or users.
    pools = number or 1
    idle: list[list[int]] = [[] for _ in range(pools)]
    busy: list[list[tuple[float, int]]] = [[] for _ in range(pools)]
    opened = 0

    def from_pool(now_s: float) -> tuple[int, int]:
        nonlocal opened
        pool = int(chance() * pools)
        while busy[pool] and busy[pool][0][0] <= now_s:
            idle[pool].append(heapq.heappop(busy[pool])[1])
        if idle[pool]:
            return pool, idle[pool].pop()
        opened += 1
        # A user's first replica follows from its number; a connection's from chance.
        return pool, int(chance() * nodes) if number else opened % nodes

    def to_pool(pool: int, node: int, end_s: float) -> None:
        following = node if number else (node + 1) % nodes
        heapq.heappush(busy[pool], (end_s, following))

    return from_pool, to_pool
