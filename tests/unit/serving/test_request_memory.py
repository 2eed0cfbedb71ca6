"""The budget of all requests in flight: who is let in, who waits, who loses its part."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import request_memory
from serving.errors import Code, ServingError
from serving.request_memory import RECEIVE_S, SLOW_S, WAIT_S, RequestMemory

TOTAL = 100


def never():
    pytest.fail("the request lost its part")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def memory(clock):
    return RequestMemory(TOTAL, clock)


def test_requests_that_fit_together_are_let_in_at_once(memory):
    parts = [memory.ask(50, never).result(timeout=0) for _ in "12"]
    assert memory.used_bytes == TOTAL
    for part in parts:
        part.give_back()
    assert memory.used_bytes == 0


def test_a_request_that_does_not_fit_waits_for_the_answer_of_another(memory):
    first = memory.ask(60, never).result(timeout=0)
    assert first.arrived(60)
    second = memory.ask(60, never)
    assert not second.done()
    first.give_back()
    assert second.result(timeout=0).size == 60


def test_what_a_message_does_not_take_is_given_to_those_that_wait(memory):
    first = memory.ask(90, never).result(timeout=0)
    second = memory.ask(60, never)
    assert first.arrived(40)
    assert second.done()
    assert memory.used_bytes == 100


def test_the_newest_is_let_in_first(memory):
    first = memory.ask(TOTAL, never).result(timeout=0)
    assert first.arrived(TOTAL)
    older, newer = memory.ask(60, never), memory.ask(60, never)
    first.give_back()
    assert newer.done()
    assert not older.done()


def test_a_request_that_finds_no_room_in_time_is_refused_with_a_time_to_try_again(memory, clock):
    assert memory.ask(TOTAL, never).result(timeout=0).arrived(TOTAL)
    waiting = memory.ask(1, never)
    clock.now_s = WAIT_S
    memory.look()
    assert not waiting.done()
    clock.now_s += 0.1
    memory.look()
    refused = waiting.exception(timeout=0)
    assert isinstance(refused, ServingError)
    assert "--request_memory_bytes" in refused.message
    assert refused.code is Code.RESOURCE_EXHAUSTED
    assert refused.http_status is HTTPStatus.SERVICE_UNAVAILABLE
    assert refused.retry_after_s


def test_the_oldest_that_waits_is_refused_when_too_many_wait(memory, monkeypatch):
    monkeypatch.setattr(request_memory, "MOST_WAITING", 2)
    assert memory.ask(TOTAL, never).result(timeout=0).arrived(TOTAL)
    waiting = [memory.ask(1, never) for _ in range(3)]
    assert [future.done() for future in waiting] == [True, False, False]
    assert isinstance(waiting[0].exception(), ServingError)


def test_a_request_that_takes_long_to_arrive_loses_its_part_to_one_that_waits(memory, clock):
    lost = []
    slow = memory.ask(60, lambda: lost.append("slow")).result(timeout=0)
    clock.now_s = 0.1
    memory.ask(40, lambda: lost.append("newer")).result(timeout=0)
    waiting = memory.ask(50, never)
    clock.now_s = SLOW_S + 0.2
    memory.look()
    assert waiting.done()
    assert lost == ["slow"], "and no more than what makes room"
    assert slow.is_lost
    assert not slow.arrived(60)
    slow.give_back()
    assert memory.used_bytes == 90


def test_a_request_may_take_long_to_arrive_while_no_other_waits(memory, clock):
    slow = memory.ask(TOTAL, never).result(timeout=0)
    clock.now_s = RECEIVE_S
    memory.look()
    assert slow.arrived(TOTAL)


def test_a_request_that_does_not_arrive_at_all_loses_its_part(memory, clock):
    lost = []
    memory.ask(1, lambda: lost.append(1)).result(timeout=0)
    clock.now_s = RECEIVE_S + 1
    memory.look()
    assert lost
    assert memory.used_bytes == 0


def test_a_request_that_is_larger_than_the_budget_is_let_in_alone(memory):
    assert memory.ask(10 * TOTAL, never).result(timeout=0).size == TOTAL


def test_a_waiting_request_that_its_client_gave_up_keeps_nothing(memory):
    first = memory.ask(TOTAL, never).result(timeout=0)
    second = memory.ask(50, never)
    assert second.cancel()
    first.give_back()
    memory.look()
    assert memory.used_bytes == 0


@given(steps=st.lists(st.tuples(st.sampled_from(["ask", "arrive", "answer"]), st.integers(0, 150)), max_size=40))
def test_requests_never_hold_more_than_the_budget_and_nothing_stays_behind(steps):
    memory = RequestMemory(TOTAL)
    futures = []
    for step, number in steps:
        if step == "ask":
            futures.append(memory.ask(number, lambda: None))
        granted = [future.result() for future in futures if future.done()]
        if granted and step == "arrive":
            part = granted[number % len(granted)]
            part.arrived(part.size // 2)
        elif granted and step == "answer":
            granted[number % len(granted)].give_back()
        assert 0 <= memory.used_bytes <= TOTAL
    while open_parts := [future for future in futures if future.done()]:
        for future in open_parts:
            futures.remove(future)
            future.result().give_back()
    assert not futures, "whoever waits is let in when all others are answered"
    assert memory.used_bytes == 0


@pytest.mark.parametrize(("size", "count", "trimmed"), [(20, 4, True), (20, 2, False), (5, 40, False)])
def test_what_large_requests_leave_behind_is_returned_while_others_are_served(
    memory, monkeypatch, size, count, trimmed
):
    trims = []
    monkeypatch.setattr(request_memory, "trim", lambda: trims.append(size))
    busy = memory.ask(50, never).result(timeout=0)
    assert busy.arrived(50)
    for _ in range(count):
        memory.ask(size, never).result(timeout=0).give_back()
    memory.look()
    memory.look()
    assert trims == [size] * trimmed
