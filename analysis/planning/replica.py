"""One simulated replica: a queue, threads that share its cores, and batches where batching is on."""

import heapq
import math
from collections import deque
from dataclasses import dataclass

from analysis.planning.service import Service
from stacks.serving_variant import Batching

# Times closer than this are the same: sums of floats differ in their last digits.
_SAME_S = 1e-9


@dataclass(slots=True)
class _Work:
    """A unit of work: a request, or the requests of a batch."""

    requests: list[int]
    alone_s: float
    opened_s: float


class Replica:
    """Serves requests, which are numbers; the simulation calls `advance` at `next_s`.

    Each request has an amount of work, in seconds that it takes alone. All requests in service progress at the same
    speed, which depends on their number (`Service.speeds`). So one clock, of the work done since the replica was last
    idle, says when each is finished. A batch has the work of one request, and counts in the speed with all of its
    requests.
    """

    def __init__(self, service: Service, batching: Batching | None = None) -> None:
        self._speeds = (1.0, *service.speeds)
        self._batching = batching
        self._slots = batching.num_batch_threads if batching else len(service.speeds)
        self._timeout_s = batching.batch_timeout_micros / 1e6 if batching else 0.0
        self._waiting: deque[_Work] = deque()
        self._running: list[tuple[float, int, _Work]] = []
        self._in_service = 0
        self._clock_s = 0.0
        self._now_s = 0.0
        self.next_s = math.inf

    def offer(self, request: int, alone_s: float, now_s: float) -> bool:
        """Accept a request; False where the queue of batches is full, so that it is refused."""
        self._pass_time(now_s)
        batching = self._batching
        if batching and self._waiting and len(self._waiting[-1].requests) < batching.max_batch_size:
            self._waiting[-1].requests.append(request)
        elif batching is None or len(self._waiting) < batching.max_enqueued_batches:
            self._waiting.append(_Work([request], alone_s, now_s))
        else:
            return False
        self._start()
        return True

    def advance(self, now_s: float) -> list[int]:
        """The requests that are finished by now, in order."""
        self._pass_time(now_s)
        finished: list[int] = []
        while self._running and self._running[0][0] <= self._clock_s + _SAME_S:
            work = heapq.heappop(self._running)[2]
            self._in_service -= len(work.requests)
            finished += work.requests
        self._start()
        return finished

    def fail(self) -> list[int]:
        lost = [request for _, _, work in self._running for request in work.requests]
        lost += [request for work in self._waiting for request in work.requests]
        self._running.clear()
        self._waiting.clear()
        self._in_service = 0
        self.next_s = math.inf
        return lost

    def _pass_time(self, now_s: float) -> None:
        self._clock_s = self._clock_s + (now_s - self._now_s) * self._speed() if self._running else 0.0
        self._now_s = now_s

    def _speed(self) -> float:
        return self._speeds[min(self._in_service, len(self._speeds) - 1)]

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._slots and self._is_due(self._waiting[0]):
            work = self._waiting.popleft()
            # Of two that are finished at the same time, the one with the lower number is first.
            heapq.heappush(self._running, (self._clock_s + work.alone_s, work.requests[0], work))
            self._in_service += len(work.requests)
        self.next_s = math.inf
        if self._running:
            self.next_s = self._now_s + max(0.0, self._running[0][0] - self._clock_s) / self._speed()
        if self._waiting and len(self._running) < self._slots:
            self.next_s = min(self.next_s, self._waiting[0].opened_s + self._timeout_s)

    def _is_due(self, work: _Work) -> bool:
        """As in serving.model.batching: a batch starts when it is full or its oldest request has waited long enough."""
        full = self._batching is None or len(work.requests) >= self._batching.max_batch_size
        return full or work.opened_s + self._timeout_s <= self._now_s + _SAME_S
