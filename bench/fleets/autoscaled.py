"""A day of an autoscaled fleet, simulated request by request: the truth that `make bench-day` holds a forecast against.

It shares no code with `analysis.planning`. Requests arrive by thinning and queue at nodes with a few workers. A metrics
server reads the CPU time of each pod every 15 s, the autoscaler reads these metrics every 15 s, and the cluster
autoscaler looks every 10 s for pods without a node and for nodes without a pod. Nodes start after a random delay.
"""

import heapq
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SCRAPE_S, _SYNC_S, _SCAN_S = 15.0, 15.0, 10.0
_TOLERANCE, _KEEP_S = 0.1, 300.0
_MORE_PODS = 4
# How far the start of a node is from its mean, at most, as a share of it.
_START_SPREAD = 0.2


@dataclass(frozen=True)
class Service:
    """A node with a core for each of its workers, first come, first served; service times are log-normal."""

    workers: int
    mean_s: float
    cv: float

    def work_s(self, rng: np.random.Generator, requests: int) -> Floats:
        variance = math.log1p(self.cv**2)
        return rng.lognormal(math.log(self.mean_s) - variance / 2, math.sqrt(variance), requests)

    def latency_s(self, rate_rps: float, quantile: float, rng: np.random.Generator, requests: int = 100_000) -> float:
        """The latency within which this share of Poisson requests to one node is answered."""
        free_s, latencies_s = [0.0] * self.workers, []
        arrivals_s = rng.exponential(1 / rate_rps, requests).cumsum().tolist()
        for at_s, work_s in zip(arrivals_s, self.work_s(rng, requests).tolist(), strict=True):
            end_s = max(at_s, free_s[0]) + work_s
            heapq.heapreplace(free_s, end_s)
            latencies_s.append(end_s - at_s)
        return float(np.quantile(latencies_s, quantile))


@dataclass(frozen=True)
class Settings:
    """Of the autoscalers and of what they start; a pod requests `requested_cores` of its node."""

    target_percent: int
    requested_cores: float
    fewest: int
    node_start_s: float
    pod_start_s: float
    removal_s: float


@dataclass(frozen=True)
class Curve:
    """Rates at times from 0 to `duration_s`, with straight lines between them; the first one comes again at the end."""

    at_s: Floats
    rates_rps: Floats
    duration_s: float

    def at(self, times_s: Floats) -> Floats:
        return np.interp(times_s, self.at_s, self.rates_rps, period=self.duration_s)

    def arrivals_s(self, rng: np.random.Generator) -> Floats:
        """A Poisson process of the highest rate, of which each arrival is kept with the share of its rate in that."""
        most_rps = float(self.rates_rps.max())
        count = rng.poisson(most_rps * self.duration_s)
        proposed_s = np.sort(rng.uniform(0, self.duration_s, count))
        return proposed_s[rng.uniform(0, most_rps, count) < self.at(proposed_s)]


@dataclass(frozen=True)
class PlayedDay:
    """`in_overload` requests were due while the rate was above the capacity of the serving nodes."""

    node_s: float
    requests: int
    in_overload: int
    late: int


# Compared by identity: two nodes with equal fields are two nodes.
@dataclass(eq=False)
class _Node:
    """A machine, and the pod on it if there is one. `ready_s` is when the pod serves; infinity is not known yet."""

    created_s: float
    free_s: list[float]
    has_pod: bool = False
    has_started: bool = False
    ready_s: float = math.inf
    empty_since_s: float = 0.0
    # What its workers do, as intervals that are not counted to their end yet, and the CPU time until the last scrape.
    work: deque[tuple[float, float]] = field(default_factory=deque)
    scrapes: int = 0
    cores: float = 0.0

    def scrape(self, now_s: float) -> None:
        """Read the mean cores in use since the last scrape, one period ago."""
        since_s, used_s = now_s - _SCRAPE_S, 0.0
        left: deque[tuple[float, float]] = deque()
        for begin_s, end_s in self.work:
            used_s += max(0.0, min(end_s, now_s) - max(begin_s, since_s))
            if end_s > now_s:
                left.append((begin_s, end_s))
        self.work, self.cores = left, used_s / _SCRAPE_S
        self.scrapes += 1


