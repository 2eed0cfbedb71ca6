"""The result of a capacity search: its verdicts, with the figures of each step from the rows."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.manifest import Capacity, CapacityRps, CapacityStep
from loadtest.generator.capacity.step import Verdict
from loadtest.generator.plan import CapacitySearchPlan, LoadPlan

_MEETS = {Verdict.MEETS.value: True, Verdict.FAILS.value: False}


def capacity_of(load: LoadPlan, totals: dict[str, Any], rows: pa.Table) -> Capacity | None:
    """The capacity with its interval and every step; None where there was no search, or it has none."""
    search = _finished_search(totals)
    if not isinstance(load, CapacitySearchPlan) or not search or not (estimate := search["estimate"]):
        return None
    return Capacity(
        quantile=load.quantile,
        latency_ms=load.latency_ms,
        error_ratio=load.error_ratio,
        rps=CapacityRps(value=estimate["rate_rps"], low=estimate["low_rps"], high=estimate["high_rps"]),
        steps=tuple(_step_of(step, rows.filter(pc.equal(rows["phase"], step["phase"]))) for step in search["steps"]),
    )


def search_reason(load: LoadPlan, totals: dict[str, Any]) -> str | None:
    """Why the search has no result; None where it has one, or there was none."""
    search = _finished_search(totals)
    if not isinstance(load, CapacitySearchPlan) or not search or search["estimate"]:
        return None
    verdicts = {step["verdict"] for step in search["steps"]}
    if search["out_of_time"]:
        return (
            f"the capacity search did not finish within durationS, {load.duration_s:g} s, so the capacity is not known;"
            " give a longer durationS or a wider precision"
        )
    if Verdict.FAILS.value not in verdicts:
        return (
            f"every rate up to highestRps, {load.highest_rps:g} requests/s, met the objective, so the capacity is"
            " higher; give a higher highestRps"
        )
    return (
        f"no rate from lowestRps, {load.lowest_rps:g} requests/s, up was certain to meet the objective (p"
        f"{load.quantile * 100:g} within {load.latency_ms:g} ms, {load.error_ratio:.2%} errors), so the capacity is not"
        " known; give a looser objective or a lower lowestRps"
    )


def _finished_search(totals: dict[str, Any]) -> dict[str, Any] | None:
    return totals.get("search") if totals and not totals["stop"] else None


def _step_of(step: dict[str, Any], rows: pa.Table) -> CapacityStep:
    start_us, intended_us, latency_us = (
        rows[name].cast(pa.int64()).to_numpy() for name in ("start", "intended_start", "latency_us")
    )
    good = rows["ok"].to_numpy(zero_copy_only=False)
    response_ms = ((start_us - intended_us + latency_us) / 1e3)[good]
    p50_ms, p99_ms = np.quantile(response_ms, [0.5, 0.99]).tolist() if len(response_ms) else (None, None)
    span_us = int(np.ptp(start_us)) if len(start_us) else 0
    return CapacityStep(
        rate_rps=step["rate_rps"],
        achieved_rps=(len(start_us) - 1) / span_us * 1e6 if span_us else None,
        requests=rows.num_rows,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        error_ratio=1 - int(good.sum()) / rows.num_rows if rows.num_rows else None,
        meets=_MEETS.get(step["verdict"]),
    )
