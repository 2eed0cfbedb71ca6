import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.planning.replica_model.service import Service
from analysis.planning.simulation.balancing import Balancer
from analysis.planning.simulation.events import Fleet, OpenLoop, simulate
from bench.stores.closed_loops import ClosedLoop, between, quantile_ms, simulate_closed, throughput_rps
from bench.stores.simulated_runs import cores_of_its_own

ALWAYS_THE_SAME = np.ones(1)
RANDOM = Balancer("random")


def test_one_memoryless_server_is_m_m_1(memoryless):
    answered = between(simulate(Fleet(1, memoryless, RANDOM), OpenLoop(rate_rps=6, duration_s=12_000)), 100)
    # Time in the system is exponential with mean 1 / (service rate - arrival rate).
    assert answered.latency_s.mean() == pytest.approx(1 / (10 - 6), rel=0.06)
    assert quantile_ms(answered, 0.99) == pytest.approx(1000 * math.log(100) / (10 - 6), rel=0.1)


def test_several_memoryless_threads_are_erlangs_queue(memoryless):
    fleet = Fleet(1, replace(memoryless, speeds=cores_of_its_own(4)), RANDOM)
    answered = between(simulate(fleet, OpenLoop(rate_rps=32, duration_s=2_500)), 100)
    # Erlang C for 4 servers at 80 %: 59.6 % wait, 1 / (40 - 32) s on average.
    assert answered.latency_s.mean() == pytest.approx(0.1 + 0.596 / 8, rel=0.05)


def test_a_queue_without_order_has_the_same_mean_wait_and_a_longer_tail(memoryless):
    load = OpenLoop(rate_rps=6, duration_s=12_000)
    without_order = replace(memoryless, begun_among=10**6)
    answered = between(simulate(Fleet(1, without_order, RANDOM), load), 100)
    assert answered.latency_s.mean() == pytest.approx(1 / (10 - 6), rel=0.06)
    # J. F. C. Kingman, 1962: the second moment of the wait is 2 / (2 - load) times that of a queue in order. The wait
    # and the service time of a request are independent.
    wait, squared_wait = 0.6 / 4, 2 * 0.6 / 4**2 * 2 / (2 - 0.6)
    squared = squared_wait + 2 * wait * 0.1 + 2 * 0.1**2
    assert (answered.latency_s**2).mean() == pytest.approx(squared, rel=0.1)


def test_equal_service_times_halve_the_wait(steady):
    one_thread = replace(steady, speeds=cores_of_its_own(1))
    answered = between(simulate(Fleet(1, one_thread, RANDOM), OpenLoop(rate_rps=7, duration_s=12_000)), 100)
    # Pollaczek and Khinchine: half of the wait of M/M/1, 0.7 / (10 - 7).
    assert answered.latency_s.mean() == pytest.approx(0.1 + 0.7 / 3 / 2, rel=0.05)


@pytest.mark.parametrize("spread", ["always the same", "exponential"])
def test_a_shared_core_is_insensitive_to_how_service_times_vary(memoryless, spread):
    shared = replace(memoryless, speeds=tuple(1 / requests for requests in range(1, 200)))
    if spread == "always the same":
        shared = replace(shared, spread=ALWAYS_THE_SAME)
    answered = between(simulate(Fleet(1, shared, RANDOM), OpenLoop(rate_rps=6, duration_s=12_000)), 100)
    assert answered.latency_s.mean() == pytest.approx(1 / (10 - 6), rel=0.06)


def test_taking_turns_has_a_shorter_tail_than_tossing_a_coin(steady):
    load = OpenLoop(rate_rps=16 * 8, duration_s=120)
    by_turn, by_chance = (simulate(Fleet(8, steady, Balancer(kind)), load) for kind in ("round-robin", "random"))
    assert quantile_ms(by_turn, 0.99) < 0.8 * quantile_ms(by_chance, 0.99)


def test_a_closed_loop_obeys_littles_law(memoryless):
    load = ClosedLoop(users=12, wait_s=1.0, duration_s=600)
    answered = between(simulate_closed(Fleet(2, memoryless, RANDOM), load), 60)
    assert throughput_rps(answered) * (answered.latency_s.mean() + 1.0) == pytest.approx(12, rel=0.02)


def test_users_with_random_pauses_are_a_machine_repair_model(memoryless):
    load = ClosedLoop(users=12, wait_s=1.0, duration_s=6_000, pauses="exponential")
    answered = between(simulate_closed(Fleet(1, memoryless, RANDOM), load), 60)
    # M/M/1 with 12 users: with n of them in the system, 12 - n pause. The server is idle in 1 of these sums.
    weights = [math.perm(12, n) * 0.1**n for n in range(13)]
    assert throughput_rps(answered) == pytest.approx(10 * (1 - 1 / sum(weights)), rel=0.02)


def test_users_who_never_wait_drive_a_server_to_its_limit(steady):
    answered = simulate_closed(Fleet(1, steady, RANDOM), ClosedLoop(users=6, wait_s=0, duration_s=100))
    assert throughput_rps(answered) == pytest.approx(steady.limit_rps, rel=0.02)
    assert quantile_ms(answered, 0.5) == pytest.approx(1000 * 6 / steady.limit_rps, rel=0.02)


@given(
    replicas=st.integers(1, 5),
    threads=st.integers(1, 4),
    kind=st.sampled_from(["random", "round-robin", "users", "connections"]),
    clients=st.integers(1, 9),
    load=st.builds(OpenLoop, rate_rps=st.floats(0.5, 60), duration_s=st.just(10.0))
    | st.builds(ClosedLoop, users=st.integers(1, 20), wait_s=st.sampled_from([0.0, 0.3]), duration_s=st.just(10.0)),
)
@settings(max_examples=60)
def test_every_request_ends_once_and_none_takes_less_than_its_work(replicas, threads, kind, clients, load):
    fleet = Fleet(replicas, Service(100, ALWAYS_THE_SAME, cores_of_its_own(threads)), Balancer(kind, clients))
    run = simulate_closed if isinstance(load, ClosedLoop) else simulate
    answered = run(fleet, load)
    assert np.isfinite(answered.latency_s).all()
    assert (answered.latency_s >= 0.1 - 1e-6).all()
    assert (np.diff(answered.start_s) >= 0).all()
    assert answered.start_s.size == 0 or answered.start_s[-1] < 10
    assert np.array_equal(run(fleet, load).latency_s, answered.latency_s)


def test_with_another_rate_the_same_requests_come_in_the_same_order(memoryless):
    slow, quick = (simulate(Fleet(3, memoryless, RANDOM), OpenLoop(rate, 300 / rate)) for rate in (5, 10))
    assert slow.start_s == pytest.approx(2 * quick.start_s)
    assert (slow.latency_s <= quick.latency_s + 1e-9).all()


@pytest.mark.parametrize("changes", [{"alone_ms": 0}, {"speeds": ()}, {"speeds": (1.0, 0.0)}])
def test_an_impossible_service_is_refused(steady, changes):
    with pytest.raises(ValueError, match="alone_ms and all speeds must be above 0 and spread must not be empty"):
        replace(steady, **changes)
