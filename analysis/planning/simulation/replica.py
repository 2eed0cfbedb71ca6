"""One simulated replica: a queue, and threads that share its cores."""

import heapq
import math
from collections import deque
from collections.abc import Iterator

from analysis.planning.replica_model.service import Service

# Times closer than this are the same: sums of floats differ in their last digits.
_SAME_S = 1e-9


class Replica:
    """Serves requests, which are numbers; the simulation calls `advance` at `next_s`.

    Each request has an amount of work, in seconds that it takes alone. All requests in service progress at the same
    speed, which depends on their number (`Service.speeds`). So one clock, of the work done since the replica was last
    idle, says when each is finished.
    """

    def __init__(self, service: Service, chances: Iterator[float]) -> None:
        """`chances` are uniform from 0 to 1, and decide which of several waiting requests is begun next."""
        self._speeds = (1.0, *service.speeds)
        self._begun_among = service.begun_among
        self._chances = chances
        self._waiting: deque[tuple[int, float]] = deque()
        self._running: list[tuple[float, int]] = []
        self._clock_s = 0.0
        self._now_s = 0.0
        self.next_s = math.inf

    def offer(self, request: int, alone_s: float, now_s: float) -> None:
        self._pass_time(now_s)
        self._waiting.append((request, alone_s))
        self._start()

    def advance(self, now_s: float) -> list[int]:
        """The requests that are finished by now, in order."""
        self._pass_time(now_s)
        finished: list[int] = []
        while self._running and self._running[0][0] <= self._clock_s + _SAME_S:
            finished.append(heapq.heappop(self._running)[1])
        self._start()
        return finished

    def _pass_time(self, now_s: float) -> None:
        speed = self._speeds[len(self._running)]
        self._clock_s = self._clock_s + (now_s - self._now_s) * speed if self._running else 0.0
        self._now_s = now_s

    def _start(self) -> None:
        while self._waiting and len(self._running) < len(self._speeds) - 1:
            request, alone_s = self._next()
            heapq.heappush(self._running, (self._clock_s + alone_s, request))
        self.next_s = math.inf
        if self._running:
            left_s = max(0.0, self._running[0][0] - self._clock_s)
            self.next_s = self._now_s + left_s / self._speeds[len(self._running)]

    def _next(self) -> tuple[int, float]:
        among = min(self._begun_among, len(self._waiting))
        if among == 1:
            return self._waiting.popleft()
        place = int(next(self._chances) * among)
        chosen = self._waiting[place]
        del self._waiting[place]
        return chosen
