"""When each request of an open loop is due: pure functions of rate, law and seed. Standard library only."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

CONSTANT, POISSON = "constant", "poisson"

OnEnd = Callable[[float, bool], None]
"""Is called when a request has ended, with its response time in seconds and whether it was answered correctly."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request of a schedule, due at `intended_start_s` on the performance counter whatever became of others."""

    intended_start_s: float
    phase: str
    on_end: OnEnd | None = None


class Segment(NamedTuple):
    """A part of a schedule: its phase, and a rate that changes evenly, as in stacks.load.load_profiles."""

    phase: str
    from_rps: float
    to_rps: float
    duration_s: float


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


def along_segments(segments: Sequence[Segment], law: str, seed: int, begin_s: float = 0.0) -> Iterator[Arrival]:
    """A schedule from `begin_s` on whose rate follows the segments, one after the other.

    An arrival at unit u of work (of a schedule at rate 1) is moved to the time by which u requests are due. From a rate
    r on that grows by k a second, n requests are due after t with n = r·t + k·t²/2. Poisson arrivals stay Poisson.
    """
    units = offsets_at(1.0, law, seed)
    unit, due_before = next(units), 0.0
    for phase, from_rps, to_rps, duration_s in segments:
        due, slope = (from_rps + to_rps) / 2 * duration_s, (to_rps - from_rps) / duration_s if duration_s else 0.0
        while unit < due_before + due:
            left = max(0.0, unit - due_before)
            root = max(0.0, from_rps**2 + 2 * slope * left) ** 0.5
            # In this form nothing cancels, whether the rate grows, falls or stays.
            offset_s = 2 * left / (from_rps + root) if left else 0.0
            if offset_s >= duration_s:
                break  # by rounding: it is the first of the next segment
            yield Arrival(begin_s + offset_s, phase)
            unit = next(units)
        due_before += due
        begin_s += duration_s


def share_of(schedule: Iterator[Arrival], worker: int, workers: int) -> Iterator[Arrival]:
    """Every `workers`-th arrival, from number `worker` on: the shares of all workers together are the schedule."""
    return islice(schedule, worker, None, workers)
