"""The load modes in the generator: which users send, which shape starts them, and how a worker plays a schedule."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from locust import LoadTestShape

from loadtest.generator.capacity.run import search_capacity
from loadtest.generator.loops.closed_loop import ClosedLoopShape, ClosedLoopUser
from loadtest.generator.loops.open_loop import OpenLoopShape, OpenLoopUser, play_open_loop
from loadtest.generator.loops.scheduler import Scheduler, ScheduleStart
from loadtest.generator.loops.user import MeasuredUser
from loadtest.generator.plan import CapacitySearchPlan, ClosedLoopPlan, LoadPlan, OpenLoopPlan


@dataclass(frozen=True)
class Mode:
    """`play` is None where users decide when to send; its result, if any, is reported as `search` in the totals."""

    user: type[MeasuredUser]
    shape: type[LoadTestShape]
    play: Callable[[Scheduler, ScheduleStart], dict[str, Any] | None] | None = None


def mode_of(load: LoadPlan) -> Mode:
    """The mode of this load."""
    match load:
        case ClosedLoopPlan():
            return Mode(ClosedLoopUser, ClosedLoopShape)
        case OpenLoopPlan():
            return Mode(OpenLoopUser, OpenLoopShape, partial(play_open_loop, load))
        case CapacitySearchPlan():
            return Mode(OpenLoopUser, OpenLoopShape, partial(search_capacity, load))
