"""Simulates fleets under a closed loop, which no plan needs, with the simulation of plans."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.planning.simulation.events import ARRIVAL, Fleet, OpenLoop, Run, Simulated


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


def simulate_closed(fleet: Fleet, load: ClosedLoop, seed: int = 1) -> Simulated:
    """Run `load` against `fleet`; requests that were sent before the end are answered, however long that takes."""
    return _ClosedRun(fleet, load, seed).simulate()


def between(simulated: Simulated, from_s: float, until_s: float = math.inf) -> Simulated:
    """What was sent in this time."""
    chosen = (simulated.start_s >= from_s) & (simulated.start_s < until_s)
    duration_s = min(until_s, simulated.duration_s) - from_s
    return Simulated(simulated.start_s[chosen], simulated.latency_s[chosen], duration_s)


def quantile_ms(simulated: Simulated, quantile: float) -> float:
    """Infinite without any request."""
    return float(np.quantile(simulated.latency_s, quantile)) * 1000 if simulated.latency_s.size else math.inf


def throughput_rps(simulated: Simulated) -> float:
    """Answers per second, of the requests that were sent."""
    return simulated.latency_s.size / simulated.duration_s


class _ClosedRun(Run):
    """Each user sends when its pause has ended."""

    def __init__(self, fleet: Fleet, load: ClosedLoop, seed: int) -> None:
        super().__init__(fleet, load.users, OpenLoop(math.nan, load.duration_s), seed)
        self._closed = load

    def _begin(self) -> None:
        for user in range(self._closed.users):
            self._push(user * (self._closed.ramp_s / self._closed.users), ARRIVAL, user)

    def _arrive(self, client: int, now_s: float) -> None:
        if now_s < self._closed.duration_s:
            self._send(client, now_s)

    def _end(self, request: int, replica: int, now_s: float) -> None:
        super()._end(request, replica, now_s)
        share = 1.0 if self._closed.pauses == "constant" else next(self._gaps)
        self._push(now_s + self._closed.wait_s * share, ARRIVAL, self._client[request])