class Day:
    """One simulated day; `play` it once."""

    def __init__(
        self, curve: Curve, service: Service, capacity_rps: float, settings: Settings, rng: np.random.Generator
    ) -> None:
        self._curve, self._service, self._settings, self._rng = curve, service, settings, rng
        self._capacity_rps = capacity_rps
        self._nodes: list[_Node] = []
        self._serving: list[_Node] = []
        self._pending = 0
        self._advice: deque[tuple[float, int]] = deque()
        self._grown_s = -math.inf
        self._billed_s = 0.0
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0

    def play(self, latency_s: float) -> PlayedDay:
        """Requests that take longer than `latency_s` are late."""
        self._begin()
        arrivals_s = self._curve.arrivals_s(self._rng)
        rates_rps = self._curve.at(arrivals_s)
        due_s = arrivals_s.tolist()
        work_s = self._service.work_s(self._rng, len(due_s)).tolist()
        chances = self._rng.random(len(due_s)).tolist()
        served = in_overload = late = 0
        while served < len(due_s):
            now_s, _, happens = heapq.heappop(self._events)
            until = bisect_right(due_s, now_s, served)
            late += self._serve(due_s[served:until], work_s[served:until], chances[served:until], latency_s)
            in_overload += int((rates_rps[served:until] > len(self._serving) * self._capacity_rps).sum())
            served = until
            happens(now_s)
        node_s = self._billed_s + sum(self._curve.duration_s - node.created_s for node in self._nodes)
        return PlayedDay(node_s, len(due_s), in_overload, late)

    def _serve(self, due_s: list[float], work_s: list[float], chances: list[float], latency_s: float) -> int:
        serving, late = self._serving, 0
        for at_s, takes_s, chance in zip(due_s, work_s, chances, strict=True):
            node = serving[int(chance * len(serving))]
            begin_s = max(at_s, node.free_s[0])
            end_s = begin_s + takes_s
            heapq.heapreplace(node.free_s, end_s)
            node.work.append((begin_s, end_s))
            late += end_s - at_s > latency_s
        return late

    def _begin(self) -> None:
        settings = self._settings
        first_rps = float(self._curve.at(np.zeros(1))[0])
        at_target_rps = settings.target_percent / 100 * settings.requested_cores / self._service.mean_s
        nodes = max(settings.fewest, math.ceil(first_rps / min(self._capacity_rps, at_target_rps)))
        for _ in range(nodes):
            node = self._new_node(0.0)
            node.has_started = node.has_pod = True
            node.ready_s = 0.0
            self._serving.append(node)
        for period_s, happens in ((_SCRAPE_S, self._scrape), (_SYNC_S, self._sync), (_SCAN_S, self._scan)):
            self._every(period_s, happens)

    def _every(self, period_s: float, happens: Callable[[float], None]) -> None:
        def again(now_s: float) -> None:
            happens(now_s)
            self._at(now_s + period_s, again)

        self._at(self._rng.uniform(0, period_s), again)

    def _at(self, at_s: float, happens: Callable[[float], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (at_s, self._number, happens))

    def _scrape(self, now_s: float) -> None:
        for node in self._serving:
            node.scrape(now_s)

    def _sync(self, now_s: float) -> None:
        """The autoscaler decides on the number of pods."""
        pods = self._pending + sum(node.has_pod for node in self._nodes)
        # The first scrape of a pod is of a time before it served.
        measured = [node.cores for node in self._serving if node.scrapes > 1]
        if not measured:
            return
        advised = self._advised(pods, measured)
        self._advice.append((now_s, advised))
        while self._advice[0][0] <= now_s - _KEEP_S:
            self._advice.popleft()
        if advised > pods:
            pods_then = min(advised, max(pods + _MORE_PODS, 2 * pods))
        else:
            pods_then = min(pods, max(number for _, number in self._advice))
        self._set_pods(max(pods_then, self._settings.fewest), pods, now_s)

    def _advised(self, pods: int, measured: list[float]) -> int:
        ratio = self._used_percent(measured, len(measured)) / self._settings.target_percent
        if ratio > 1 and pods > len(measured):
            with_idle = self._used_percent(measured, pods) / self._settings.target_percent
            return pods if with_idle <= 1 + _TOLERANCE else math.ceil(with_idle * pods)
        if 1 - _TOLERANCE <= ratio <= 1 + _TOLERANCE:
            return pods
        return math.ceil(ratio * len(measured))

    def _used_percent(self, measured: list[float], pods: int) -> int:
        return int(100 * sum(measured) / (pods * self._settings.requested_cores))

    def _set_pods(self, wanted: int, pods: int, now_s: float) -> None:
        for _ in range(wanted - pods):
            self._pending += 1
        for _ in range(pods - wanted):
            self._take_away_a_pod(now_s)
        self._schedule(now_s)

    def _take_away_a_pod(self, now_s: float) -> None:
        """One without a node, else one that does not serve yet, else any."""
        if self._pending:
            self._pending -= 1
            return
        starting = [node for node in self._nodes if node.has_pod and node not in self._serving]
        chosen = starting or self._serving
        node = chosen[int(self._rng.integers(len(chosen)))]
        if node in self._serving:
            self._serving.remove(node)
        node.has_pod, node.ready_s, node.empty_since_s, node.scrapes = False, math.inf, now_s, 0

    def _schedule(self, now_s: float) -> None:
        """Pods without a node go to nodes without a pod."""
        empty = [node for node in self._nodes if node.has_started and not node.has_pod]
        self._rng.shuffle(empty)
        for node in empty[: self._pending]:
            self._pending -= 1
            node.has_pod, node.ready_s = True, now_s + self._settings.pod_start_s
            self._at(node.ready_s, partial(self._serve_from, node))

    def _serve_from(self, node: _Node, now_s: float) -> None:
        # A pod that was taken away meanwhile does not serve.
        if node.has_pod and node.ready_s == now_s:
            node.free_s = [now_s] * self._service.workers
            node.work.clear()
            self._serving.append(node)

    def _scan(self, now_s: float) -> None:
        """The cluster autoscaler adds nodes for pods without one, and removes nodes that are empty for long."""
        booting = sum(not node.has_started for node in self._nodes)
        for _ in range(self._pending - booting):
            node = self._new_node(now_s)
            self._grown_s = now_s
            spread = self._rng.uniform(1 - _START_SPREAD, 1 + _START_SPREAD)
            self._at(now_s + self._settings.node_start_s * spread, partial(self._node_started, node))
        if now_s - self._grown_s < self._settings.removal_s:
            return
        for node in [node for node in self._nodes if node.has_started and not node.has_pod]:
            if now_s - node.empty_since_s >= self._settings.removal_s:
                self._billed_s += now_s - node.created_s
                self._nodes.remove(node)

    def _new_node(self, now_s: float) -> _Node:
        node = _Node(now_s, [now_s] * self._service.workers)
        self._nodes.append(node)
        return node

    def _node_started(self, node: _Node, now_s: float) -> None:
        node.has_started, node.empty_since_s = True, now_s
        self._schedule(now_s)
