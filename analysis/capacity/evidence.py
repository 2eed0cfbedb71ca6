"""What one run says about the capacity of its deployment, for any objective.

A capacity search gives an interval, from the rows of its steps. An open loop that keeps or misses the objective bounds
the capacity on one side. A closed loop bounds it from above if it saturated, and says nothing otherwise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from analysis.capacity.bounds import bounds_of
from analysis.capacity.misses import judged
from analysis.capacity.requests import OfferedRate
from analysis.capacity.saturation import most_with_all_cpu, saturated_rps
from analysis.capacity.search import estimate_of
from analysis.interval import Interval
from analysis.objective import Objective
from analysis.results.run.columns import Columns, RunRows
from analysis.results.schema.manifest import Manifest
from stacks.load.load_profiles import CapacitySearch, ClosedLoop, OpenLoop, TrafficCurve


class Basis(StrEnum):
    """How a run bounds the capacity."""

    search = "search"
    open_loop = "open loop"
    saturated = "saturated"


@dataclass(frozen=True)
class Evidence:
    """What one run says about the capacity: requests per second of the whole deployment, or a bound on one side.

    Only a search has a value, unless the objective is beyond the rates that it offered.
    """

    run_id: str
    basis: Basis
    rps: Interval[float | None]


@dataclass(frozen=True)
class NoEvidence:
    """A run that says nothing about the capacity, and the clause that says why."""

    run_id: str
    reason: str


def evidence_of(manifest: Manifest, rows: RunRows, objective: Objective) -> Evidence | NoEvidence:
    """What the run says about the capacity for `objective`, whatever objective it was made for."""
    if rows.missing:
        return NoEvidence(manifest.run_id, f"its rows cannot be used ({rows.missing[0]})")
    if manifest.capacity is not None:
        return _of_search(manifest.run_id, offered_rates(manifest, rows.every), objective)
    match manifest.load:
        case OpenLoop():
            return _of_open_loop(manifest.run_id, manifest.load, rows.counted, objective)
        case ClosedLoop():
            return _of_closed_loop(manifest, manifest.load, rows)
        case TrafficCurve():
            reason = f"{manifest.load.title} says nothing about the capacity; run a capacity search"
            return NoEvidence(manifest.run_id, reason)
        case CapacitySearch():
            return NoEvidence(manifest.run_id, "its capacity search has no result; run it again")
    assert_never(manifest.load)


def of_offered(run_id: str, offered: Sequence[OfferedRate], objective: Objective) -> Evidence | None:
    """What the steps of a search say at an objective; None where that is nothing."""
    found = _of_search(run_id, offered, objective)
    return found if isinstance(found, Evidence) else None


def offered_rates(manifest: Manifest, every: Columns) -> list[OfferedRate]:
    """The steps of a search that were not disturbed, in their order.

    Steps that were stored without their arrivals had evenly spaced ones.
    """
    steps = manifest.capacity.steps if manifest.capacity else ()
    return [
        _offered(every.where(every.phase.equal(f"step-{n}")), step.rate_rps, is_poisson=step.arrivals == "poisson")
        for n, step in enumerate(steps, 1)
        if not step.disturbed
    ]


def _offered(rows: Columns, rate_rps: float, *, is_poisson: bool) -> OfferedRate:
    return OfferedRate.of(rate_rps, rows.intended_start_us, rows.end_us, rows.ok, poisson=is_poisson)


def _of_search(run_id: str, offered: Sequence[OfferedRate], objective: Objective) -> Evidence | NoEvidence:
    found = estimate_of(offered, objective)
    if found.low or math.isfinite(found.high):
        return Evidence(run_id, Basis.search, found)
    if not any(rate.poisson for rate in offered):
        return NoEvidence(
            run_id,
            "its capacity search sent no Poisson arrivals; constant arrivals can only show that a rate is too high, and"
            " at none of its rates is that certain; run the capacity search again",
        )
    return NoEvidence(
        run_id,
        "none of the rates of its capacity search certainly meets or misses the objective; run a capacity search for"
        " this objective",
    )


def _of_open_loop(run_id: str, load: OpenLoop, hold: Columns, objective: Objective) -> Evidence | NoEvidence:
    is_poisson = load.arrivals == "poisson"
    bounds = bounds_of(judged([_offered(hold, load.rate_rps, is_poisson=is_poisson)], objective))
    if bounds != Interval(None):
        return Evidence(run_id, Basis.open_loop, bounds)
    if not is_poisson:
        return NoEvidence(
            run_id,
            "an open loop with constant arrivals can only show that its rate is too high, and that is not certain; run"
            " a capacity search",
        )
    return NoEvidence(
        run_id,
        f"at {load.rate_rps:g} requests/s it neither certainly meets nor certainly misses the objective, so it bounds"
        " nothing; run a capacity search",
    )


def _of_closed_loop(manifest: Manifest, load: ClosedLoop, rows: RunRows) -> Evidence | NoEvidence:
    answered_rps = saturated_rps(load, rows)
    if answered_rps is None:
        return NoEvidence(
            manifest.run_id, "a closed loop that did not saturate says nothing about capacity; run a capacity search"
        )
    more = most_with_all_cpu(manifest, rows)
    if more is None:
        return NoEvidence(
            manifest.run_id,
            "its samples do not show whether its servers or other programs were the limit of this closed loop; run a"
            " capacity search",
        )
    return Evidence(manifest.run_id, Basis.saturated, Interval(None, high=answered_rps * more))
