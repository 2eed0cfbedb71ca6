"""A search has a value, an upper bound, or a reason that says what kept it from both, and what to give."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.results.schema.manifest import SearchedCapacity
from analysis.results.schema.request_rows import NOT_SENT, REQUESTS_SCHEMA
from bench.stores.synthetic import request_rows
from loadtest.generator.capacity.step import StepVerdict
from loadtest.generator.loops.arrivals import CONSTANT, POISSON
from loadtest.generator.plan import CapacitySearchPlan, load_plan
from loadtest.result.capacity_figures import capacity_of
from loadtest.result.finished_steps import finished_steps
from stacks.load.load_profiles import PROFILES

CAPACITY = PROFILES["capacity"]
LOWEST, HIGHEST = CAPACITY.lowest_rps, CAPACITY.highest_rps


def step(rate_rps: float, arrivals: str, verdict: StepVerdict, number: int = 1) -> dict[str, Any]:
    return {"phase": f"step-{number}", "rate_rps": rate_rps, "arrivals": arrivals, "verdict": verdict.value}


NO_ROWS = REQUESTS_SCHEMA.empty_table()


def reason(*steps: dict[str, Any], rows: pa.Table = NO_ROWS) -> str | None:
    found = result(steps, rows)
    return found if isinstance(found, str) else None


def result(steps: Sequence[dict[str, Any]], rows: pa.Table) -> SearchedCapacity | str:
    load = load_plan(CAPACITY.plan_values)
    assert isinstance(load, CapacitySearchPlan)
    finished = finished_steps(load, {"stop": None, "search": {"steps": steps}}, rows)
    assert finished is not None
    return capacity_of(load, finished)


@pytest.mark.parametrize(
    ("steps", "fix"),
    [
        ([step(20, CONSTANT, StepVerdict.FAILS), step(LOWEST, CONSTANT, StepVerdict.FAILS)], "check the server's log"),
        ([step(LOWEST, POISSON, StepVerdict.FAILS)], "check the server's log"),
        (
            [step(HIGHEST, CONSTANT, StepVerdict.PASSED), step(HIGHEST, POISSON, StepVerdict.MEETS)],
            "a higher highestRps",
        ),
        (
            [step(HIGHEST, CONSTANT, StepVerdict.PASSED), step(HIGHEST, POISSON, StepVerdict.UNDECIDED)],
            "a longer durationS",
        ),
        ([step(20, CONSTANT, StepVerdict.PASSED), step(40, CONSTANT, StepVerdict.FAILS)], "a longer durationS"),
        ([step(40, CONSTANT, StepVerdict.FAILS), step(30, POISSON, StepVerdict.MEETS)], "a longer durationS"),
        ([step(40, CONSTANT, StepVerdict.FAILS), step(30, POISSON, StepVerdict.FAILS)], "a longer durationS"),
        ([step(HIGHEST, CONSTANT, StepVerdict.FAILS), step(40, POISSON, StepVerdict.MEETS)], "a longer durationS"),
        ([], "a longer durationS"),
    ],
)
def test_a_search_without_a_result_names_the_setting_that_kept_it_from_one(
    steps: list[dict[str, Any]], fix: str
) -> None:
    found = reason(*steps)
    assert found is not None
    assert fix in found


def test_a_search_whose_every_rate_is_refused_too_often_names_the_error() -> None:
    every_tenth = [None] * 9 + ["grpc_unavailable"]
    refused = rows_of(40, 200, 50, 1, every_tenth * 20)
    found = reason(step(40, POISSON, StepVerdict.UNDECIDED), rows=refused)
    assert found is not None
    assert "more than 0.10% of the requests failed at 40 requests/s, most often with grpc_unavailable" in found
    assert "a longer durationS" in found


def test_a_load_that_is_no_search_and_a_test_that_was_stopped_have_no_finished_steps() -> None:
    search = {"steps": [step(LOWEST, POISSON, StepVerdict.FAILS)]}
    assert finished_steps(load_plan(PROFILES["seed"].plan_values), {"stop": None}, NO_ROWS) is None
    assert finished_steps(load_plan(CAPACITY.plan_values), {"stop": "cancelled", "search": search}, NO_ROWS) is None
    assert finished_steps(load_plan(CAPACITY.plan_values), {"stop": None, "search": None}, NO_ROWS) is None


def rows_of(
    rate_rps: float, count: int, latency_ms: float, number: int, errors: list[str | None] | None = None
) -> pa.Table:
    """Evenly spaced requests of one latency, as one step; the first ones have `errors`."""
    start_us = (np.arange(count) / rate_rps * 1e6 + number * 1e9).astype("int64")
    named = [*(errors or []), *[None] * count][:count]
    ok = np.array([error is None for error in named])
    made = request_rows(start_us, np.full(count, int(latency_ms * 1e3)), f"step-{number}", ok)
    return made.set_column(made.schema.get_field_index("error"), "error", pa.array(named, pa.string()))


def searched(*steps: tuple[float, StepVerdict, pa.Table]) -> Any:
    found = [step(rate_rps, CONSTANT, verdict, n) for n, (rate_rps, verdict, _) in enumerate(steps, 1)]
    rows = pa.concat_tables([each for *_, each in steps] or [REQUESTS_SCHEMA.empty_table()])
    return result(found, rows)


def test_a_search_whose_rates_are_all_too_slow_is_an_upper_bound() -> None:
    found = searched(
        (2, StepVerdict.FAILS, rows_of(2, 8, 900, 1)), (LOWEST, StepVerdict.FAILS, rows_of(LOWEST, 3, 700, 2))
    )
    assert found.rps.model_dump() == {"value": None, "low": 0, "high": LOWEST}
    assert found.phase == "step-2"
    assert (
        f"at {LOWEST:g} requests/s and at every higher rate that was tried the objective was missed"
        in found.imprecise_because
    )


def test_a_search_that_ran_out_of_time_on_its_way_down_is_a_bound_at_the_lowest_rate_that_failed() -> None:
    assert searched((4, StepVerdict.FAILS, rows_of(4, 8, 900, 1))).rps.high == 4


@pytest.mark.parametrize("error", ["http_503", "bad_shape", "connection_refused", "connection_reset"])
def test_a_server_that_answers_with_errors_is_broken_and_no_bound(error: str) -> None:
    assert isinstance(searched((LOWEST, StepVerdict.FAILS, rows_of(LOWEST, 3, 10, 1, [error] * 3))), str)
    assert isinstance(searched((LOWEST, StepVerdict.FAILS, rows_of(LOWEST, 8, 900, 1, [error] * 2))), str)


@pytest.mark.parametrize("error", ["timeout", NOT_SENT])
def test_a_request_that_timed_out_or_found_no_free_user_was_late(error: str) -> None:
    assert searched((LOWEST, StepVerdict.FAILS, rows_of(LOWEST, 8, 900, 1, [error] * 6))).rps.high == LOWEST


def test_one_error_among_slow_answers_does_not_make_a_server_a_broken_one() -> None:
    assert searched((LOWEST, StepVerdict.FAILS, rows_of(LOWEST, 8, 900, 1, ["http_503"]))).rps.high == LOWEST


def test_a_search_that_ended_between_a_rate_that_passed_and_one_that_failed_is_no_bound() -> None:
    passed = (2, StepVerdict.PASSED, rows_of(2, 24, 100, 1))
    assert isinstance(searched(passed, (4, StepVerdict.FAILS, rows_of(4, 8, 900, 2))), str)


def test_a_rate_at_which_the_server_is_hardly_busy_is_a_bound_though_even_arrivals_passed() -> None:
    found = searched(
        (40, StepVerdict.PASSED, rows_of(40, 100, 100, 1)),
        (5, StepVerdict.PASSED, rows_of(5, 24, 100, 2)),
        (9, StepVerdict.FAILS, rows_of(9, 80, 900, 3)),
    )
    assert found.rps.high == 9
    assert "a lower rate is unlikely to help" in found.imprecise_because


def test_a_search_in_which_no_rate_certainly_meets_says_what_the_lowest_one_missed() -> None:
    late = rows_of(30, 400, 900, 1).slice(0, 5)
    rows = pa.concat_tables([late, rows_of(30, 400, 20, 1).slice(5)])
    found = reason(step(30, POISSON, StepVerdict.UNDECIDED), rows=rows)
    assert found is not None
    assert "no rate certainly meets the objective (p99 within 500 ms" in found
    assert "at 30 requests/s, " in found
    assert "a longer durationS" in found


def test_steps_that_are_too_short_to_be_certain_are_no_bound() -> None:
    assert isinstance(searched((LOWEST, StepVerdict.UNDECIDED, rows_of(LOWEST, 1, 900, 1))), str)
