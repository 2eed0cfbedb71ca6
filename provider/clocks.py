"""One clock's time on another, from readings whose moment is only known to lie between two of ours."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ClockReading:
    """Another clock showed `read_s` at some moment between `sent_s` and `received_s` of ours. All in seconds."""

    sent_s: float
    received_s: float
    read_s: float


def timed(ask: Callable[[], Answer]) -> tuple[float, float, Answer]:
    """When it was asked, when it was answered, and the answer; on the wall clock, which a sleeping laptop keeps."""
    sent_s = time.time()
    answer = ask()
    return sent_s, time.time(), answer


def ahead_s(readings: Sequence[ClockReading]) -> float:
    """How far our clock is ahead of the other one: the middle of what all readings allow, as in Cristian's algorithm.

    (F. Cristian, "Probabilistic clock synchronization", 1989.) Each reading narrows it, so the error is at most half of
    the quickest one's time on the way.
    """
    least = max(reading.sent_s - reading.read_s for reading in readings)
    most = min(reading.received_s - reading.read_s for reading in readings)
    return (least + most) / 2
