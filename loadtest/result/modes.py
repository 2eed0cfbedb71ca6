"""What differs between load modes in the result: one class a mode, by the type of its plan."""

from typing import Any

import pyarrow as pa

from analysis.results.manifest import Capacity
from loadtest.generator.loops.arrivals import due_in_hold
from loadtest.generator.plan import CapacitySearchPlan, ClosedLoopPlan, LoadPlan, OpenLoopPlan
from loadtest.result.capacity_figures import capacity_of, search_reason


class ModeRules:
    """How runs of a mode are judged; the defaults are those of a schedule with a hold phase.

    `has_schedule`: requests are due at times of their own. `holds_steady`: neither latency nor throughput may drift in
    the phase that counts. `uses_every_user`: all users, and so all their connections, get requests.
    """

    has_schedule = True
    holds_steady = True
    uses_every_user = False

    def requests_due(self) -> int | None:
        """How many rows the hold phase must have; None where only the test itself decides."""
        return None

    def search_reason(self, search: dict[str, Any]) -> str | None:  # noqa: ARG002 - only of a search
        """Why the search has no result, by the generator's totals; None where it has one."""
        return None

    def capacity(self, search: dict[str, Any], rows: pa.Table) -> Capacity | None:  # noqa: ARG002 - only of a search
        """The capacity that the search found, with the figures of each step from the rows."""
        return None


class _ClosedLoop(ModeRules):
    has_schedule = False
    uses_every_user = True


class _OpenLoop(ModeRules):
    def __init__(self, load: OpenLoopPlan) -> None:
        self._load = load

    def requests_due(self) -> int | None:
        load = self._load
        return due_in_hold(load.rate_rps, load.ramp_s, load.hold_s, load.arrivals, load.seed)


class _CapacitySearch(ModeRules):
    # Each step is judged by its own trend.
    holds_steady = False
    uses_every_user = True

    def __init__(self, load: CapacitySearchPlan) -> None:
        self._load = load

    def search_reason(self, search: dict[str, Any]) -> str | None:
        return search_reason(self._load, search)

    def capacity(self, search: dict[str, Any], rows: pa.Table) -> Capacity | None:
        return capacity_of(self._load, search, rows)


def rules_of(load: LoadPlan) -> ModeRules:
    """The rules of the load's mode."""
    match load:
        case ClosedLoopPlan():
            return _ClosedLoop()
        case OpenLoopPlan():
            return _OpenLoop(load)
        case CapacitySearchPlan():
            return _CapacitySearch(load)
