"""A capacity search against a simulated server, whose capacity is known, on a clock of its own."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.capacity.search import Search, Step
from loadtest.generator.capacity.step import StepJudge, Verdict
from tests.unit.loadtest.plans import capacity_search
from tests.unit.loadtest.simulated_server import SimulatedServer

SERVERS = [(4, 0.05, 0.5), (2, 0.02, 0.2), (8, 0.1, 0.5)]
SEEDS = range(20)


def exactly(service_s: float) -> Callable[[random.Random], float]:
    return lambda _: service_s


@pytest.mark.parametrize(("workers", "service_s", "latency_s"), SERVERS)
def test_the_interval_holds_the_capacity_within_3_percent_and_3_minutes(
    workers: int, service_s: float, latency_s: float
) -> None:
    capacity_rps, held = workers / service_s, 0
    for seed in SEEDS:
        start_rps = random.Random(seed).uniform(0.5, 1.0) / service_s
        server = SimulatedServer(workers, exactly(service_s), seed=seed)
        found, _ = server.search(capacity_search(latency_ms=1e3 * latency_s), start_rps)
        assert found
        assert found.rate_rps == pytest.approx(capacity_rps, rel=0.03)
        assert server.now_s < 180
        held += found.low_rps <= capacity_rps <= found.high_rps
    assert held >= 19


@pytest.mark.parametrize(("workers", "service_s", "latency_s"), SERVERS)
def test_a_machine_that_pauses_now_and_then_is_not_taken_for_a_slower_server(
    workers: int, service_s: float, latency_s: float
) -> None:
    capacity_rps, held = workers / service_s, 0
    for seed in SEEDS:
        server = SimulatedServer(workers, exactly(service_s), seed=seed, pauses=(5.0, 0.01))
        found, _ = server.search(
            capacity_search(latency_ms=1e3 * latency_s), random.Random(seed).uniform(0.5, 1.0) / service_s
        )
        assert found
        assert found.rate_rps == pytest.approx(capacity_rps, rel=0.03)
        assert server.now_s < 180
        held += found.low_rps <= capacity_rps <= found.high_rps
    assert held >= 19


def test_a_server_with_varying_service_times_is_measured_correctly() -> None:
    held = 0
    for seed in SEEDS:
        server = SimulatedServer(4, lambda draw: draw.gauss(0.05, 0.005), service_variation=0.01, seed=seed)
        found, _ = server.search(capacity_search(), random.Random(seed).uniform(10, 20))
        held += found is not None and found.low_rps <= 80 <= found.high_rps
    assert held >= 19


def test_an_objective_that_an_idle_server_misses_has_no_capacity() -> None:
    server = SimulatedServer(2, exactly(0.3))
    found, _ = server.search(capacity_search(latency_ms=200), 1.0)
    assert found is None
    assert {verdict for _, verdict, _ in server.steps} == {Verdict.FAILS}


def test_a_step_far_above_the_capacity_is_abandoned_within_seconds() -> None:
    server = SimulatedServer(4, exactly(0.05))
    assert server.judge(capacity_search(), Step(320, quick=False))[0] is Verdict.FAILS
    assert server.now_s < 3


def test_a_rate_far_below_the_capacity_is_certified_with_662_requests() -> None:
    server = SimulatedServer(4, exactly(0.05))
    assert server.judge(capacity_search(), Step(40, quick=False))[0] is Verdict.MEETS
    assert server.now_s == pytest.approx(662 / 40, abs=0.5)


def judged(answers: list[tuple[float, bool]], rate_rps: float = 100.0) -> Verdict | None:
    judge = StepJudge(capacity_search(), rate_rps, 0.0, quick=False)
    for number, (response_s, ok) in enumerate(answers):
        judge.add_due(number, number / rate_rps)
        judge.add_end(number, response_s, ok=ok)
    return judge.verdict(len(answers) / rate_rps)


def test_one_outlier_does_not_decide_a_step() -> None:
    good = [(0.05, True)] * 700
    assert judged(good) is Verdict.MEETS
    assert judged([*good[:350], (2.0, True), *good[351:]]) is Verdict.MEETS


def test_errors_fail_a_step_whose_latency_is_good() -> None:
    answers = [(0.05, index % 20 != 0) for index in range(300)]
    assert judged(answers) is Verdict.FAILS


def test_requests_that_are_still_waiting_count_once_they_are_too_late() -> None:
    judge = StepJudge(capacity_search(), 100.0, 0.0, quick=False)
    for number in range(100):
        judge.add_due(number, number / 100)
    assert judge.verdict(0.4) is None
    assert judge.verdict(1.4) is Verdict.FAILS
    assert len(judge._open) == 100


@pytest.mark.parametrize(
    ("verdicts", "next_rps"),
    [
        ([Verdict.PASSED], 20),
        ([Verdict.FAILS, Verdict.PASSED, Verdict.PASSED], 20),
        ([Verdict.FAILS, Verdict.FAILS], 5),
        ([Verdict.FAILS, Verdict.PASSED, Verdict.FAILS], 5),
    ],
)
def test_once_a_rate_has_failed_the_best_of_three_steps_decides(verdicts: list[Verdict], next_rps: float) -> None:
    search = Search(capacity_search(lowest_rps=1, highest_rps=100, precision=0.1), 10)
    for verdict in verdicts:
        assert search.next() == Step(10, quick=True)
        search.record(Step(10, quick=True), verdict)
    assert search.next() == Step(next_rps, quick=True)


@given(st.floats(2, 900), st.floats(1.5, 50))
def test_the_interval_holds_any_capacity(capacity_rps: float, start_rps: float) -> None:
    search = Search(capacity_search(lowest_rps=1, highest_rps=1000), start_rps)
    steps = 0
    while (at := search.next()) is not None:
        good = Verdict.PASSED if at.quick else Verdict.MEETS
        search.record(at, good if at.rate_rps <= capacity_rps else Verdict.FAILS)
        steps += 1
        assert steps < 60
    found = search.estimate()
    assert found
    assert found.low_rps <= capacity_rps <= found.high_rps
    assert found.high_rps / found.low_rps < 1.0125


def test_a_server_without_a_limit_within_reach_has_no_interval() -> None:
    search = Search(capacity_search(lowest_rps=1, highest_rps=50), 10)
    steps = []
    while (at := search.next()) is not None:
        steps.append((at.rate_rps, Verdict.PASSED if at.quick else Verdict.MEETS))
        search.record(at, steps[-1][1])
    assert search.estimate() is None
    assert steps[-1] == (50, Verdict.MEETS)


def test_undecided_steps_widen_the_interval_instead_of_ending_it() -> None:
    search = Search(capacity_search(lowest_rps=1, highest_rps=1000), 10)
    while (at := search.next()) is not None:
        if at.rate_rps > 100:
            search.record(at, Verdict.FAILS)
        elif at.rate_rps > 90:
            search.record(at, Verdict.UNDECIDED)
        else:
            search.record(at, Verdict.PASSED if at.quick else Verdict.MEETS)
    found = search.estimate()
    assert found.low_rps <= 90
    assert found.high_rps > 100
