import pytest

from sweep.conductor.limits import Limits, left_s, task_s
from sweep.conductor.snapshot import Ending
from sweep.conductor.state import SweepState
from sweep.fleet import Expected
from sweep.journal.records import Record
from sweep.tasks import Destroy, Length, Measure
from tests.support.sweeps import candidates, settings

A, B = candidates(a=(2,), b=(2,))
EXPECTED = Expected(1.0, 3600.0, create_s=600, update_s=120, destroy_s=300)  # a dollar a second
SHORT, FULL = Measure(A, 1, Length.short), Measure(A, 2, Length.full)
SHORT_S, FULL_S = 20 + 90, 20 + 300
DESTROY_S = 1.5 * 300


def limits(max_usd: float | None = None, max_hours: float | None = None) -> Limits:
    return Limits(settings(A, B, max_usd=max_usd, max_hours=max_hours), {"a": EXPECTED, "b": EXPECTED})


def state(*records: Record) -> SweepState:
    return SweepState.of((A, B), records)


def test_the_first_run_creates_the_stack_and_later_ones_update_it() -> None:
    assert task_s(SHORT, EXPECTED, makes_stack=True) == 600 + SHORT_S
    assert task_s(FULL, EXPECTED, makes_stack=False) == 120 + FULL_S
    assert task_s(Destroy("a"), EXPECTED, makes_stack=False) == 300


def test_what_is_left_of_a_task_never_falls_below_nothing() -> None:
    record = Record(1, SHORT, begun_at_s=100)
    running = state(record)
    assert left_s(running, record, EXPECTED, 200) == 600 + SHORT_S - 100
    assert left_s(running, record, EXPECTED, 5000) == 0


@pytest.mark.parametrize(("more_usd", "ending"), [(0.0, None), (-1.0, Ending.max_usd)])
def test_a_first_run_is_begun_only_if_it_can_be_paid_with_its_destruction(
    more_usd: float, ending: Ending | None
) -> None:
    enough = 600 + SHORT_S + DESTROY_S + more_usd
    assert limits(max_usd=enough).forbids(state(), SHORT, 0, 0) == ending


@pytest.mark.parametrize(("more_usd", "ending"), [(0.0, None), (-1.0, Ending.max_usd)])
def test_what_runs_beside_it_and_its_destruction_are_paid_first(more_usd: float, ending: Ending | None) -> None:
    beside = Record(1, Measure(B, 1, Length.short), begun_at_s=0)
    of_b = 100 + (600 + SHORT_S - 100) + DESTROY_S
    enough = of_b + 600 + SHORT_S + DESTROY_S + more_usd
    assert limits(max_usd=enough).forbids(state(beside), SHORT, 100, 100) == ending


@pytest.mark.parametrize(("more_s", "ending"), [(0.0, None), (-1.0, Ending.max_hours)])
def test_a_run_is_begun_only_if_it_ends_in_time_with_its_destruction(more_s: float, ending: Ending | None) -> None:
    enough_s = 1000 + 600 + SHORT_S + DESTROY_S + more_s
    assert limits(max_hours=enough_s / 3600).forbids(state(), SHORT, 1000, 1000) == ending


@pytest.mark.parametrize(("at_s", "ending"), [(500.0, None), (501.0, Ending.max_usd)])
def test_a_limit_is_reached_when_destroying_could_begin_no_later(at_s: float, ending: Ending | None) -> None:
    up = state(Record(1, SHORT, begun_at_s=0))
    assert limits(max_usd=500 + DESTROY_S).reached(up, at_s, at_s) == ending


def test_without_limits_nothing_is_forbidden() -> None:
    assert limits().forbids(state(), SHORT, 1e9, 1e9) is None
    assert limits().reached(state(), 1e9, 1e9) is None
