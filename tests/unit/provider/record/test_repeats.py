"""Several runs in one update: what is stored, what is shown, and what happens when one of them fails."""

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.results.schema.manifest import CapacityRps, CapacityStep, SearchedCapacity
from provider.record.repeats import FinishedRun, PlannedRun, RunOnce, median_run, run_repeats, summary_of
from provider.resource import Operation, ResourceError

pytestmark = pytest.mark.real_time


def operation(log: list[str] | None = None, cancelled: threading.Event | None = None) -> Operation:
    log = [] if log is None else log
    return Operation(log.append, log.append, cancelled or threading.Event())


def runs_with_goodputs(*goodputs: float, seen: list[PlannedRun] | None = None) -> RunOnce:
    """Runs that measure these rates, one after the other."""
    rates = iter(goodputs)

    def run_once(run: PlannedRun, operation: Operation) -> FinishedRun:
        if seen is not None:
            seen.append(run)
        operation.info("holding")
        return FinishedRun(run.run_id, {"goodput_rps": next(rates)})

    return run_once


def finished(*headlines: dict[str, float]) -> list[FinishedRun]:
    return [FinishedRun(f"id-{index}", headline) for index, headline in enumerate(headlines, start=1)]


def test_one_run_is_no_repeat() -> None:
    seen: list[PlannedRun] = []
    log: list[str] = []
    (run,) = run_repeats(1, operation(log), runs_with_goodputs(10.0, seen=seen))
    assert [planned.repeat for planned in seen] == [None]
    assert run.run_id == seen[0].run_id
    assert log == ["holding"]


def test_each_repeat_is_a_run_of_its_own_that_knows_its_place() -> None:
    seen: list[PlannedRun] = []
    runs = run_repeats(3, operation(), runs_with_goodputs(10.0, 30.0, 20.0, seen=seen))
    assert [run.run_id for run in runs] == [planned.run_id for planned in seen]
    assert len({run.run_id for run in runs}) == 3
    places = [planned.repeat and (planned.repeat.group, planned.repeat.index, planned.repeat.of) for planned in seen]
    assert places == [(seen[0].run_id, index, 3) for index in (1, 2, 3)]


def test_the_headline_is_the_median_runs() -> None:
    runs = run_repeats(3, operation(), runs_with_goodputs(10.0, 30.0, 20.0))
    assert median_run(runs, rate_is_fixed=False) is runs[2]
    assert runs[2].headline == {"goodput_rps": 20.0}


def test_a_message_names_its_run() -> None:
    log: list[str] = []
    run_repeats(2, operation(log), runs_with_goodputs(1.0, 1.0))
    assert log == ["run 1 of 2: holding", "run 2 of 2: holding"]


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=9))
def test_at_most_half_of_the_others_are_worse_and_at_most_half_are_better(goodputs: list[float]) -> None:
    runs = finished(*({"goodput_rps": goodput} for goodput in goodputs))
    shown = median_run(runs, rate_is_fixed=False).headline["goodput_rps"]
    assert sum(goodput < shown for goodput in goodputs) <= (len(goodputs) - 1) // 2
    assert sum(goodput > shown for goodput in goodputs) <= len(goodputs) // 2


def test_of_an_even_number_the_worse_of_the_two_in_the_middle_is_shown() -> None:
    runs = finished(*({"goodput_rps": rate} for rate in (1.0, 2.0, 3.0, 4.0)))
    assert median_run(runs, rate_is_fixed=False).headline == {"goodput_rps": 2.0}


def test_in_an_open_loop_whose_rate_is_given_the_median_is_by_latency() -> None:
    runs = finished(*({"goodput_rps": 50.0, "p99_ms": p99} for p99 in (90.0, 70.0, 80.0, 60.0)))
    assert median_run(runs, rate_is_fixed=True).headline["p99_ms"] == 80.0


def test_a_run_without_a_single_good_answer_counts_as_the_worst() -> None:
    runs = finished({}, {"goodput_rps": 3.0}, {"goodput_rps": 4.0})
    assert median_run(runs, rate_is_fixed=False).headline == {"goodput_rps": 3.0}


