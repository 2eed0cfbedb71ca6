"""A search without a result says what kept it from one, and what to give."""

from typing import Any

import pytest

from loadtest.generator.capacity.step import Verdict
from loadtest.generator.loops.arrivals import CONSTANT, POISSON
from loadtest.generator.plan import load_plan
from loadtest.result.capacity_figures import search_reason
from stacks.load_profiles import PROFILES

CAPACITY = PROFILES["capacity"]
LOWEST, HIGHEST = CAPACITY.lowest_rps, CAPACITY.highest_rps


def step(rate_rps: float, arrivals: str, verdict: Verdict) -> dict[str, Any]:
    return {"phase": "step-1", "rate_rps": rate_rps, "arrivals": arrivals, "verdict": verdict.value}


def reason(*steps: dict[str, Any]) -> str | None:
    totals = {"stop": None, "search": {"steps": steps}}
    return search_reason(load_plan(CAPACITY.model_dump()), totals, None)


@pytest.mark.parametrize(
    ("steps", "mend"),
    [
        ([step(20, CONSTANT, Verdict.FAILS), step(LOWEST, CONSTANT, Verdict.FAILS)], "a lower lowestRps"),
        ([step(LOWEST, POISSON, Verdict.FAILS)], "a lower lowestRps"),
        ([step(HIGHEST, CONSTANT, Verdict.PASSED), step(HIGHEST, POISSON, Verdict.MEETS)], "a higher highestRps"),
        ([step(20, CONSTANT, Verdict.PASSED), step(40, CONSTANT, Verdict.FAILS)], "a longer durationS"),
        ([step(40, CONSTANT, Verdict.FAILS), step(30, POISSON, Verdict.MEETS)], "a longer durationS"),
        ([step(40, CONSTANT, Verdict.FAILS), step(30, POISSON, Verdict.FAILS)], "a longer durationS"),
        ([step(HIGHEST, CONSTANT, Verdict.FAILS), step(40, POISSON, Verdict.MEETS)], "a longer durationS"),
        ([], "a longer durationS"),
    ],
)
def test_a_search_without_a_result_names_the_setting_that_kept_it_from_one(
    steps: list[dict[str, Any]], mend: str
) -> None:
    found = reason(*steps)
    assert found is not None
    assert mend in found


def test_a_load_that_is_no_search_and_a_test_that_was_stopped_have_no_such_reason() -> None:
    assert search_reason(load_plan(PROFILES["seed"].model_dump()), {"stop": None}, None) is None
    assert search_reason(load_plan(CAPACITY.model_dump()), {"stop": "cancelled"}, None) is None
