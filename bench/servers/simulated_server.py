"""A server on a clock of its own: replicas of several workers behind a balancer, and its capacity by a long simulation.

Each replica serves first come, first served. The service time is log-normal, or a mixture of two. A capacity search
plays against it in simulated time, and `true_capacity_rps` finds what the search should find, by another algorithm.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from math import log, sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BLOCK = 4096
# Independent simulations at once, and how many of their first requests are not counted.
_LANES, _WARM_UP = 512, 2_000
# Bisections with one in so many requests, and how far from their end the final ones begin, as a share.
_BISECTIONS, _ROUGH, _MARGIN, _FINAL_BISECTIONS = 9, 20, 0.05, 6
# One in so many requests where all replicas are simulated, one request after another.
_PLAYED = 10
# Later than any latency limit.
_LATE_S = 30.0


@dataclass(frozen=True)
class ServerModel:
    """`service_cv` is the coefficient of variation of the service time, whose mean is `service_s`.

    A request goes to a replica at random or, with `clients`, to the next replica of its client's own round-robin;
    which client sends it is random. With `queue`, a replica refuses a request at once where so many wait already.
    A share `slow_share` of the requests takes `slow_factor` times as long, with the same mean over all requests. A
    share `late_share` is answered too late at any rate, without keeping a worker busy. A replica pauses for `pause_s`,
    after times that are exponential with the mean `pause_every_s`. A worker serves up to `batch` waiting requests in
    the time of one.
    """

    replicas: int
    workers: int
    service_s: float
    service_cv: float
    clients: int | None = None
    queue: int | None = None
    slow_share: float = 0.0
    slow_factor: float = 1.0
    late_share: float = 0.0
    pause_s: float = 0.0
    pause_every_s: float = math.inf
    batch: int = 1

    @property
    def saturation_rps(self) -> float:
        return self.replicas * self.workers * self.batch / self.service_s

    @property
    def _log_normal(self) -> tuple[float, float]:
        variance = log(1 + self.service_cv**2)
        return log(self.service_s) - variance / 2, sqrt(variance)

    def services_s(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> Floats:
        drawn_s = rng.lognormal(*self._log_normal, size)
        if not self.slow_share:
            return drawn_s
        usual = 1 / (1 + self.slow_share * (self.slow_factor - 1))
        return drawn_s * usual * np.where(rng.random(size) < self.slow_share, self.slow_factor, 1.0)


class SimulatedServer:
    """Answers requests in the order in which they are due; all times are in seconds of its clock."""

    def __init__(self, model: ServerModel, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._services_s = _endless(lambda: model.services_s(rng, _BLOCK))
        self._model = model
        self._replicas_state = [_Replica([0.0] * model.workers) for _ in range(model.replicas)]
        self._replicas = _replicas(model, seed)
        # Not the stream of the arrivals, whatever their seed.
        self._draw = random.Random(f"pauses and late answers {seed}")  # noqa: S311 (a simulation)
        for each in self._replicas_state:
            each.pause_at_s = self._pause_after_s(0.0)

    def end_s(self, offset_s: float) -> float:
        """When the request that is due at `offset_s` is answered; infinite where it is refused."""
        replica = self._replicas_state[next(self._replicas)]
        while replica.pause_at_s <= offset_s:
            resumed_s = replica.pause_at_s + self._model.pause_s
            replica.free_s = [max(each, replica.pause_at_s) + self._model.pause_s for each in replica.free_s]
            replica.pause_at_s = self._pause_after_s(resumed_s)
        late_s = _LATE_S if self._model.late_share and self._draw.random() < self._model.late_share else 0.0
        if replica.batch_start_s > offset_s and replica.in_batch < self._model.batch:
            replica.in_batch += 1
            return replica.batch_end_s + late_s
        start_s = max(offset_s, replica.free_s[0])
        if self._model.queue is not None and replica.refuses(offset_s, start_s, self._model.queue):
            return math.inf
        end_s = start_s + next(self._services_s)
        heapq.heapreplace(replica.free_s, end_s)
        replica.batch_start_s, replica.batch_end_s, replica.in_batch = start_s, end_s, 1
        return end_s + late_s

    def _pause_after_s(self, at_s: float) -> float:
        every_s = self._model.pause_every_s
        return at_s + self._draw.expovariate(1 / every_s) if math.isfinite(every_s) else math.inf


@dataclass
class _Replica:
    """When its workers are free, when waiting requests start, its next pause, and the last batch that it formed."""

    free_s: list[float]
    starts_s: deque[float] = field(default_factory=deque)
    pause_at_s: float = math.inf
    batch_start_s: float = -math.inf
    batch_end_s: float = -math.inf
    in_batch: int = 0

    def refuses(self, offset_s: float, start_s: float, queue: int) -> bool:
        """Whether `queue` requests wait already; if not, this one is added."""
        while self.starts_s and self.starts_s[0] <= offset_s:
            self.starts_s.popleft()
        if len(self.starts_s) >= queue and start_s > offset_s:
            return True
        self.starts_s.append(start_s)
        return False


def true_capacity_rps(
    model: ServerModel, quantile: float, latency_s: float, requests: int, errors: float = 0.001
) -> float:
    """The highest Poisson rate that meets the objective in the long run; only a server with `queue` has errors.

    Poisson arrivals that are spread at random are Poisson for each replica, so one replica is simulated: `requests`
    requests by the Kiefer-Wolfowitz recursion (1955), in many independent lanes. With clients, or where requests are
    refused, all replicas are simulated, event by event. The same random numbers are used at every rate, so that the
    share of misses grows with the rate, and bisection finds the one rate at which it is right: first roughly with a few
    requests, then near there with all of them.
    """
    is_played = model.clients is not None or model.queue is not None or model.batch > 1 or bool(model.pause_s)
    if is_played:
        requests //= _PLAYED

    def meets(rps: float, count: int) -> bool:
        if not is_played:
            return missed_share(model, rps, latency_s, count) <= 1 - quantile
        missed, refused = _played_shares(model, rps, latency_s, count)
        return missed <= 1 - quantile and refused <= errors

    def bisected(bracket_rps: tuple[float, float], count: int, rounds: int) -> tuple[float, float]:
        return _bisected(lambda rps: meets(rps, count), bracket_rps, rounds)

    middle_rps = sum(bisected((0.0, model.saturation_rps / model.replicas), requests // _ROUGH, _BISECTIONS)) / 2
    bracket_rps = ((1 - _MARGIN) * middle_rps, (1 + _MARGIN) * middle_rps)
    return model.replicas * sum(bisected(bracket_rps, requests, _FINAL_BISECTIONS)) / 2


def _bisected(keeps: Callable[[float], bool], bracket_rps: tuple[float, float], rounds: int) -> tuple[float, float]:
    low_rps, high_rps = bracket_rps
    for _ in range(rounds):
        middle_rps = (low_rps + high_rps) / 2
        if keeps(middle_rps):
            low_rps = middle_rps
        else:
            high_rps = middle_rps
    return low_rps, high_rps


def missed_share(model: ServerModel, replica_rps: float, latency_s: float, requests: int, seed: int = 1) -> float:
    """The share of requests that one replica answers later than `latency_s` at a Poisson rate of `replica_rps`."""
    rng = np.random.default_rng(seed)
    workload_s = np.zeros((_LANES, model.workers))
    missed = 0
    rounds = -(-requests // _LANES)
    for number in range(_WARM_UP + rounds):
        workload_s -= rng.standard_exponential((_LANES, 1)) / replica_rps
        np.maximum(workload_s, 0, out=workload_s)
        workload_s[:, 0] += model.services_s(rng, _LANES)
        if number >= _WARM_UP:
            missed += int(np.count_nonzero(workload_s[:, 0] > latency_s))
        if model.workers > 1:
            workload_s.sort(axis=1)
    return model.late_share + (1 - model.late_share) * missed / (rounds * _LANES)


def _played_shares(model: ServerModel, replica_rps: float, latency_s: float, requests: int) -> tuple[float, float]:
    """The shares of late or refused, and of refused requests of all replicas together, by their events.

    Arrivals are the same at every rate, but for their scale.
    """
    gaps = np.random.default_rng(2).standard_exponential(_WARM_UP + requests)
    offsets_s = np.cumsum(gaps) / (replica_rps * model.replicas)
    server = SimulatedServer(model, 2)
    response_s = np.array([server.end_s(at_s) - at_s for at_s in offsets_s.tolist()])[_WARM_UP:]
    return float((response_s > latency_s).mean()), float(np.isinf(response_s).mean())


def _replicas(model: ServerModel, seed: int) -> Iterator[int]:
    """The replica of each request."""
    # Not the stream of the arrivals, whatever their seed.
    draw = random.Random(f"replicas {seed}")  # noqa: S311 (a simulation)
    if model.clients is None:
        while True:
            yield int(draw.random() * model.replicas)
    turns = [count(draw.randrange(model.replicas)) for _ in range(model.clients)]
    while True:
        yield next(turns[draw.randrange(model.clients)]) % model.replicas


def _endless(draw: Callable[[], Floats]) -> Iterator[float]:
    while True:
        yield from draw().tolist()
