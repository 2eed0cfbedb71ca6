import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.servers.queueing import Queue, Stall, response_times_s


def test_a_request_takes_the_service_time_if_a_worker_is_free() -> None:
    assert response_times_s([0.0, 0.1, 0.2], Queue(2, 0.05)) == pytest.approx([0.05] * 3)


def test_a_request_waits_for_the_first_free_worker() -> None:
    assert response_times_s([0.0, 0.0, 0.0, 0.01], Queue(2, 0.05)) == pytest.approx([0.05, 0.05, 0.10, 0.09])


def test_a_stall_delays_every_request_that_arrives_during_it() -> None:
    seen = response_times_s([0.9, 1.5, 2.5, 3.2], Queue(4, 0.02, [Stall(1.0, 2.0)]))
    assert seen == pytest.approx([0.02, 1.52, 0.52, 0.02])


def test_a_stall_interrupts_the_request_being_served() -> None:
    assert response_times_s([0.99], Queue(1, 0.02, [Stall(1.0, 2.0)])) == pytest.approx([2.02])


def test_a_stall_delays_requests_without_a_service_time() -> None:
    assert response_times_s([0.5, 1.5, 3.5], Queue(1, 0.0, [Stall(1.0, 2.0)])) == pytest.approx([0.0, 1.5, 0.0])


def test_a_backlog_is_worked_off_at_the_rate_of_all_workers() -> None:
    offsets_s = np.arange(0, 10, 0.1).tolist()
    seen = response_times_s(offsets_s, Queue(2, 0.1, [Stall(1.0, 1.0)]))
    late = [round(at_s, 1) for at_s, took_s in zip(offsets_s, seen, strict=True) if took_s > 0.11]
    # Ten requests wait at 2.0 s. Two workers answer 20/s while 10/s arrive, so the backlog ends just before 3.0 s.
    assert late[-1] == 2.8


@given(st.integers(1, 8), st.floats(0.001, 0.1), st.floats(1.05, 3.0))
def test_an_overloaded_queue_answers_at_workers_divided_by_service_time(
    workers: int, service_s: float, overload: float
) -> None:
    capacity_rps = workers / service_s
    queue = Queue(workers, service_s)
    ends_s = [queue.end_s(number / (overload * capacity_rps)) for number in range(100 * workers)]
    assert 50 * workers / (ends_s[75 * workers] - ends_s[25 * workers]) == pytest.approx(capacity_rps, rel=0.01)


def test_several_stalls_add_up() -> None:
    assert response_times_s([0.9], Queue(1, 1.0, [Stall(1.0, 2.0), Stall(3.5, 1.0)])) == pytest.approx([4.0])
