"""How the result of each load mode is judged."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import pyarrow as pa

from analysis.results.manifest import Capacity
from loadtest.generator.loops.arrivals import due_in_hold
from loadtest.generator.plan import CapacitySearchPlan, ClosedLoopPlan, LoadPlan, OpenLoopPlan
from loadtest.result.capacity_figures import capacity_of, search_reason


@dataclass(frozen=True)
class ModeRules:
    """The rules of a mode; the defaults are those of a schedule with a hold phase.

    `has_schedule`: requests are due at times of their own. `holds_steady`: neither latency nor throughput may drift in
    the phase that counts. `uses_every_user`: all users, and so all their connections, get requests. `requests_due` is
    the number of rows that the hold phase must have, None where only the test itself decides. `capacity` and
    `search_reason` read the result of a search from the generator's totals.
    """

    has_schedule: bool = True
    holds_steady: bool = True
    uses_every_user: bool = False
    requests_due: int | None = None
    capacity: Callable[[dict[str, Any], pa.Table], Capacity | None] = lambda _search, _rows: None
    search_reason: Callable[[dict[str, Any]], str | None] = lambda _search: None


@cache
def rules_of(load: LoadPlan) -> ModeRules:
    """The rules of the load's mode."""
    match load:
        case ClosedLoopPlan():
            return ModeRules(has_schedule=False, uses_every_user=True)
        case OpenLoopPlan():
            due = due_in_hold(load.rate_rps, load.ramp_s, load.hold_s, load.arrivals, load.seed)
            return ModeRules(requests_due=due)
        case CapacitySearchPlan():
            # Each step is judged by its own trend.
            return ModeRules(
                holds_steady=False,
                uses_every_user=True,
                capacity=partial(capacity_of, load),
                search_reason=partial(search_reason, load),
            )
