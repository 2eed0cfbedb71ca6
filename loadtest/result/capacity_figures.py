"""The result of a capacity search: the capacity by the rows of its steps, and the figures of each step."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.capacity.requests import OfferedRate
from analysis.capacity.search import estimate_of
from analysis.objective import Objective
from analysis.results.columns import Integers
from analysis.results.manifest import Capacity, CapacityRps, CapacityStep
from loadtest.generator.capacity.step import Verdict
from loadtest.generator.loops.arrivals import POISSON
from loadtest.generator.plan import CapacitySearchPlan, LoadPlan
from loadtest.result.raw_rows import times_us

_MEETS = {Verdict.MEETS.value: True, Verdict.FAILS.value: False}


def capacity_of(load: LoadPlan, totals: dict[str, Any], rows: pa.Table) -> Capacity | None:
    """The capacity with its interval and every step; None where there was no search, or it has none."""
    search = _finished_search(totals)
    if not isinstance(load, CapacitySearchPlan) or not search:
        return None
    by_step = [rows.filter(pc.equal(rows["phase"], step["phase"])) for step in search["steps"]]
    objective = Objective(quantile=load.quantile, latency_ms=load.latency_ms, errors=load.error_ratio)
    offered = [_offered(step, each) for step, each in zip(search["steps"], by_step, strict=True)]
    found = estimate_of(offered, objective)
    if found.value_rps is None:
        return None
    width = found.high_rps / found.low_rps - 1
    return Capacity(
        quantile=load.quantile,
        latency_ms=load.latency_ms,
        error_ratio=load.error_ratio,
        rps=CapacityRps(value=found.value_rps, low=found.low_rps, high=found.high_rps),
        steps=tuple(_step_of(step, each) for step, each in zip(search["steps"], by_step, strict=True)),
        imprecise_because=_imprecise_because(load, width) if width > load.precision else None,
    )


def search_reason(load: LoadPlan, totals: dict[str, Any], capacity: Capacity | None) -> str | None:
    """Why the search has no result; None where it has one, or there was none."""
    search = _finished_search(totals)
    if not isinstance(load, CapacitySearchPlan) or not search or capacity:
        return None
    failed = {step["rate_rps"] for step in search["steps"] if step["verdict"] == Verdict.FAILS.value}
    passed = {step["rate_rps"] for step in search["steps"]} - failed
    if load.lowest_rps in failed:
        return (
            f"no rate from lowestRps, {load.lowest_rps:g} requests/s, up met the objective (p"
            f"{load.quantile * 100:g} within {load.latency_ms:g} ms, {load.error_ratio:.2%} errors), so the capacity is"
            " not known; give a looser objective or a lower lowestRps"
        )
    if load.highest_rps in passed:
        return (
            f"every rate up to highestRps, {load.highest_rps:g} requests/s, met the objective, so the capacity is"
            " higher; give a higher highestRps"
        )
    return (
        f"the capacity search did not come near enough to the capacity within durationS, {load.duration_s:g} s, so the"
        " capacity is not known; give a longer durationS"
    )


def _imprecise_because(load: CapacitySearchPlan, width: float) -> str:
    return (
        f"the interval is {width:.0%} wide and precision is {load.precision:.0%}: durationS, {load.duration_s:g} s, was"
        " not enough for a narrower one at these rates"
    )


def _finished_search(totals: dict[str, Any]) -> dict[str, Any] | None:
    return totals.get("search") if totals and not totals["stop"] else None


def _offered(step: dict[str, Any], rows: pa.Table) -> OfferedRate:
    start_us, due_us, latency_us = _times_us(rows)
    good = rows["ok"].to_numpy(zero_copy_only=False)
    return OfferedRate.of(step["rate_rps"], due_us, start_us + latency_us, good, poisson=step["arrivals"] == POISSON)


def _step_of(step: dict[str, Any], rows: pa.Table) -> CapacityStep:
    start_us, due_us, latency_us = _times_us(rows)
    good = rows["ok"].to_numpy(zero_copy_only=False)
    response_ms = ((start_us - due_us + latency_us) / 1e3)[good]
    p50_ms, p99_ms = np.quantile(response_ms, [0.5, 0.99]).tolist() if len(response_ms) else (None, None)
    span_us = int(np.ptp(start_us)) if len(start_us) else 0
    return CapacityStep(
        rate_rps=step["rate_rps"],
        arrivals=step["arrivals"],
        achieved_rps=(len(start_us) - 1) / span_us * 1e6 if span_us else None,
        requests=rows.num_rows,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        error_ratio=1 - int(good.sum()) / rows.num_rows if rows.num_rows else None,
        meets=_MEETS.get(step["verdict"]),
    )


def _times_us(rows: pa.Table) -> tuple[Integers, ...]:
    """When each request was sent and due, and its latency, in microseconds."""
    return tuple(times_us(rows, name) for name in ("start", "intended_start", "latency_us"))
