"""An exact queue: c workers, one service time, programmed stalls. Pure; the queue server uses it."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stall:
    """From `began_s` on no worker works for `lasts_s`, as in a pause of a garbage collector."""

    began_s: float
    lasts_s: float


class Queue:
    """First come, first served. Times are in seconds of one clock; stalls are in order and do not overlap."""

    def __init__(self, workers: int, service_s: float, stalls: Sequence[Stall] = ()) -> None:
        self._service_s = service_s
        self._stalls = stalls
        # When each worker is free, on a clock that stops during stalls.
        self._free = [float("-inf")] * workers

    def end_s(self, arrived_s: float, service_s: float | None = None) -> float:
        """When the request that arrives at `arrived_s` is answered. Call it in order of arrival.

        `service_s` is how long this one takes; None is as long as all.
        """
        stalled_s = sum(min(max(0.0, arrived_s - stall.began_s), stall.lasts_s) for stall in self._stalls)
        clock_s = max(arrived_s - stalled_s, heapq.heappop(self._free)) + (
            self._service_s if service_s is None else service_s
        )
        heapq.heappush(self._free, clock_s)
        for stall in self._stalls:
            if clock_s >= stall.began_s:
                clock_s += stall.lasts_s
        return clock_s


def response_times_s(offsets_s: Iterable[float], queue: Queue) -> list[float]:
    """The response time of each request of a schedule, from when it is due, if sending takes no time."""
    return [queue.end_s(at_s) - at_s for at_s in offsets_s]