def test_a_run_that_fails_ends_the_update_and_names_those_that_are_stored() -> None:
    def run_once(run: PlannedRun, _: Operation) -> FinishedRun:
        assert run.repeat
        if run.repeat.index == 3:
            raise ResourceError("the load test failed: the server stopped answering")
        return FinishedRun(f"id-{run.repeat.index}", {})

    with pytest.raises(ResourceError) as failure:
        run_repeats(5, operation(), run_once)
    assert str(failure.value) == (
        "run 3 of 5 (valid and stored before it: id-1, id-2): the load test failed: the server stopped answering"
    )


def test_a_cancellation_between_two_runs_starts_no_further_one() -> None:
    cancelled = threading.Event()
    started: list[PlannedRun] = []

    def run_once(run: PlannedRun, _: Operation) -> FinishedRun:
        started.append(run)
        cancelled.set()
        return FinishedRun("id-1", {})

    with pytest.raises(ResourceError, match=r"cancelled before run 2 of 5 \(valid and stored before it: id-1\)$"):
        run_repeats(5, operation(cancelled=cancelled), run_once)
    assert len(started) == 1


def test_the_summary_has_the_figures_in_one_line_and_says_what_is_missing() -> None:
    figures = {"goodput_rps": 22.6446, "p50_ms": 75.372, "p99_ms": 132.305, "requests": 247}
    priced, unpriced, unanswered = finished(figures | {"usd_per_million_good": 1.97279}, figures, {"requests": 247})
    measured = "22.6 good predictions/s, p50 75 ms, p99 132 ms over 247 requests, "
    no_search = "; objective not measured (no capacity search)"
    assert priced.summary == measured + "1.97 USD per million good predictions" + no_search
    assert unpriced.summary == measured + "no price is known" + no_search
    assert unanswered.summary == "no request was answered correctly in the counted phase" + no_search


def test_the_summary_says_how_many_predictions_a_request_asks_for_where_it_is_not_one() -> None:
    figures = {"goodput_rps": 22.6446, "p50_ms": 75.372, "p99_ms": 132.305, "requests": 247}
    unpriced = FinishedRun("id", figures, instances=4)
    rate = "22.6 good requests/s of 4 predictions each, p50 75 ms, p99 132 ms over 247 requests, "
    assert unpriced.summary.startswith(rate + "no price is known;")
    priced = replace(unpriced, headline=figures | {"usd_per_million_good": 1.97279})
    cost = "1.97 USD per million good predictions (7.89 USD per million good requests);"
    assert priced.summary.startswith(rate + cost)


def searched(value: float | None, low: float, high: float) -> FinishedRun:
    step = CapacityStep(
        rate_rps=value or high, achieved_rps=20, requests=247, p50_ms=75, p99_ms=132, error_ratio=0, meets=bool(value)
    )
    rps = CapacityRps(value=value, low=low, high=high)
    capacity = SearchedCapacity(quantile=0.99, latency_ms=500, error_ratio=0.001, rps=rps, steps=(step,))
    return FinishedRun("id", {"goodput_rps": 20.0, "p50_ms": 75.0, "p99_ms": 132.0, "requests": 247}, capacity)


def test_the_summary_of_a_search_begins_with_whether_the_objective_was_met() -> None:
    met, missed = searched(22.64, 20.0, 25.49), searched(None, 0.0, 2.0)
    figures = "20.0 good predictions/s, p50 75 ms, p99 132 ms over 247 requests, no price is known"
    objective = "p99 within 500 ms and at most 0.1 % failed"
    assert met.summary == f"✓ {objective}: met up to 22.6 requests/s (20.0 to 25.5); {figures}"
    assert missed.summary == f"✗ {objective}: not met at 2.00 requests/s, nor at a higher rate; {figures}"


def test_the_summary_of_repeats_counts_those_that_missed_the_objective() -> None:
    met, missed = searched(22.64, 20.0, 25.49), searched(None, 0.0, 2.0)
    assert summary_of([met], met) == met.summary
    assert summary_of([met, met, met], met) == f"median of 3 runs: {met.summary}"
    assert summary_of([met, missed, met], met) == f"median of 3 runs (1 ✗): {met.summary}"


def test_the_summary_of_a_run_with_one_answer_has_no_rate() -> None:
    one = finished({"p50_ms": 75.372, "p99_ms": 75.372, "requests": 1})[0]
    assert (
        one.summary
        == "p50 75 ms, p99 75 ms over 1 requests, too few for a rate; objective not measured (no capacity search)"
    )
