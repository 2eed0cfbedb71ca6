"""The result of a capacity search: the capacity, from the rows of its steps, and the figures of each step."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.capacity.bounds import bounds_of, fails_too_often, meets_somewhere
from analysis.capacity.bursts import surely_more
from analysis.capacity.misses import by_rate
from analysis.capacity.requests import OfferedRate
from analysis.capacity.search import estimate_of
from analysis.objective import Objective
from analysis.results.run.columns import Integers
from analysis.results.schema.manifest import CapacityRps, CapacityStep, SearchedCapacity
from analysis.results.schema.request_rows import NOT_SENT
from loadtest.generator.capacity.search import HARDLY_BUSY
from loadtest.generator.capacity.step import StepVerdict
from loadtest.generator.loops.arrivals import POISSON
from loadtest.generator.plan import CapacitySearchPlan, LoadPlan
from loadtest.result.raw_rows import times_us

_MEETS = {StepVerdict.MEETS.value: True, StepVerdict.FAILS.value: False}
_PASSES = {StepVerdict.MEETS.value, StepVerdict.PASSED.value}
# The errors of requests whose server was slow, and not wrong.
_SLOW = pa.array(["timeout", NOT_SENT])
# With what error a rate counts as too high, and a server as broken.
_CERTAIN = 0.001


def capacity_of(
    load: LoadPlan, totals: dict[str, Any], rows: pa.Table, is_disturbed: Callable[[str], bool] = lambda _: False
) -> SearchedCapacity | None:
    """The capacity with its interval, or its upper bound, and every step. A phase that `is_disturbed` is no evidence.

    None where there was no search, or its steps say too little.
    """
    every = finished_steps(load, totals)
    if not isinstance(load, CapacitySearchPlan) or not every:
        return None
    disturbed = {step["phase"] for step in every if is_disturbed(step["phase"])}
    steps = [step for step in every if step["phase"] not in disturbed]
    of_phase = {step["phase"]: rows.filter(pc.equal(rows["phase"], step["phase"])) for step in every}
    by_step = [of_phase[step["phase"]] for step in steps]
    objective = Objective.of_search(load)
    found = estimate_of([_offered(step, each) for step, each in zip(steps, by_step, strict=True)], objective)
    if found.value is not None:
        rps = CapacityRps(value=found.value, low=found.low, high=found.high)
        imprecise_because = _imprecise_because(load, found.high / found.low - 1)
    elif (most_rps := _too_slow_from_rps(steps, by_step, objective)) is not None:
        rps = CapacityRps(value=None, low=0.0, high=most_rps)
        lower = (
            "its server is hardly busy there, so a lower rate is unlikely to help: look at what makes these answers"
            " late, or choose another objective"
            if _is_hardly_busy(most_rps, steps)
            else "to find it, give a longer durationS or a lower lowestRps"
        )
        imprecise_because = (
            f"at {most_rps:g} requests/s and at every higher rate that was tried the objective was missed"
            f" ({_objective_text(load)}), so the capacity is less than {most_rps:g} requests/s; {lower}"
        )
    else:
        return None
    return SearchedCapacity(
        quantile=load.quantile,
        latency_ms=load.latency_ms,
        error_ratio=load.error_ratio,
        rps=rps,
        steps=tuple(_step_of(step, of_phase[step["phase"]], disturbed=step["phase"] in disturbed) for step in every),
        imprecise_because=imprecise_because,
    )


def search_reason(
    load: LoadPlan, totals: dict[str, Any], rows: pa.Table, capacity: SearchedCapacity | None
) -> str | None:
    """Why the search has no result; None where it has one, or there was none."""
    search = _finished_search(totals)
    if not isinstance(load, CapacitySearchPlan) or not search or capacity:
        return None
    failed = {step["rate_rps"] for step in search["steps"] if step["verdict"] == StepVerdict.FAILS.value}
    met = {step["rate_rps"] for step in search["steps"] if step["verdict"] == StepVerdict.MEETS.value}
    if load.lowest_rps in failed:
        return (
            f"even at lowestRps, {load.lowest_rps:g} requests/s, more than {load.error_ratio:.2%} of the answers were"
            " errors, so the server is broken rather than slow and its capacity is not known; check the server's log"
        )
    if load.highest_rps in met:
        return (
            f"the objective was met at highestRps, {load.highest_rps:g} requests/s, so the search did not reach the"
            " capacity; give a higher highestRps"
        )
    if failing := _failing(load, search["steps"], rows):
        rate_rps, error = failing
        return (
            f"more than {load.error_ratio:.2%} of the requests failed at {rate_rps:g} requests/s, most often with"
            f" {error}, and the search tried no lower rate with Poisson arrivals, so the capacity is not known; correct"
            f" the cause of these errors, or give a longer durationS than {load.duration_s:g} s"
        )
    if missing := _never_met(load, search["steps"], rows):
        return (
            f"no rate certainly meets the objective ({_objective_text(load)}): {missing}; give a longer durationS than"
            f" {load.duration_s:g} s, or, if so many answers are late when the server is hardly busy, another objective"
        )
    return (
        f"the capacity search did not come near enough to the capacity within durationS, {load.duration_s:g} s, so the"
        " capacity is not known; give a longer durationS"
    )


def _failing(load: CapacitySearchPlan, steps: Sequence[dict[str, Any]], rows: pa.Table) -> tuple[float, str] | None:
    """The lowest Poisson rate, if too many requests certainly failed at it, and the most frequent error."""
    poisson = [step for step in steps if step["arrivals"] == POISSON]
    if not poisson:
        return None
    lowest = min(poisson, key=lambda step: step["rate_rps"])
    of_step = rows.filter(pc.equal(rows["phase"], lowest["phase"]))
    if not fails_too_often(_offered(lowest, of_step).failed, load.error_ratio, _CERTAIN):
        return None
    errors = of_step.filter(pc.invert(of_step["ok"]))["error"].value_counts()
    return lowest["rate_rps"], max(errors.to_pylist(), key=lambda each: each["counts"])["values"]


def _never_met(load: CapacitySearchPlan, steps: Sequence[dict[str, Any]], rows: pa.Table) -> str | None:
    """How many requests missed at the lowest of the Poisson rates, where none of them is known to meet."""
    objective = Objective.of_search(load)
    of_steps = [(step, rows.filter(pc.equal(rows["phase"], step["phase"]))) for step in steps]
    offered = [_offered(step, each) for step, each in of_steps if step["arrivals"] == POISSON and each.num_rows]
    at_rates = by_rate(offered, objective)
    if not at_rates or meets_somewhere(offered, objective):
        return None
    lowest = at_rates[0]
    return f"at {lowest.rate_rps:.3g} requests/s, {lowest.missed:,} of {lowest.requests:,} requests missed it"


def _is_hardly_busy(rate_rps: float, steps: Sequence[dict[str, Any]]) -> bool:
    passed = [step["rate_rps"] for step in steps if step["verdict"] == StepVerdict.PASSED.value]
    return rate_rps <= HARDLY_BUSY * max(passed, default=0.0)


def _too_slow_from_rps(
    steps: Sequence[dict[str, Any]], by_step: Sequence[pa.Table], objective: Objective
) -> float | None:
    """The lowest rate that was too high because answers came late, where none below it passed.

    Even arrivals that passed at a lower rate do not count where the server was hardly busy: they certify nothing. None
    where there is no such rate, or answers at it were errors: these come from a fault, not from the rate.
    """
    slow = [_offered(step, rows.filter(pc.invert(_is_error(rows)))) for step, rows in zip(steps, by_step, strict=True)]
    most_rps = bounds_of(slow, objective, _CERTAIN).high
    passes = {StepVerdict.MEETS.value} if _is_hardly_busy(most_rps, steps) else _PASSES
    if math.isinf(most_rps) or any(step["rate_rps"] < most_rps and step["verdict"] in passes for step in steps):
        return None
    at_most = [rows for step, rows in zip(steps, by_step, strict=True) if step["rate_rps"] == most_rps]
    errors, requests = sum(pc.sum(_is_error(rows)).as_py() for rows in at_most), sum(map(len, at_most))
    return None if surely_more(errors, requests, objective.errors, _CERTAIN) else most_rps


def _is_error(rows: pa.Table) -> pa.ChunkedArray:
    """Whether each row is a wrong answer, or none, for another reason than that the server was slow."""
    return pc.and_(pc.invert(rows["ok"]), pc.invert(pc.is_in(rows["error"], value_set=_SLOW)))


def _objective_text(load: CapacitySearchPlan) -> str:
    return f"p{load.quantile * 100:g} within {load.latency_ms:g} ms, at most {load.error_ratio:.2%} errors"


def _imprecise_because(load: CapacitySearchPlan, width: float) -> str | None:
    if width <= load.precision:
        return None
    return (
        f"the interval of the capacity is {width:.0%} wide, wider than precision ({load.precision:.0%}); give a longer"
        f" durationS (now {load.duration_s:g} s), or a larger precision"
    )


def finished_steps(load: LoadPlan, totals: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a search that came to its end; none of another load."""
    search = _finished_search(totals) if isinstance(load, CapacitySearchPlan) else None
    return search["steps"] if search else []


def _finished_search(totals: dict[str, Any]) -> dict[str, Any] | None:
    return totals.get("search") if totals and not totals["stop"] else None


def _offered(step: dict[str, Any], rows: pa.Table) -> OfferedRate:
    start_us, intended_start_us, latency_us = _times_us(rows)
    good = rows["ok"].to_numpy(zero_copy_only=False)
    return OfferedRate.of(
        step["rate_rps"], intended_start_us, start_us + latency_us, good, poisson=step["arrivals"] == POISSON
    )


def _step_of(step: dict[str, Any], rows: pa.Table, *, disturbed: bool) -> CapacityStep:
    start_us, intended_start_us, latency_us = _times_us(rows)
    good = rows["ok"].to_numpy(zero_copy_only=False)
    response_ms = ((start_us - intended_start_us + latency_us) / 1e3)[good]
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
        disturbed=disturbed,
    )


def _times_us(rows: pa.Table) -> tuple[Integers, ...]:
    """When each request was sent and due, and its latency, in microseconds."""
    return tuple(times_us(rows, name) for name in ("start", "intended_start", "latency_us"))
