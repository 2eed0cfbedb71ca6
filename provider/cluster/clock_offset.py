"""The offset between this machine's clock and a pod's, from readings that took some time to arrive."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ClockReading:
    """The other clock showed `read_s` at some moment between `sent_s` and `received_s` of this one. All in seconds."""

    sent_s: float
    received_s: float
    read_s: float


def timed_call(call: Callable[[], Answer]) -> tuple[float, float, Answer]:
    """Start, end and result of a call; on the wall clock, which goes on while a laptop sleeps."""
    sent_s = time.time()
    answer = call()
    return sent_s, time.time(), answer


def clock_offset_s(readings: Sequence[ClockReading]) -> float:
    """How far this clock is ahead of the other one: the middle of what all readings allow (Cristian's algorithm).

    F. Cristian, "Probabilistic clock synchronization", 1989. Each reading narrows the range, so the error is at most
    half of the round trip of the quickest one.
    """
    least = max(reading.sent_s - reading.read_s for reading in readings)
    most = min(reading.received_s - reading.read_s for reading in readings)
    return (least + most) / 2
