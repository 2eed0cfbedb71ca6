"""When each request of an open loop is due: pure functions of rate, law and seed. Standard library only."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice, pairwise

from loadtest.generator.phases import HOLD, RAMP

CONSTANT, POISSON = "constant", "poisson"

OnEnd = Callable[[float, bool], None]
"""Is called when a request has ended, with its response time in seconds and whether it was answered correctly."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request of a schedule, due at `intended_start_s` on the performance counter whatever became of others."""

    intended_start_s: float
    phase: str
    on_end: OnEnd | None = None


def offsets_at(rate_rps: float, law: str, seed: int) -> Iterator[float]:
    """Seconds from the beginning of a schedule to each of its requests: ascending, without end.

    `constant` has one every 1/rate from 0 on; `poisson` has exponential gaps, as independent callers have. The same
    seed gives the same times.
    """
    if law == CONSTANT:
        # Multiplied, not added up: the last of a million is as exact as the first.
        yield from (number / rate_rps for number in count())
    # Not for secrets: the point of this generator is that it repeats itself.
    generator = random.Random(seed)  # noqa: S311
    offset_s = 0.0
    while True:
        offset_s += generator.expovariate(rate_rps)
        yield offset_s


def along_curve(
    rates_rps: Sequence[float], duration_s: float, law: str, seed: int, begin_s: float = 0.0
) -> Iterator[Arrival]:
    """A schedule from `begin_s` on whose rate follows straight lines between rates at even intervals.

    An arrival at unit u of work (of a schedule at rate 1) is moved to the time by which u requests are due. From a rate
    r on that grows by k a second, n requests are due after t with n = r·t + k·t²/2.
    """
    units = offsets_at(1.0, law, seed)
    unit, due_before, interval_s = next(units), 0.0, duration_s / (len(rates_rps) - 1)
    for number, (rate_rps, next_rps) in enumerate(pairwise(rates_rps)):
        due, slope = (rate_rps + next_rps) / 2 * interval_s, (next_rps - rate_rps) / interval_s
        while unit < due_before + due:
            left = unit - due_before
            root = max(0.0, rate_rps**2 + 2 * slope * left) ** 0.5
            # In this form nothing cancels, whether the rate grows, falls or stays.
            offset_s = 2 * left / (rate_rps + root) if left else 0.0
            yield Arrival(begin_s + number * interval_s + min(offset_s, interval_s), HOLD)
            unit = next(units)
        due_before += due


def ramp_and_hold(
    rate_rps: float, ramp_s: float, hold_s: float, law: str, seed: int, begin_s: float = 0.0
) -> Iterator[Arrival]:
    """A schedule from `begin_s` on: the rate grows evenly from 0 to `rate_rps` over `ramp_s` and stays for `hold_s`.

    An arrival at unit u of work (of a schedule at rate 1) is moved to the time by which u requests are due: under the
    ramp that is r·t²/(2·ramp), and Poisson arrivals stay Poisson.
    """
    in_ramp = rate_rps * ramp_s / 2
    for unit in offsets_at(1.0, law, seed):
        if unit < in_ramp:
            yield Arrival(begin_s + (2 * unit * ramp_s / rate_rps) ** 0.5, RAMP)
            continue
        offset_s = ramp_s + (unit - in_ramp) / rate_rps
        if offset_s >= ramp_s + hold_s:
            return
        yield Arrival(begin_s + offset_s, HOLD)


def share_of(schedule: Iterator[Arrival], worker: int, workers: int) -> Iterator[Arrival]:
    """Every `workers`-th arrival, from number `worker` on: the shares of all workers together are the schedule."""
    return islice(schedule, worker, None, workers)
