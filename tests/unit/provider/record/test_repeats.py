"""Several runs in one update: what is kept, what is shown, and what happens when one of them fails."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.record.repeats import OneRun, middle, run_all
from provider.resource import Operation, Props, ResourceError

Run = Callable[[OneRun, Operation], Props]


def inputs(repeats: int) -> Props:
    # A number comes from the engine as a float.
    return {"repeats": float(repeats), "profile": {"mode": "closed"}}


def operation(said: list[str] | None = None, cancelled: threading.Event | None = None) -> Operation:
    said = [] if said is None else said
    return Operation(said.append, said.append, cancelled or threading.Event())


def with_goodputs(*goodputs: float, seen: list[OneRun] | None = None) -> Run:
    """Runs that find these rates, one after the other."""
    rates = iter(goodputs)

    def run(this: OneRun, operation: Operation) -> Props:
        if seen is not None:
            seen.append(this)
        operation.say("holding")
        return {"runId": this.run_id, "headline": {"goodput_rps": next(rates)}}

    return run


def test_one_run_is_no_repeat() -> None:
    seen: list[OneRun] = []
    said: list[str] = []
    kept = run_all(inputs(1), operation(said), with_goodputs(10.0, seen=seen))
    assert [this.repeat for this in seen] == [None]
    assert kept["runIds"] == [kept["runId"]] == [seen[0].run_id]
    assert said == ["holding"]


def test_each_repeat_is_a_run_of_its_own_that_knows_its_place() -> None:
    seen: list[OneRun] = []
    kept = run_all(inputs(3), operation(), with_goodputs(10.0, 30.0, 20.0, seen=seen))
    assert kept["runIds"] == [this.run_id for this in seen]
    assert len(set(kept["runIds"])) == 3
    assert [this.repeat and (this.repeat.group, this.repeat.index, this.repeat.of) for this in seen] == [
        (seen[0].run_id, index, 3) for index in (1, 2, 3)
    ]


def test_the_figures_shown_are_those_of_the_run_in_the_middle() -> None:
    kept = run_all(inputs(3), operation(), with_goodputs(10.0, 30.0, 20.0))
    assert kept["headline"] == {"goodput_rps": 20.0}
    assert kept["runId"] == kept["runIds"][2]


def test_what_is_said_says_which_run_it_is_about() -> None:
    said: list[str] = []
    run_all(inputs(2), operation(said), with_goodputs(1.0, 1.0))
    assert said == ["run 1 of 2: holding", "run 2 of 2: holding"]


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=9))
def test_at_most_half_of_the_others_are_worse_and_at_most_half_are_better(goodputs: list[float]) -> None:
    shown = middle([{"headline": {"goodput_rps": goodput}} for goodput in goodputs], "closed")["headline"][
        "goodput_rps"
    ]
    assert sum(goodput < shown for goodput in goodputs) <= (len(goodputs) - 1) // 2
    assert sum(goodput > shown for goodput in goodputs) <= len(goodputs) // 2


def test_of_an_even_number_the_worse_of_the_two_in_the_middle_is_shown() -> None:
    assert middle([{"headline": {"goodput_rps": rate}} for rate in (1.0, 2.0, 3.0, 4.0)], "closed") == {
        "headline": {"goodput_rps": 2.0}
    }


def test_in_an_open_loop_whose_rate_is_given_the_middle_is_by_latency() -> None:
    done: list[Props] = [{"headline": {"goodput_rps": 50.0, "p99_ms": p99}} for p99 in (90.0, 70.0, 80.0, 60.0)]
    assert middle(done, "open")["headline"]["p99_ms"] == 80.0


def test_a_run_without_a_single_good_answer_counts_as_the_worst() -> None:
    done: list[Props] = [{"headline": {}}, {"headline": {"goodput_rps": 3.0}}, {"headline": {"goodput_rps": 4.0}}]
    assert middle(done, "closed")["headline"] == {"goodput_rps": 3.0}


def test_a_run_that_fails_ends_the_update_and_names_those_that_are_kept() -> None:
    def run(this: OneRun, _: Operation) -> Props:
        assert this.repeat
        if this.repeat.index == 3:
            raise ResourceError("the load test failed: the server stopped answering")
        return {"runId": f"id-{this.repeat.index}", "headline": {}}

    with pytest.raises(ResourceError) as failure:
        run_all(inputs(5), operation(), run)
    assert str(failure.value) == (
        "run 3 of 5: the load test failed: the server stopped answering. Finished before it, valid and kept: id-1, id-2"
    )


def test_a_user_who_gives_up_between_two_runs_starts_no_further_one() -> None:
    cancelled = threading.Event()
    begun: list[Any] = []

    def run(this: OneRun, _: Operation) -> Props:
        begun.append(this)
        cancelled.set()
        return {"runId": "id-1", "headline": {}}

    with pytest.raises(ResourceError, match=r"cancelled before run 2 of 5\. Finished before it, valid and kept: id-1"):
        run_all(inputs(5), operation(cancelled=cancelled), run)
    assert len(begun) == 1
